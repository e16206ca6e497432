//! A million real runs without a million starts: a few runs that a server has made are copied in its database, each copy under ids
//! of its own. What is stored of a copy is, byte for byte, what the server would have stored of a run with these ids.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use indicatif::ProgressBar;
use perdure_engine::{Nanos, WorkflowState, journal};
use perdure_proto::api::common::SearchAttributes;
use perdure_storage::{
    Batch, JournalRow, Lease, PostgresConfig, PostgresStore, RunKey, RunWrite, SqliteStore, Store, VisibilityRow,
    WakeAt, WorkflowKey,
    batch::CreateRun,
    search_values::search_values,
    visibility::{CompareOp, Field, Filter, ListQuery, Value},
};
use prost::Message;
use uuid::Uuid;

use super::NAMESPACE;
use crate::args::Scale;

/// Runs of one transaction.
const BATCH: u64 = 1_000;
/// Nobody renews the leases while runs are copied.
const LEASE: Duration = Duration::from_secs(6 * 3600);
const OWNER: &str = "perdure-load";

/// The database, while no server has it.
pub(super) struct Database {
    store: Arc<dyn Store>,
    leases: Vec<Lease>,
    namespace_id: Uuid,
}

/// A run as stored, with the places of its ids.
pub(super) struct Template {
    workflow_id: String,
    run_id: Uuid,
    journal: Vec<JournalRow>,
    visibility: VisibilityRow,
    /// What the row of a run has that is in memory: a time that is over.
    early: Option<Nanos>,
    /// What the row of one has that has left the memory: its next deadline.
    deadline: Option<Nanos>,
}

/// What copies are like.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Was {
    /// The run had left the server's memory.
    Stored,
    /// It was in memory when the server was killed: the next one finds it due.
    Cached,
}

/// The id of a copy: as long as that of its template.
pub(super) fn workflow_id(kind: &str, seed: u64, number: u64) -> String {
    // Spread over all of the index, as ids are that clients draw.
    let spread = u128::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{kind}-{}", Uuid::from_u128(spread ^ (u128::from(seed) << 64)))
}

impl Database {
    /// Waits until the former owner is known to be gone.
    pub(super) async fn open(scale: &Scale) -> Result<Self> {
        let store: Arc<dyn Store> = if scale.is_postgres() {
            Arc::new(PostgresStore::connect(PostgresConfig::from_url(&scale.store)).await?)
        } else {
            Arc::new(SqliteStore::open(Some(Path::new(&scale.store))).await?)
        };
        let mut taken = store.acquire_leases(OWNER, 1, LEASE).await;
        while taken.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            taken = store.acquire_leases(OWNER, 1, LEASE).await;
        }
        let namespaces = store.namespaces().await?;
        let namespace = namespaces.iter().find(|namespace| namespace.name == NAMESPACE);
        let namespace_id = Uuid::parse_str(&namespace.context("the database has no namespace yet")?.id)?;
        Ok(Self { leases: taken?, store, namespace_id })
    }

    pub(super) async fn close(self) -> Result<()> {
        Ok(self.store.release_leases(OWNER, &self.leases).await?)
    }

    /// Runs of this type that are listed.
    pub(super) async fn count(&self, workflow_type: &str) -> Result<u64> {
        let query = self.one(Field::WorkflowType, workflow_type);
        Ok(u64::try_from(self.store.count(&query).await?)?)
    }

    fn one(&self, field: Field, value: &str) -> ListQuery {
        let filter = Filter::Compare { field, op: CompareOp::Eq, value: Value::Text(value.to_owned()) };
        ListQuery { namespace_id: self.namespace_id, filter: Some(filter), page_size: 1, ..ListQuery::default() }
    }

    /// A run that owes nothing.
    pub(super) async fn template(&self, workflow_id: &str) -> Result<Template> {
        let workflow = WorkflowKey::new(self.namespace_id, workflow_id);
        let slot = workflow.slot();
        let current = self.store.current_runs(std::slice::from_ref(&workflow)).await?;
        let run_id = current.first().copied().flatten().with_context(|| format!("{workflow_id} is not stored"))?;
        let mut stored = self.store.load_runs(&[RunKey { slot, run_id }]).await?;
        let stored = stored.pop().flatten().with_context(|| format!("{workflow_id} has no run"))?;
        ensure!(stored.snapshot.is_none(), "{workflow_id} is too long to be copied");
        let mut listed = self.store.list(&self.one(Field::WorkflowId, workflow_id)).await?;
        let mut visibility = listed.pop().with_context(|| format!("{workflow_id} is not listed"))?;
        // Lists do not return them.
        visibility.search_values = search_values(&SearchAttributes::decode(visibility.search_attributes.clone())?);
        let state = state(&stored.journal)?;
        ensure!(perdure_engine::obligations(&state).is_empty(), "{workflow_id} still owes something");
        Ok(Template {
            workflow_id: workflow_id.to_owned(),
            run_id,
            journal: stored.journal,
            visibility,
            early: stored.wake_at,
            deadline: perdure_engine::next_deadline(&state),
        })
    }

    /// Copies runs, each template in its turn, under the ids `workflow_id(kind, seed, numbers)`.
    pub(super) async fn fill(
        &self,
        templates: &[Template],
        (kind, seed): (&str, u64),
        numbers: std::ops::Range<u64>,
        was: Was,
    ) -> Result<()> {
        let bar = ProgressBar::new(numbers.end.saturating_sub(numbers.start)).with_message(kind.to_owned());
        let mut turns = templates.iter().cycle();
        let mut first = numbers.start;
        while first < numbers.end {
            let last = numbers.end.min(first + BATCH);
            let mut batches: Vec<_> =
                self.leases.iter().map(|lease| Batch { lease: lease.clone(), runs: Vec::new() }).collect();
            for number in first..last {
                let template = turns.next().context("there is nothing to copy")?;
                let write = template.copy(self.namespace_id, workflow_id(kind, seed, number), was)?;
                let batch = batches.iter_mut().find(|batch| batch.lease.slots().contains(&write.key.slot));
                batch.context("the leases are those of all slots")?.runs.push(write);
            }
            self.store.commit(&batches).await.context("copies could not be written")?;
            bar.inc(last - first);
            first = last;
        }
        bar.finish_and_clear();
        Ok(())
    }
}

fn state(rows: &[JournalRow]) -> Result<WorkflowState> {
    let mut state = WorkflowState::default();
    for row in rows {
        journal::apply(&mut state, &row.events, &row.changes).context("a stored run cannot be read")?;
    }
    Ok(state)
}

impl Template {
    fn copy(&self, namespace_id: Uuid, workflow_id: String, was: Was) -> Result<RunWrite> {
        ensure!(workflow_id.len() == self.workflow_id.len(), "{workflow_id} is not as long as {}", self.workflow_id);
        let workflow = WorkflowKey::new(namespace_id, workflow_id.as_str());
        let key = RunKey { slot: workflow.slot(), run_id: Uuid::now_v7() };
        let (old, new) = (self.run_id.to_string(), key.run_id.to_string());
        let ids = [
            (self.workflow_id.as_bytes(), workflow_id.as_bytes()),
            (old.as_bytes(), new.as_bytes()),
            (self.run_id.as_bytes(), key.run_id.as_bytes()),
        ];
        let journal = self.journal.iter().map(|row| JournalRow {
            events: renamed(&row.events, &ids),
            changes: renamed(&row.changes, &ids),
            ..row.clone()
        });
        let visibility = VisibilityRow {
            workflow_id: workflow_id.clone(),
            run_id: key.run_id,
            root_workflow_id: workflow_id.clone(),
            root_run_id: new.clone(),
            ..self.visibility.clone()
        };
        let wake_at = match was {
            Was::Stored => self.deadline,
            Was::Cached => self.early,
        };
        Ok(RunWrite {
            create: Some(CreateRun { workflow, make_current: true }),
            journal: journal.collect(),
            wake_at: wake_at.map_or(WakeAt::Keep, WakeAt::Set),
            visibility: Some(visibility),
            ..RunWrite::new(key)
        })
    }
}

/// The same with other ids, each of which is as long as the one whose place it takes.
fn renamed(bytes: &Bytes, ids: &[(&[u8], &[u8])]) -> Bytes {
    let mut renamed = bytes.to_vec();
    for (old, new) in ids {
        let mut at = 0;
        while let Some(found) = find(&renamed[at..], old) {
            at += found;
            renamed[at..at + new.len()].copy_from_slice(new);
            at += new.len();
        }
    }
    renamed.into()
}

/// By the first byte first: ids are rare in what is searched.
fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        from += within.get(from..)?.iter().position(|byte| *byte == first)?;
        if within[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_renamed() {
        let renamed = |text: &str| {
            let bytes = renamed(&Bytes::copy_from_slice(text.as_bytes()), &[(b"old", b"new"), (b"a1", b"b2")]);
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        for (before, after) in
            [("", ""), ("old", "new"), ("oold a1oldold", "onew b2newnew"), ("ol", "ol"), ("aa1a", "ab2a")]
        {
            assert_eq!(renamed(before), after);
        }
    }

    #[test]
    fn ids_are_of_one_length_and_differ() {
        let ids: std::collections::HashSet<_> =
            (0..2).flat_map(|seed| (0..1_000).map(move |number| workflow_id("parked", seed, number))).collect();
        assert_eq!(ids.len(), 2_000);
        assert!(ids.iter().all(|id| id.len() == workflow_id("parked", 7, u64::MAX).len()));
    }
}
