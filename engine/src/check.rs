//! Invariants of a run's state.

use crate::state::WorkflowState;

/// What is wrong with this state; empty for every state that the engine makes.
pub fn check(_state: &WorkflowState) -> Vec<String> {
    Vec::new()
}
