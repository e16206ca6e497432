//! Names of task queues.

use perdure_engine::validate;
use perdure_proto::api::{enums::TaskQueueKind, taskqueue::TaskQueue};
use tonic::Status;

use super::ids::{MAX_LENGTH, no_nul};
use crate::status::invalid;

/// A queue that a worker polls or that somebody asks about.
pub(crate) fn check(queue: Option<&TaskQueue>) -> Result<&TaskQueue, Status> {
    let queue = queue.ok_or_else(|| invalid("taskQueue is not set"))?;
    // As its own parent even a namespace's internal queue may be polled.
    name(&queue.name, &queue.name)?;
    if queue.kind() == TaskQueueKind::Sticky && !queue.normal_name.is_empty() {
        name(&queue.normal_name, &queue.normal_name)?;
    }
    Ok(queue)
}

/// A queue that a client names for work.
pub(crate) fn check_user_defined(queue: Option<&TaskQueue>) -> Result<&TaskQueue, Status> {
    let queue = check(queue)?;
    name(&queue.name, "")?;
    Ok(queue)
}

fn name(name: &str, parent: &str) -> Result<(), Status> {
    validate::task_queue(name, parent, MAX_LENGTH).map_err(invalid)?;
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
            ("temporal-sys-per-ns-tq", "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq"),
        ];
        for (name, expected) in cases {
            let queue = TaskQueue { name: name.to_owned(), ..Default::default() };
            let result = check_user_defined(Some(&queue));
            assert_eq!(result.map_or_else(|status| status.message().to_owned(), |_| "ok".to_owned()), expected);
        }
        assert_eq!(check(None).unwrap_err().message(), "taskQueue is not set");
    }
}
