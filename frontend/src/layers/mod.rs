//! What lies around the services, as functions for tower.

mod decode_errors;

pub use decode_errors::correct;
