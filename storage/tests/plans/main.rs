//! Each list that people ask for goes by an index, and stops when its page is full: what takes a millisecond with these 20,000 runs
//! takes one with a million.

mod rows;

use std::{env, time::Duration};

use perdure_storage::{PostgresConfig, PostgresStore, SqliteStore, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

const RUNS: i64 = 20_000;

#[tokio::test]
async fn postgres() {
    let server = env::var("PERDURE_TEST_POSTGRES").expect("PERDURE_TEST_POSTGRES is not set: run `cargo xtask test`");
    let name = format!("perdure_test_{}", Uuid::now_v7().simple());
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let store = PostgresStore::connect(PostgresConfig::from_url(&url)).await.unwrap();
    let lease = store.acquire_leases("test", 1, Duration::from_secs(3600)).await.unwrap().remove(0);
    rows::fill(&store, &lease, RUNS).await.unwrap();
    execute(&url, "VACUUM (ANALYZE) visibility").await;

    let mut failures = Vec::new();
    for shape in rows::lists(RUNS) {
        let plan = store.explain(&shape.query).await.unwrap().join("\n");
        // What is sorted incrementally is in order but for ties.
        let sorted = plan.replace("Incremental Sort", "").contains("Sort  (");
        if !plan.contains(&format!("{} ", shape.index)) || plan.contains("Seq Scan") || (sorted && !shape.sorts) {
            failures.push(format!("{}: not by {} alone:\n{plan}", shape.name, shape.index));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

async fn execute(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn sqlite() {
    let store = SqliteStore::open(None).await.unwrap();
    let lease = store.acquire_leases("test", 1, Duration::from_secs(3600)).await.unwrap().remove(0);
    rows::fill(&store, &lease, RUNS).await.unwrap();

    let mut failures = Vec::new();
    for shape in rows::lists(RUNS) {
        let plan = store.explain(&shape.query).await.unwrap().join("\n");
        // The right part of an order is sorted among rows that are alike in its left part.
        let sorted = plan.contains("USE TEMP B-TREE FOR ORDER BY");
        if !plan.contains(&format!("{} ", shape.sqlite)) || plan.contains("SCAN visibility") || (sorted && !shape.sorts)
        {
            failures.push(format!("{}: not by {} alone:\n{plan}", shape.name, shape.sqlite));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
