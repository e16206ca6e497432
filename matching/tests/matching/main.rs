//! Matching through its handle, on a paused clock.

mod fairness;
mod lines;
mod nexus;
mod rates;
mod scaling;
mod service;
mod spill;
mod support;
mod versions;
