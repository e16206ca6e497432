//! Namespaces and the cluster's data.

use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, WorkerDeployment};
use perdure_storage::{Store, StoreError};
use uuid::Uuid;

use crate::on_all_stores;

on_all_stores!(
    namespaces_have_unique_ids_and_names,
    namespace_is_replaced,
    namespace_goes_with_what_is_under_it,
    first_cluster_metadata_wins,
    ping_answers,
);

fn namespace(id: &str, name: &str) -> Namespace {
    Namespace { id: id.to_owned(), name: name.to_owned(), description: "ü '; \"".to_owned(), ..Default::default() }
}

async fn namespaces_have_unique_ids_and_names(store: &dyn Store) {
    assert_eq!(store.namespaces().await.unwrap(), []);
    store.create_namespace(&namespace("1", "b")).await.unwrap();
    store.create_namespace(&namespace("2", "a")).await.unwrap();
    for taken in [namespace("1", "c"), namespace("3", "b"), namespace("1", "b")] {
        let result = store.create_namespace(&taken).await;
        assert!(matches!(result, Err(StoreError::AlreadyExists)), "{result:?}");
    }
    store.create_namespace(&namespace("3", "B")).await.unwrap();
    let stored = store.namespaces().await.unwrap();
    assert_eq!(stored, [namespace("3", "B"), namespace("2", "a"), namespace("1", "b")]);
}

async fn namespace_goes_with_what_is_under_it(store: &dyn Store) {
    let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
    for (id, name) in ids.iter().zip(["goes", "stays"]) {
        store.create_namespace(&namespace(&id.to_string(), name)).await.unwrap();
        let deployment =
            WorkerDeployment { namespace_id: id.to_string(), name: "d".to_owned(), revision: 1, ..Default::default() };
        store.create_worker_deployment(&deployment).await.unwrap();
    }
    store.delete_namespace(ids[0]).await.unwrap();
    assert_eq!(store.namespaces().await.unwrap(), [namespace(&ids[1].to_string(), "stays")]);
    let left = store.worker_deployments().await.unwrap();
    assert_eq!(left.iter().map(|left| left.namespace_id.clone()).collect::<Vec<_>>(), [ids[1].to_string()]);
    store.delete_namespace(ids[0]).await.unwrap();
}

async fn namespace_is_replaced(store: &dyn Store) {
    store.create_namespace(&namespace("1", "a")).await.unwrap();
    store.create_namespace(&namespace("2", "b")).await.unwrap();
    let renamed = Namespace { owner_email: "x@example.org".to_owned(), ..namespace("1", "c") };
    store.update_namespace(&renamed).await.unwrap();
    assert_eq!(store.namespaces().await.unwrap(), [namespace("2", "b"), renamed.clone()]);
    assert!(matches!(store.update_namespace(&namespace("9", "z")).await, Err(StoreError::NotFound)));
    assert!(matches!(store.update_namespace(&namespace("1", "b")).await, Err(StoreError::AlreadyExists)));
    assert_eq!(store.namespaces().await.unwrap(), [namespace("2", "b"), renamed]);
}

async fn first_cluster_metadata_wins(store: &dyn Store) {
    let metadata = |id: &str| ClusterMetadata { cluster_id: id.to_owned(), ..Default::default() };
    assert_eq!(store.cluster_metadata(&metadata("first")).await.unwrap(), metadata("first"));
    assert_eq!(store.cluster_metadata(&metadata("second")).await.unwrap(), metadata("first"));
}

async fn ping_answers(store: &dyn Store) {
    store.ping().await.unwrap();
}
