//! `perdure history import`

use std::{pin::pin, time::Duration};

use anyhow::{anyhow, bail};
use bytes::BytesMut;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use perdure_proto::{
    RawHistory,
    api::common::WorkflowExecution,
    perdure::admin::v1::{ImportWorkflowExecutionRequest, admin_service_client::AdminServiceClient},
};
use serde_json::json;
use tonic::{Code, Status};

use super::{archive::Archive, file::HistoryFile, progress};
use crate::session::Session;

/// A long history over a slow line.
const ANSWER: Duration = Duration::from_secs(120);

/// Bytes of events in one message.
const MESSAGE: usize = 1024 * 1024;

#[derive(Args, Debug)]
pub struct Import {
    /// Files (.json, .json.gz, .binpb.gz), folders, or parts of object stores, as for `export --to`.
    #[arg(required = true, value_name = "FILE|FOLDER|URL")]
    from: Vec<String>,
    /// The workflow id, where a single file does not say it.
    #[arg(long, short)]
    workflow_id: Option<String>,
    /// The run id, where a single file does not say it.
    #[arg(long, short)]
    run_id: Option<String>,
    /// Histories that are read and sent at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=8))]
    concurrency: u16,
}

enum Imported {
    New,
    WasThere,
    /// Why not.
    Refused(String),
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        let archives = self.from.iter().map(|from| Archive::open(from)).collect::<anyhow::Result<Vec<_>>>()?;
        let bar = progress::bar(None);
        let files = stream::iter(&archives).flat_map(|archive| archive.files().map_ok(move |file| (archive, file)));
        let imported = files.map_ok(|(archive, file)| self.import(session, &namespace, archive, file));
        let mut imported = pin!(imported.try_buffer_unordered(self.concurrency.into()));
        let (mut new, mut there, mut refused) = (0_u64, 0_u64, 0_u64);
        loop {
            match imported.try_next().await {
                Ok(Some(Imported::New)) => new += 1,
                Ok(Some(Imported::WasThere)) => there += 1,
                Ok(Some(Imported::Refused(why))) => {
                    refused += 1;
                    bar.suspend(|| eprintln!("{why}"));
                }
                Ok(None) => break,
                Err(error) => {
                    bar.abandon();
                    return Err(error.context(format!("{new} imported; run the same command again to go on")));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if new + there + refused == 0 {
            bail!("there are no histories in {}: files end with .json, .json.gz or .binpb.gz", self.from.join(", "));
        }
        session
            .output
            .say(format!("{new} histories imported into namespace {namespace}, {there} were there already."))?;
        session.output.json(&json!({"imported": new, "wereThere": there, "refused": refused}))?;
        if refused > 0 {
            bail!("{refused} histories were not imported, see above");
        }
        Ok(())
    }

    async fn import(
        &self,
        session: &Session,
        namespace: &str,
        archive: &Archive,
        place: Path,
    ) -> anyhow::Result<Imported> {
        let bytes = archive.get(&place).await?;
        let name = place.filename().unwrap_or_default();
        let refused = |why: String| Ok(Imported::Refused(format!("{place}: {why}")));
        let file = match HistoryFile::decode(name, bytes) {
            Ok(file) => file,
            Err(error) => return refused(format!("{error:#}")),
        };
        let mut execution = file.execution(name);
        execution.workflow_id = self.workflow_id.clone().unwrap_or(execution.workflow_id);
        execution.run_id = self.run_id.clone().unwrap_or(execution.run_id);
        if execution.workflow_id.is_empty() || execution.run_id.is_empty() {
            return refused(
                "the history does not say of which run it is: name it with --workflow-id and --run-id".into(),
            );
        }
        let messages = messages(namespace, execution, file.history);
        let mut client = AdminServiceClient::new(session.channel().await?);
        match client.import_workflow_execution(session.request(stream::iter(messages), ANSWER)).await {
            Ok(answer) if answer.get_ref().was_there => Ok(Imported::WasThere),
            Ok(_) => Ok(Imported::New),
            Err(status) if is_of_history(&status) => refused(status.message().to_owned()),
            Err(status) if status.code() == Code::Unimplemented => {
                Err(anyhow!("{} takes no histories in: it is not a Perdure server, or an older one", session.address()))
            }
            Err(status) => Err(session.refused(&format!("importing {place}"), &status, ANSWER)),
        }
    }
}

/// The next file may do better.
fn is_of_history(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition)
}

fn messages(namespace: &str, execution: WorkflowExecution, history: RawHistory) -> Vec<ImportWorkflowExecutionRequest> {
    let mut left = history.encoded().clone();
    let mut messages = vec![ImportWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        execution: Some(execution),
        history: None,
    }];
    let mut part = BytesMut::new();
    loop {
        let before = left.clone();
        // The events have been decoded already, so they come apart; what would not goes along and is refused.
        let event = perdure_proto::take_event(&mut left).map_or(before.len(), |_| before.len() - left.len());
        if !part.is_empty() && (part.len() + event > MESSAGE || event == 0) {
            let history = Some(RawHistory::from_encoded(std::mem::take(&mut part).freeze()));
            messages.push(ImportWorkflowExecutionRequest { history, ..Default::default() });
        }
        if event == 0 {
            return messages;
        }
        part.extend_from_slice(&before[..event]);
    }
}
