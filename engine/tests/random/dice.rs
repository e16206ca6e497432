//! Chance that can be repeated.

use perdure_engine::Nanos;
use perdure_proto::api::{
    common::{Payload, Payloads, RetryPolicy},
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
};
use prost_types::Duration;

pub(crate) const SECOND: Nanos = 1_000_000_000;

/// All that is random in a script comes from here: the same seed makes the same script. The generator is SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `count`, which is above 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.number() % count as u64) as usize
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of them; None where there are none.
    pub(crate) fn pick<T: Clone>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let from: Vec<T> = from.into_iter().collect();
        (!from.is_empty()).then(|| from[self.below(from.len())].clone())
    }

    /// A short text out of few, so that texts meet again; seldom an empty one.
    pub(crate) fn name(&mut self) -> String {
        match self.below(12) {
            0 => String::new(),
            number => format!("n{number}"),
        }
    }

    pub(crate) fn payloads(&mut self) -> Option<Payloads> {
        if self.one_in(3) {
            return None;
        }
        let payloads = (0..self.below(3)).map(|_| self.payload()).collect();
        Some(Payloads { payloads })
    }

    pub(crate) fn payload(&mut self) -> Payload {
        let metadata = [("encoding".to_owned(), "json/plain".into())].into();
        Payload { metadata, data: format!("\"{}\"", self.below(100)).into(), ..Default::default() }
    }

    /// Mostly a span that a test lives to see; seldom none, one below 0, or one that is not well formed.
    pub(crate) fn duration(&mut self) -> Option<Duration> {
        Some(match self.below(40) {
            0 => return None,
            1 => Duration { seconds: -1, nanos: 0 },
            2 => Duration { seconds: 1, nanos: -1 },
            3 => Duration { seconds: i64::MAX, nanos: 0 },
            4..=8 => Duration::default(),
            9..=11 => Duration { seconds: 0, nanos: 500_000_000 },
            _ => Duration { seconds: self.below(60) as i64 + 1, nanos: 0 },
        })
    }

    pub(crate) fn retry_policy(&mut self) -> Option<RetryPolicy> {
        let maximum_attempts = self.below(5) as i32 - i32::from(self.one_in(20));
        let coefficients = [0.0, 1.0, 2.0, 0.5, f64::INFINITY, f64::NAN];
        // With a single attempt the policy is not looked at, and a NaN is equal to nothing.
        let known = if maximum_attempts == 1 { 5 } else { 6 };
        (!self.one_in(3)).then(|| RetryPolicy {
            initial_interval: self.duration(),
            backoff_coefficient: coefficients[[self.below(3), self.below(known)][self.below(20) / 19]],
            maximum_interval: self.one_in(3).then(|| self.duration()).flatten(),
            maximum_attempts,
            non_retryable_error_types: vec!["Fatal".into()],
        })
    }

    pub(crate) fn failure(&mut self) -> Failure {
        let info = ApplicationFailureInfo {
            r#type: self.pick(["E", "Fatal", ""]).unwrap_or_default().into(),
            non_retryable: self.one_in(6),
            next_retry_delay: self.one_in(6).then(|| self.duration()).flatten(),
            details: self.payloads(),
            ..Default::default()
        };
        let failure_info = (!self.one_in(10)).then_some(FailureInfo::ApplicationFailureInfo(info));
        let cause = self.one_in(8).then(|| Box::new(Failure { message: "cause".into(), ..Default::default() }));
        Failure { message: "it failed".into(), failure_info, cause, ..Default::default() }
    }
}
