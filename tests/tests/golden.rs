//! The histories that workflows leave are those that Temporal's server leaves. `tests/golden/README.md` tells more.

use anyhow::Result;
use perdure_tests::{Database, Server, python};

#[tokio::test]
async fn histories_are_as_recorded_on_temporal() -> Result<()> {
    let server = Server::start("golden", Database::SqliteMemory).await?;
    python("golden_compare", &["../tests/golden/record.py", "--address", &server.address()]).await
}
