//! Batch operations: each cell of the table of `batch`.

use perdure_engine::{
    Ctx, Ids, Input, Limits, Reject, Start, Task, WorkflowState,
    batch::{BatchInput, BatchProgress, NewBatch, batch_state, owed_page},
    input::StartKind,
    journal, next_deadline, obligations, start, step,
};
use perdure_proto::api::{
    enums::{BatchOperationState, WorkflowExecutionStatus as Status},
    workflowservice::StartBatchOperationRequest,
};

struct NoIds;

impl Ids for NoIds {
    fn run_id(&mut self) -> String {
        "run".into()
    }

    fn message_id(&mut self) -> String {
        "message".into()
    }
}

struct World(WorkflowState);

impl World {
    fn new() -> Self {
        let limits = Limits::default();
        let request = StartBatchOperationRequest { job_id: "j".into(), reason: "r".into(), ..Default::default() };
        let job = Start {
            workflow_id: "j".into(),
            run_id: "run".into(),
            workflow_type: "BATCH_OPERATION_TYPE_SIGNAL".into(),
            kind: StartKind::Batch(Box::new(NewBatch { request, identity: "me".into() })),
            ..Start::default()
        };
        let (state, outcome) = start(job, &mut Ctx { now: 1, ids: &mut NoIds, limits: &limits }).unwrap();
        assert_eq!(outcome.tasks, [Task::RunBatch { page: 0 }]);
        assert!(outcome.visibility_changed);
        Self(state)
    }

    /// What is stored brings the same state back.
    fn send(&mut self, input: Input) -> Result<Vec<Task>, Reject> {
        let limits = Limits::default();
        let before = self.0.clone();
        let outcome = step(&mut self.0, input, &mut Ctx { now: 2, ids: &mut NoIds, limits: &limits });
        let outcome = outcome.inspect_err(|_| assert_eq!(self.0, before))?;
        let mut stored = before;
        let row = journal::encode(&outcome.changes);
        journal::apply(&mut stored, &row.events, &row.changes).unwrap();
        assert_eq!(stored, self.0);
        Ok(outcome.tasks)
    }

    fn page_done(&mut self, page: i64, completed: i64, last: bool) -> Result<Vec<Task>, Reject> {
        let progress = BatchProgress { completed, total: 3, cursor: "next".into(), ..Default::default() };
        self.send(Input::Batch(BatchInput::PageDone { page, progress, last }))
    }

    fn status(&self) -> BatchOperationState {
        batch_state(self.0.run.close.as_ref().map_or(Status::Running, |close| close.status()))
    }
}

#[test]
fn page_after_page() {
    let mut world = World::new();
    assert_eq!(world.status(), BatchOperationState::Running);
    assert_eq!(world.page_done(0, 2, false).unwrap(), [Task::RunBatch { page: 1 }]);
    assert_eq!(obligations(&world.0), [Task::RunBatch { page: 1 }]);
    // A page that was done twice, and one that is not due.
    for page in [0, 2] {
        assert_eq!(world.page_done(page, 9, false).unwrap_err(), Reject::NotAwaited);
    }
    let progress = &world.0.run.batch.as_ref().unwrap().progress;
    assert_eq!((progress.pages, progress.completed, progress.cursor.as_ref()), (1, 2, &b"next"[..]));
    assert!(world.page_done(1, 3, true).unwrap().is_empty());
    assert_eq!(world.status(), BatchOperationState::Completed);
    assert_eq!((owed_page(&world.0.run), next_deadline(&world.0)), (None, None));
    assert_eq!(world.page_done(2, 9, false).unwrap_err(), Reject::NotAwaited);
    assert_eq!(world.send(Input::Batch(BatchInput::Stop)).unwrap_err(), Reject::WorkflowClosed);
}

#[test]
fn stopped_and_deleted() {
    let mut world = World::new();
    assert!(world.send(Input::Batch(BatchInput::Stop)).unwrap().is_empty());
    assert_eq!(world.status(), BatchOperationState::Failed);
    assert!(obligations(&world.0).is_empty());
    assert_eq!(world.page_done(0, 1, false).unwrap_err(), Reject::NotAwaited);
    world.send(Input::Delete).unwrap();
    assert!(world.0.is_to_be_deleted());

    let mut running = World::new();
    running.send(Input::Delete).unwrap();
    assert!(running.0.is_to_be_deleted());
    assert_eq!(World::new().send(Input::ParentNotified).unwrap_err(), Reject::NotAwaited);
}
