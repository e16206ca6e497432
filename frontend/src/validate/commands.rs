//! Search attributes in a worker's commands: only here the types are known, so the engine need not know them.

use perdure_proto::api::{
    command::{Command, command::Attributes},
    common::SearchAttributes,
};
use tonic::Status;

use super::search_attributes;
use crate::namespaces::AuthorizedNamespace;

/// Checks the names and types of each command's search attributes.
pub(crate) fn check_search_attributes(commands: &mut [Command], namespace: &AuthorizedNamespace) -> Result<(), Status> {
    commands
        .iter_mut()
        .filter_map(search_attributes_of)
        .try_for_each(|attributes| search_attributes::check_types(attributes, namespace))
}

fn search_attributes_of(command: &mut Command) -> Option<&mut SearchAttributes> {
    match command.attributes.as_mut()? {
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes) => {
            attributes.search_attributes.as_mut()
        }
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes) => {
            attributes.search_attributes.as_mut()
        }
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes) => attributes.search_attributes.as_mut(),
        _ => None,
    }
}
