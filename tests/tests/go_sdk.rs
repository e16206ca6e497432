//! Temporal's Go SDK runs unchanged. Python's and TypeScript's share a core in Rust; this one is written anew.

use anyhow::Result;
use perdure_tests::{Database, Server, go};

#[tokio::test]
async fn workflow_with_activity_timer_signal_query_and_update() -> Result<()> {
    let server = Server::start("go_sdk", Database::SqliteMemory).await?;
    if !go("go_sdk_program", &["run", ".", &server.address()]).await? {
        println!("PERDURE_TEST_GO is not set: the Go SDK was not tried");
    }
    Ok(())
}
