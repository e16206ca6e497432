//! What a request must be before anything looks at it. Texts are the ones that the real server was seen to give.
//! What requests and commands have in common is checked by `perdure_engine::validate`.

pub(crate) mod callbacks;
pub(crate) mod commands;
pub(crate) mod ids;
pub(crate) mod links;
pub(crate) mod search_attributes;
pub(crate) mod sizes;
pub(crate) mod start;
pub(crate) mod task_queue;
pub(crate) mod versioning;
