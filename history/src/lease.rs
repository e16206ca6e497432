//! The lease keeper: takes this node's leases, renews them, and restarts the shards when one was lost or failed.
//!
//! A node that cannot renew stops its shards before its leases end, by its own monotonic clock.

use std::{sync::Arc, time::Duration};

use perdure_storage::{Lease, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{shard::message::Message, shared::Shared};

/// A lease is renewed so often before it ends: a renewal may fail, and be tried again, before anything stops.
const RENEWALS: u32 = 4;
/// Shards stop a part of this size of a lease before the leases end.
const MARGIN: u32 = 5;
/// Wait between tries to get the leases.
const RETRY: Duration = Duration::from_millis(250);

pub(crate) struct Keeper {
    pub shared: Arc<Shared>,
    pub owner: String,
    pub ranges: u16,
    /// How long a lease lasts without renewal.
    pub ttl: Duration,
    pub stop: CancellationToken,
}

/// Takes all leases, waiting for another node's to end. Tells why it waits.
pub(crate) async fn acquire(
    store: &dyn Store,
    owner: &str,
    ranges: u16,
    ttl: Duration,
) -> Result<Vec<Lease>, StoreError> {
    // Each reason is told once, not with every try.
    let mut told = String::new();
    loop {
        match store.acquire_leases(owner, ranges, ttl).await {
            Ok(mut leases) => {
                leases.sort_by_key(|lease| lease.first_slot);
                return Ok(leases);
            }
            Err(StoreError::LeaseHeld { owner: holder, .. }) => {
                if told != holder {
                    tracing::warn!(
                        holder,
                        "another server holds this database; waiting until it stops or its lease ends"
                    );
                    told = holder;
                }
            }
            Err(StoreError::Unavailable(error)) => {
                let reason = error.to_string();
                if told != reason {
                    tracing::warn!(error, "the database is unavailable; trying again");
                    told = reason;
                }
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl Keeper {
    /// Keeps the leases until told to stop.
    pub(crate) async fn run(self, mut leases: Vec<Lease>, mut taken: Instant) {
        loop {
            let renewed = tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.shared.failed.notified() => None,
                () = tokio::time::sleep(self.ttl / RENEWALS) => self.renew(&leases, taken).await,
            };
            match renewed {
                Some(at) => taken = at,
                None => {
                    self.shared.known.forget();
                    self.tell(|| Message::Suspend).await;
                    match self.restart().await {
                        Some((new, at)) => (leases, taken) = (new, at),
                        None => break,
                    }
                }
            }
        }
        // The database may be gone; then the leases end by themselves.
        if let Err(error) = self.shared.store.release_leases(&self.owner, &leases).await {
            tracing::warn!(%error, "the leases could not be released; they end by themselves");
        }
    }

    /// When the leases were last renewed; None: they are lost, or may be.
    async fn renew(&self, leases: &[Lease], taken: Instant) -> Option<Instant> {
        let last = taken + self.ttl - self.ttl / MARGIN;
        loop {
            let asked = Instant::now();
            let renewal = self.shared.store.renew_leases(&self.owner, leases, self.ttl);
            match tokio::time::timeout_at(last, renewal).await {
                Ok(Ok(())) => return Some(asked),
                Ok(Err(StoreError::LeaseHeld { owner, .. })) => {
                    tracing::error!(owner, "another server took over the leases");
                    return None;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the leases could not be renewed");
                    tokio::time::sleep_until(last.min(Instant::now() + RETRY)).await;
                }
                Err(_) => {
                    tracing::warn!("the leases were not renewed in time");
                    return None;
                }
            }
            if Instant::now() >= last {
                return None;
            }
        }
    }

    /// New epochs for all shards: nothing that the old ones sent can commit any more.
    async fn restart(&self) -> Option<(Vec<Lease>, Instant)> {
        let asked = Instant::now();
        let acquired = tokio::select! {
            () = self.stop.cancelled() => return None,
            acquired = acquire(&*self.shared.store, &self.owner, self.ranges, self.ttl) => acquired,
        };
        match acquired {
            Ok(leases) => {
                let mut fresh = leases.clone().into_iter();
                self.shared.known.read(self.shared.store.clone());
                self.tell(|| fresh.next().map_or(Message::Suspend, Message::Lease)).await;
                Some((leases, asked))
            }
            Err(error) => {
                tracing::error!(%error, "the leases cannot be taken again; the server stops serving");
                None
            }
        }
    }

    async fn tell(&self, mut message: impl FnMut() -> Message) {
        for mailbox in self.shared.mailboxes.get().into_iter().flatten() {
            // A shard that has ended needs no telling.
            let _ = mailbox.sender.send(message()).await;
        }
    }
}
