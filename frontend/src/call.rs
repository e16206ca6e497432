//! What a handler must know about the call beside its message: deadline and client.

use std::time::{Duration, SystemTime};

use perdure_engine::Nanos;
use tokio::time::Instant;
use tonic::{Status, metadata::MetadataMap};

use crate::client_version;

/// Shortest deadline with which a worker may poll.
pub(crate) const MIN_POLL_TIMEOUT: Duration = Duration::from_secs(2);
/// For queries of clients that set no deadline.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

const SHORTEST_TAIL: Duration = Duration::from_millis(50);

/// Clients that show histories to people: they must not see events that are not stored.
const READERS: [&str; 2] = ["temporal-cli", "temporal-ui"];
/// Among the features that a client names in the header `supported-features`.
const FOLLOWS_NEXT_RUN: &str = "follows-next-run-id";

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) received: Instant,
    /// The same in Unix nanoseconds: to show and to judge times, never to decide about a run.
    pub(crate) time: Nanos,
    /// None: the client set none.
    pub(crate) timeout: Option<Duration>,
    /// The client shows histories to people.
    is_reader: bool,
    /// The client finds the next run in any close event, not only in ContinuedAsNew.
    pub(crate) follows_next_run: bool,
}

impl Call {
    /// FAILED_PRECONDITION for a client that this server is too old or too new for.
    pub(crate) fn new(metadata: &MetadataMap) -> Result<Self, Status> {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let client_name = text("client-name");
        client_version::check(client_name, text("client-version"), text("supported-server-versions"))?;
        Ok(Self {
            received: Instant::now(),
            time: unix_now(),
            timeout: parse_timeout(text("grpc-timeout")),
            is_reader: READERS.contains(&client_name),
            follows_next_run: text("supported-features").split(',').any(|feature| feature.trim() == FOLLOWS_NEXT_RUN),
        })
    }

    /// Of the server itself.
    pub(crate) fn internal() -> Self {
        Self { received: Instant::now(), time: unix_now(), timeout: None, is_reader: true, follows_next_run: true }
    }

    /// When to answer at the latest: after `longest`, or a little before the client's own deadline, so that the answer
    /// still gets there.
    pub(crate) fn deadline(&self, longest: Duration) -> Instant {
        let own = self.timeout.map_or(longest, |timeout| timeout.saturating_sub(tail(timeout)));
        self.received + own.min(longest)
    }

    /// The same where the answer would say no more than that the deadline has come: clients count on having had their time.
    pub(crate) fn last_moment(&self, longest: Duration) -> Instant {
        let own = self.timeout.map_or(longest, |timeout| timeout.saturating_sub(SHORTEST_TAIL));
        self.received + own.min(longest)
    }

    /// The client's own deadline comes before this long.
    pub(crate) fn is_shorter_than(&self, longest: Duration) -> bool {
        self.timeout.is_some_and(|timeout| timeout < longest)
    }

    /// Whether the client is an SDK, which wants the events of a task that is not stored yet.
    pub(crate) fn wants_transient_events(&self) -> bool {
        !self.is_reader
    }
}

pub(crate) fn unix_now() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

/// Time kept for the way back.
fn tail(timeout: Duration) -> Duration {
    (timeout / 10).clamp(SHORTEST_TAIL, Duration::from_secs(1))
}

/// `grpc-timeout`: up to eight digits and a unit. None where it is malformed: tonic ignores such a header as well.
pub(crate) fn parse_timeout(value: &str) -> Option<Duration> {
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let cases = [
            ("70S", Some(Duration::from_secs(70))),
            ("1500m", Some(Duration::from_millis(1500))),
            ("2M", Some(Duration::from_secs(120))),
            ("1H", Some(Duration::from_secs(3600))),
            ("5u", Some(Duration::from_micros(5))),
            ("5n", Some(Duration::from_nanos(5))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("+1S", None),
            ("1é", None),
            ("10", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_timeout(value), expected, "{value}");
        }
    }

    #[test]
    fn answers_before_the_clients_deadline() {
        let call = |timeout| Call { timeout, ..Call::internal() };
        let wait = |timeout, longest| {
            let call = call(timeout);
            call.deadline(longest) - call.received
        };
        let secs = Duration::from_secs;
        assert_eq!(wait(None, secs(60)), secs(60));
        assert_eq!(wait(Some(secs(70)), secs(60)), secs(60));
        assert_eq!(wait(Some(secs(60)), secs(60)), secs(59));
        assert_eq!(wait(Some(secs(3)), secs(60)), Duration::from_millis(2700));
        assert_eq!(wait(Some(Duration::from_millis(10)), secs(60)), Duration::ZERO);
        for (timeout, expected) in [(secs(5), Duration::from_millis(4950)), (secs(30), secs(20))] {
            let call = call(Some(timeout));
            assert_eq!(call.last_moment(secs(20)) - call.received, expected);
        }
    }
}
