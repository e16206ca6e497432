//! Failures of Nexus handlers and operations as Temporal's failures.
//!
//! A Nexus failure is a message, metadata, JSON details and a cause. `metadata["type"]` tells what the details are: one of
//! Temporal's failures as JSON, a handler error, an operation error, or something that is kept as it is.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use perdure_proto::{
    DESCRIPTORS,
    api::{
        common::{Payload, Payloads},
        enums::NexusHandlerErrorRetryBehavior as RetryBehavior,
        failure::{
            ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo, failure::FailureInfo,
        },
        nexus,
    },
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

const TEMPORAL: &str = "temporal.api.failure.v1.Failure";
const PAYLOAD: &str = "temporal.api.common.v1.Payload";
const HANDLER_ERROR: &str = "nexus.HandlerError";
const OPERATION_ERROR: &str = "nexus.OperationError";

/// Details that are not what their type says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("malformed failure: {0}")]
pub struct Malformed(String);

/// Temporal's messages, of which the JSON form is known by their descriptors. Built when the first one is met.
static MESSAGES: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());

/// The failure of a request: of the error's type, which decides whether it is tried again.
pub fn handler_error(kind: &str, message: impl Into<String>, retry: RetryBehavior) -> Failure {
    let info = NexusHandlerFailureInfo { r#type: kind.to_owned(), retry_behavior: retry.into() };
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(info)),
        ..Failure::default()
    }
}

/// The failure of a call that got no answer of a handler.
pub fn call_error(message: impl Into<String>, retryable: bool) -> Failure {
    let info = ApplicationFailureInfo {
        r#type: "CallError".to_owned(),
        non_retryable: !retryable,
        ..ApplicationFailureInfo::default()
    };
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Failure::default()
    }
}

/// Whether a request that failed in this way is to be tried again: as the handler says, else by the error's type.
pub fn is_retryable(failure: &Failure) -> bool {
    let Some(FailureInfo::NexusHandlerFailureInfo(info)) = &failure.failure_info else { return true };
    match info.retry_behavior() {
        RetryBehavior::Retryable => true,
        RetryBehavior::NonRetryable => false,
        RetryBehavior::Unspecified => {
            let final_types =
                ["BAD_REQUEST", "UNAUTHENTICATED", "UNAUTHORIZED", "NOT_FOUND", "CONFLICT", "NOT_IMPLEMENTED"];
            !final_types.contains(&info.r#type.as_str())
        }
    }
}

/// An older worker's handler error.
pub fn of_handler_error(error: nexus::HandlerError) -> Result<Failure, Malformed> {
    let retry = error.retry_behavior();
    let cause = to_temporal(error.failure.unwrap_or_default())?;
    Ok(Failure { cause: Some(Box::new(cause)), ..handler_error(&error.error_type, "", retry) })
}

pub fn to_temporal(failure: nexus::Failure) -> Result<Failure, Malformed> {
    let nexus::Failure { message, stack_trace, metadata, details, cause } = failure;
    let cause = cause.map(|cause| to_temporal(*cause)).transpose()?.map(Box::new);
    let plain = Failure { message, stack_trace, cause, ..Failure::default() };
    match metadata.get("type").map(String::as_str) {
        Some(TEMPORAL) => {
            let stored: Failure = of_json(TEMPORAL, &details)?;
            let cause = plain.cause.or(stored.cause);
            Ok(Failure { message: plain.message, stack_trace: plain.stack_trace, cause, ..stored })
        }
        Some(HANDLER_ERROR) => of_handler_details(plain, &details),
        Some(OPERATION_ERROR) => {
            let details = parse(&details)?;
            let info = if details["state"] == "canceled" {
                FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())
            } else {
                let (kind, non_retryable) = ("OperationError".to_owned(), true);
                let info = ApplicationFailureInfo { r#type: kind, non_retryable, ..ApplicationFailureInfo::default() };
                FailureInfo::ApplicationFailureInfo(info)
            };
            Ok(Failure { failure_info: Some(info), ..plain })
        }
        _ if metadata.is_empty() && details.is_empty() => Ok(plain),
        _ => {
            // In Temporal's order.
            let mut kept = Vec::new();
            if !metadata.is_empty() {
                kept.push(format!("\"metadata\":{}", json!(metadata)));
            }
            if !details.is_empty() {
                kept.push(format!("\"details\":{}", parse(&details)?));
            }
            let payload = Payload {
                metadata: [("encoding".to_owned(), "json/plain".into())].into(),
                data: format!("{{{}}}", kept.join(",")).into(),
                ..Payload::default()
            };
            let info = ApplicationFailureInfo {
                r#type: "NexusFailure".to_owned(),
                details: Some(Payloads { payloads: vec![payload] }),
                ..ApplicationFailureInfo::default()
            };
            Ok(Failure { failure_info: Some(FailureInfo::ApplicationFailureInfo(info)), ..plain })
        }
    }
}

fn of_handler_details(plain: Failure, details: &[u8]) -> Result<Failure, Malformed> {
    let details = parse(details)?;
    let retry = match details["retryableOverride"] {
        Value::Bool(true) => RetryBehavior::Retryable,
        Value::Bool(false) => RetryBehavior::NonRetryable,
        _ => RetryBehavior::Unspecified,
    };
    let kind = details["type"].as_str().unwrap_or_default();
    let encoded_attributes = match details["encodedAttributes"].as_str() {
        Some(text) => {
            let json = BASE64.decode(text).map_err(|error| Malformed(error.to_string()))?;
            Some(of_json::<Payload>(PAYLOAD, &json)?)
        }
        None => None,
    };
    let info = handler_error(kind, "", retry).failure_info;
    Ok(Failure { failure_info: info, encoded_attributes, ..plain })
}

fn parse(details: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(details).map_err(|error| Malformed(error.to_string()))
}

fn descriptor(name: &str) -> Result<MessageDescriptor, Malformed> {
    let known = MESSAGES.as_ref().and_then(|messages| messages.get_message_by_name(name));
    known.ok_or_else(|| Malformed(format!("{name} has no JSON form")))
}

/// One of Temporal's messages by its full name.
pub fn of_json<M: Message + Default>(name: &str, json: &[u8]) -> Result<M, Malformed> {
    let malformed = |error: &dyn std::fmt::Display| Malformed(error.to_string());
    let mut json = serde_json::Deserializer::from_slice(json);
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(descriptor(name)?, &mut json, &options)
        .map_err(|error| malformed(&error))?;
    M::decode(message.encode_to_vec().as_slice()).map_err(|error| malformed(&error))
}

/// For the wire: what [`to_temporal`] turns back into the same failure.
pub fn to_nexus(failure: &Failure) -> Result<nexus::Failure, Malformed> {
    let cause = failure.cause.as_deref().map(to_nexus).transpose()?.map(Box::new);
    let (kind, details) = match &failure.failure_info {
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => {
            let mut details = json!({"type": info.r#type});
            match info.retry_behavior() {
                RetryBehavior::Retryable => details["retryableOverride"] = json!(true),
                RetryBehavior::NonRetryable => details["retryableOverride"] = json!(false),
                RetryBehavior::Unspecified => {}
            }
            if let Some(attributes) = &failure.encoded_attributes {
                details["encodedAttributes"] = json!(BASE64.encode(to_json(PAYLOAD, attributes)?));
            }
            (HANDLER_ERROR, details.to_string())
        }
        _ => {
            let inner = Failure { message: String::new(), stack_trace: String::new(), cause: None, ..failure.clone() };
            (TEMPORAL, to_json(TEMPORAL, &inner)?)
        }
    };
    Ok(nexus::Failure {
        message: failure.message.clone(),
        stack_trace: failure.stack_trace.clone(),
        metadata: [("type".to_owned(), kind.to_owned())].into(),
        details: details.into(),
        cause,
    })
}

fn to_json(name: &str, message: &impl Message) -> Result<String, Malformed> {
    let message = DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice())
        .map_err(|error| Malformed(error.to_string()))?;
    serde_json::to_string(&message).map_err(|error| Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let application = Failure {
            source: "PythonSDK".into(),
            stack_trace: "at x".into(),
            encoded_attributes: Some(Payload { data: "e".into(), ..Payload::default() }),
            cause: Some(Box::new(Failure { message: "deep".into(), ..Failure::default() })),
            ..call_error("m", false)
        };
        let handler = Failure {
            cause: Some(Box::new(application.clone())),
            encoded_attributes: application.encoded_attributes.clone(),
            ..handler_error("NOT_FOUND", "no", RetryBehavior::Retryable)
        };
        for failure in [application, handler, Failure::default()] {
            assert_eq!(to_temporal(to_nexus(&failure).unwrap()).unwrap(), failure);
        }
    }

    #[test]
    fn retries_by_type_and_by_the_handlers_word() {
        let cases = [
            ("NOT_FOUND", RetryBehavior::Unspecified, false),
            ("BAD_REQUEST", RetryBehavior::Unspecified, false),
            ("CONFLICT", RetryBehavior::Unspecified, false),
            ("INTERNAL", RetryBehavior::Unspecified, true),
            ("RESOURCE_EXHAUSTED", RetryBehavior::Unspecified, true),
            ("something else", RetryBehavior::Unspecified, true),
            ("NOT_FOUND", RetryBehavior::Retryable, true),
            ("INTERNAL", RetryBehavior::NonRetryable, false),
        ];
        for (kind, retry, expected) in cases {
            assert_eq!(is_retryable(&handler_error(kind, "", retry)), expected, "{kind} {retry:?}");
        }
    }

    #[test]
    fn failures_of_others() {
        let of = |kind: Option<&str>, details: &str| {
            let metadata = kind.map(|kind| ("type".to_owned(), kind.to_owned())).into_iter().collect();
            to_temporal(nexus::Failure {
                message: "m".into(),
                metadata,
                details: details.to_owned().into(),
                ..nexus::Failure::default()
            })
        };
        let info = |kind, details| of(kind, details).unwrap().failure_info;
        assert_eq!(info(None, ""), None);
        let canceled = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
        assert_eq!(info(Some(OPERATION_ERROR), r#"{"state":"canceled"}"#), Some(canceled));
        for (kind, details, expected) in [
            (Some(OPERATION_ERROR), r#"{"state":"failed"}"#, "OperationError"),
            (Some("custom"), r#"{"a":1}"#, "NexusFailure"),
            (None, r#""text""#, "NexusFailure"),
        ] {
            match info(kind, details) {
                Some(FailureInfo::ApplicationFailureInfo(info)) => assert_eq!(info.r#type, expected),
                other => panic!("{kind:?}: {other:?}"),
            }
        }
        assert!(of(Some(TEMPORAL), "{").is_err());
        assert!(of(Some(HANDLER_ERROR), "").is_err());
    }
}
