//! Schedules: when they act, and what they do.

mod act;
mod calendar;
mod overlap;
mod parse;
mod spec;
mod state;

pub use spec::{Due, Spec, TooManyExclusions};
