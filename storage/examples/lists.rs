//! How long the pages of lists take, on a database with many runs.
//!
//! `cargo run --release -p perdure-storage --example lists -- 1000000 postgres://postgres@127.0.0.1:5432/lists` (a new database; or
//! the path of a new SQLite file). A database that is there already is measured as it is.

#[path = "../tests/plans/rows.rs"]
mod rows;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use perdure_storage::{
    PostgresConfig, PostgresStore, SqliteStore, Store,
    visibility::{GroupBy, ListQuery},
};
use sqlx::{Connection, PgConnection};

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(database)) = (arguments.next(), arguments.next()) else {
        return Err("usage: lists <runs> <PostgreSQL URL or SQLite file>".into());
    };
    let count = count.parse()?;
    if !database.starts_with("postgres") {
        let store = SqliteStore::open(Some(Path::new(&database))).await?;
        return measure(&store, count, |shape| shape.sqlite).await;
    }
    let store = PostgresStore::connect(PostgresConfig::from_url(&database)).await?;
    fill(&store, count).await?;
    let mut connection = PgConnection::connect(&database).await?;
    sqlx::query("VACUUM (ANALYZE) visibility").execute(&mut connection).await?;
    let indexes =
        "SELECT relname::text, pg_relation_size(oid) FROM pg_class WHERE relname LIKE 'visibility%' ORDER BY 1";
    for (name, size) in sqlx::query_as::<_, (String, i64)>(indexes).fetch_all(&mut connection).await? {
        println!("{name:<30} {:>7.1} MB", size as f64 / 1e6);
    }
    measure(&store, count, |shape| shape.index).await
}

async fn fill(store: &dyn Store, count: i64) -> Result<(), Error> {
    let everything = ListQuery { namespace_id: rows::NAMESPACE, page_size: 1, ..ListQuery::default() };
    if store.list(&everything).await?.is_empty() {
        let lease = store.acquire_leases("lists", 1, Duration::from_secs(36_000)).await?.remove(0);
        rows::fill(store, &lease, count).await?;
    }
    Ok(())
}

/// The median of five, after one that fills the caches.
async fn measure(store: &dyn Store, count: i64, index: fn(&rows::Shape) -> &'static str) -> Result<(), Error> {
    fill(store, count).await?;
    println!("{:<32} {:>6} {:>10} {:>10}  by", "list", "rows", "page ms", "count ms");
    for shape in rows::lists(count) {
        let mut found = 0;
        let mut pages = Vec::new();
        let mut counts = Vec::new();
        for _ in 0..6 {
            let start = Instant::now();
            found = store.list(&shape.query).await?.len();
            pages.push(start.elapsed());
        }
        for _ in 0..4 {
            let start = Instant::now();
            store.count_by(&shape.query, GroupBy::Status, 1_000).await?;
            counts.push(start.elapsed());
        }
        let sorted = if shape.sorts { ", sorted" } else { "" };
        let (page, count) = (median(pages), median(counts));
        println!("{:<32} {found:>6} {page:>10.1} {count:>10.0}  {}{sorted}", shape.name, index(&shape));
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.remove(0);
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
