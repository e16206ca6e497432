//! Priority and fairness of a workflow's or activity's tasks.

use perdure_proto::api::common::Priority;
use tonic::Status;

use crate::status::invalid;

/// In bytes.
const MAX_FAIRNESS_KEY: usize = 64;

pub(crate) fn check(priority: Option<&Priority>) -> Result<(), Status> {
    let Some(priority) = priority else {
        return Ok(());
    };
    if priority.priority_key < 0 {
        return Err(invalid("priority key can't be negative"));
    }
    if priority.fairness_key.len() > MAX_FAIRNESS_KEY {
        return Err(invalid("fairness key length exceeds limit"));
    }
    if priority.fairness_weight.is_nan() || priority.fairness_weight < 0.0 {
        return Err(invalid("must be greater than zero"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let of = |priority_key, key: usize, fairness_weight| {
            let priority = Priority { priority_key, fairness_key: "k".repeat(key), fairness_weight };
            check(Some(&priority)).map_or_else(|status| status.message().to_owned(), |()| "ok".to_owned())
        };
        assert_eq!(of(1, 64, 1.0), "ok");
        assert_eq!(of(-1, 0, 0.0), "priority key can't be negative");
        assert_eq!(of(0, 65, 0.0), "fairness key length exceeds limit");
        assert_eq!(of(0, 0, -1.0), "must be greater than zero");
        assert_eq!(of(0, 0, f32::NAN), "must be greater than zero");
    }
}
