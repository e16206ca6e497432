//! The wire: Temporal's API types generated from the published `.proto` files, our own persistence messages and tokens,
//! error details, and what the three need to be safe to hand to clients.
//!
//! Messages alone need no gRPC: the stubs are behind the features `server` and `client`.

#[cfg(any(feature = "client", feature = "server"))]
mod codec;
mod raw_history;
pub mod token;

#[allow(dead_code, unreachable_pub, clippy::all, rustdoc::all, missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

pub use generated::{google, perdure, temporal};
pub use raw_history::{RawHistory, take_event};

/// Temporal's API packages without the repeated `v1`.
pub mod api {
    pub use crate::temporal::api::{
        activity::v1 as activity, batch::v1 as batch, callback::v1 as callback, command::v1 as command,
        common::v1 as common, deployment::v1 as deployment, enums::v1 as enums, errordetails::v1 as errordetails,
        failure::v1 as failure, filter::v1 as filter, history::v1 as history, namespace::v1 as namespace,
        nexus::v1 as nexus, operatorservice::v1 as operatorservice, protocol::v1 as protocol, query::v1 as query,
        replication::v1 as replication, rules::v1 as rules, schedule::v1 as schedule, sdk::v1 as sdk,
        taskqueue::v1 as taskqueue, update::v1 as update, version::v1 as version, worker::v1 as worker,
        workflow::v1 as workflow, workflowservice::v1 as workflowservice,
    };
}

/// Everything the server speaks, as an encoded `FileDescriptorSet` with its options: for reflection and the HTTP API.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
