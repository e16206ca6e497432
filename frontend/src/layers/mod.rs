//! What lies around the services, as functions for tower.

mod authorize;
mod decode_errors;

pub use authorize::Authorize;
pub use decode_errors::correct;
