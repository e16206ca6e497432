//! Links between executions that a request brings.

use perdure_proto::api::{
    common::{
        Link,
        link::{Variant, WorkflowEvent, workflow_event::Reference},
    },
    enums::EventType,
};
use prost::Message;
use tonic::Status;

use crate::{limits::FrontendLimits, status::invalid};

pub(crate) fn check(links: &[Link], limits: &FrontendLimits) -> Result<(), Status> {
    let (number, limit) = (links.len(), limits.links);
    if number > limit {
        return Err(invalid(format!("cannot attach more than {limit} links per request, got {number}")));
    }
    links.iter().try_for_each(|link| check_one(link, limits.link_size))
}

fn check_one(link: &Link, limit: usize) -> Result<(), Status> {
    let size = link.encoded_len();
    if size > limit {
        return Err(invalid(format!("link exceeds allowed size of {limit}, got {size}")));
    }
    match &link.variant {
        Some(Variant::WorkflowEvent(link)) => workflow_event(link),
        Some(Variant::BatchJob(link)) => fields("batch job", &[("job ID", &link.job_id)]),
        Some(Variant::NexusOperation(link)) => fields(
            "nexus operation",
            &[
                ("namespace field", &link.namespace),
                ("operation ID field", &link.operation_id),
                ("run ID field", &link.run_id),
            ],
        ),
        Some(Variant::Activity(link)) => fields(
            "activity",
            &[
                ("namespace field", &link.namespace),
                ("activity ID field", &link.activity_id),
                ("run ID field", &link.run_id),
            ],
        ),
        Some(Variant::Workflow(link)) => fields("workflow", &of_run(&link.namespace, &link.workflow_id, &link.run_id)),
        Some(Variant::Callback(_)) | None => Err(invalid("unsupported link variant")),
    }
}

fn workflow_event(link: &WorkflowEvent) -> Result<(), Status> {
    fields("workflow event", &of_run(&link.namespace, &link.workflow_id, &link.run_id))?;
    match link.reference {
        Some(Reference::EventRef(event)) if event.event_id != 0 && event.event_type() == EventType::Unspecified => {
            Err(invalid("workflow event link ref cannot have an unspecified event type and a non-zero event ID"))
        }
        _ => Ok(()),
    }
}

fn of_run<'a>(namespace: &'a str, workflow_id: &'a str, run_id: &'a str) -> [(&'static str, &'a str); 3] {
    [("namespace field", namespace), ("workflow ID field", workflow_id), ("run ID field", run_id)]
}

fn fields(kind: &str, fields: &[(&str, &str)]) -> Result<(), Status> {
    match fields.iter().find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err(invalid(format!("{kind} link must not have an empty {name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::link::{BatchJob, workflow_event::EventReference};

    use super::*;

    fn event(namespace: &str, workflow_id: &str, run_id: &str) -> Link {
        let reference = None;
        let [namespace, workflow_id, run_id] = [namespace, workflow_id, run_id].map(str::to_owned);
        Link { variant: Some(Variant::WorkflowEvent(WorkflowEvent { namespace, workflow_id, run_id, reference })) }
    }

    #[test]
    fn refusals() {
        let untyped = EventReference { event_id: 5, event_type: 0 };
        let mut bad_reference = event("n", "w", "r");
        if let Some(Variant::WorkflowEvent(link)) = &mut bad_reference.variant {
            link.reference = Some(Reference::EventRef(untyped));
        }
        let cases = [
            (vec![event("n", "w", "r")], "ok"),
            (vec![event("n", "w", "r"); 11], "cannot attach more than 10 links per request, got 11"),
            (vec![event("n", &"x".repeat(4100), "r")], "link exceeds allowed size of 4000, got 4112"),
            (vec![event("", "w", "r")], "workflow event link must not have an empty namespace field"),
            (vec![event("n", "", "r")], "workflow event link must not have an empty workflow ID field"),
            (vec![event("n", "w", "")], "workflow event link must not have an empty run ID field"),
            (vec![Link { variant: None }], "unsupported link variant"),
            (
                vec![Link { variant: Some(Variant::BatchJob(BatchJob::default())) }],
                "batch job link must not have an empty job ID",
            ),
            (
                vec![bad_reference],
                "workflow event link ref cannot have an unspecified event type and a non-zero event ID",
            ),
        ];
        for (links, expected) in cases {
            let text = check(&links, &FrontendLimits::default())
                .map_or_else(|status| status.message().to_owned(), |()| "ok".to_owned());
            assert_eq!(text, expected);
        }
    }
}
