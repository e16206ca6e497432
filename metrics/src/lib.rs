//! Metrics: what each is called and means ([`definitions`]), and the handles with which the rooms count.
//!
//! A handle is made once, where its labels become known, and kept there: to count is an addition to an atomic. Labels whose
//! values come from users are in a [`Family`], which is bounded.

pub mod definitions;
mod family;
mod operations;
mod registry;

pub use definitions::{Definition, Kind};
pub use family::Family;
pub use operations::{Operations, camel_case, position};
pub use prometheus::{Histogram, IntCounter, IntGauge};
pub use registry::{Counters, Gauges, Histograms, Registry, Sample};

/// Label value of what is beyond a family's bound.
pub const OTHER: &str = "_other_";
/// Label value of a namespace that does not exist, or that a call has none of.
pub const UNKNOWN: &str = "_unknown_";
/// A label with this name has a namespace's id, and is shown as `namespace` with its name.
pub const NAMESPACE_ID: &str = "namespace_id";
