//! Which value holds for whom.
//!
//! As in Temporal, the value with the most of these constraints wins, in this order, and of two that are alike the first:
//!
//! | scope of the key | order |
//! |---|---|
//! | global | none |
//! | namespace | namespace; none |
//! | task queue | namespace, queue and type; namespace and queue; queue; namespace; none |

use std::collections::HashSet;

use perdure_history::ByNamespace;

use super::{
    AllLimits,
    file::{Constrained, Entry},
};

/// Limits for each namespace that is named, and for all others.
pub(super) fn resolve(entries: &[Entry]) -> ByNamespace<AllLimits> {
    let values = entries.iter().flat_map(|entry| &entry.values);
    let named: HashSet<&String> = values.filter_map(|value| value.holds.namespace.as_ref()).collect();
    ByNamespace {
        all: for_namespace(entries, None),
        named: named.into_iter().map(|name| (name.clone(), for_namespace(entries, Some(name)))).collect(),
    }
}

fn for_namespace(entries: &[Entry], namespace: Option<&str>) -> AllLimits {
    let mut limits = AllLimits::default();
    for Entry { key, values } in entries {
        let of = |own: bool, queue: bool| {
            values.iter().filter(move |Constrained { holds, .. }| {
                let fits = if own { holds.namespace.is_some() } else { holds.namespace.is_none() };
                fits && holds.queue.is_some() == queue
            })
        };
        let mine = |value: &&Constrained| value.holds.namespace.as_deref() == namespace;
        let best = of(true, false).find(mine).or_else(|| of(false, false).next());
        // The value was checked when it was read.
        if let Some(best) = best
            && let Err(what) = key.field.set(&mut limits, &best.value)
        {
            tracing::error!(key = key.name, what, "a checked value of the dynamic configuration cannot be set");
        }
        let mut queues: Vec<_> = of(true, true).filter(mine).chain(of(false, true)).collect();
        // Of those for one queue the one with a type is asked first; the order of the others stays.
        queues.sort_by_key(|value| (value.holds.namespace.is_none(), value.holds.kind.is_none()));
        for Constrained { value, holds } in queues {
            if let Some(queue) = &holds.queue {
                key.field.set_for_queue(&mut limits, queue, holds.kind, value);
            }
        }
    }
    limits
}
