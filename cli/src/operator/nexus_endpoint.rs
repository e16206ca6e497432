//! `perdure operator nexus endpoint …`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use perdure_proto::api::{
    common::Payload,
    nexus::{
        Endpoint, EndpointSpec, EndpointTarget,
        endpoint_target::{External, Variant, Worker},
    },
    operatorservice::{
        CreateNexusEndpointRequest, DeleteNexusEndpointRequest, ListNexusEndpointsRequest, UpdateNexusEndpointRequest,
    },
};

use crate::{
    output::{Field, Section},
    payload::text_payload,
    session::Session,
};

commands! {
    /// Create, show, change and delete Nexus endpoints.
    EndpointCommand {
        /// Create an endpoint
        #[command(after_help = "Examples:\n  perdure operator nexus endpoint create --name shop --target-namespace shop --target-task-queue nexus\n  perdure operator nexus endpoint create --name mail --target-url https://mail.example.org/nexus")]
        Create(Create),
        /// Show all endpoints
        #[command(after_help = "Example:\n  perdure operator nexus endpoint list")]
        List(List),
        /// Show one endpoint
        #[command(after_help = "Example:\n  perdure operator nexus endpoint get --name shop")]
        Get(Get),
        /// Change an endpoint; what is not named stays
        #[command(after_help = "Example:\n  perdure operator nexus endpoint update --name shop --target-task-queue nexus-2")]
        Update(Update),
        /// Delete an endpoint
        #[command(after_help = "Example:\n  perdure operator nexus endpoint delete --name shop")]
        Delete(Delete),
    }
}

/// Where an endpoint's requests go, and what it is for.
#[derive(Args, Debug)]
pub(crate) struct Config {
    /// What it is for, in Markdown.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The same from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "description")]
    description_file: Option<PathBuf>,
    /// Its workers' namespace.
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "target_url")]
    target_namespace: Option<String>,
    /// Its workers' task queue.
    #[arg(long, value_name = "NAME", conflicts_with = "target_url")]
    target_task_queue: Option<String>,
    /// The URL of a service elsewhere.
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
}

#[derive(Args, Debug)]
pub struct Create {
    /// The endpoint's name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    config: Config,
}

#[derive(Args, Debug)]
pub struct List {}

#[derive(Args, Debug)]
pub struct Get {
    /// The endpoint's name.
    #[arg(long)]
    name: String,
}

#[derive(Args, Debug)]
pub struct Update {
    /// The endpoint's name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    config: Config,
    /// Remove the description.
    #[arg(long, conflicts_with_all = ["description", "description_file"])]
    unset_description: bool,
}

#[derive(Args, Debug)]
pub struct Delete {
    /// The endpoint's name.
    #[arg(long)]
    name: String,
}

pub(crate) const ENDPOINTS: &[Field] = &[
    ("ID", "/id"),
    ("Name", "/spec/name"),
    ("CreatedTime", "/createdTime"),
    ("LastModifiedTime", "/lastModifiedTime"),
    ("Target.Worker.Namespace", "/spec/target/worker/namespace"),
    ("Target.Worker.TaskQueue", "/spec/target/worker/taskQueue"),
    ("Target.External.URL", "/spec/target/external/url"),
    ("Description", "/spec/description"),
];

pub(crate) const ENDPOINT: &[Section] = &[Section { title: "", at: "", fields: ENDPOINTS }];

impl Config {
    fn description(&self) -> anyhow::Result<Option<Payload>> {
        let file = |file: &PathBuf| {
            std::fs::read_to_string(file).with_context(|| format!("cannot read the description {}", file.display()))
        };
        let from_file = self.description_file.as_ref().map(file).transpose()?;
        Ok(self.description.as_ref().or(from_file.as_ref()).map(|text| text_payload(text)))
    }

    /// The target as it shall be, from the flags and from what it is now.
    fn target(&self, now: Option<&EndpointTarget>) -> anyhow::Result<EndpointTarget> {
        let (namespace, task_queue) = match now.and_then(|target| target.variant.as_ref()) {
            Some(Variant::Worker(worker)) => (Some(worker.namespace.clone()), Some(worker.task_queue.clone())),
            _ => (None, None),
        };
        let named = (self.target_namespace.clone(), self.target_task_queue.clone());
        let variant = match (&self.target_url, named, now) {
            (Some(url), _, _) => Variant::External(External { url: url.clone() }),
            (None, (None, None), Some(now)) => return Ok(now.clone()),
            (None, (to_namespace, to_queue), _) => match (to_namespace.or(namespace), to_queue.or(task_queue)) {
                (Some(namespace), Some(task_queue)) => Variant::Worker(Worker { namespace, task_queue }),
                _ => bail!("where to? Give --target-namespace and --target-task-queue, or --target-url"),
            },
        };
        Ok(EndpointTarget { variant: Some(variant) })
    }
}

/// The endpoint of this name.
async fn named(session: &Session, name: &str) -> anyhow::Result<Endpoint> {
    let request = ListNexusEndpointsRequest { name: name.to_owned(), ..ListNexusEndpointsRequest::default() };
    let found = session.call(request).await?.endpoints.into_iter().next();
    found.with_context(|| format!("no Nexus endpoint is named {name:?}: see perdure operator nexus endpoint list"))
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let text = format!("Endpoint {} successfully created.", self.name);
        let (description, target) = (self.config.description()?, Some(self.config.target(None)?));
        let spec = EndpointSpec { name: self.name, description, target };
        session.done(CreateNexusEndpointRequest { spec: Some(spec) }, &text).await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        session.list(ListNexusEndpointsRequest::default(), None, ENDPOINTS).await
    }
}

impl Get {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let endpoint = named(session, &self.name).await?;
        let rendered = crate::json::render(&endpoint, "temporal.api.nexus.v1.Endpoint", session.output.style())?;
        session.output.sections(&rendered, ENDPOINT)
    }
}

impl Update {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let endpoint = named(session, &self.name).await?;
        let now = endpoint.spec.unwrap_or_default();
        let description = match self.config.description()? {
            None if !self.unset_description => now.description,
            changed => changed,
        };
        let target = Some(self.config.target(now.target.as_ref())?);
        let text = format!("Endpoint {} successfully updated.", self.name);
        let spec = Some(EndpointSpec { name: self.name, description, target });
        session.done(UpdateNexusEndpointRequest { id: endpoint.id, version: endpoint.version, spec }, &text).await
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Endpoint { id, version, .. } = named(session, &self.name).await?;
        let text = format!("Endpoint {} successfully deleted.", self.name);
        session.done(DeleteNexusEndpointRequest { id, version }, &text).await
    }
}
