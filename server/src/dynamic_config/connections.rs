//! How long connections of gRPC clients live.

use std::time::Duration;

/// With Temporal's defaults. They are read when the server starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConnectionLimits {
    /// A client that said nothing for so long is asked whether it is still there, and is gone if it does not answer in time.
    pub(crate) ping_after: Duration,
    pub(crate) ping_timeout: Duration,
    /// After this a client is asked to connect anew, so that clients spread over nodes that came later; 0: never.
    pub(crate) age: Duration,
    /// Calls that are in flight then have so long to end.
    pub(crate) age_grace: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(10),
            age: Duration::from_secs(5 * 60),
            age_grace: Duration::from_secs(70),
        }
    }
}
