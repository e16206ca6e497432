//! What is written of a run, and what a worker reads of it.

use perdure_engine::{Change, journal};
use perdure_proto::{
    RawHistory,
    api::{
        common::{WorkflowExecution, WorkflowType},
        workflowservice::PollWorkflowTaskQueueResponse,
    },
    token::{Sealer, WorkflowTaskToken},
};
use prost::{Message, bytes::Bytes};

use crate::{run::Run, suite::Suite};

pub(crate) fn measure(suite: &mut Suite) {
    let (mut run, outcome) = Run::new();
    let mut changes = outcome.changes;
    changes.extend(run.do_one_activity());
    suite.measure("encode", "journal_row", || (), |()| journal::encode(&changes));
    suite.measure("encode", "snapshot", || (), |()| journal::encode_snapshot(&run.state));
    let snapshot = journal::encode_snapshot(&run.state);
    suite.measure("encode", "snapshot_decoded", || (), |()| journal::decode_snapshot(&snapshot));

    let sealer = Sealer::new([7; 32]);
    let token = token();
    suite.measure("encode", "token_sealed", || (), |()| sealer.seal(&token));
    let sealed = sealer.seal(&token);
    suite.measure("encode", "token_opened", || (), |()| sealer.open::<WorkflowTaskToken>(&sealed));
    let response = response(sealed, &changes);
    suite.measure("encode", "poll_response", || (), |()| response.encode_to_vec());
}

fn token() -> WorkflowTaskToken {
    WorkflowTaskToken {
        namespace_id: vec![1; 16].into(),
        workflow_id: "order-0195d2a0".into(),
        run_id: vec![2; 16].into(),
        scheduled_event_id: 8,
        started_event_id: 9,
        attempt: 1,
        started_time: 1_700_000_000_000_000_000,
    }
}

fn response(task_token: Bytes, changes: &[Change]) -> PollWorkflowTaskQueueResponse {
    let mut history = Vec::new();
    for change in changes {
        if let Change::Event { encoded, .. } = change {
            history.extend_from_slice(encoded);
        }
    }
    PollWorkflowTaskQueueResponse {
        task_token,
        workflow_execution: Some(WorkflowExecution {
            workflow_id: "order-0195d2a0".into(),
            run_id: "0195d2a0-0000-7000-8000-00000000000b".into(),
        }),
        workflow_type: Some(WorkflowType { name: "OrderWorkflow".into() }),
        previous_started_event_id: 3,
        started_event_id: 9,
        attempt: 1,
        history: Some(RawHistory::from_encoded(history.into())),
        ..Default::default()
    }
}
