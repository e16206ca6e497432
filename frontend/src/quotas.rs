//! How much clients may ask for at a time.
//!
//! | limit | default | refused with |
//! |---|---|---|
//! | calls per second of the node | none | RESOURCE_EXHAUSTED, RPS_LIMIT, scope SYSTEM |
//! | calls per second of a namespace | none | RESOURCE_EXHAUSTED, RPS_LIMIT, scope NAMESPACE |
//! | lists and counts per second of a namespace | none | RESOURCE_EXHAUSTED, RPS_LIMIT, scope NAMESPACE |
//! | waiting calls of one method in a namespace | 20,000 | RESOURCE_EXHAUSTED, CONCURRENT_LIMIT, scope NAMESPACE |
//!
//! Temporal's defaults (2,400 calls and 10 lists per second, 1,200 waiting calls) protect a database that does far more for
//! each call. Here the mailboxes of the shards shed what is too much, so nobody is refused while there is room; the limits
//! are for operators who want to keep namespaces apart.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use perdure_proto::api::enums::{ResourceExhaustedCause as Cause, ResourceExhaustedScope as Scope};
use tonic::Status;
use uuid::Uuid;

use crate::{namespaces::AuthorizedNamespace, status};

/// So many seconds' worth of all calls of a node may come at once, as with Temporal.
const NODE_BURST_RATIO: f64 = 2.0;
/// Nobody needs more, and times stay far from where they overflow.
const LONGEST_BURST: Duration = Duration::from_secs(24 * 60 * 60);

/// Methods that wait for something to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Waiting {
    WorkflowTask,
    ActivityTask,
    NexusTask,
    History,
    Update,
    Query,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Quotas(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Of the node; 0: no limit.
    rps: AtomicU32,
    node: Mutex<Pace>,
    namespaces: Mutex<HashMap<Uuid, Pace>>,
    lists: Mutex<HashMap<Uuid, Pace>>,
    waiting: Mutex<HashMap<(Uuid, Waiting), usize>>,
}

/// When the calls so far will have been served at the allowed pace; None: no call yet.
#[derive(Clone, Copy, Default)]
struct Pace(Option<Instant>);

impl Pace {
    /// Takes one call, if the calls before it leave room.
    fn take(&mut self, rps: u32, burst_ratio: f64, now: Instant) -> bool {
        if rps == 0 {
            return true;
        }
        let served = self.0.map_or(now, |served| served.max(now));
        // The call itself needs its place in the burst.
        let each = Duration::from_secs(1) / rps;
        let next = served + each;
        // One call can always come, however small the burst.
        let burst = Duration::try_from_secs_f64(burst_ratio).unwrap_or(Duration::MAX).clamp(each, LONGEST_BURST);
        if next > now + burst {
            return false;
        }
        self.0 = Some(next);
        true
    }
}

impl Quotas {
    /// Calls per second of the node; 0: no limit.
    pub(crate) fn set_rps(&self, rps: u32) {
        self.0.rps.store(rps, Ordering::Relaxed);
    }

    /// One call of any kind.
    pub(crate) fn call(&self) -> Result<(), Status> {
        let rps = self.0.rps.load(Ordering::Relaxed);
        if rps == 0 || self.0.node.lock().take(rps, NODE_BURST_RATIO, Instant::now()) {
            return Ok(());
        }
        Err(status::exhausted("service rate limit exceeded", Cause::RpsLimit, Scope::System))
    }

    /// One call for this namespace.
    pub(crate) fn namespace(&self, namespace: &AuthorizedNamespace) -> Result<(), Status> {
        let limits = namespace.limits();
        paced(&self.0.namespaces, namespace.id(), limits.namespace_rps, limits.burst_ratio)
    }

    /// One list or count.
    pub(crate) fn list(&self, namespace: &AuthorizedNamespace) -> Result<(), Status> {
        let limits = namespace.limits();
        paced(&self.0.lists, namespace.id(), limits.visibility_rps, limits.visibility_burst_ratio)
    }

    /// A place for one call that waits, until it is dropped.
    pub(crate) fn wait(&self, namespace: &AuthorizedNamespace, method: Waiting) -> Result<Seat, Status> {
        let (id, limit) = (namespace.id(), namespace.limits().waiting_calls);
        let mut waiting = self.0.waiting.lock();
        let count = waiting.entry((id, method)).or_default();
        if limit != 0 && *count >= limit {
            let text = "namespace concurrent poller limit exceeded";
            return Err(status::exhausted(text, Cause::ConcurrentLimit, Scope::Namespace));
        }
        *count += 1;
        Ok(Seat { quotas: self.clone(), key: (id, method) })
    }
}

fn paced(paces: &Mutex<HashMap<Uuid, Pace>>, id: Uuid, rps: u32, burst_ratio: f64) -> Result<(), Status> {
    if rps == 0 || paces.lock().entry(id).or_default().take(rps, burst_ratio, Instant::now()) {
        return Ok(());
    }
    Err(status::exhausted("namespace rate limit exceeded", Cause::RpsLimit, Scope::Namespace))
}

/// Counts one waiting call.
pub(crate) struct Seat {
    quotas: Quotas,
    key: (Uuid, Waiting),
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut waiting = self.quotas.0.waiting.lock();
        if let Some(count) = waiting.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::FrontendLimits, namespaces::tests::with_limits};

    #[test]
    fn a_pace_allows_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let taken = |pace: &mut Pace, millis, tries| (0..tries).filter(|_| pace.take(10, 2.0, at(millis))).count();
        // Two seconds' worth at once, then one each tenth of a second.
        assert_eq!(taken(&mut pace, 0, 100), 20);
        assert_eq!(taken(&mut pace, 99, 100), 0);
        assert_eq!(taken(&mut pace, 1_000, 100), 10);
        // A pause is worth no more than a burst.
        assert_eq!(taken(&mut pace, 60_000, 100), 20);
        assert_eq!((0..1_000).filter(|_| Pace::default().take(0, 2.0, start)).count(), 1_000);
    }

    #[test]
    fn what_is_refused_says_why_and_for_whom() {
        let quotas = Quotas::default();
        quotas.set_rps(1);
        let limits = FrontendLimits {
            namespace_rps: 1,
            visibility_rps: 1,
            burst_ratio: 1.0,
            waiting_calls: 1,
            ..FrontendLimits::default()
        };
        let namespaces = [1, 2].map(|id| with_limits(Uuid::from_u128(id), limits.clone()));
        let [one, other] = &namespaces;
        let header = |status: &Status, name: &str| status.metadata().get(name).unwrap().to_str().unwrap().to_owned();
        let told = |answer: Result<(), Status>| {
            let status = answer.unwrap_err();
            let [cause, scope] =
                ["x-resource-exhausted-cause", "x-resource-exhausted-scope"].map(|name| header(&status, name));
            (status.message().to_owned(), cause, scope)
        };
        let expected = |text: &str, cause: &str, scope: &str| (text.to_owned(), cause.to_owned(), scope.to_owned());
        quotas.call().unwrap();
        quotas.call().unwrap();
        assert_eq!(told(quotas.call()), expected("service rate limit exceeded", "RpsLimit", "System"));
        for limited in [Quotas::namespace, Quotas::list] {
            limited(&quotas, one).unwrap();
            limited(&quotas, other).unwrap();
            let text = expected("namespace rate limit exceeded", "RpsLimit", "Namespace");
            assert_eq!(told(limited(&quotas, one)), text);
        }
        let seat = quotas.wait(one, Waiting::ActivityTask).unwrap();
        let _others = [quotas.wait(one, Waiting::Query).unwrap(), quotas.wait(other, Waiting::ActivityTask).unwrap()];
        let refused = quotas.wait(one, Waiting::ActivityTask).map(drop);
        let text = expected("namespace concurrent poller limit exceeded", "ConcurrentLimit", "Namespace");
        assert_eq!(told(refused), text);
        drop(seat);
        quotas.wait(one, Waiting::ActivityTask).unwrap();
    }
}
