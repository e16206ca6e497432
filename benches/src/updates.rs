//! What a worker answers an update with: it accepts and completes it in one go, and the result is the update's input.

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{Command, ProtocolMessageCommandAttributes, command::Attributes},
    enums::CommandType,
    protocol::{Message as ProtocolMessage, message::SequencingId},
    update::{Acceptance, Outcome, Request, Response, outcome::Value},
};
use prost::Message;
use prost_types::Any;

/// The messages, and the commands that say when in the order of all commands each one counts.
pub(crate) fn answer(message: &ProtocolMessage) -> Result<[(ProtocolMessage, Command); 2]> {
    let body = message.body.as_ref().context("an update without a body")?;
    let request = Request::decode(body.value.as_slice()).context("a message that is no update")?;
    let input = request.input.clone().and_then(|input| input.args).unwrap_or_default();
    let response =
        Response { meta: request.meta.clone(), outcome: Some(Outcome { value: Some(Value::Success(input)) }) };
    let acceptance = Acceptance {
        accepted_request_message_id: message.id.clone(),
        accepted_request_sequencing_event_id: match message.sequencing_id {
            Some(SequencingId::EventId(event_id)) => event_id,
            _ => 0,
        },
        accepted_request: Some(request),
    };
    let update_id = &message.protocol_instance_id;
    Ok([said(update_id, "Acceptance", &acceptance), said(update_id, "Response", &response)])
}

fn said(update_id: &str, kind: &str, body: &impl Message) -> (ProtocolMessage, Command) {
    let id = format!("{update_id}/{kind}");
    let type_url = format!("type.googleapis.com/temporal.api.update.v1.{kind}");
    let attributes = ProtocolMessageCommandAttributes { message_id: id.clone() };
    let command = Command {
        command_type: CommandType::ProtocolMessage.into(),
        attributes: Some(Attributes::ProtocolMessageCommandAttributes(attributes)),
        ..Default::default()
    };
    let body = Some(Any { type_url, value: body.encode_to_vec() });
    (ProtocolMessage { id, protocol_instance_id: update_id.to_owned(), body, ..Default::default() }, command)
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::update::{Input, Meta};

    use super::*;
    use crate::scenario::payload;

    #[test]
    fn an_update_is_accepted_and_completed_with_its_input() {
        let meta = Meta { update_id: "u".into(), ..Default::default() };
        let input = Input { args: Some(payload(8)), ..Default::default() };
        let request = Request { meta: Some(meta), input: Some(input), ..Default::default() };
        let message = ProtocolMessage {
            id: "u/request".into(),
            protocol_instance_id: "u".into(),
            body: Some(Any { type_url: String::new(), value: request.encode_to_vec() }),
            sequencing_id: Some(SequencingId::EventId(7)),
        };
        let [(accepted, first), (completed, second)] = answer(&message).unwrap();
        let acceptance = Acceptance::decode(accepted.body.unwrap().value.as_slice()).unwrap();
        assert_eq!(acceptance.accepted_request_message_id, "u/request");
        assert_eq!(acceptance.accepted_request_sequencing_event_id, 7);
        let response = Response::decode(completed.body.unwrap().value.as_slice()).unwrap();
        assert_eq!(response.outcome.unwrap().value, Some(Value::Success(payload(8))));
        for (command, id) in [(first, &accepted.id), (second, &completed.id)] {
            let attributes = ProtocolMessageCommandAttributes { message_id: id.clone() };
            assert_eq!(command.attributes, Some(Attributes::ProtocolMessageCommandAttributes(attributes)));
        }
        let without_body = ProtocolMessage { body: None, ..message };
        assert!(answer(&without_body).is_err());
    }
}
