//! Links between runs, as Nexus carries them: URLs with a type.
//!
//! `temporal:///namespaces/N/workflows/W/R/history?referenceType=EventReference&eventID=5&eventType=NexusOperationScheduled`

use std::fmt::Write;

use perdure_proto::api::{
    common::{
        Link,
        link::{
            Activity, NexusOperation, Variant, WorkflowEvent,
            workflow_event::{EventReference, Reference, RequestIdReference},
        },
    },
    enums::EventType,
    nexus,
};

const SCHEME: &str = "temporal://";
const WORKFLOW_EVENT: &str = "temporal.api.common.v1.Link.WorkflowEvent";
const ACTIVITY: &str = "temporal.api.common.v1.Link.Activity";
const NEXUS_OPERATION: &str = "temporal.api.common.v1.Link.NexusOperation";
const EVENT_REFERENCE: &str = "EventReference";
const REQUEST_ID_REFERENCE: &str = "RequestIdReference";

/// None for a kind of link that has no form here.
pub fn to_nexus(link: &Link) -> Option<nexus::Link> {
    let event = match &link.variant {
        Some(Variant::WorkflowEvent(event)) => event,
        Some(Variant::NexusOperation(operation)) => return Some(of_operation(operation)),
        Some(Variant::Activity(activity)) => return Some(of_activity(activity)),
        _ => return None,
    };
    let [namespace, workflow, run] = [&event.namespace, &event.workflow_id, &event.run_id].map(|text| escape(text));
    let mut url = format!("{SCHEME}/namespaces/{namespace}/workflows/{workflow}/{run}/history");
    match &event.reference {
        // By name, as Temporal writes them.
        Some(Reference::EventRef(event)) => {
            url.push('?');
            if event.event_id > 0 {
                let _ = write!(url, "eventID={}&", event.event_id);
            }
            let _ = write!(url, "eventType={:?}&referenceType={EVENT_REFERENCE}", event.event_type());
        }
        Some(Reference::RequestIdRef(request)) => {
            let id = escape_all(&request.request_id);
            let kind = request.event_type();
            let _ = write!(url, "?eventType={kind:?}&referenceType={REQUEST_ID_REFERENCE}&requestID={id}");
        }
        None => {}
    }
    Some(nexus::Link { url, r#type: WORKFLOW_EVENT.to_owned() })
}

fn of_operation(operation: &NexusOperation) -> nexus::Link {
    let NexusOperation { namespace, operation_id, run_id } = operation;
    nexus::Link { url: details("nexus-operations", [namespace, operation_id, run_id]), r#type: NEXUS_OPERATION.into() }
}

fn of_activity(activity: &Activity) -> nexus::Link {
    let Activity { namespace, activity_id, run_id } = activity;
    nexus::Link { url: details("activities", [namespace, activity_id, run_id]), r#type: ACTIVITY.into() }
}

fn details(kind: &str, names: [&String; 3]) -> String {
    let [namespace, id, run] = names.map(|text| escape(text));
    format!("{SCHEME}/namespaces/{namespace}/{kind}/{id}/{run}/details")
}

/// Links that are not understood are left out: nothing depends on them.
pub fn from_nexus(links: &[nexus::Link]) -> Vec<Link> {
    links.iter().filter_map(parse).collect()
}

fn parse(link: &nexus::Link) -> Option<Link> {
    let rest = link.url.strip_prefix(SCHEME)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let variant = match (link.r#type.as_str(), parts.as_slice()) {
        (WORKFLOW_EVENT, ["namespaces", namespace, "workflows", workflow, run, "history"]) => {
            let [namespace, workflow_id, run_id] = [namespace, workflow, run].map(|text| unescape(text));
            let (namespace, workflow_id, run_id) = (namespace?, workflow_id?, run_id?);
            let reference = Some(reference(query)?);
            Variant::WorkflowEvent(WorkflowEvent { namespace, workflow_id, run_id, reference })
        }
        (ACTIVITY, ["namespaces", namespace, "activities", activity, run, "details"]) => {
            let [namespace, activity_id, run_id] = [namespace, activity, run].map(|text| unescape(text));
            Variant::Activity(Activity { namespace: namespace?, activity_id: activity_id?, run_id: run_id? })
        }
        (NEXUS_OPERATION, ["namespaces", namespace, "nexus-operations", operation, run, "details"]) => {
            let [namespace, operation_id, run_id] = [namespace, operation, run].map(|text| unescape(text));
            let (namespace, operation_id, run_id) = (namespace?, operation_id?, run_id?);
            Variant::NexusOperation(NexusOperation { namespace, operation_id, run_id })
        }
        _ => return None,
    };
    Some(Link { variant: Some(variant) })
}

fn reference(query: &str) -> Option<Reference> {
    let (mut kind, mut event_id, mut event_type, mut request_id) = (String::new(), 0, EventType::Unspecified, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(&value.replace('+', "%20"))?;
        match name {
            "referenceType" => kind = value,
            "eventID" if !value.is_empty() => event_id = value.parse().ok()?,
            "eventType" => event_type = event_type_of(&value)?,
            "requestID" => request_id = Some(value),
            _ => {}
        }
    }
    let event_type = event_type.into();
    match kind.as_str() {
        EVENT_REFERENCE => Some(Reference::EventRef(EventReference { event_id, event_type })),
        REQUEST_ID_REFERENCE => {
            let request_id = request_id.unwrap_or_default();
            Some(Reference::RequestIdRef(RequestIdReference { request_id, event_type }))
        }
        _ => None,
    }
}

/// By the short name, or by that of the `.proto` file.
fn event_type_of(name: &str) -> Option<EventType> {
    /// Above all that there are.
    const NUMBERS: std::ops::Range<i32> = 0..256;
    EventType::from_str_name(name).or_else(|| {
        NUMBERS.filter_map(|number| EventType::try_from(number).ok()).find(|kind| format!("{kind:?}") == name)
    })
}

/// For one segment of a path.
pub(crate) fn escape(text: &str) -> String {
    escape_but(text, b"-_.~$&+:=@")
}

/// For a value in a query, and everywhere else.
pub(crate) fn escape_all(text: &str) -> String {
    escape_but(text, b"-_.~")
}

fn escape_but(text: &str, plain: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let [high, low] = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
            plain.push(u8::try_from(high? * 16 + low?).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(workflow_id: &str, reference: Reference) -> Link {
        let [namespace, run_id] = ["n/s", "r"].map(str::to_owned);
        let event =
            WorkflowEvent { namespace, workflow_id: workflow_id.to_owned(), run_id, reference: Some(reference) };
        Link { variant: Some(Variant::WorkflowEvent(event)) }
    }

    #[test]
    fn there_and_back() {
        let scheduled = i32::from(EventType::NexusOperationScheduled);
        let event = link("w ü%", Reference::EventRef(EventReference { event_id: 5, event_type: scheduled }));
        let by_request =
            link("w", Reference::RequestIdRef(RequestIdReference { request_id: "r/1+".into(), event_type: scheduled }));
        let urls = [
            (
                event,
                "temporal:///namespaces/n%2Fs/workflows/w%20%C3%BC%25/r/history?eventID=5\
                 &eventType=NexusOperationScheduled&referenceType=EventReference",
            ),
            (
                by_request,
                "temporal:///namespaces/n%2Fs/workflows/w/r/history?eventType=NexusOperationScheduled\
                 &referenceType=RequestIdReference&requestID=r%2F1%2B",
            ),
        ];
        let [namespace, operation_id, run_id] = ["n", "o/1", "r"].map(str::to_owned);
        let operation = NexusOperation { namespace, operation_id, run_id };
        let operation = Link { variant: Some(Variant::NexusOperation(operation)) };
        let of_operation = [(operation, "temporal:///namespaces/n/nexus-operations/o%2F1/r/details")];
        let [namespace, activity_id, run_id] = ["n", "a/1", "r"].map(str::to_owned);
        let activity = Link { variant: Some(Variant::Activity(Activity { namespace, activity_id, run_id })) };
        let of_activity = [(activity, "temporal:///namespaces/n/activities/a%2F1/r/details")];
        for (link, url) in urls.into_iter().chain(of_operation).chain(of_activity) {
            let nexus = to_nexus(&link).unwrap();
            assert_eq!(nexus.url, url);
            assert_eq!(from_nexus(&[nexus]), [link]);
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let urls = [
            ("http://x/namespaces/n/workflows/w/r/history?referenceType=EventReference", WORKFLOW_EVENT),
            ("temporal:///namespaces/n/workflows/w/history?referenceType=EventReference", WORKFLOW_EVENT),
            ("temporal:///namespaces/n/workflows/w/r/history?referenceType=Other", WORKFLOW_EVENT),
            ("temporal:///namespaces/n/workflows/w/r/history?referenceType=EventReference&eventID=x", WORKFLOW_EVENT),
            ("temporal:///namespaces/n/workflows/w%2/r/history?referenceType=EventReference", WORKFLOW_EVENT),
            ("temporal:///namespaces/n/workflows/w/r/history?referenceType=EventReference", "other"),
        ];
        for (url, kind) in urls {
            assert_eq!(from_nexus(&[nexus::Link { url: url.into(), r#type: kind.into() }]), [], "{url}");
        }
    }
}
