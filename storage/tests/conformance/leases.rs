//! Leases: one owner at a time.

use std::time::Duration;

use futures::future::join_all;
use perdure_storage::{CommitError, RunWrite, Store, StoreError, visibility::ListQuery};

use crate::{
    on_all_stores,
    rows::{NAMESPACE, TTL, commit, create, lease, run_key, visibility},
};

on_all_stores!(
    first_owner_makes_equal_ranges,
    lease_is_held_until_released,
    expired_lease_is_taken_over,
    lost_lease_is_not_renewed,
    renewal_extends,
    takeover_draws_a_line,
);

async fn first_owner_makes_equal_ranges(store: &dyn Store) {
    let leases = store.acquire_leases("a", 3, TTL).await.unwrap();
    let ranges: Vec<_> = leases.iter().map(|lease| lease.slots()).collect();
    assert_eq!(ranges, [0..5461, 5461..10_922, 10_922..16_384]);
    // The number of ranges is decided once.
    let again = store.acquire_leases("a", 8, TTL).await.unwrap();
    assert_eq!(again.iter().map(|lease| lease.slots()).collect::<Vec<_>>(), ranges);
    assert!(again.iter().zip(&leases).all(|(new, old)| new.epoch > old.epoch));
}

async fn lease_is_held_until_released(store: &dyn Store) {
    let leases = store.acquire_leases("a", 2, TTL).await.unwrap();
    match store.acquire_leases("b", 2, TTL).await {
        Err(StoreError::LeaseHeld { owner, expires_at }) => {
            assert_eq!(owner, "a");
            let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
            let left = expires_at - now.as_nanos() as i64;
            assert!((0..=2 * TTL.as_nanos() as i64).contains(&left), "{left}");
        }
        other => panic!("{other:?}"),
    }
    store.release_leases("b", &leases).await.unwrap();
    assert!(store.acquire_leases("b", 2, TTL).await.is_err(), "only the owner releases");
    store.release_leases("a", &leases[..1]).await.unwrap();
    assert!(store.acquire_leases("b", 2, TTL).await.is_err(), "one is held yet");
    store.release_leases("a", &leases).await.unwrap();
    let taken = store.acquire_leases("b", 2, TTL).await.unwrap();
    assert!(taken.iter().zip(&leases).all(|(new, old)| new.epoch > old.epoch && new.slots() == old.slots()));
}

async fn expired_lease_is_taken_over(store: &dyn Store) {
    let old = store.acquire_leases("a", 1, Duration::ZERO).await.unwrap();
    let new = store.acquire_leases("b", 1, TTL).await.unwrap();
    assert!(new[0].epoch > old[0].epoch);
    assert!(matches!(store.acquire_leases("a", 1, TTL).await, Err(StoreError::LeaseHeld { .. })));
}

async fn lost_lease_is_not_renewed(store: &dyn Store) {
    let old = store.acquire_leases("a", 2, Duration::ZERO).await.unwrap();
    let new = store.acquire_leases("b", 2, TTL).await.unwrap();
    let result = store.renew_leases("a", &old, TTL).await;
    assert!(matches!(&result, Err(StoreError::LeaseHeld { owner, .. }) if owner == "b"), "{result:?}");
    let result = store.renew_leases("a", &new, TTL).await;
    assert!(matches!(&result, Err(StoreError::LeaseHeld { .. })), "{result:?}");
    store.renew_leases("b", &new, TTL).await.unwrap();
    store.renew_leases("b", &[], TTL).await.unwrap();
    store.release_leases("a", &old).await.unwrap();
    store.renew_leases("b", &new, TTL).await.unwrap();
}

async fn renewal_extends(store: &dyn Store) {
    // Expired, but nobody took it: still ours.
    let leases = store.acquire_leases("a", 2, Duration::ZERO).await.unwrap();
    store.renew_leases("a", &leases, TTL).await.unwrap();
    assert!(matches!(store.acquire_leases("b", 2, TTL).await, Err(StoreError::LeaseHeld { .. })));
}

/// Commits under way when the lease changes hands: those that the new owner does not see never arrive.
async fn takeover_draws_a_line(store: &dyn Store) {
    let old = lease(store).await;
    let query = ListQuery { namespace_id: NAMESPACE, ..Default::default() };
    let writers = (0..4).map(async |writer| {
        for written in 0.. {
            let id = format!("{writer}-{written}");
            let first = RunWrite { visibility: Some(visibility(&id, 1)), ..create(run_key(&id), &id) };
            match commit(store, &old, vec![first]).await {
                Ok(()) => tokio::task::yield_now().await,
                Err(CommitError::LeaseLost) => return written,
                Err(error) => panic!("{error}"),
            }
        }
        0
    });
    let takeover = async {
        while store.count(&query).await.unwrap() < 20 {
            tokio::task::yield_now().await;
        }
        lease(store).await;
        store.count(&query).await.unwrap()
    };
    let (written, seen) = futures::join!(join_all(writers), takeover);
    assert_eq!(written.iter().sum::<i64>(), seen);
}
