//! Bad input to every RPC on workflows and of workers: the answer is the one that clients know, it never leads them to send
//! the same again, and nothing has changed.

mod activity_operations;
mod cluster;
mod deployments;
mod multi;
mod pauses;
mod recorded;
mod runs;
mod standalone_activities;
mod starts;
mod table;
mod workers;
mod workflow_options;
