//! A node on the store in memory, with a worker that speaks to it directly.

pub(crate) mod command;

use std::{future::Future, sync::Arc, time::Duration};

use perdure_engine::{ActivityRef, Input, Start, WorkflowTaskRef};
use perdure_history::{
    ByNamespace, Clock, Error, History, HistoryConfig, LiveLimits, NexusConfig, NexusEndpoints, QueryOutcome,
    Responded, SystemClock, Target, nexus::http::HttpClient,
};
use perdure_matching::{
    DeploymentVersion, Matching, MatchingLimits, Poll, PollerInfo, QueryAnswer, QueueKey, QueueKind, QueueRouting,
    Ramp, StartedActivityTask, StartedTask, StartedWorkflowTask,
};
use perdure_proto::{
    api::{
        command::Command,
        common::Payloads,
        enums::{EventType, QueryRejectCondition, QueryResultType},
        query::{WorkflowQuery, WorkflowQueryResult},
        workflowservice::RespondWorkflowTaskCompletedRequest,
    },
    token::Sealer,
};
use perdure_storage::{MemoryStore, RunKey, Store, WorkflowKey};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) const QUEUE: &str = "queue";
pub(crate) const DEPLOYMENT: &str = "deployment";
const OWNER: &str = "node";
pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(7);
/// Longer than any machine needs: a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) history: History,
    matching: Matching,
    store: Arc<MemoryStore>,
}

pub(crate) fn start(workflow_id: &str) -> Start {
    Start {
        namespace_id: NAMESPACE.to_string(),
        namespace: "default".into(),
        workflow_id: workflow_id.into(),
        request_id: Uuid::new_v4().to_string(),
        workflow_type: "Type".into(),
        task_queue: QUEUE.into(),
        task_timeout: 10_000_000_000,
        ..Start::default()
    }
}

fn queue(kind: QueueKind) -> QueueKey {
    QueueKey { namespace_id: NAMESPACE, name: QUEUE.into(), kind }
}

fn version(build_id: &str) -> Option<DeploymentVersion> {
    (!build_id.is_empty()).then(|| DeploymentVersion::new(DEPLOYMENT, build_id))
}

/// How many runs may be cached, and how many bytes they may take.
pub(crate) type Budget = (usize, usize);
const ROOMY: Budget = (1_000, usize::MAX);
/// Caches that cannot hold what a test does.
pub(crate) const NARROW: [Budget; 2] = [(4, usize::MAX), (1_000, 1)];

struct Later {
    seconds: i64,
    clock: SystemClock,
}

impl Clock for Later {
    fn now(&self) -> perdure_engine::Nanos {
        self.clock.now() + self.seconds * 1_000_000_000
    }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with_cache(ROOMY).await
    }

    pub(crate) async fn with_cache(budget: Budget) -> Self {
        Self::on(Arc::new(MemoryStore::new()), budget).await
    }

    /// A new node on the same store.
    pub(crate) async fn reopen(&self) -> Self {
        Self::on(self.store.clone(), ROOMY).await
    }

    /// The same, so many seconds later than it is.
    pub(crate) async fn reopen_later(&self, seconds: i64) -> Self {
        Self::at(self.store.clone(), ROOMY, Arc::new(Later { seconds, clock: SystemClock::default() })).await
    }

    async fn on(store: Arc<MemoryStore>, budget: Budget) -> Self {
        Self::at(store, budget, Arc::new(SystemClock::default())).await
    }

    async fn at(store: Arc<MemoryStore>, budget: Budget, clock: Arc<dyn Clock>) -> Self {
        let matching = Matching::new(MatchingLimits::default());
        let history = History::open(HistoryConfig {
            store: store.clone(),
            matching: matching.clone(),
            clock,
            limits: LiveLimits::new(ByNamespace::default()),
            nexus: NexusConfig {
                endpoints: NexusEndpoints::new(store.clone()),
                sealer: Sealer::new([7; 32]),
                http: HttpClient::new(rustls::RootCertStore::empty()),
                callback_base: None,
            },
            registry: perdure_metrics::Registry::default(),
            owner: OWNER.into(),
            ranges: 1,
            cached_runs: budget.0,
            cached_bytes: budget.1,
            lease: Duration::from_secs(15),
        });
        Self { history: history.await.expect("open"), matching, store }
    }

    pub(crate) fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub(crate) fn target(&self, workflow_id: &str) -> Target {
        Target { workflow: WorkflowKey::new(NAMESPACE, workflow_id), run_id: None }
    }

    /// The next commit finds its lease taken over.
    pub(crate) async fn lose_lease(&self) {
        self.store.acquire_leases(OWNER, 1, Duration::from_secs(60)).await.expect("the same owner takes its leases");
    }

    /// Tries again while the node reloads.
    pub(crate) async fn until_ok<T, F: Future<Output = Result<T, Error>>>(&self, call: impl Fn() -> F) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match call().await {
                Ok(value) => return value,
                Err(Error::Unavailable) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// By a worker of this build of the deployment; empty: by an unversioned worker.
    async fn poll_as(&self, kind: QueueKind, build_id: &str) -> Poll {
        let poller = PollerInfo { identity: "worker".into(), deployment: version(build_id), ..PollerInfo::default() };
        self.matching.poll(queue(kind), poller, Instant::now() + PATIENCE).await
    }

    /// From now on the queue's tasks go to this build, and these builds have the queue.
    pub(crate) fn route(&self, current: &str, build_ids: &[&str], revision: i64) {
        for kind in [QueueKind::Workflow, QueueKind::Activity] {
            let versions = build_ids.iter().filter_map(|build_id| version(build_id)).collect();
            let routing = QueueRouting { current: version(current), revision, versions, ..QueueRouting::default() };
            self.matching.set_routing(queue(kind), Some(routing));
        }
    }

    /// A part of the queue's workflows, which may be none, goes to another build.
    pub(crate) fn ramp(&self, current: &str, to: &str, percentage: f32) {
        let versions = [current, to].into_iter().filter_map(version).collect();
        let ramping = Some(Ramp { to: version(to), percentage });
        let routing = QueueRouting { current: version(current), ramping, versions, ..QueueRouting::default() };
        self.matching.set_routing(queue(QueueKind::Workflow), Some(routing));
    }

    pub(crate) async fn poll_workflow_task(&self) -> StartedWorkflowTask {
        self.poll_workflow_task_as("").await
    }

    pub(crate) async fn poll_workflow_task_as(&self, build_id: &str) -> StartedWorkflowTask {
        match self.poll_as(QueueKind::Workflow, build_id).await {
            Poll::Task(task) => match *task {
                StartedTask::Workflow(task) => task,
                other => panic!("not a workflow task: {other:?}"),
            },
            other => panic!("no workflow task: {other:?}"),
        }
    }

    pub(crate) async fn poll_activity_task(&self) -> StartedActivityTask {
        self.poll_activity_task_as("").await
    }

    pub(crate) async fn poll_activity_task_as(&self, build_id: &str) -> StartedActivityTask {
        match self.poll_as(QueueKind::Activity, build_id).await {
            Poll::Task(task) => match *task {
                StartedTask::Activity(task) => task,
                other => panic!("not an activity task: {other:?}"),
            },
            other => panic!("no activity task: {other:?}"),
        }
    }

    pub(crate) async fn complete(&self, task: &StartedWorkflowTask, commands: Vec<Command>) -> Responded {
        self.try_complete(task, commands).await.expect("complete")
    }

    pub(crate) async fn try_complete(
        &self,
        task: &StartedWorkflowTask,
        commands: Vec<Command>,
    ) -> Result<Responded, Error> {
        self.respond(task, RespondWorkflowTaskCompletedRequest { commands, ..Default::default() }).await
    }

    /// Completes without commands and answers all queries.
    pub(crate) async fn complete_with_answers(&self, task: &StartedWorkflowTask) {
        let answer = WorkflowQueryResult {
            result_type: QueryResultType::Answered as i32,
            answer: Some(Payloads::default()),
            ..Default::default()
        };
        let query_results = task.queries.keys().map(|id| (id.clone(), answer.clone())).collect();
        let request = RespondWorkflowTaskCompletedRequest { query_results, ..Default::default() };
        self.respond(task, request).await.expect("complete");
    }

    pub(crate) async fn respond(
        &self,
        task: &StartedWorkflowTask,
        request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<Responded, Error> {
        let target = Target { run_id: task.run.map(|run| run.run_id), ..self.target(&task.info.workflow_id) };
        let token = WorkflowTaskRef {
            scheduled_event_id: task.info.scheduled_event_id,
            started_event_id: task.info.started_event_id,
            attempt: task.info.attempt,
            started_time: task.info.started_time,
        };
        self.history.respond_workflow_task(target, token, request, Default::default(), PollerInfo::default()).await
    }

    pub(crate) async fn complete_activity(&self, task: &StartedActivityTask) {
        let activity = ActivityRef::Token {
            scheduled_event_id: task.info.activity.scheduled_event_id,
            attempt: task.info.activity.attempt,
            started_time: task.info.started_time,
        };
        let input = Input::ActivityCompleted { activity, result: None, identity: "worker".into() };
        let target = Target { run_id: Some(task.run.run_id), ..self.target(&task.info.workflow_id) };
        self.history.input(target, input).await.expect("complete the activity");
    }

    pub(crate) async fn query(&self, workflow_id: &str, query: WorkflowQuery) -> Result<QueryOutcome, Error> {
        let deadline = Instant::now() + PATIENCE;
        self.history.query(self.target(workflow_id), query, QueryRejectCondition::None, deadline).await
    }

    /// Activity tasks that wait for a worker.
    pub(crate) fn activity_backlog(&self) -> usize {
        self.matching.describe(&queue(QueueKind::Activity)).levels.iter().map(|level| level.backlog_count).sum()
    }

    pub(crate) async fn answer_query(&self) {
        self.answer_query_as("").await;
    }

    pub(crate) async fn answer_query_as(&self, build_id: &str) {
        match self.poll_as(QueueKind::Workflow, build_id).await {
            Poll::Query(task) => {
                assert!(self.matching.complete_query(&task.task_id, QueryAnswer::Answered(Some(Payloads::default()))));
            }
            other => panic!("no query: {other:?}"),
        }
    }

    /// The types of all events of the current run that are stored.
    pub(crate) async fn event_types(&self, workflow_id: &str) -> Vec<EventType> {
        let target = self.target(workflow_id);
        let run_id = self.history.view(target.clone(), |state| state.run.run_id.clone()).await.expect("a run");
        let run = RunKey { slot: target.workflow.slot(), run_id: run_id.parse().expect("a run id") };
        let (history, _) = self.history.read(run, 1, i64::MAX, 1_000).await.expect("history");
        history.events().expect("events").iter().map(|event| event.event_type()).collect()
    }
}
