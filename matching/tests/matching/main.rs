//! Matching through its handle, on a paused clock.

mod lines;
mod service;
mod support;
