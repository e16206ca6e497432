//! Names of task queues.

use perdure_proto::api::{enums::TaskQueueKind, taskqueue::TaskQueue};
use tonic::Status;

use super::ids::{MAX_LENGTH, no_nul};
use crate::status::invalid;

const RESERVED: &str = "/_sys/";
/// The queue of a namespace's own system workers; nobody else's work goes there.
pub(crate) const PER_NAMESPACE: &str = "temporal-sys-per-ns-tq";

/// A queue that a worker polls or that somebody asks about.
pub(crate) fn check(queue: Option<&TaskQueue>) -> Result<&TaskQueue, Status> {
    let queue = queue.ok_or_else(|| invalid("taskQueue is not set"))?;
    if queue.name.is_empty() {
        return Err(invalid("missing task queue name"));
    }
    name(&queue.name)?;
    if queue.kind() == TaskQueueKind::Sticky && !queue.normal_name.is_empty() {
        length(&queue.normal_name)?;
    }
    Ok(queue)
}

/// A queue that a client names for work.
pub(crate) fn check_user_defined(queue: Option<&TaskQueue>) -> Result<&TaskQueue, Status> {
    let queue = check(queue)?;
    if queue.name == PER_NAMESPACE {
        return Err(invalid(format!("cannot use internal per-namespace task queue:{PER_NAMESPACE}")));
    }
    Ok(queue)
}

fn name(name: &str) -> Result<(), Status> {
    length(name)?;
    if name.starts_with(RESERVED) {
        return Err(invalid(format!("task queue name cannot start with reserved prefix {RESERVED}")));
    }
    Ok(())
}

fn length(name: &str) -> Result<(), Status> {
    if name.len() > MAX_LENGTH {
        return Err(invalid("taskQueue length exceeds limit"));
    }
    no_nul("TaskQueue", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "x".repeat(1001);
        let cases = [
            ("q", "ok"),
            ("", "missing task queue name"),
            (long.as_str(), "taskQueue length exceeds limit"),
            ("/_sys/x", "task queue name cannot start with reserved prefix /_sys/"),
            ("q\0", "TaskQueue must not contain a NUL byte."),
            (PER_NAMESPACE, "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq"),
        ];
        for (name, expected) in cases {
            let queue = TaskQueue { name: name.to_owned(), ..Default::default() };
            let result = check_user_defined(Some(&queue));
            assert_eq!(result.map_or_else(|status| status.message().to_owned(), |_| "ok".to_owned()), expected);
        }
        assert_eq!(check(None).unwrap_err().message(), "taskQueue is not set");
    }
}
