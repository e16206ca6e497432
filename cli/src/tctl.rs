//! `tctl`, Temporal's former command line, as far as health checks and set-up scripts use it: for a binary of this name.
//!
//! Flags may have one dash or two, in front of the command or behind it, and short names: `-ad`, `--ns`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::bail;
use chrono::{DateTime, SecondsFormat};
use clap::{Args, Parser, Subcommand};
use perdure_proto::api::{
    enums::{ArchivalState, NamespaceState},
    workflow::WorkflowExecutionInfo,
    workflowservice::{
        DescribeNamespaceRequest, DescribeNamespaceResponse, ListNamespacesRequest, ListWorkflowExecutionsRequest,
        RegisterNamespaceRequest,
    },
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    connect::Options,
    duration::parse_duration,
    output::line,
    session::{ANSWER, Failed, Session},
};

/// The service whose health stands for the server's.
const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// Commands of Temporal's former command line that health checks and set-up scripts use; `perdure` has all others.
#[derive(Debug, Parser)]
#[command(name = "tctl", version)]
struct Tctl {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Noun,
}

#[derive(Args, Debug)]
struct Global {
    /// The server's gRPC address, `host:port`.
    #[arg(long, alias = "ad", env = "TEMPORAL_CLI_ADDRESS", global = true)]
    address: Option<String>,
    #[arg(long, alias = "ns", env = "TEMPORAL_CLI_NAMESPACE", global = true)]
    namespace: Option<String>,
    /// Seconds for one call.
    #[arg(long, alias = "ct", env = "TEMPORAL_CONTEXT_TIMEOUT", global = true)]
    context_timeout: Option<u64>,
    #[arg(long = "tls_cert_path", env = "TEMPORAL_CLI_TLS_CERT", global = true)]
    tls_cert_path: Option<PathBuf>,
    #[arg(long = "tls_key_path", env = "TEMPORAL_CLI_TLS_KEY", global = true)]
    tls_key_path: Option<PathBuf>,
    #[arg(long = "tls_ca_path", env = "TEMPORAL_CLI_TLS_CA", global = true)]
    tls_ca_path: Option<PathBuf>,
    #[arg(long = "tls_server_name", env = "TEMPORAL_CLI_TLS_SERVER_NAME", global = true)]
    tls_server_name: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Health of the server.
    #[command(subcommand, alias = "cl")]
    Cluster(Cluster),
    #[command(subcommand, alias = "n")]
    Namespace(Namespace),
    #[command(subcommand, alias = "wf")]
    Workflow(Workflow),
}

#[derive(Debug, Subcommand)]
enum Cluster {
    /// Print SERVING and succeed, or fail.
    #[command(alias = "h")]
    Health,
}

#[derive(Debug, Subcommand)]
enum Namespace {
    #[command(alias = "re")]
    Register(Register),
    #[command(alias = "desc")]
    Describe {
        /// The namespace, instead of the flag.
        name: Option<String>,
    },
    #[command(alias = "l")]
    List,
}

#[derive(Args, Debug)]
struct Register {
    /// The namespace, instead of the flag.
    name: Option<String>,
    /// How long closed workflows are kept: days, or a duration.
    #[arg(long, alias = "rd", default_value = "3", value_parser = parse_duration)]
    retention: Duration,
    #[arg(long, alias = "desc", default_value = "")]
    description: String,
    #[arg(long = "owner_email", alias = "oe", default_value = "")]
    owner_email: String,
    #[arg(long = "global_namespace", alias = "gd", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    global_namespace: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Workflow {
    /// Print closed workflows, or open ones.
    #[command(alias = "l")]
    List(List),
}

#[derive(Args, Debug)]
struct List {
    /// Open workflows.
    #[arg(long, alias = "op")]
    open: bool,
    /// A list filter, instead of open or closed ones.
    #[arg(long, short)]
    query: Option<String>,
    #[arg(long, alias = "ps", default_value_t = 10)]
    pagesize: i32,
    /// All pages.
    #[arg(long, short)]
    more: bool,
}

/// Whether the binary was called by this name.
pub fn is_called(name: Option<&OsString>) -> bool {
    name.is_some_and(|name| std::path::Path::new(name).file_stem().is_some_and(|stem| stem == "tctl"))
}

/// Prints what `tctl` would; an error is to be printed behind `Error: `.
pub async fn run(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let Tctl { global, command } = Tctl::parse_from(arguments.map(two_dashes));
    let session = Session::new(global.options()?)?;
    match command {
        Noun::Cluster(Cluster::Health) => health(&session).await,
        Noun::Namespace(Namespace::Register(register)) => register.run(&session).await,
        Noun::Namespace(Namespace::Describe { name }) => describe(&session, name).await,
        Noun::Namespace(Namespace::List) => list_namespaces(&session).await,
        Noun::Workflow(Workflow::List(list)) => list.run(&session).await,
    }
}

/// `-address` is `--address`, as in Go's programs; a single letter stays.
fn two_dashes(argument: OsString) -> OsString {
    match argument.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(rest) if rest.len() > 1 && rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            format!("--{rest}").into()
        }
        _ => argument,
    }
}

/// The options of the other commands, to be parsed by them.
#[derive(Parser)]
struct OptionsAlone {
    #[command(flatten)]
    options: Options,
}

impl Global {
    fn options(&self) -> anyhow::Result<Options> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.as_os_str().to_owned());
        let text = |text: &Option<String>| text.clone().map(OsString::from);
        let flags = [
            ("--address", text(&self.address)),
            ("--namespace", text(&self.namespace)),
            ("--command-timeout", self.context_timeout.map(|seconds| format!("{seconds}s").into())),
            ("--tls-cert-path", path(&self.tls_cert_path)),
            ("--tls-key-path", path(&self.tls_key_path)),
            ("--tls-ca-path", path(&self.tls_ca_path)),
            ("--tls-server-name", text(&self.tls_server_name)),
        ];
        let given = flags.into_iter().filter_map(|(flag, value)| Some([OsString::from(flag), value?])).flatten();
        Ok(OptionsAlone::try_parse_from([OsString::from("tctl")].into_iter().chain(given))?.options)
    }
}

async fn health(session: &Session) -> anyhow::Result<()> {
    let request = session.request(HealthCheckRequest { service: SERVICE.to_owned() }, ANSWER);
    let answer = HealthClient::new(session.channel().await?).check(request).await;
    let answer = answer.map_err(|status| session.refused("Unable to run health check", &status, ANSWER))?;
    let status = answer.into_inner().status();
    line(format!("{SERVICE}: {}", status.as_str_name()))?;
    if status != ServingStatus::Serving {
        bail!("the server is starting or stopping");
    }
    Ok(())
}

impl Register {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let name = self.name.unwrap_or_else(|| session.namespace());
        let request = RegisterNamespaceRequest {
            namespace: name.clone(),
            description: self.description,
            owner_email: self.owner_email,
            is_global_namespace: self.global_namespace.unwrap_or(false),
            workflow_execution_retention_period: Some(prost_types::Duration::try_from(self.retention)?),
            ..Default::default()
        };
        match session.attempt(request).await {
            Ok(_) => line(format!("Namespace {name} successfully registered.")),
            Err(Failed::Refused(status)) if status.code() == Code::AlreadyExists => {
                bail!("Namespace {name} already registered.")
            }
            Err(failed) => Err(session.explain_attempt::<RegisterNamespaceRequest>(failed)),
        }
    }
}

async fn describe(session: &Session, name: Option<String>) -> anyhow::Result<()> {
    let namespace = name.unwrap_or_else(|| session.namespace());
    let request = DescribeNamespaceRequest { namespace: namespace.clone(), ..Default::default() };
    match session.attempt(request).await {
        Ok(answer) => line(card(&answer)),
        Err(Failed::Refused(status)) if status.code() == Code::NotFound => {
            bail!("Namespace {namespace} does not exist.")
        }
        Err(failed) => Err(session.explain_attempt::<DescribeNamespaceRequest>(failed)),
    }
}

async fn list_namespaces(session: &Session) -> anyhow::Result<()> {
    let mut request = ListNamespacesRequest { page_size: 100, ..Default::default() };
    loop {
        let answer = session.call(request.clone()).await?;
        for namespace in &answer.namespaces {
            line(card(namespace))?;
            line("")?;
        }
        if answer.next_page_token.is_empty() {
            return Ok(());
        }
        request.next_page_token = answer.next_page_token;
    }
}

fn card(namespace: &DescribeNamespaceResponse) -> String {
    let info = namespace.namespace_info.clone().unwrap_or_default();
    let config = namespace.config.clone().unwrap_or_default();
    let replication = namespace.replication_config.clone().unwrap_or_default();
    let clusters: Vec<_> = replication.clusters.iter().map(|cluster| cluster.cluster_name.as_str()).collect();
    let state = match info.state() {
        NamespaceState::Unspecified => "Unspecified",
        NamespaceState::Registered => "Registered",
        NamespaceState::Deprecated => "Deprecated",
        NamespaceState::Deleted => "Deleted",
    };
    let archival = |state: ArchivalState| match state {
        ArchivalState::Enabled => "Enabled",
        ArchivalState::Disabled | ArchivalState::Unspecified => "Disabled",
    };
    let data: Vec<_> = info.data.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    [
        format!("Name: {}", info.name),
        format!("Id: {}", info.id),
        format!("Description: {}", info.description),
        format!("OwnerEmail: {}", info.owner_email),
        format!("NamespaceData: map[{}]", data.join(" ")),
        format!("State: {state}"),
        format!("Retention: {}", go_duration(config.workflow_execution_retention_ttl.map_or(0, |ttl| ttl.seconds))),
        format!("ActiveClusterName: {}", replication.active_cluster_name),
        format!("Clusters: {}", clusters.join(", ")),
        format!("HistoryArchivalState: {}", archival(config.history_archival_state())),
        format!("VisibilityArchivalState: {}", archival(config.visibility_archival_state())),
    ]
    .join("\n")
}

/// `72h0m0s`, as Go writes it.
fn go_duration(seconds: i64) -> String {
    format!("{}h{}m{}s", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let of_state = if self.open { "ExecutionStatus = 'Running'" } else { "ExecutionStatus != 'Running'" };
        let mut request = ListWorkflowExecutionsRequest {
            namespace: session.namespace(),
            query: self.query.unwrap_or_else(|| of_state.to_owned()),
            page_size: self.pagesize,
            ..Default::default()
        };
        line("WORKFLOW TYPE | WORKFLOW ID | RUN ID | TASK QUEUE | START TIME | EXECUTION TIME | END TIME")?;
        loop {
            let answer = session.call(request.clone()).await?;
            answer.executions.iter().try_for_each(|info| line(row(info)))?;
            if answer.next_page_token.is_empty() || !self.more {
                return Ok(());
            }
            request.next_page_token = answer.next_page_token;
        }
    }
}

fn row(info: &WorkflowExecutionInfo) -> String {
    let execution = info.execution.clone().unwrap_or_default();
    let kind = info.r#type.as_ref().map(|kind| kind.name.as_str()).unwrap_or_default();
    let time = |time: &Option<prost_types::Timestamp>| {
        let found = time.as_ref().and_then(|time| DateTime::from_timestamp(time.seconds, 0));
        found.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
    };
    [
        kind,
        &execution.workflow_id,
        &execution.run_id,
        &info.task_queue,
        &time(&info.start_time),
        &time(&info.execution_time),
        &time(&info.close_time),
    ]
    .join(" | ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_as_scripts_write_them() {
        Tctl::command().debug_assert();
        let parse = |line: &str| {
            let arguments = line.split(' ').map(OsString::from).map(two_dashes);
            Tctl::try_parse_from(arguments).map_err(|error| format!("{line}: {error}"))
        };
        let cases = [
            ("tctl --address h:1 cluster health", Some("h:1"), None),
            ("tctl -ad h:1 -ns n namespace describe", Some("h:1"), Some("n")),
            ("tctl cluster health --address h:1", Some("h:1"), None),
            ("tctl --ns n n re --rd 1", None, Some("n")),
            ("tctl --namespace n workflow list --open -m", None, Some("n")),
            ("tctl wf l -q WorkflowId='x'", None, None),
        ];
        for (text, address, namespace) in cases {
            let global = parse(text).expect(text).global;
            assert_eq!((global.address.as_deref(), global.namespace.as_deref()), (address, namespace), "{text}");
        }
        assert!(parse("tctl admin shard").is_err());
        assert!(is_called(Some(&"/usr/bin/tctl".into())) && !is_called(Some(&"/usr/bin/perdure".into())));
    }

    #[test]
    fn durations_as_in_go() {
        assert_eq!(go_duration(259_200), "72h0m0s");
        assert_eq!(go_duration(5_430), "1h30m30s");
    }
}
