//! `perdure operator namespace …`

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, ValueEnum};
use perdure_proto::api::{
    enums::ArchivalState,
    namespace::{NamespaceConfig, UpdateNamespaceInfo},
    operatorservice::DeleteNamespaceRequest,
    workflowservice::{
        DescribeNamespaceRequest, ListNamespacesRequest, RegisterNamespaceRequest, UpdateNamespaceRequest,
    },
};
use prost_types::Duration;

use crate::{
    duration::proto_duration,
    key_value::{KeyValue, texts},
    output::{Field, Section},
    session::Session,
};

commands! {
    /// Create, show, change and delete namespaces.
    NamespaceCommand {
        /// Create a namespace
        #[command(after_help = "Example:\n  perdure operator namespace create --namespace orders --retention 30d --email orders@example.org")]
        Create(Create),
        /// Show all namespaces
        #[command(after_help = "Example:\n  perdure operator namespace list")]
        List(List),
        /// Show one namespace
        #[command(after_help = "Example:\n  perdure operator namespace describe --namespace orders")]
        Describe(Describe),
        /// Change a namespace; what is not named stays
        #[command(after_help = "Example:\n  perdure operator namespace update --namespace orders --retention 7d")]
        Update(Update),
        /// Delete a namespace with all that is in it
        #[command(after_help = "Example:\n  perdure operator namespace delete --namespace orders --yes")]
        Delete(Delete),
    }
}

/// The older way to name a namespace.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The namespace; --namespace does the same.
    #[arg(value_name = "NAMESPACE")]
    name: Option<String>,
}

impl Named {
    fn name(&self, session: &Session) -> anyhow::Result<String> {
        self.name.clone().map_or_else(|| session.named_namespace(), Ok)
    }
}

/// What a namespace is for.
#[derive(Args, Debug)]
pub(crate) struct About {
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Mail address of its owner.
    #[arg(long)]
    email: Option<String>,
    /// Anything else, `KEY=VALUE`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<KeyValue>,
    /// Whether closed histories go to an archive.
    #[arg(long, value_enum, value_name = "STATE")]
    history_archival_state: Option<Archival>,
    /// Where histories are archived.
    #[arg(long, value_name = "URI")]
    history_uri: Option<String>,
    /// Whether what lists show goes to an archive.
    #[arg(long, value_enum, value_name = "STATE")]
    visibility_archival_state: Option<Archival>,
    /// Where what lists show is archived.
    #[arg(long, value_name = "URI")]
    visibility_uri: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Archival {
    Disabled,
    Enabled,
}

impl From<Archival> for ArchivalState {
    fn from(state: Archival) -> Self {
        match state {
            Archival::Disabled => Self::Disabled,
            Archival::Enabled => Self::Enabled,
        }
    }
}

/// The API's number; nothing is 0, which means "as it is".
fn archival(state: Option<Archival>) -> i32 {
    state.map_or(ArchivalState::Unspecified, ArchivalState::from).into()
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    named: Named,
    /// How long closed workflows are kept.
    #[arg(long, default_value = "72h", value_parser = proto_duration, value_name = "DURATION")]
    retention: Duration,
    #[command(flatten)]
    about: About,
    /// Replicated between clusters; this server has one cluster.
    #[arg(long)]
    global: bool,
}

#[derive(Args, Debug)]
pub struct List {}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    named: Named,
    /// The namespace's id instead of its name.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true, conflicts_with = "name")]
    namespace_id: String,
}

#[derive(Args, Debug)]
pub struct Update {
    #[command(flatten)]
    named: Named,
    /// How long closed workflows are kept; counts for those that are there too.
    #[arg(long, value_parser = proto_duration, value_name = "DURATION")]
    retention: Option<Duration>,
    #[command(flatten)]
    about: About,
    /// Replicate it between clusters; this server has one cluster.
    #[arg(long)]
    promote_global: bool,
}

#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    named: Named,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) const NAMESPACES: &[Field] = &[
    ("Name", "/namespaceInfo/name"),
    ("Id", "/namespaceInfo/id"),
    ("State", "/namespaceInfo/state"),
    ("Retention", "/config/workflowExecutionRetentionTtl"),
    ("Description", "/namespaceInfo/description"),
    ("OwnerEmail", "/namespaceInfo/ownerEmail"),
];

pub(crate) const NAMESPACE: &[Section] = &[Section {
    title: "",
    at: "",
    fields: &[
        ("NamespaceInfo.Name", "/namespaceInfo/name"),
        ("NamespaceInfo.Id", "/namespaceInfo/id"),
        ("NamespaceInfo.Description", "/namespaceInfo/description"),
        ("NamespaceInfo.OwnerEmail", "/namespaceInfo/ownerEmail"),
        ("NamespaceInfo.State", "/namespaceInfo/state"),
        ("NamespaceInfo.Data", "/namespaceInfo/data"),
        ("Config.WorkflowExecutionRetentionTtl", "/config/workflowExecutionRetentionTtl"),
        ("Config.HistoryArchivalState", "/config/historyArchivalState"),
        ("Config.HistoryArchivalUri", "/config/historyArchivalUri"),
        ("Config.VisibilityArchivalState", "/config/visibilityArchivalState"),
        ("Config.VisibilityArchivalUri", "/config/visibilityArchivalUri"),
        ("Config.CustomSearchAttributeAliases", "/config/customSearchAttributeAliases"),
        ("ReplicationConfig.ActiveClusterName", "/replicationConfig/activeClusterName"),
        ("IsGlobalNamespace", "/isGlobalNamespace"),
    ],
}];

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = self.named.name(session)?;
        let about = self.about;
        let request = RegisterNamespaceRequest {
            namespace: namespace.clone(),
            description: about.description.unwrap_or_default(),
            owner_email: about.email.unwrap_or_default(),
            workflow_execution_retention_period: Some(self.retention),
            data: texts(&about.data),
            is_global_namespace: self.global,
            history_archival_state: archival(about.history_archival_state),
            history_archival_uri: about.history_uri.unwrap_or_default(),
            visibility_archival_state: archival(about.visibility_archival_state),
            visibility_archival_uri: about.visibility_uri.unwrap_or_default(),
            ..RegisterNamespaceRequest::default()
        };
        session.done(request, &format!("Namespace {namespace} created.")).await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        session.list(ListNamespacesRequest::default(), None, NAMESPACES).await
    }
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        // Not both: the server takes the one or the other.
        let namespace = match self.namespace_id.as_str() {
            "" => self.named.name.unwrap_or_else(|| session.namespace()),
            _ => String::new(),
        };
        let request = DescribeNamespaceRequest { namespace, id: self.namespace_id, ..Default::default() };
        session.show(request, NAMESPACE).await
    }
}

impl Update {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = self.named.name(session)?;
        let update_info = self.info(session, &namespace).await?;
        let about = self.about;
        let config = NamespaceConfig {
            workflow_execution_retention_ttl: self.retention,
            history_archival_state: archival(about.history_archival_state),
            history_archival_uri: about.history_uri.unwrap_or_default(),
            visibility_archival_state: archival(about.visibility_archival_state),
            visibility_archival_uri: about.visibility_uri.unwrap_or_default(),
            ..NamespaceConfig::default()
        };
        let changed = config != NamespaceConfig::default();
        if update_info.is_none() && !changed && !self.promote_global {
            bail!("nothing to change: name what, see --help");
        }
        let request = UpdateNamespaceRequest {
            namespace: namespace.clone(),
            update_info,
            config: changed.then_some(config),
            promote_namespace: self.promote_global,
            ..UpdateNamespaceRequest::default()
        };
        session.done(request, &format!("Namespace {namespace} updated.")).await
    }

    /// The texts as they shall be: the server takes all of them together, so what is not named is asked for.
    async fn info(&self, session: &Session, namespace: &str) -> anyhow::Result<Option<UpdateNamespaceInfo>> {
        let About { description, email, data, .. } = &self.about;
        if description.is_none() && email.is_none() && data.is_empty() {
            return Ok(None);
        }
        let request = DescribeNamespaceRequest { namespace: namespace.to_owned(), ..Default::default() };
        let now = session.call(request).await?.namespace_info.unwrap_or_default();
        let data: BTreeMap<String, String> = texts(data);
        Ok(Some(UpdateNamespaceInfo {
            description: description.clone().unwrap_or(now.description),
            owner_email: email.clone().unwrap_or(now.owner_email),
            // The server adds these to those that are there.
            data,
            ..UpdateNamespaceInfo::default()
        }))
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = self.named.name(session)?;
        session.confirm(&format!("Delete namespace {namespace:?} with all that is in it?"), self.yes)?;
        let text = format!("Namespace {namespace} has been deleted.");
        session.done(DeleteNamespaceRequest { namespace, ..DeleteNamespaceRequest::default() }, &text).await
    }
}
