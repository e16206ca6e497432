//! A task and a poller: how they come together, with a commit of no cost between them.

use std::{sync::Arc, task::Poll as Progress, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use futures::poll;
use perdure_matching::{
    Directive, Matching, MatchingLimits, Poll, PollerInfo, QueueKey, QueueKind, RecordError, Recorder, StartedTask,
    StartedWorkflowTask, TaskKind, TaskPriority, TaskRef,
};
use perdure_storage::{RunKey, WorkflowKey};
use tokio::{runtime::Runtime, time::Instant};
use uuid::Uuid;

use crate::suite::Suite;

const NAMESPACE: Uuid = Uuid::from_u128(7);
const WORKFLOW: &str = "order-0195d2a0";

/// Records each task at once.
struct AtOnce;

#[async_trait]
impl Recorder for AtOnce {
    async fn record_started(&self, _: &TaskRef, _: &PollerInfo) -> Result<StartedTask, RecordError> {
        Ok(started())
    }
}

pub(crate) fn measure(suite: &mut Suite) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let matching = Matching::new(MatchingLimits::default());
    matching.set_recorder(Arc::new(AtOnce));
    suite.measure("match", "reserve_a_parked_poller", poller, |poller| reserved(&runtime, &matching, poller));
    let poller_and_task = || (poller(), Box::new(task()));
    for (name, task_first) in [("offer_to_a_parked_poller", false), ("poll_for_a_waiting_task", true)] {
        let offer = |(poller, task)| offered(&runtime, &matching, poller, task, task_first);
        suite.measure("match", name, poller_and_task, offer);
    }
    Ok(())
}

/// As history does for a task that it owes: no task waits.
fn reserved(runtime: &Runtime, matching: &Matching, poller: PollerInfo) -> Poll {
    runtime.block_on(async {
        let key = key();
        let mut parked = Box::pin(matching.poll(key.clone(), poller, deadline()));
        assert!(poll!(&mut parked).is_pending());
        let directive = Directive::by_routing(WORKFLOW);
        let reservation = matching.reserve(&key, &directive, &TaskPriority::default()).expect("a poller is parked");
        reservation.deliver(Box::new(started()), Duration::from_secs(10));
        parked.await
    })
}

fn offered(runtime: &Runtime, matching: &Matching, poller: PollerInfo, task: Box<TaskRef>, task_first: bool) -> Poll {
    runtime.block_on(async {
        let key = key();
        if task_first {
            matching.offer(&key, task);
            return matching.poll(key, poller, deadline()).await;
        }
        let mut parked = Box::pin(matching.poll(key.clone(), poller, deadline()));
        let Progress::Pending = poll!(&mut parked) else { unreachable!("nothing waits") };
        matching.offer(&key, task);
        parked.await
    })
}

fn key() -> QueueKey {
    QueueKey { namespace_id: NAMESPACE, name: "orders".into(), kind: QueueKind::Workflow }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn poller() -> PollerInfo {
    PollerInfo { identity: "1234@worker.example".into(), worker_instance_key: "instance".into(), ..Default::default() }
}

fn task() -> TaskRef {
    TaskRef {
        kind: TaskKind::Workflow,
        workflow: WorkflowKey::new(NAMESPACE, WORKFLOW),
        run: RunKey { slot: 1, run_id: Uuid::from_u128(1) },
        scheduled_event_id: 2,
        attempt: 1,
        priority: TaskPriority::default(),
        directive: Directive::by_routing(WORKFLOW),
        scheduled_time: 1_700_000_000_000_000_000,
        options_version: 0,
    }
}

fn started() -> StartedTask {
    let workflow = Some(WorkflowKey::new(NAMESPACE, WORKFLOW));
    StartedTask::Workflow(StartedWorkflowTask { workflow, ..Default::default() })
}
