//! `perdure history export`

use std::pin::pin;

use anyhow::Context;
use clap::Args;
use futures::TryStreamExt;
use perdure_proto::api::common::WorkflowExecution;
use serde_json::json;

use super::{
    archive::Archive,
    file::FileFormat,
    progress,
    read::{Selection, closed_runs, count, read_history},
};
use crate::session::Session;

#[derive(Args, Debug)]
pub struct Export {
    /// A folder, or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`. Object stores take their keys and addresses
    /// from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL and AWS_ALLOW_HTTP,
    /// GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY.
    #[arg(long, value_name = "FOLDER|URL")]
    to: String,
    #[command(flatten)]
    selection: Selection,
    /// What the files are.
    #[arg(long, value_enum, default_value_t = FileFormat::Json)]
    format: FileFormat,
    /// Histories that are read and written at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
}

/// What became of one run.
enum Exported {
    New,
    WasThere,
    /// Its retention ended, or it was deleted, after it was listed.
    Gone,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        let archive = Archive::create(&self.to)?;
        let bar = progress::bar(Some(count(session, &namespace, &self.selection).await?));
        let runs = closed_runs(session, &namespace, &self.selection);
        let exported = runs.map_ok(|run| self.export(session, &namespace, &archive, run));
        let mut exported = pin!(exported.try_buffer_unordered(self.concurrency.into()));
        let (mut new, mut there, mut gone) = (0_u64, 0_u64, 0_u64);
        loop {
            match exported.try_next().await {
                Ok(Some(Exported::New)) => new += 1,
                Ok(Some(Exported::WasThere)) => there += 1,
                Ok(Some(Exported::Gone)) => gone += 1,
                Ok(None) => break,
                Err(error) => {
                    bar.abandon();
                    return Err(error.context(format!("{new} exported; run the same command again to go on")));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let gone = if gone == 0 { String::new() } else { format!(", {gone} were deleted meanwhile") };
        session.output.say(format!("{new} histories exported to {}, {there} were there already{gone}.", self.to))?;
        session.output.json(&json!({"exported": new, "wereThere": there, "to": self.to}))
    }

    async fn export(
        &self,
        session: &Session,
        namespace: &str,
        archive: &Archive,
        execution: WorkflowExecution,
    ) -> anyhow::Result<Exported> {
        let place = archive.place(namespace, &execution.workflow_id, &execution.run_id, self.format);
        if archive.has(&place).await? {
            return Ok(Exported::WasThere);
        }
        let Some(history) = read_history(session, namespace, &execution).await? else { return Ok(Exported::Gone) };
        let of = || format!("the history of run {} of {}", execution.run_id, execution.workflow_id);
        archive.put(&place, self.format.encode(&history).with_context(of)?).await?;
        Ok(Exported::New)
    }
}
