//! What an operator wants to hear of before it becomes a limit, into the log.

use perdure_engine::warning::{Size, Warning};
use perdure_storage::RunKey;

use super::Shard;

impl Shard {
    /// Of a state that stays large, once for as long as the run is in memory.
    pub(super) fn warn(&mut self, key: RunKey, warning: &Warning) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        if warning.of == Size::State && std::mem::replace(&mut cell.warned, true) {
            return;
        }
        let (run, text) = (&cell.state.run, text(&warning.of));
        let holder = if let Size::Blob(holder) = warning.of { Some(holder) } else { None };
        tracing::warn!(
            namespace = run.namespace,
            workflow_id = run.workflow_id,
            run_id = run.run_id,
            size = warning.size,
            limit = warning.limit,
            holder,
            "{text}"
        );
    }
}

/// With the key that says what is large.
fn text(of: &Size) -> &'static str {
    match of {
        Size::Blob(_) => "a blob is above limit.blobSize.warn",
        Size::Memo => "a memo is above limit.memoSize.warn",
        Size::ActivityFailure => "the failure of an activity is above limit.mutableStateActivityFailureSize.warn",
        Size::HistorySize => "the history of a run is above limit.historySize.warn: continue it as new",
        Size::HistoryCount => "the number of a run's events is above limit.historyCount.warn: continue it as new",
        Size::State => "the state of a run is above limit.mutableStateSize.warn",
    }
}
