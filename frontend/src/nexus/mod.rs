//! Nexus as clients and workers see it: endpoints, and the tasks of workers.

mod endpoint_checks;
mod endpoints;
pub(crate) mod system;
mod tasks;

pub(crate) use endpoints::EndpointApi;
