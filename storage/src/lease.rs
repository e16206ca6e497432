//! What the stores share about leases: a row per range of slots, taken and given up all together.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use perdure_engine::Nanos;

use crate::{
    error::StoreError,
    keys::{SLOTS, Slot},
    store::Lease,
};

/// A lease as stored.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRow {
    pub(crate) lease: Lease,
    /// Empty: nobody.
    pub(crate) owner: String,
    /// Unix nanoseconds by the store's clock.
    pub(crate) expires_at: Nanos,
}

impl LeaseRow {
    /// Another owner has it, and its time is not over.
    pub(crate) fn is_held_from(&self, owner: &str, now: Nanos) -> bool {
        self.owner != owner && self.expires_at > now
    }

    pub(crate) fn held_error(&self) -> StoreError {
        StoreError::LeaseHeld { owner: self.owner.clone(), expires_at: self.expires_at }
    }
}

/// `LeaseHeld` if one of the rows has another owner whose time is not over.
pub(crate) fn check_free(rows: &[LeaseRow], owner: &str, now: Nanos) -> Result<(), StoreError> {
    match rows.iter().find(|row| row.is_held_from(owner, now)) {
        Some(held) => Err(held.held_error()),
        None => Ok(()),
    }
}

/// Why a lease of this range, which was not ours, could not be renewed.
pub(crate) fn lost(rows: &[LeaseRow], first_slot: Slot) -> StoreError {
    rows.iter().find(|row| row.lease.first_slot == first_slot).map_or(StoreError::NotFound, LeaseRow::held_error)
}

/// The process's clock, for stores without a clock of their own.
pub(crate) fn now() -> Nanos {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos)
}

/// All slots as this many ranges that differ by at most one slot.
pub(crate) fn equal_ranges(ranges: u16) -> Vec<Range<Slot>> {
    let ranges = u32::from(ranges.clamp(1, SLOTS));
    let bound = |index: u32| (index * u32::from(SLOTS) / ranges) as Slot;
    (0..ranges).map(|index| bound(index)..bound(index + 1)).collect()
}

/// A duration as nanoseconds; over 292 years is as good as 292 years.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_slots_once() {
        for count in [1, 2, 3, 7, 16, 1000, SLOTS, u16::MAX] {
            let ranges = equal_ranges(count);
            assert_eq!(ranges.len(), usize::from(count.min(SLOTS)));
            assert_eq!(ranges.first().map(|range| range.start), Some(0));
            assert_eq!(ranges.last().map(|range| range.end), Some(SLOTS));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[0].is_empty()), "{count}");
        }
    }
}
