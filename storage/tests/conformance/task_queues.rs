//! Settings of task queues, and backlogs beyond matching's memory.

use perdure_proto::api::taskqueue::{ConfigMetadata, RateLimit, RateLimitConfig, TaskQueueConfig};
use perdure_storage::{BacklogOrder, BacklogRow, Store, TaskQueueConfigRow};
use uuid::Uuid;

use crate::on_all_stores;

on_all_stores!(
    a_config_is_one_per_queue_and_type,
    a_backlog_is_read_in_order,
    a_trimmed_backlog_keeps_the_rest,
    backlogs_are_apart_and_cleared_together,
);

const BACKLOG: Uuid = Uuid::from_u128(1);

fn config(namespace: u128, name: &str, queue_type: i32, rate: f32) -> TaskQueueConfigRow {
    let limit = RateLimitConfig {
        rate_limit: Some(RateLimit { requests_per_second: rate }),
        metadata: Some(ConfigMetadata { reason: "why".into(), ..Default::default() }),
    };
    TaskQueueConfigRow {
        namespace_id: Uuid::from_u128(namespace),
        name: name.into(),
        queue_type,
        config: TaskQueueConfig {
            queue_rate_limit: Some(limit),
            fairness_weight_overrides: [("ü '; \"".to_owned(), 2.5)].into(),
            ..Default::default()
        },
    }
}

async fn a_config_is_one_per_queue_and_type(store: &dyn Store) {
    assert_eq!(store.task_queue_configs().await.unwrap(), []);
    let rows = [config(1, "a", 1, 0.0), config(1, "a", 2, 1.0), config(1, "b", 2, 2.0), config(2, "a", 2, 3.0)];
    for row in &rows {
        store.put_task_queue_config(row).await.unwrap();
    }
    assert_eq!(sorted(store.task_queue_configs().await.unwrap()), rows);
    let changed = config(1, "a", 2, 9.0);
    store.put_task_queue_config(&changed).await.unwrap();
    let [a, _, c, d] = rows;
    assert_eq!(sorted(store.task_queue_configs().await.unwrap()), [a, changed, c, d]);
}

fn sorted(mut rows: Vec<TaskQueueConfigRow>) -> Vec<TaskQueueConfigRow> {
    rows.sort_by(|a, b| (a.namespace_id, &a.name, a.queue_type).cmp(&(b.namespace_id, &b.name, b.queue_type)));
    rows
}

fn row(level: i16, pass: i64, sequence: i64) -> BacklogRow {
    BacklogRow {
        order: BacklogOrder { level, pass, sequence },
        task: format!("{level} {pass} {sequence}").into_bytes(),
    }
}

async fn a_backlog_is_read_in_order(store: &dyn Store) {
    assert_eq!(store.read_backlog(BACKLOG, None, 10).await.unwrap(), []);
    store.add_to_backlog(BACKLOG, &[row(3, 0, 4), row(1, 7, 2), row(3, 0, 1)]).await.unwrap();
    store.add_to_backlog(BACKLOG, &[row(1, 7, 2), row(1, 2, 9), row(0, i64::MAX, 3)]).await.unwrap();
    let all = [row(0, i64::MAX, 3), row(1, 2, 9), row(1, 7, 2), row(3, 0, 1), row(3, 0, 4)];
    assert_eq!(store.read_backlog(BACKLOG, None, 10).await.unwrap(), all);
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = store.read_backlog(BACKLOG, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.order);
        read.extend(page);
    }
    assert_eq!(read, all);
}

async fn a_trimmed_backlog_keeps_the_rest(store: &dyn Store) {
    store.add_to_backlog(BACKLOG, &[row(1, 1, 1), row(1, 1, 2), row(1, 2, 3), row(2, 0, 4)]).await.unwrap();
    store.trim_backlog(BACKLOG, row(1, 1, 2).order).await.unwrap();
    assert_eq!(store.read_backlog(BACKLOG, None, 10).await.unwrap(), [row(1, 2, 3), row(2, 0, 4)]);
    store.trim_backlog(BACKLOG, row(1, 9, 0).order).await.unwrap();
    assert_eq!(store.read_backlog(BACKLOG, None, 10).await.unwrap(), [row(2, 0, 4)]);
}

async fn backlogs_are_apart_and_cleared_together(store: &dyn Store) {
    let other = Uuid::from_u128(2);
    store.add_to_backlog(BACKLOG, &[row(1, 1, 1)]).await.unwrap();
    store.add_to_backlog(other, &[row(1, 1, 1), row(1, 1, 2)]).await.unwrap();
    store.trim_backlog(BACKLOG, row(5, 0, 0).order).await.unwrap();
    assert_eq!(store.read_backlog(BACKLOG, None, 10).await.unwrap(), []);
    assert_eq!(store.read_backlog(other, None, 10).await.unwrap(), [row(1, 1, 1), row(1, 1, 2)]);
    store.clear_backlogs().await.unwrap();
    assert_eq!(store.read_backlog(other, None, 10).await.unwrap(), []);
}
