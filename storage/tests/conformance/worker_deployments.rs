//! Worker deployments.

use perdure_proto::perdure::persistence::v1::WorkerDeployment;
use perdure_storage::{Store, StoreError};

use crate::on_all_stores;

on_all_stores!(names_are_unique_in_a_namespace, an_update_names_the_revision_before, only_what_was_read_is_deleted);

fn deployment(namespace_id: &str, name: &str, revision: i64) -> WorkerDeployment {
    WorkerDeployment {
        namespace_id: namespace_id.to_owned(),
        name: name.to_owned(),
        revision,
        manager_identity: format!("ü '; \" {revision}"),
        ..Default::default()
    }
}

async fn names_are_unique_in_a_namespace(store: &dyn Store) {
    assert_eq!(store.worker_deployments().await.unwrap(), []);
    store.create_worker_deployment(&deployment("2", "a", 1)).await.unwrap();
    store.create_worker_deployment(&deployment("1", "b", 1)).await.unwrap();
    store.create_worker_deployment(&deployment("1", "a", 1)).await.unwrap();
    store.create_worker_deployment(&deployment("1", "B", 1)).await.unwrap();
    let result = store.create_worker_deployment(&deployment("1", "b", 1)).await;
    assert!(matches!(result, Err(StoreError::AlreadyExists)), "{result:?}");
    let expected = [("1", "B"), ("1", "a"), ("1", "b"), ("2", "a")].map(|(id, name)| deployment(id, name, 1));
    assert_eq!(store.worker_deployments().await.unwrap(), expected);
}

async fn an_update_names_the_revision_before(store: &dyn Store) {
    store.create_worker_deployment(&deployment("1", "a", 1)).await.unwrap();
    store.create_worker_deployment(&deployment("1", "b", 1)).await.unwrap();
    store.update_worker_deployment(&deployment("1", "a", 2)).await.unwrap();
    for stale in [deployment("1", "a", 2), deployment("1", "a", 4), deployment("2", "a", 3), deployment("1", "c", 1)] {
        let result = store.update_worker_deployment(&stale).await;
        assert!(matches!(result, Err(StoreError::NotFound)), "{stale:?}: {result:?}");
    }
    assert_eq!(store.worker_deployments().await.unwrap(), [deployment("1", "a", 2), deployment("1", "b", 1)]);
}

async fn only_what_was_read_is_deleted(store: &dyn Store) {
    store.create_worker_deployment(&deployment("1", "a", 1)).await.unwrap();
    store.update_worker_deployment(&deployment("1", "a", 2)).await.unwrap();
    for stale in [deployment("1", "a", 1), deployment("1", "a", 3), deployment("2", "a", 2)] {
        let result = store.delete_worker_deployment(&stale).await;
        assert!(matches!(result, Err(StoreError::NotFound)), "{stale:?}: {result:?}");
    }
    store.delete_worker_deployment(&deployment("1", "a", 2)).await.unwrap();
    assert_eq!(store.worker_deployments().await.unwrap(), []);
    store.create_worker_deployment(&deployment("1", "a", 1)).await.unwrap();
}
