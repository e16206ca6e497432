//! What the engine may not find out by itself: time, new ids, limits.

use crate::{limits::Limits, state::Nanos};

/// Given to each step by the host. The same script of inputs and contexts gives the same outcomes, byte for byte.
pub struct Ctx<'a> {
    pub now: Nanos,
    pub ids: &'a mut dyn Ids,
    pub limits: &'a Limits,
}

/// A source of new ids.
pub trait Ids {
    /// A new run id: a UUIDv7 in text form, so that runs of a slot lie in order of their start.
    fn run_id(&mut self) -> String;
    /// A new id for a message or request: any UUID.
    fn message_id(&mut self) -> String;
}
