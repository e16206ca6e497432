//! How fast a queue may give out tasks, and how fast it does.
//!
//! The bucket is written here and not taken from `governor`: its time must be tokio's (paused in tests), the rate changes
//! while it runs, zero is a rate, and a token must go back when its task was not wanted.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket. Without a rate it never says no.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    bucket: Option<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

/// Why there is no token now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wait {
    Until(Instant),
    /// The rate is zero.
    Paused,
}

impl RateLimit {
    /// The last one who asks for a rate sets it. Negative and non-finite rates are ignored.
    pub(crate) fn set(&mut self, per_second: f64, now: Instant) {
        if !per_second.is_finite() || per_second < 0.0 {
            return;
        }
        match &mut self.bucket {
            Some(bucket) if bucket.per_second == per_second => {}
            Some(bucket) => {
                bucket.refill(now);
                bucket.per_second = per_second;
                bucket.tokens = bucket.tokens.min(bucket.burst());
            }
            none => *none = Some(Bucket { per_second, tokens: per_second.ceil(), at: now }),
        }
    }

    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Wait> {
        let Some(bucket) = &mut self.bucket else { return Ok(()) };
        bucket.refill(now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        if bucket.per_second == 0.0 {
            return Err(Wait::Paused);
        }
        // A microsecond more: the refill must not fall short of one token by rounding. Very slow rates look once a day.
        let seconds = ((1.0 - bucket.tokens) / bucket.per_second).min(86_400.0);
        Err(Wait::Until(now + Duration::from_secs_f64(seconds) + Duration::from_micros(1)))
    }

    /// It gave nothing for a while: forgetting it changes nothing.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.bucket.as_ref().is_none_or(|bucket| bucket.missing(now) <= 0.0)
    }

    /// Gives a token back that was taken for nothing.
    pub(crate) fn refund(&mut self) {
        if let Some(bucket) = &mut self.bucket {
            bucket.tokens = (bucket.tokens + 1.0).min(bucket.burst());
        }
    }
}

impl Bucket {
    /// One second's worth, and at least one task unless the rate is zero.
    fn burst(&self) -> f64 {
        self.per_second.ceil()
    }

    fn missing(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.burst() - self.tokens - elapsed * self.per_second
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst());
        self.at = now;
    }
}

/// Length of the window over which rates are reported, in seconds. Temporal reports over 30 s.
const WINDOW: usize = 30;

/// Counts what happened in the last 30 seconds.
#[derive(Debug)]
pub(crate) struct Meter {
    start: Instant,
    /// The second, from `start`, that was counted last.
    second: u64,
    counts: [u32; WINDOW],
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { start: now, second: 0, counts: [0; WINDOW] }
    }

    pub(crate) fn count(&mut self, now: Instant) {
        self.advance(now);
        self.counts[self.second as usize % WINDOW] += 1;
    }

    /// Per second; a meter younger than the window divides by its own age.
    pub(crate) fn per_second(&mut self, now: Instant) -> f32 {
        self.advance(now);
        let seconds = (self.second + 1).min(WINDOW as u64);
        self.counts.iter().sum::<u32>() as f32 / seconds as f32
    }

    fn advance(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.start).as_secs();
        let passed = second.saturating_sub(self.second).min(WINDOW as u64);
        for ahead in 1..=passed {
            self.counts[(self.second + ahead) as usize % WINDOW] = 0;
        }
        self.second = self.second.max(second);
        // Where more than a window passed, all counts are zero and the index may jump.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(limit: &mut RateLimit, now: Instant) -> usize {
        (0..1000).take_while(|_| limit.take(now).is_ok()).count()
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(takes(&mut RateLimit::default(), Instant::now()), 1000);
    }

    #[test]
    fn rates_allow_a_burst_then_their_pace() {
        for (rate, burst, after_two_seconds) in [(5.0, 5, 5), (0.5, 1, 1), (2.5, 3, 3), (0.0, 0, 0)] {
            let (mut limit, start) = (RateLimit::default(), Instant::now());
            limit.set(rate, start);
            assert_eq!(takes(&mut limit, start), burst, "burst at {rate}");
            assert_eq!(takes(&mut limit, start + Duration::from_secs(2)), after_two_seconds, "later at {rate}");
        }
    }

    #[test]
    fn the_wait_ends_when_a_token_is_there() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        limit.set(3.0, start);
        takes(&mut limit, start);
        let Err(Wait::Until(later)) = limit.take(start) else { panic!("a token without a wait") };
        assert_eq!(limit.take(later), Ok(()));
        limit.set(0.0, later);
        assert_eq!(limit.take(later), Err(Wait::Paused));
    }

    #[test]
    fn a_refund_is_a_token() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        limit.set(1.0, start);
        assert_eq!(takes(&mut limit, start), 1);
        limit.refund();
        assert_eq!(takes(&mut limit, start), 1);
    }

    #[test]
    fn bad_rates_are_ignored() {
        let (mut limit, start) = (RateLimit::default(), Instant::now());
        for rate in [-1.0, f64::NAN, f64::INFINITY] {
            limit.set(rate, start);
        }
        assert_eq!(takes(&mut limit, start), 1000);
    }

    #[test]
    fn a_meter_forgets_after_its_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(start);
        for second in 0..10 {
            meter.count(at(second));
        }
        assert_eq!(meter.per_second(at(9)), 1.0);
        assert_eq!(meter.per_second(at(29)), 10.0 / 30.0);
        assert_eq!(meter.per_second(at(34)), 5.0 / 30.0);
        assert_eq!(meter.per_second(at(500)), 0.0);
        meter.count(at(501));
        assert_eq!(meter.per_second(at(501)), 1.0 / 30.0);
    }
}
