//! The server, as a client finds it.

use std::{collections::BTreeSet, time::Duration};

use perdure_cli::Session;
use perdure_proto::api::{
    enums::{NamespaceState, TaskQueueType},
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeNamespaceRequest, DescribeTaskQueueRequest, GetClusterInfoRequest, ListWorkflowExecutionsRequest,
    },
};
use tokio::{net::TcpStream, time::timeout};

use super::{Check, Verdict};

/// Open workflows whose task queues are looked at.
const OPEN: i32 = 1_000;
/// Task queues that are looked at.
const QUEUES: usize = 100;

const REACH: Duration = Duration::from_secs(5);

pub(super) const CHECKS: [Check<ClientFacts>; 4] =
    [("server", server), ("namespace", namespace), ("task queues", task_queues), ("workflows", workflows)];

pub(super) struct ClientFacts {
    address: String,
    name: String,
    /// Version and store. Err: why not.
    server: Result<(String, String), Refusal>,
    namespace: Option<Result<i32, String>>,
    /// How many queues were looked at, and those with a backlog that nobody polls.
    stuck: Result<(usize, Vec<Stuck>), String>,
    /// One whose workflow tasks keep failing, and how many there are of them.
    failing: Result<(usize, Option<String>), String>,
}

/// A queue that nobody polls.
struct Stuck {
    queue: String,
    kind: &'static str,
    tasks: i64,
}

enum Refusal {
    /// Nobody listens there.
    NoListener(String),
    /// Somebody does, and does not speak as we do.
    OtherLanguage(String),
    NotLetIn(String),
    Other(String),
}

impl ClientFacts {
    pub(super) async fn gather(session: &Session) -> Self {
        let (address, name) = (session.address(), session.namespace());
        let server = ask(session).await;
        let unknown = || "the server cannot be asked".to_owned();
        let (stuck, failing) = (Err(unknown()), Err(unknown()));
        let mut facts = Self { address, name, server, namespace: None, stuck, failing };
        if facts.server.is_err() {
            return facts;
        }
        let request = DescribeNamespaceRequest { namespace: facts.name.clone(), ..Default::default() };
        let described = session.call(request).await;
        let state = described.map(|answer| answer.namespace_info.map_or(0, |info| info.state));
        facts.namespace = Some(state.map_err(|error| error.to_string()));
        if matches!(facts.namespace, Some(Ok(_))) {
            facts.stuck = stuck_queues(session, &facts.name).await.map_err(|error| error.to_string());
            facts.failing = failing_workflows(session, &facts.name).await.map_err(|error| error.to_string());
        }
        facts
    }

    /// Also where it does not let us in.
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.server, Ok(_) | Err(Refusal::NotLetIn(_)))
    }

    /// What the server keeps its state in.
    pub(super) fn store(&self) -> Option<&str> {
        self.server.as_ref().ok().map(|(_, store)| store.as_str())
    }
}

async fn ask(session: &Session) -> Result<(String, String), Refusal> {
    let address = session.address();
    let plain = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest).to_owned();
    match timeout(REACH, TcpStream::connect(plain.as_str())).await {
        Err(_) => return Err(Refusal::NoListener(format!("no answer within {} s", REACH.as_secs()))),
        Ok(Err(error)) => return Err(Refusal::NoListener(error.to_string())),
        Ok(Ok(_)) => {}
    }
    if let Err(error) = session.channel().await {
        return Err(Refusal::OtherLanguage(format!("{error:#}")));
    }
    match session.call(GetClusterInfoRequest {}).await {
        Ok(info) => Ok((info.server_version, info.persistence_store)),
        Err(error) => {
            let text = format!("{error:#}");
            Err(match () {
                // What HTTP/2 makes of a TLS alert.
                () if text.contains("transport error") || text.contains("h2 protocol") => Refusal::OtherLanguage(text),
                () if text.contains("PermissionDenied") || text.contains("does not know you") => {
                    Refusal::NotLetIn(text)
                }
                () => Refusal::Other(text),
            })
        }
    }
}

/// The task queues of open workflows that have tasks and no worker.
async fn stuck_queues(session: &Session, namespace: &str) -> anyhow::Result<(usize, Vec<Stuck>)> {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: "ExecutionStatus = 'Running'".to_owned(),
        page_size: OPEN,
        ..Default::default()
    };
    let open = session.call(request).await?.executions;
    let queues: BTreeSet<_> = open.into_iter().map(|info| info.task_queue).filter(|queue| !queue.is_empty()).collect();
    let kinds = [(TaskQueueType::Workflow, "workflow"), (TaskQueueType::Activity, "activity")];
    let mut stuck = Vec::new();
    for queue in queues.iter().take(QUEUES) {
        for (kind, word) in kinds {
            let request = DescribeTaskQueueRequest {
                namespace: namespace.to_owned(),
                task_queue: Some(TaskQueue { name: queue.clone(), ..Default::default() }),
                task_queue_type: kind as i32,
                report_stats: true,
                ..Default::default()
            };
            let answer = session.call(request).await?;
            let waiting = answer.stats.map_or(0, |stats| stats.approximate_backlog_count);
            if waiting > 0 && answer.pollers.is_empty() {
                stuck.push(Stuck { queue: queue.clone(), kind: word, tasks: waiting });
            }
        }
    }
    Ok((queues.len(), stuck))
}

async fn failing_workflows(session: &Session, namespace: &str) -> anyhow::Result<(usize, Option<String>)> {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'".to_owned(),
        page_size: OPEN,
        ..Default::default()
    };
    let failing = session.call(request).await?.executions;
    let first = failing.first().and_then(|info| info.execution.as_ref()).map(|execution| execution.workflow_id.clone());
    Ok((failing.len(), first))
}

fn server(facts: &ClientFacts) -> Verdict {
    let at = &facts.address;
    match &facts.server {
        Ok((version, store)) => Verdict::ok(format!("{at}: version {version} on {store}")),
        Err(Refusal::NoListener(why)) => {
            let action = "start the server, or give its address with --address or TEMPORAL_ADDRESS";
            Verdict::problem(format!("nobody listens at {at}: {why}"), action)
        }
        Err(Refusal::OtherLanguage(why)) => Verdict::problem(
            why.as_str(),
            "is it the gRPC port, and does it want TLS (--tls, --tls-ca-path, --tls-server-name) or none (--tls=false)?",
        ),
        Err(Refusal::NotLetIn(why)) => {
            Verdict::problem(why.as_str(), "give --api-key, or --tls-cert-path and --tls-key-path")
        }
        Err(Refusal::Other(why)) => Verdict::problem(why.as_str(), "look into the log of the server"),
    }
}

fn namespace(facts: &ClientFacts) -> Verdict {
    let name = &facts.name;
    match &facts.namespace {
        None => Verdict::Unknown("the server cannot be asked".to_owned()),
        Some(Ok(state)) if *state == NamespaceState::Registered as i32 => Verdict::ok(format!("{name} is there")),
        Some(Ok(_)) => Verdict::problem(
            format!("{name} takes no new workflows: it is deprecated or deleted"),
            "name another one with --namespace, or register it again",
        ),
        Some(Err(why)) => Verdict::problem(
            why.as_str(),
            format!("`perdure operator namespace create -n {name}`, or name another one"),
        ),
    }
}

fn task_queues(facts: &ClientFacts) -> Verdict {
    match &facts.stuck {
        Err(why) => Verdict::Unknown(why.clone()),
        Ok((queues, stuck)) if stuck.is_empty() => {
            Verdict::ok(format!("{queues} queues of open workflows: each with tasks has a worker"))
        }
        Ok((_, stuck)) => {
            let list = stuck.iter().map(|Stuck { queue, kind, tasks }| format!("{queue} ({tasks} {kind} tasks)"));
            let list = list.collect::<Vec<_>>().join(", ");
            let action = "start workers for these task queues, or mend the name that the workers poll";
            Verdict::problem(format!("no worker polls {list}"), action)
        }
    }
}

fn workflows(facts: &ClientFacts) -> Verdict {
    match &facts.failing {
        Err(why) => Verdict::Unknown(why.clone()),
        Ok((_, None)) => Verdict::ok("no open workflow's tasks keep failing"),
        Ok((count, Some(first))) => Verdict::problem(
            format!("the workflow tasks of {count} open workflows keep failing, of {first} for instance"),
            format!(
                "`perdure workflow describe -w '{first}'` shows why; mend the worker's code, or reset the workflow"
            ),
        ),
    }
}
