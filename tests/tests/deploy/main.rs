//! What `deploy/` promises, with processes in the place of containers: the same environment, commands and probes.

mod compose;
mod database;
mod kubernetes;
mod machine;

use anyhow::Result;
use perdure_tests::python;

#[tokio::test]
async fn files_hold_against_strict_schemas() -> Result<()> {
    python("deploy_validate", &["../deploy/validate.py"]).await
}
