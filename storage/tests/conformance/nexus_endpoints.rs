//! Nexus endpoints.

use perdure_proto::perdure::persistence::v1::{NexusEndpoint, NexusWorkerTarget, nexus_endpoint::Target};
use perdure_storage::{Store, StoreError};

use crate::on_all_stores;

on_all_stores!(endpoints_have_unique_ids_and_names, an_update_names_the_version_before, endpoint_is_deleted);

fn endpoint(id: &str, name: &str, version: i64) -> NexusEndpoint {
    let target = NexusWorkerTarget { namespace_id: "n".to_owned(), task_queue: "ü '; \"".to_owned() };
    NexusEndpoint {
        id: id.to_owned(),
        name: name.to_owned(),
        version,
        target: Some(Target::Worker(target)),
        ..Default::default()
    }
}

async fn endpoints_have_unique_ids_and_names(store: &dyn Store) {
    assert_eq!(store.nexus_endpoints().await.unwrap(), []);
    store.create_nexus_endpoint(&endpoint("2", "a", 1)).await.unwrap();
    store.create_nexus_endpoint(&endpoint("1", "b", 1)).await.unwrap();
    for taken in [endpoint("1", "c", 1), endpoint("3", "b", 1)] {
        let result = store.create_nexus_endpoint(&taken).await;
        assert!(matches!(result, Err(StoreError::AlreadyExists)), "{result:?}");
    }
    assert_eq!(store.nexus_endpoints().await.unwrap(), [endpoint("1", "b", 1), endpoint("2", "a", 1)]);
}

async fn an_update_names_the_version_before(store: &dyn Store) {
    store.create_nexus_endpoint(&endpoint("1", "a", 1)).await.unwrap();
    store.create_nexus_endpoint(&endpoint("2", "b", 1)).await.unwrap();
    store.update_nexus_endpoint(&endpoint("1", "c", 2)).await.unwrap();
    for stale in [endpoint("1", "d", 2), endpoint("1", "d", 4), endpoint("9", "d", 1)] {
        assert!(matches!(store.update_nexus_endpoint(&stale).await, Err(StoreError::NotFound)), "{stale:?}");
    }
    assert!(matches!(store.update_nexus_endpoint(&endpoint("1", "b", 3)).await, Err(StoreError::AlreadyExists)));
    assert_eq!(store.nexus_endpoints().await.unwrap(), [endpoint("1", "c", 2), endpoint("2", "b", 1)]);
}

async fn endpoint_is_deleted(store: &dyn Store) {
    store.create_nexus_endpoint(&endpoint("1", "a", 1)).await.unwrap();
    store.delete_nexus_endpoint("1").await.unwrap();
    assert!(matches!(store.delete_nexus_endpoint("1").await, Err(StoreError::NotFound)));
    assert_eq!(store.nexus_endpoints().await.unwrap(), []);
    store.create_nexus_endpoint(&endpoint("2", "a", 1)).await.unwrap();
}
