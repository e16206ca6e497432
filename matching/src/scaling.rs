//! Advice to a worker that polls: how many pollers more or fewer it should have. Rules and figures are Temporal's.
//!
//! | the poll got            | after            | and the lane                                     | advice |
//! |-------------------------|------------------|--------------------------------------------------|--------|
//! | something not waiting   | 1 s or more      | any                                              | -1     |
//! | something               | any              | gave 10 pieces of advice per poller and second   | none   |
//! | something               | any              | waits for its rate limit                         | none   |
//! | something               | any              | has a task that has waited for over 200 ms       | +1     |
//! | something               | any              | gets 1.2 times the tasks that it hands out       | +1     |
//! | something               | any              | otherwise                                        | none   |

use std::time::Duration;

use tokio::time::Instant;

use crate::{lane::Lane, queue::Source};

const IDLE: Duration = Duration::from_secs(1);
const BACKLOG_AGE: Duration = Duration::from_millis(200);
const ADD_TO_DISPATCH: f32 = 1.2;
const DECISIONS_PER_POLLER: f64 = 10.0;

impl Lane {
    /// For a poller that got something.
    pub(crate) fn advise(&mut self, waited: Duration, source: Source, limited: bool, now: Instant) -> Option<i32> {
        if waited >= IDLE && source == Source::Sync {
            return Some(-1);
        }
        let pollers = self.poller_count().max(1) as f64;
        self.decisions.set(DECISIONS_PER_POLLER * pollers, now);
        if self.decisions.take(now).is_err() || limited {
            return None;
        }
        if self.backlog.waits_since().is_some_and(|since| now.saturating_duration_since(since) > BACKLOG_AGE) {
            return Some(1);
        }
        let (added, dispatched) = self.rates(now);
        (added > dispatched * ADD_TO_DISPATCH).then_some(1)
    }
}
