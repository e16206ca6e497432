//! UpdateTaskQueueConfig: what operators set for a queue. Stored first, then told to matching.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use perdure_engine::time::timestamp;
use perdure_matching::{Matching, QueueConfig, QueueKey, QueueKind};
use perdure_proto::api::{
    enums::TaskQueueType,
    taskqueue::{ConfigMetadata, RateLimitConfig, TaskQueueConfig},
    workflowservice::{
        UpdateTaskQueueConfigRequest, UpdateTaskQueueConfigResponse, update_task_queue_config_request::RateLimitUpdate,
    },
};
use perdure_storage::{Store, StoreError, TaskQueueConfigRow};
use prost_types::Timestamp;
use tokio::sync::Mutex;
use tonic::Status;
use uuid::Uuid;

use crate::{Frontend, call::Call, error, limits::FrontendLimits, status::invalid, validate::ids};

/// Temporal's limits.
const LONGEST_KEY: usize = 64;
const LONGEST_REASON: usize = 1000;

type ConfigKey = (Uuid, String, i32);

/// The settings of all queues. Cheap to clone.
#[derive(Clone)]
pub struct TaskQueueConfigs(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    matching: Matching,
    known: RwLock<HashMap<ConfigKey, TaskQueueConfig>>,
    /// Held from the read to the write of a change.
    changes: Mutex<()>,
}

impl TaskQueueConfigs {
    /// Reads what is stored and tells matching.
    pub async fn open(store: Arc<dyn Store>, matching: Matching) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        for TaskQueueConfigRow { namespace_id, name, queue_type, config } in store.task_queue_configs().await? {
            tell(&matching, namespace_id, &name, queue_type, &config);
            known.insert((namespace_id, name, queue_type), config);
        }
        Ok(Self(Arc::new(Inner { store, matching, known: RwLock::new(known), changes: Mutex::new(()) })))
    }

    /// None: nothing was ever set.
    pub(crate) fn get(&self, namespace_id: Uuid, name: &str, queue_type: i32) -> Option<TaskQueueConfig> {
        self.0.known.read().get(&(namespace_id, name.to_owned(), queue_type)).cloned()
    }

    async fn change(
        &self,
        (namespace_id, name, queue_type): ConfigKey,
        change: impl FnOnce(&mut TaskQueueConfig) -> Result<(), Status>,
    ) -> Result<TaskQueueConfig, Status> {
        let _one_at_a_time = self.0.changes.lock().await;
        let before = self.get(namespace_id, &name, queue_type);
        let mut config = before.clone().unwrap_or_default();
        change(&mut config)?;
        if before.as_ref() == Some(&config) {
            return Ok(config);
        }
        let row = TaskQueueConfigRow { namespace_id, name, queue_type, config };
        self.0.store.put_task_queue_config(&row).await.map_err(error::of_store)?;
        let TaskQueueConfigRow { name, config, .. } = row;
        tell(&self.0.matching, namespace_id, &name, queue_type, &config);
        self.0.known.write().insert((namespace_id, name, queue_type), config.clone());
        Ok(config)
    }
}

/// Settings of a type that has no queues are kept and mean nothing, as in Temporal.
fn tell(matching: &Matching, namespace_id: Uuid, name: &str, queue_type: i32, config: &TaskQueueConfig) {
    let kind = match TaskQueueType::try_from(queue_type) {
        Ok(TaskQueueType::Workflow) => QueueKind::Workflow,
        Ok(TaskQueueType::Activity) => QueueKind::Activity,
        Ok(TaskQueueType::Nexus) => QueueKind::Nexus,
        Ok(TaskQueueType::Unspecified) | Err(_) => return,
    };
    let weights = config.fairness_weight_overrides.iter();
    let told = QueueConfig {
        rate: rate(config.queue_rate_limit.as_ref()),
        fairness_key_rate: rate(config.fairness_keys_rate_limit_default.as_ref()),
        fairness_weights: weights.map(|(key, weight)| (key.as_str().into(), *weight)).collect(),
    };
    matching.configure(QueueKey { namespace_id, name: name.into(), kind }, told);
}

/// An infinite rate is none.
fn rate(config: Option<&RateLimitConfig>) -> Option<f64> {
    let limit = config?.rate_limit.as_ref()?;
    Some(f64::from(limit.requests_per_second)).filter(|rate| rate.is_finite())
}

impl Frontend {
    pub(crate) async fn update_task_queue_config(
        &self,
        call: &Call,
        request: UpdateTaskQueueConfigRequest,
    ) -> Result<UpdateTaskQueueConfigResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        check(&request, namespace.limits())?;
        let key = (namespace.id(), request.task_queue.clone(), request.task_queue_type);
        let (now, most_overrides) = (timestamp(call.time), namespace.limits().fairness_overrides);
        let config = self.task_queues.change(key, |config| merge(config, request, now, most_overrides)).await?;
        Ok(UpdateTaskQueueConfigResponse { config: Some(config) })
    }
}

fn check(request: &UpdateTaskQueueConfigRequest, limits: &FrontendLimits) -> Result<(), Status> {
    let workflow = request.task_queue_type() == TaskQueueType::Workflow;
    let rates = [
        ("rate limit", "UpdateQueueRateLimit", &request.update_queue_rate_limit),
        (
            "fairness key rate limit",
            "UpdateFairnessKeyRateLimitDefault",
            &request.update_fairness_key_rate_limit_default,
        ),
    ];
    for (words, field, update) in rates {
        let Some(RateLimitUpdate { rate_limit: Some(limit), reason }) = update else { continue };
        if workflow {
            return Err(invalid(format!("Setting {words} on workflow task queues is not allowed.")));
        }
        if limit.requests_per_second.is_nan() || limit.requests_per_second < 0.0 {
            return Err(invalid(format!("RequestsPerSecond for {field} rate limit must be non-negative.")));
        }
        if reason.len() > LONGEST_REASON {
            return Err(invalid(format!("{field}.Reason field too long (max {LONGEST_REASON} characters).")));
        }
    }
    let longest = limits.runs.id_length;
    if request.identity.len() > longest {
        return Err(invalid(format!("Identity field too long (max {longest} characters).")));
    }
    ids::no_nul("Identity", &request.identity)?;
    check_weights(request, limits.fairness_overrides)?;
    if let Some(partition) = request.task_queue.strip_prefix("/_sys/") {
        return Err(invalid(format!("invalid task queue partition name /_sys/{partition}")));
    }
    // Temporal takes any length.
    if request.task_queue.len() > longest {
        return Err(invalid("taskQueue length exceeds limit"));
    }
    ids::no_nul("TaskQueue", &request.task_queue)
}

fn check_weights(request: &UpdateTaskQueueConfigRequest, limit: usize) -> Result<(), Status> {
    let (set, unset) = (&request.set_fairness_weight_overrides, &request.unset_fairness_weight_overrides);
    let most = set.len().max(unset.len());
    if most > limit {
        let text = format!("too many fairness weight overrides in request: got {most}, maximum {limit}");
        return Err(invalid(text));
    }
    for key in set.keys().chain(unset) {
        if key.is_empty() {
            return Err(invalid("fairness weight override key must not be empty"));
        }
        if key.len() > LONGEST_KEY {
            return Err(invalid("fairness key length exceeds limit"));
        }
    }
    for (key, weight) in set {
        if weight.is_nan() || *weight <= 0.0 {
            let text = format!("invalid fairness weight weight for key \"{key}\": must be greater than zero");
            return Err(invalid(text));
        }
    }
    match unset.iter().find(|key| set.contains_key(*key)) {
        Some(key) => {
            Err(invalid(format!("fairness weight override key \"{key}\" present in both set and unset lists")))
        }
        None => Ok(()),
    }
}

/// What the request names is set, or unset where it has no limit; the rest stays.
fn merge(
    config: &mut TaskQueueConfig,
    request: UpdateTaskQueueConfigRequest,
    now: Timestamp,
    most_overrides: usize,
) -> Result<(), Status> {
    let identity = request.identity;
    let limit = |update: RateLimitUpdate| RateLimitConfig {
        rate_limit: update.rate_limit,
        metadata: Some(ConfigMetadata {
            reason: update.reason,
            update_identity: identity.clone(),
            update_time: Some(now),
        }),
    };
    if let Some(update) = request.update_queue_rate_limit {
        config.queue_rate_limit = Some(limit(update));
    }
    if let Some(update) = request.update_fairness_key_rate_limit_default {
        config.fairness_keys_rate_limit_default = Some(limit(update));
    }
    for key in &request.unset_fairness_weight_overrides {
        config.fairness_weight_overrides.remove(key);
    }
    config.fairness_weight_overrides.extend(request.set_fairness_weight_overrides);
    if config.fairness_weight_overrides.len() > most_overrides {
        return Err(invalid("fairness weight overrides update rejected: exceeding maximum key size"));
    }
    Ok(())
}
