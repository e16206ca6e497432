//! What a client may put into a Nexus endpoint. All that is wrong is told at once.

use http::Uri;
use perdure_engine::validate;
use perdure_proto::{
    api::nexus::{EndpointSpec, endpoint_target::Variant},
    perdure::persistence::v1::{NexusEndpoint, NexusWorkerTarget, nexus_endpoint::Target},
};
use prost::Message;
use tonic::Status;
use uuid::Uuid;

use crate::{
    limits::FrontendLimits,
    namespaces::Namespaces,
    status::{failed_precondition, invalid},
};

/// As clients of Temporal are told it.
const NAME_PATTERN: &str = r#""^[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9]$""#;

/// The endpoint that a specification describes, without id, version and times. FAILED_PRECONDITION where the target's
/// namespace is not known, INVALID_ARGUMENT for the rest.
pub(super) fn endpoint(spec: Option<EndpointSpec>, namespaces: &Namespaces) -> Result<NexusEndpoint, Status> {
    let spec = spec.unwrap_or_default();
    let limits = namespaces.limits();
    let mut issues = name_issues(&spec.name, limits.endpoint_name);
    let target = match spec.target.and_then(|target| target.variant) {
        None => {
            issues.push("empty target variant".to_owned());
            return Err(refusal(&issues));
        }
        Some(Variant::Worker(worker)) => {
            let mut namespace_id = String::new();
            if worker.namespace.is_empty() {
                issues.push("target namespace not set".to_owned());
            } else {
                namespace_id = known_namespace(&worker.namespace, namespaces)?.to_string();
            }
            issues.extend(task_queue_issue(&worker.task_queue, &limits));
            Target::Worker(NexusWorkerTarget { namespace_id, task_queue: worker.task_queue })
        }
        Some(Variant::External(external)) => {
            issues.extend(url_issue(&external.url, limits.endpoint_url));
            Target::ExternalUrl(external.url)
        }
    };
    let limit = limits.endpoint_description;
    if spec.description.as_ref().is_some_and(|description| description.encoded_len() > limit) {
        issues.push(format!("description size exceeds limit of {limit}"));
    }
    if !issues.is_empty() {
        return Err(refusal(&issues));
    }
    let target = Some(target);
    Ok(NexusEndpoint { name: spec.name, description: spec.description, target, ..NexusEndpoint::default() })
}

/// The id of an endpoint that a client asks for; with a version where it is to be deleted.
pub(super) fn id(id: &str, version: Option<i64>) -> Result<(), Status> {
    let mut issues = Vec::new();
    if id.is_empty() {
        issues.push("endpoint ID not set".to_owned());
    } else if Uuid::parse_str(id).is_err() {
        issues.push(match id.len() {
            36 => "malformed endpoint ID: \"invalid UUID format\"".to_owned(),
            length => format!("malformed endpoint ID: \"invalid UUID length: {length}\""),
        });
    }
    if version.is_some_and(|version| version <= 0) {
        issues.push("endpoint version is non-positive".to_owned());
    }
    if issues.is_empty() { Ok(()) } else { Err(refusal(&issues)) }
}

fn refusal(issues: &[String]) -> Status {
    invalid(issues.join(", "))
}

fn name_issues(name: &str, limit: usize) -> Vec<String> {
    if name.is_empty() {
        return vec!["endpoint name not set".to_owned()];
    }
    let mut issues = Vec::new();
    if name.len() > limit {
        issues.push(format!("endpoint name exceeds length limit of {limit}"));
    }
    let bytes = name.as_bytes();
    let inner = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let ends = bytes[0].is_ascii_alphabetic() && bytes[bytes.len() - 1] != b'-';
    if !inner || !ends || bytes.len() < 2 {
        issues.push(format!("endpoint name must match the regex: {NAME_PATTERN}"));
    }
    issues
}

fn known_namespace(name: &str, namespaces: &Namespaces) -> Result<Uuid, Status> {
    namespaces.resolve(name).map(|namespace| namespace.id()).map_err(|status| {
        failed_precondition(format!("could not verify namespace referenced by target exists: {}", status.message()))
    })
}

/// A namespace's internal queue may be a target: the queue counts as its own parent.
fn task_queue_issue(name: &str, limits: &FrontendLimits) -> Option<String> {
    let issue = match name {
        "" => "taskQueue is not set".to_owned(),
        name => validate::task_queue(name, name, limits.runs.id_length).err()?,
    };
    Some(format!("invalid target task queue: {issue:?}"))
}

fn url_issue(url: &str, limit: usize) -> Option<String> {
    if url.is_empty() {
        return Some("empty target URL".to_owned());
    }
    if url.len() > limit {
        return Some(format!("target URL length exceeds limit of {limit}"));
    }
    let scheme = match url.split_once(':') {
        Some(("", _)) => return Some(format!("invalid target URL: parse {url:?}: missing protocol scheme")),
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => scheme,
        _ => "",
    };
    if scheme != "http" && scheme != "https" {
        return Some(format!("invalid target URL scheme: {scheme:?}, expected http or https"));
    }
    let problem = match url.parse::<Uri>() {
        Ok(parsed) => bad_port(&parsed)?,
        Err(error) => error.to_string(),
    };
    Some(format!("invalid target URL: parse {url:?}: {problem}"))
}

/// What stands behind the host's colon is a number.
fn bad_port(url: &Uri) -> Option<String> {
    let (_, port) = url.authority()?.as_str().rsplit_once(':')?;
    (!port.ends_with(']') && !port.is_empty() && port.parse::<u16>().is_err())
        .then(|| format!("invalid port {:?} after host", format!(":{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(201);
        let pattern = "endpoint name must match the regex: \"^[a-zA-Z][a-zA-Z0-9\\\\-]*[a-zA-Z0-9]$\"";
        let cases = [
            ("a-1", ""),
            ("Ab", ""),
            ("", "endpoint name not set"),
            (long.as_str(), "endpoint name exceeds length limit of 200"),
            ("a", pattern),
            ("a_b", pattern),
            ("1a", pattern),
            ("a-", pattern),
            ("ä1", pattern),
        ];
        for (name, expected) in cases {
            assert_eq!(name_issues(name, 200).join(", "), expected, "{name}");
        }
    }

    #[test]
    fn urls() {
        let long = format!("http://{}", "x".repeat(4090));
        let cases = [
            ("http://localhost:1/x", None),
            ("https://example.org", None),
            ("http://[::1]/", None),
            ("http://a:xx/", Some("invalid target URL: parse \"http://a:xx/\": invalid port \":xx\" after host")),
            ("", Some("empty target URL")),
            (long.as_str(), Some("target URL length exceeds limit of 4096")),
            ("ftp://a", Some("invalid target URL scheme: \"ftp\", expected http or https")),
            ("abc", Some("invalid target URL scheme: \"\", expected http or https")),
            ("://x", Some("invalid target URL: parse \"://x\": missing protocol scheme")),
            ("http://a/\u{1}", Some("invalid target URL: parse \"http://a/\\u{1}\": invalid uri character")),
        ];
        for (url, expected) in cases {
            assert_eq!(url_issue(url, 4096).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn ids() {
        let text = |result: Result<(), Status>| result.err().map(|status| status.message().to_owned());
        assert_eq!(text(id("0f000000-0000-4000-8000-000000000000", Some(1))), None);
        assert_eq!(text(id("", None)).unwrap(), "endpoint ID not set");
        assert_eq!(text(id("abc", None)).unwrap(), "malformed endpoint ID: \"invalid UUID length: 3\"");
        assert_eq!(text(id("", Some(0))).unwrap(), "endpoint ID not set, endpoint version is non-positive");
    }
}
