//! What becomes of actions whose time has come while others run.
//!
//! | policy          | nothing runs | one was just chosen   | one runs                          |
//! |-----------------|--------------|-----------------------|-----------------------------------|
//! | ALLOW_ALL       | starts       | starts                | starts                            |
//! | SKIP            | is chosen    | is skipped            | is skipped                        |
//! | BUFFER_ONE      | is chosen    | waits, if none waits, else is skipped | the same          |
//! | BUFFER_ALL      | is chosen    | waits                 | waits                             |
//! | CANCEL_OTHER    | is chosen    | takes its place       | waits; the one that runs is canceled |
//! | TERMINATE_OTHER | is chosen    | takes its place       | waits; the one that runs is terminated |
//!
//! Where something is to be ended, nothing starts beside it: it waits.

use perdure_proto::api::enums::ScheduleOverlapPolicy as Policy;

use super::state::Buffered;

/// What to do with the actions that were looked at.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// To be started whatever runs.
    pub beside: Vec<Buffered>,
    /// To be started, and in the way of others from then on.
    pub chosen: Option<Buffered>,
    pub waiting: Vec<Buffered>,
    pub skipped: i64,
    /// What runs is to be ended.
    pub end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Cancel,
    Terminate,
}

/// Looks at the actions in order. `default` is the schedule's own policy.
pub(super) fn decide(actions: Vec<Buffered>, running: bool, default: Policy) -> Decision {
    let mut decision = Decision::default();
    for action in actions {
        let policy = match action.overlap_policy() {
            Policy::Unspecified => default,
            own => own,
        };
        if policy == Policy::AllowAll {
            decision.beside.push(action);
        } else if !running && decision.chosen.is_none() {
            decision.chosen = Some(action);
        } else {
            decision.overlap(action, policy, running);
        }
    }
    if decision.end.is_some() {
        decision.waiting.append(&mut decision.beside);
    }
    decision
}

impl Decision {
    fn overlap(&mut self, action: Buffered, policy: Policy, running: bool) {
        match policy {
            Policy::BufferAll => self.waiting.push(action),
            Policy::BufferOne if self.waiting.is_empty() => self.waiting.push(action),
            Policy::CancelOther | Policy::TerminateOther if !running => self.chosen = Some(action),
            Policy::CancelOther => self.end_running(action, End::Cancel),
            Policy::TerminateOther => self.end_running(action, End::Terminate),
            Policy::Unspecified | Policy::Skip | Policy::BufferOne | Policy::AllowAll => self.skipped += 1,
        }
    }

    fn end_running(&mut self, action: Buffered, end: End) {
        self.end = self.end.max(Some(end));
        self.waiting.push(action);
    }
}

/// SKIP where a schedule has none.
pub(super) fn or_skip(policy: Policy) -> Policy {
    if policy == Policy::Unspecified { Policy::Skip } else { policy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(nominal: i64, policy: Policy) -> Buffered {
        Buffered { nominal, overlap_policy: policy as i32, ..Default::default() }
    }

    fn nominals(actions: &[Buffered]) -> Vec<i64> {
        actions.iter().map(|action| action.nominal).collect()
    }

    /// Two actions of a policy, with and without something that runs: beside, chosen, waiting, skipped, end.
    #[test]
    fn every_cell() {
        type Row = (Policy, bool, Vec<i64>, Option<i64>, Vec<i64>, i64, Option<End>);
        let rows: [Row; 14] = [
            (Policy::Unspecified, false, vec![], Some(1), vec![], 1, None),
            (Policy::Unspecified, true, vec![], None, vec![], 2, None),
            (Policy::AllowAll, false, vec![1, 2], None, vec![], 0, None),
            (Policy::AllowAll, true, vec![1, 2], None, vec![], 0, None),
            (Policy::Skip, false, vec![], Some(1), vec![], 1, None),
            (Policy::Skip, true, vec![], None, vec![], 2, None),
            (Policy::BufferOne, false, vec![], Some(1), vec![2], 0, None),
            (Policy::BufferOne, true, vec![], None, vec![1], 1, None),
            (Policy::BufferAll, false, vec![], Some(1), vec![2], 0, None),
            (Policy::BufferAll, true, vec![], None, vec![1, 2], 0, None),
            (Policy::CancelOther, false, vec![], Some(2), vec![], 0, None),
            (Policy::CancelOther, true, vec![], None, vec![1, 2], 0, Some(End::Cancel)),
            (Policy::TerminateOther, false, vec![], Some(2), vec![], 0, None),
            (Policy::TerminateOther, true, vec![], None, vec![1, 2], 0, Some(End::Terminate)),
        ];
        for (policy, running, beside, chosen, waiting, skipped, end) in rows {
            let decision = decide(vec![action(1, policy), action(2, policy)], running, Policy::Skip);
            let case = format!("{policy:?}, running: {running}");
            assert_eq!(nominals(&decision.beside), beside, "{case}");
            assert_eq!(decision.chosen.map(|action| action.nominal), chosen, "{case}");
            assert_eq!(nominals(&decision.waiting), waiting, "{case}");
            assert_eq!((decision.skipped, decision.end), (skipped, end), "{case}");
        }
    }

    #[test]
    fn policies_together() {
        let actions = vec![
            action(1, Policy::CancelOther),
            action(2, Policy::AllowAll),
            action(3, Policy::TerminateOther),
            action(4, Policy::BufferOne),
        ];
        let decision = decide(actions, true, Policy::Skip);
        assert_eq!(decision.end, Some(End::Terminate));
        assert_eq!(nominals(&decision.waiting), [1, 3, 2]);
        assert!(decision.beside.is_empty());
        assert_eq!(decision.skipped, 1);
    }
}
