//! Names of task queues.

use perdure_engine::validate::{self, RESERVED_TASK_QUEUE_PREFIX};
use perdure_proto::api::{enums::TaskQueueKind, taskqueue::TaskQueue};
use tonic::Status;

use super::ids::no_nul;
use crate::{limits::FrontendLimits, status::invalid};

/// A queue that a worker polls or that somebody asks about.
pub(crate) fn check<'q>(queue: Option<&'q TaskQueue>, limits: &FrontendLimits) -> Result<&'q TaskQueue, Status> {
    let queue = queue.ok_or_else(|| invalid("taskQueue is not set"))?;
    // As its own parent even a namespace's internal queue may be polled.
    name(&queue.name, &queue.name, limits)?;
    if queue.kind() == TaskQueueKind::Sticky && !queue.normal_name.is_empty() {
        name(&queue.normal_name, &queue.normal_name, limits)?;
    }
    Ok(queue)
}

/// A queue that is looked at. Temporal's tools also ask for its other partitions, `/_sys/<queue>/<number>`: nobody polls
/// them, since a queue is one piece here.
pub(crate) fn check_described<'q>(
    queue: Option<&'q TaskQueue>,
    limits: &FrontendLimits,
) -> Result<&'q TaskQueue, Status> {
    let partition = queue.and_then(|queue| Some((queue, queue.name.strip_prefix(RESERVED_TASK_QUEUE_PREFIX)?)));
    let Some((queue, rest)) = partition else { return check(queue, limits) };
    match rest.rsplit_once('/') {
        Some((root, number)) if number.parse::<u32>().is_ok_and(|number| number > 0) => {
            name(root, root, limits)?;
            Ok(queue)
        }
        _ => Err(invalid(format!("invalid task queue partition name {}", queue.name))),
    }
}

/// A queue that a client names for work.
pub(crate) fn check_user_defined<'q>(
    queue: Option<&'q TaskQueue>,
    limits: &FrontendLimits,
) -> Result<&'q TaskQueue, Status> {
    let queue = check(queue, limits)?;
    name(&queue.name, "", limits)?;
    Ok(queue)
}

fn name(name: &str, parent: &str, limits: &FrontendLimits) -> Result<(), Status> {
    validate::task_queue(name, parent, limits.runs.id_length).map_err(invalid)?;
    no_nul("TaskQueue", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let (limits, long) = (&FrontendLimits::default(), "x".repeat(1001));
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
            let result = check_user_defined(Some(&queue), limits);
            assert_eq!(result.map_or_else(|status| status.message().to_owned(), |_| "ok".to_owned()), expected);
        }
        let described = [
            ("q", "ok"),
            ("/_sys/q/1", "ok"),
            ("/_sys/a/b/12", "ok"),
            ("/_sys/q/0", "invalid task queue partition name /_sys/q/0"),
            ("/_sys/q/x", "invalid task queue partition name /_sys/q/x"),
            ("/_sys/q", "invalid task queue partition name /_sys/q"),
            ("/_sys//1", "missing task queue name"),
        ];
        for (name, expected) in described {
            let queue = TaskQueue { name: name.to_owned(), ..Default::default() };
            let result = check_described(Some(&queue), limits);
            assert_eq!(result.map_or_else(|status| status.message().to_owned(), |_| "ok".to_owned()), expected);
        }
        assert_eq!(check(None, limits).unwrap_err().message(), "taskQueue is not set");
    }
}
