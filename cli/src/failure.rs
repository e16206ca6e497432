//! Failures in one line.

use perdure_proto::api::failure::{Failure, failure::FailureInfo};

/// A failure with its causes: `Activity task failed: card declined (type CardError)`.
pub(crate) fn in_words(failure: &Failure) -> String {
    let mut words = String::new();
    let mut next = Some(failure);
    while let Some(failure) = next {
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&failure.message);
        if let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info
            && !info.r#type.is_empty()
        {
            words.push_str(&format!(" (type {})", info.r#type));
        }
        next = failure.cause.as_deref();
    }
    words
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::failure::ApplicationFailureInfo;

    use super::*;

    #[test]
    fn causes_follow() {
        let info = ApplicationFailureInfo { r#type: "CardError".to_owned(), ..ApplicationFailureInfo::default() };
        let cause = Failure {
            message: "card declined".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Failure::default()
        };
        let failure =
            Failure { message: "Activity task failed".to_owned(), cause: Some(Box::new(cause)), ..Failure::default() };
        assert_eq!(in_words(&failure), "Activity task failed: card declined (type CardError)");
    }
}
