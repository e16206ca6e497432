//! `perdure task-queue …`

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    enums::{DescribeTaskQueueMode, TaskQueueKind, TaskQueueType},
    taskqueue::{RateLimit, TaskQueue, TaskQueueTypeInfo, TaskQueueVersionSelection},
    workflowservice::{
        DescribeTaskQueueRequest, DescribeTaskQueueResponse, ListTaskQueuePartitionsRequest,
        UpdateTaskQueueConfigRequest, update_task_queue_config_request::RateLimitUpdate,
    },
};
use serde_json::{Value as Json, json};

use crate::{
    choices::choices,
    commands::Group,
    key_value::KeyValue,
    output::{Field, Section},
    session::Session,
    start::task_queue,
};

commands! {
    /// Look at task queues, and limit them.
    TaskQueueCommand {
        /// Show who polls a task queue and what waits in it
        #[command(after_help = "Examples:\n  perdure task-queue describe --task-queue orders\n  perdure task-queue describe --task-queue orders --task-queue-type activity -o json")]
        Describe(Describe),
        /// Show the partitions of a task queue
        #[command(after_help = "Example:\n  perdure task-queue list-partition --task-queue orders")]
        ListPartition(ListPartition),
        /// Rate limits and fairness weights of task queues
        Config(Group<ConfigCommand>),
    }
}

commands! {
    /// Rate limits and fairness weights of task queues.
    ConfigCommand {
        /// Show the limits and weights of a task queue
        #[command(after_help = "Example:\n  perdure task-queue config get --task-queue mail --task-queue-type activity")]
        Get(ConfigGet),
        /// Change the limits and weights of a task queue
        #[command(after_help = "Examples:\n  perdure task-queue config set --task-queue mail --task-queue-type activity --queue-rps-limit 50 --queue-rps-limit-reason 'provider allows 50'\n  perdure task-queue config set --task-queue mail --task-queue-type activity --fairness-key-weight big=5 --fairness-key-weight small=default\n  perdure task-queue config set --task-queue mail --task-queue-type activity --queue-rps-limit default")]
        Set(ConfigSet),
    }
}

/// A parser for the kinds of task queues.
fn types() -> impl clap::builder::TypedValueParser<Value = TaskQueueType> {
    choices("TASK_QUEUE_TYPE_", &["workflow", "activity", "nexus"], TaskQueueType::from_str_name)
}

#[derive(Args, Debug)]
pub struct Describe {
    /// The task queue's name.
    #[arg(long, short)]
    task_queue: String,
    /// Only these kinds; may be repeated.
    #[arg(long, ignore_case = true, value_name = "TYPE", value_parser = types())]
    task_queue_type: Vec<TaskQueueType>,
    /// Only this build; may be repeated.
    #[arg(long, value_name = "BUILD_ID")]
    select_build_id: Vec<String>,
    /// Also workers without a version.
    #[arg(long)]
    select_unversioned: bool,
    /// All versions that had work lately.
    #[arg(long)]
    select_all_active: bool,
    /// Whether a version may still get work; asks the lists, so not too often.
    #[arg(long)]
    report_reachability: bool,
    /// Leave out how much waits.
    #[arg(long)]
    disable_stats: bool,
    /// Print limits and weights too.
    #[arg(long)]
    report_config: bool,
}

#[derive(Args, Debug)]
pub struct ListPartition {
    /// The task queue's name.
    #[arg(long, short)]
    task_queue: String,
}

#[derive(Args, Debug)]
pub struct ConfigGet {
    #[command(flatten)]
    queue: QueueOfType,
}

/// A task queue of one kind.
#[derive(Args, Debug)]
pub(crate) struct QueueOfType {
    /// The task queue's name.
    #[arg(long, short)]
    task_queue: String,
    /// Its kind.
    #[arg(long, ignore_case = true, value_name = "TYPE", value_parser = types())]
    task_queue_type: TaskQueueType,
}

#[derive(Args, Debug)]
pub struct ConfigSet {
    #[command(flatten)]
    queue: QueueOfType,
    /// Tasks a second of the whole queue; 0 stops it, `default` removes the limit.
    #[arg(long, value_name = "RPS", value_parser = rate)]
    queue_rps_limit: Option<Rate>,
    /// Why.
    #[arg(long, value_name = "TEXT", requires = "queue_rps_limit", default_value = "", hide_default_value = true)]
    queue_rps_limit_reason: String,
    /// Tasks a second of each fairness key; `default` removes the limit.
    #[arg(long, value_name = "RPS", value_parser = rate)]
    fairness_key_rps_limit_default: Option<Rate>,
    /// Why.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "fairness_key_rps_limit_default",
        default_value = "",
        hide_default_value = true
    )]
    fairness_key_rps_limit_reason: String,
    /// The weight of a fairness key, `KEY=WEIGHT` or `KEY=default`; may be repeated.
    #[arg(long, value_name = "KEY=WEIGHT")]
    fairness_key_weight: Vec<KeyValue>,
    /// Remove the weights of all keys.
    #[arg(long, conflicts_with = "fairness_key_weight")]
    fairness_key_weight_clear_all: bool,
}

/// A rate, or the default.
#[derive(Clone, Copy, Debug)]
struct Rate(Option<RateLimit>);

fn rate(text: &str) -> Result<Rate, String> {
    if text.eq_ignore_ascii_case("default") {
        return Ok(Rate(None));
    }
    match text.parse::<f32>() {
        Ok(requests_per_second) if requests_per_second >= 0.0 && requests_per_second.is_finite() => {
            Ok(Rate(Some(RateLimit { requests_per_second })))
        }
        _ => Err("a rate is a number of tasks a second that is not negative, or `default`".to_owned()),
    }
}

pub(crate) const STATS: &[Field] = &[
    ("BuildID", "/buildId"),
    ("TaskQueueType", "/taskQueueType"),
    ("ApproximateBacklogCount", "/approximateBacklogCount"),
    ("ApproximateBacklogAge", "/approximateBacklogAge"),
    ("TasksAddRate", "/tasksAddRate"),
    ("TasksDispatchRate", "/tasksDispatchRate"),
];

const POLLERS: &[Field] = &[
    ("BuildID", "/buildId"),
    ("TaskQueueType", "/taskQueueType"),
    ("Identity", "/identity"),
    ("LastAccessTime", "/lastAccessTime"),
    ("RatePerSecond", "/ratePerSecond"),
];

const DESCRIPTION: &[Section] = &[
    Section {
        title: "Task Reachability",
        at: "/reachability",
        fields: &[("BuildID", "/buildId"), ("Reachability", "/reachability")],
    },
    Section { title: "Task Queue Statistics", at: "/stats", fields: STATS },
    Section { title: "Pollers", at: "/pollers", fields: POLLERS },
    Section { title: "Config", at: "/config", fields: LIMITS },
];

const LIMITS: &[Field] = &[
    ("QueueRpsLimit", "/queueRateLimit/rateLimit/requestsPerSecond"),
    ("QueueRpsLimitReason", "/queueRateLimit/metadata/reason"),
    ("QueueRpsLimitUpdateTime", "/queueRateLimit/metadata/updateTime"),
    ("FairnessKeyRpsLimit", "/fairnessKeysRateLimitDefault/rateLimit/requestsPerSecond"),
    ("FairnessKeyRpsLimitReason", "/fairnessKeysRateLimitDefault/metadata/reason"),
    ("FairnessKeyRpsLimitUpdateTime", "/fairnessKeysRateLimitDefault/metadata/updateTime"),
    ("FairnessKeyWeights", "/fairnessWeightOverrides"),
];

pub(crate) const CONFIG: &[Section] = &[Section { title: "", at: "/config", fields: LIMITS }];

pub(crate) const PARTITIONS: &[Section] = &[
    Section { title: "Workflow Task Queue Partitions", at: "/workflowTaskQueuePartitions", fields: PARTITION },
    Section { title: "Activity Task Queue Partitions", at: "/activityTaskQueuePartitions", fields: PARTITION },
];

const PARTITION: &[Field] = &[("Key", "/key"), ("Owner", "/ownerHostName")];

fn normal(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { kind: TaskQueueKind::Normal.into(), ..task_queue(name) })
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let selected = !self.select_build_id.is_empty() || self.select_unversioned || self.select_all_active;
        let versions = TaskQueueVersionSelection {
            build_ids: self.select_build_id,
            unversioned: self.select_unversioned,
            all_active: self.select_all_active,
        };
        let request = DescribeTaskQueueRequest {
            namespace: session.namespace(),
            task_queue: normal(&self.task_queue),
            api_mode: DescribeTaskQueueMode::Enhanced.into(),
            versions: selected.then_some(versions),
            task_queue_types: self.task_queue_type.iter().map(|kind| i32::from(*kind)).collect(),
            report_pollers: true,
            report_stats: !self.disable_stats,
            report_task_reachability: self.report_reachability,
            report_config: self.report_config,
            ..DescribeTaskQueueRequest::default()
        };
        let answer = session.call(request).await?;
        let mut rows = rows(session, &answer, self.report_reachability)?;
        if self.report_config {
            let rendered = session.render::<DescribeTaskQueueRequest>(&answer)?;
            rows["config"] = rendered.get("config").cloned().unwrap_or_else(|| json!({}));
        }
        session.output.sections(&rows, DESCRIPTION)
    }
}

/// The answer in rows: one for each version, kind and poller, as Temporal's CLI prints it.
fn rows(session: &Session, answer: &DescribeTaskQueueResponse, reachability: bool) -> anyhow::Result<Json> {
    let rendered = session.render::<DescribeTaskQueueRequest>(answer)?;
    let (mut stats, mut pollers, mut reachable) = (Vec::new(), Vec::new(), Vec::new());
    for (build_id, version) in &answer.versions_info {
        let name = if build_id.is_empty() { "UNVERSIONED" } else { build_id };
        let at = |rest: &str| rendered.pointer(&format!("/versionsInfo/{}{rest}", escaped(build_id))).cloned();
        if let Some(of) = at("/taskReachability").filter(|_| reachability) {
            reachable.push(json!({ "buildId": name, "reachability": of }));
        }
        for (kind, info) in &version.types_info {
            let named = kind_name(*kind);
            let tag = |row: Option<Json>| {
                let mut row = row.unwrap_or_else(|| json!({}));
                row["buildId"] = Json::from(name);
                row["taskQueueType"] = Json::from(named);
                row
            };
            let TaskQueueTypeInfo { pollers: polling, stats: counted } = info;
            if counted.is_some() {
                stats.push(tag(at(&format!("/typesInfo/{kind}/stats"))));
            }
            let polling = 0..polling.len();
            pollers.extend(polling.map(|index| tag(at(&format!("/typesInfo/{kind}/pollers/{index}")))));
        }
    }
    let mut rows = json!({ "pollers": pollers });
    if !stats.is_empty() {
        rows["stats"] = Json::from(stats);
    }
    if !reachable.is_empty() {
        rows["reachability"] = Json::from(reachable);
    }
    Ok(rows)
}

/// A key in a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn kind_name(kind: i32) -> &'static str {
    match TaskQueueType::try_from(kind) {
        Ok(TaskQueueType::Workflow) => "workflow",
        Ok(TaskQueueType::Activity) => "activity",
        Ok(TaskQueueType::Nexus) => "nexus",
        Ok(TaskQueueType::Unspecified) | Err(_) => "unknown",
    }
}

impl ListPartition {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (namespace, task_queue) = (session.namespace(), Some(task_queue(&self.task_queue)));
        session.show(ListTaskQueuePartitionsRequest { namespace, task_queue }, PARTITIONS).await
    }
}

impl QueueOfType {
    async fn describe(&self, session: &Session) -> anyhow::Result<DescribeTaskQueueResponse> {
        let request = DescribeTaskQueueRequest {
            namespace: session.namespace(),
            task_queue: normal(&self.task_queue),
            task_queue_type: self.task_queue_type.into(),
            report_config: true,
            ..DescribeTaskQueueRequest::default()
        };
        session.call(request).await
    }
}

impl ConfigGet {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let answer = self.queue.describe(session).await?;
        let rendered = session.render::<DescribeTaskQueueRequest>(&answer)?;
        match rendered.get("config").filter(|config| config.as_object().is_some_and(|fields| !fields.is_empty())) {
            Some(config) if session.output.is_text() => session.output.sections(&json!({ "config": config }), CONFIG),
            Some(config) => session.output.json(config),
            None => session.output.say("No configuration found for task queue"),
        }
    }
}

impl ConfigSet {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (set, mut unset) = weights(&self.fairness_key_weight)?;
        let nothing = self.queue_rps_limit.is_none() && self.fairness_key_rps_limit_default.is_none();
        if nothing && self.fairness_key_weight.is_empty() && !self.fairness_key_weight_clear_all {
            bail!("nothing to change: give a limit or a weight, see --help");
        }
        if self.fairness_key_weight_clear_all {
            let config = self.queue.describe(session).await?.config.unwrap_or_default();
            unset = config.fairness_weight_overrides.into_keys().collect();
        }
        let update = |rate: Option<Rate>, reason: &str| {
            rate.map(|Rate(rate_limit)| RateLimitUpdate { rate_limit, reason: reason.to_owned() })
        };
        let fairness = self.fairness_key_rps_limit_default;
        let request = UpdateTaskQueueConfigRequest {
            namespace: session.namespace(),
            identity: session.identity(),
            update_queue_rate_limit: update(self.queue_rps_limit, &self.queue_rps_limit_reason),
            update_fairness_key_rate_limit_default: update(fairness, &self.fairness_key_rps_limit_reason),
            set_fairness_weight_overrides: set,
            unset_fairness_weight_overrides: unset,
            task_queue_type: self.queue.task_queue_type.into(),
            task_queue: self.queue.task_queue,
        };
        session.show(request, CONFIG).await
    }
}

/// The weights to set, and the keys that get the default back.
fn weights(pairs: &[KeyValue]) -> anyhow::Result<(BTreeMap<String, f32>, Vec<String>)> {
    let (mut set, mut unset) = (BTreeMap::new(), Vec::new());
    for KeyValue { key, value } in pairs {
        if set.contains_key(key) || unset.contains(key) {
            bail!("--fairness-key-weight names {key:?} twice");
        }
        match value.parse::<f32>() {
            _ if value.eq_ignore_ascii_case("default") => unset.push(key.clone()),
            Ok(weight) if weight > 0.0 && weight.is_finite() => {
                set.insert(key.clone(), weight);
            }
            _ => bail!("--fairness-key-weight {key}={value}: a weight is a number above 0, or `default`"),
        }
    }
    Ok((set, unset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let cases = [
            ("5", Some(Some(5.0))),
            ("0", Some(Some(0.0))),
            ("Default", Some(None)),
            ("-1", None),
            ("x", None),
            ("NaN", None),
            ("inf", None),
        ];
        for (text, expected) in cases {
            let parsed = rate(text).ok().map(|Rate(limit)| limit.map(|limit| limit.requests_per_second));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn weights_of_keys() {
        let pairs =
            |texts: &[&str]| -> Vec<KeyValue> { texts.iter().map(|text| text.parse().expect("a pair")).collect() };
        let (set, unset) = weights(&pairs(&["a=2", "b=default"])).expect("weights");
        assert_eq!((set, unset), (BTreeMap::from([("a".to_owned(), 2.0)]), vec!["b".to_owned()]));
        for bad in [&["a=0"][..], &["a=-1"], &["a=x"], &["a=1", "a=2"], &["a=1", "a=default"]] {
            assert!(weights(&pairs(bad)).is_err(), "{bad:?}");
        }
    }
}
