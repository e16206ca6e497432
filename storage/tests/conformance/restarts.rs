//! What outlives a process or a connection.

use perdure_proto::perdure::persistence::v1::Namespace;
use perdure_storage::{
    CommitError, MemoryStore, PostgresConfig, PostgresStore, SqliteStore, Store, StoreError, WakeAt,
};

use crate::{
    rows::{TTL, commit, create, lease, run_key, visibility},
    stores::{TestDatabase, TestDirectory},
};

/// Writes with one store and looks with another on the same database; `close` ends the first as a crash does.
async fn survives<S: Store>(open: impl AsyncFn() -> S) {
    let store = open().await;
    let lease = lease(&store).await;
    let key = run_key("w");
    let mut shown = visibility("w", 5);
    shown.run_id = key.run_id;
    let mut first = create(key, "w");
    first.wake_at = WakeAt::Set(4);
    first.visibility = Some(shown.clone());
    commit(&store, &lease, vec![first]).await.unwrap();
    let namespace = Namespace { id: "1".to_owned(), name: "n".to_owned(), ..Default::default() };
    store.create_namespace(&namespace).await.unwrap();
    let before = store.load_runs(&[key]).await.unwrap();
    drop(store);

    let store = open().await;
    assert_eq!(store.load_runs(&[key]).await.unwrap(), before);
    assert_eq!(store.due_runs(0..16_384, 0, 5, 10).await.unwrap(), [(4, key)]);
    assert_eq!(store.namespaces().await.unwrap(), [namespace]);
    let query = perdure_storage::visibility::ListQuery {
        namespace_id: shown.namespace_id,
        page_size: 10,
        ..Default::default()
    };
    assert_eq!(store.list(&query).await.unwrap(), [shown]);
    // The lease is stored too: the same owner gets it back under a new epoch.
    let again = store.acquire_leases("test", 1, TTL).await.unwrap().remove(0);
    assert!(again.epoch > lease.epoch);
    assert!(matches!(commit(&store, &lease, vec![]).await, Err(CommitError::LeaseLost)));
}

#[tokio::test]
async fn postgres_keeps_all() {
    let database = TestDatabase::new();
    survives(async || database.connect().await).await;
    database.drop().await;
}

#[tokio::test]
async fn sqlite_file_keeps_all() {
    let directory = TestDirectory::new();
    survives(async || SqliteStore::open(Some(&directory.database())).await.unwrap()).await;
}

/// The file's lock proves that the former owner is gone: no wait for its lease.
#[tokio::test]
async fn sqlite_file_gives_leases_to_the_next_process() {
    let directory = TestDirectory::new();
    let store = SqliteStore::open(Some(&directory.database())).await.unwrap();
    store.acquire_leases("dead", 1, TTL).await.unwrap();
    drop(store);
    let store = SqliteStore::open(Some(&directory.database())).await.unwrap();
    store.acquire_leases("next", 1, TTL).await.unwrap();
}

/// An owner's connection proves that it lives, and its end that the owner is gone: no wait for its lease.
#[tokio::test]
async fn postgres_gives_leases_of_a_dead_owner_to_the_next() {
    let database = TestDatabase::new();
    let (first, second) = (database.connect().await, database.connect().await);
    let old = first.acquire_leases("first", 1, TTL).await.unwrap();
    assert!(matches!(second.acquire_leases("second", 1, TTL).await, Err(StoreError::LeaseHeld { .. })));
    // The same as the end of its process: all of its connections end.
    drop(first);
    let new = loop {
        match second.acquire_leases("second", 1, TTL).await {
            Ok(leases) => break leases,
            // PostgreSQL has not noticed yet.
            Err(StoreError::LeaseHeld { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(new[0].epoch > old[0].epoch);
    drop(second);
    database.drop().await;
}

/// The owner lives and has only lost its connections: its next renewal says so again.
#[tokio::test]
async fn postgres_owner_comes_back_with_its_renewal() {
    let database = TestDatabase::new();
    let (first, second) = (database.connect().await, database.connect().await);
    let leases = first.acquire_leases("first", 1, TTL).await.unwrap();
    database.cut_connections().await;
    // Dead idle connections: a call may say so, the next one works.
    while first.renew_leases("first", &leases, TTL).await.is_err() {}
    loop {
        match second.acquire_leases("second", 1, TTL).await {
            Err(StoreError::LeaseHeld { owner, .. }) => break assert_eq!(owner, "first"),
            Err(StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    drop((first, second));
    database.drop().await;
}

#[tokio::test]
async fn sqlite_file_has_one_process() {
    let directory = TestDirectory::new();
    let _first = SqliteStore::open(Some(&directory.database())).await.unwrap();
    let error = SqliteStore::open(Some(&directory.database())).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)) && error.to_string().contains("another process"), "{error}");
}

#[tokio::test]
async fn memory_stores_share_nothing() {
    let key = run_key("w");
    let store = MemoryStore::new();
    let lease = lease(&store).await;
    commit(&store, &lease, vec![create(key, "w")]).await.unwrap();
    assert_eq!(MemoryStore::new().load_runs(&[key]).await.unwrap(), [None]);
    let sqlite = SqliteStore::open(None).await.unwrap();
    let lease = self::lease(&sqlite).await;
    commit(&sqlite, &lease, vec![create(key, "w")]).await.unwrap();
    assert_eq!(SqliteStore::open(None).await.unwrap().load_runs(&[key]).await.unwrap(), [None]);
}

/// All idle connections are dead: one call may say so, the next one must work.
#[tokio::test]
async fn postgres_connects_again() {
    let database = TestDatabase::new();
    let store = database.connect().await;
    let lease = lease(&store).await;
    let keys = ["a", "b", "c", "d"].map(run_key);
    let loads = keys.map(|key| [key]);
    futures::future::join_all(loads.iter().map(|key| store.load_runs(key))).await;
    database.cut_connections().await;

    assert!(commit(&store, &lease, vec![create(keys[0], "a")]).await.is_err());
    commit(&store, &lease, vec![create(keys[1], "b")]).await.unwrap();
    assert!(store.load_runs(&keys).await.unwrap()[1].is_some());
    drop(store);
    database.drop().await;
}

#[tokio::test]
async fn postgres_nodes_connect_at_once() {
    let database = TestDatabase::new();
    let stores = futures::future::join_all((0..4).map(|_| database.connect())).await;
    let attempts =
        stores.iter().enumerate().map(async |(node, store)| store.acquire_leases(&node.to_string(), 4, TTL).await);
    let results = futures::future::join_all(attempts).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    drop(stores);
    database.drop().await;
}

#[tokio::test]
async fn postgres_by_parts_of_an_address() {
    let config = PostgresConfig {
        host: Some("127.0.0.1".to_owned()),
        port: Some(1),
        user: Some("nobody".to_owned()),
        database: Some("nothing".to_owned()),
        ..Default::default()
    };
    assert!(matches!(PostgresStore::connect(config).await, Err(StoreError::Unavailable(_))));
    let wrong = PostgresConfig::from_url("not a url");
    assert!(matches!(PostgresStore::connect(wrong).await, Err(StoreError::Settings(_))));
}
