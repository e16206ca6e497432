//! The topology of `deploy/compose/docker-compose.yml`. Each service has the environment that stands there; names and ports of
//! containers become those of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use perdure_proto::api::operatorservice::{
    ListSearchAttributesRequest, operator_service_client::OperatorServiceClient,
};
use perdure_tests::{ports, python, rest::Rest};
use serde::Deserialize;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};
use tokio::net::{TcpListener, TcpStream};
use xtask::{postgres::Cluster, workspace::Workspace};

use crate::machine::{Container, Machine, Variables, deploy, documents, image_variables, until, words};

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    environment: Environment,
    healthcheck: Option<Healthcheck>,
}

/// Compose files have both forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Environment {
    List(Vec<String>),
    Map(Variables),
}

#[derive(Deserialize)]
struct Healthcheck {
    test: Vec<String>,
}

/// Where containers are on this machine.
struct Places {
    grpc_port: u16,
    database_port: u16,
}

#[tokio::test]
async fn the_compose_file_runs_with_only_image_names_changed() -> Result<()> {
    let compose = documents::<Compose>("compose/docker-compose.yml")?.pop().context("a document")?;
    let service = |name: &str| compose.services.get(name).with_context(|| format!("a service {name}"));
    let (postgresql, temporal) = (service("postgresql")?, service("temporal")?);

    // A database that starts later than the server.
    let gate = TcpListener::bind("127.0.0.1:0").await?;
    let (grpc_port, http_port, database_port) = (ports::free()?, ports::free()?, gate.local_addr()?.port());
    let places = Places { grpc_port, database_port };
    let machine = Machine::new("deploy_compose", &postgres_programs())?;
    let mut variables = image_variables()?;
    variables.extend(places.variables(temporal));
    variables.insert("BIND_ON_IP".to_owned(), "127.0.0.1".to_owned());
    variables.insert("FRONTEND_GRPC_PORT".to_owned(), grpc_port.to_string());
    // The API has a port of its own as well, which the file does not publish.
    variables.insert("FRONTEND_HTTP_PORT".to_owned(), ports::free()?.to_string());
    variables.insert("FRONTEND_UI_PORT".to_owned(), http_port.to_string());
    variables.insert("PROMETHEUS_ENDPOINT".to_owned(), "127.0.0.1:0".to_owned());
    mount_dynamic_config(&machine)?;
    let mut server = machine.start("temporal", &words("perdure server start"), &variables)?;
    let is_open = Arc::new(AtomicBool::new(false));
    let cluster = Cluster::start(&Workspace::find()?)?;
    tokio::spawn(forward(gate, is_open.clone(), cluster.port));
    until("the server waits for its database", async || {
        server.lives()?;
        Ok(server.log()?.contains("waiting for the database"))
    })
    .await?;
    assert!(!places.is_healthy(&machine, temporal).await?, "healthy without a database");

    prepare(&cluster, &places.variables(postgresql)).await?;
    is_open.store(true, Ordering::Release);
    let reach = [("PGHOST", "127.0.0.1".to_owned()), ("PGPORT", database_port.to_string())];
    let reach = reach.map(|(name, value)| (name.to_owned(), value)).into();
    until("postgresql is healthy", async || {
        let test = places.command(postgresql.healthcheck.as_ref().context("a health check")?);
        Ok(machine.run(&test, &reach).await?.status.success())
    })
    .await?;
    until("temporal is healthy", async || {
        server.lives()?;
        places.is_healthy(&machine, temporal).await
    })
    .await?;

    set_up(grpc_port).await?;
    administer(&machine, &places.variables(service("temporal-admin-tools")?)).await?;
    let address = format!("127.0.0.1:{grpc_port}");
    python("deploy_compose_runner", &["-m", "runner", "--address", &address, "--only", "ai_learning"]).await?;
    assert_eq!(Rest::new(http_port).get("/health").await?.status, 200);
    browse(&machine, places.variables(service("temporal-ui")?), &mut server).await
}

/// The service on port 8080: what a browser gets, with the server and without it.
async fn browse(machine: &Machine, variables: Variables, server: &mut Container) -> Result<()> {
    let port = ports::free()?;
    let own = [("BIND_ON_IP", "127.0.0.1".to_owned()), ("TEMPORAL_UI_PORT", port.to_string())];
    let mut all = image_variables()?;
    all.extend(variables);
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let mut ui = machine.start("temporal-ui", &words("perdure ui"), &all)?;
    let client = Rest::new(port);
    until("temporal-ui is healthy", async || {
        ui.lives()?;
        Ok(client.get("/health").await.is_ok_and(|answer| answer.status == 200))
    })
    .await?;
    assert!(client.get("/").await?.text.contains("/api/v1/namespaces"));
    for (origin, expected) in [("http://localhost:3000", Some("http://localhost:3000")), ("http://evil.example", None)]
    {
        let answer = client.clone().with("Origin", origin).get("/api/v1/namespaces").await?;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, expected), "{origin}");
        assert!(answer.text.contains("jarvis-prod"), "{}", answer.text);
    }
    let unknown = client.get("/api/v1/namespaces/nobody").await?;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!(5)), "{}", unknown.text);

    server.stop().await?;
    let alone = client.get("/api/v1/namespaces").await?;
    assert_eq!((alone.status, &alone.json()["code"]), (503, &json!(14)), "{}", alone.text);
    assert_eq!(client.get("/health").await?.status, 503);
    assert_eq!(client.get("/healthz").await?.status, 200);
    ui.stop().await
}

/// What auto-setup leaves behind: a namespace with search attributes.
async fn set_up(grpc_port: u16) -> Result<()> {
    let mut client = OperatorServiceClient::connect(format!("http://127.0.0.1:{grpc_port}")).await?;
    let request = ListSearchAttributesRequest { namespace: "default".to_owned() };
    let listed = client.list_search_attributes(request).await?.into_inner().custom_attributes;
    for name in ["CustomKeywordField", "CustomStringField", "CustomIntField", "CustomDatetimeField"] {
        assert!(listed.contains_key(name), "{name} is missing in {listed:?}");
    }
    Ok(())
}

/// What people type in the container with admin tools.
async fn administer(machine: &Machine, variables: &Variables) -> Result<()> {
    let health = machine.must("tctl cluster health", variables).await?;
    assert!(health.contains("SERVING"), "{health}");
    machine.must("temporal operator cluster health", variables).await?;
    machine.must("temporal operator namespace create --namespace jarvis-prod --retention 72h", variables).await?;
    let listed = machine.must("temporal operator namespace list", variables).await?;
    assert!(listed.contains("jarvis-prod") && listed.contains("default"), "{listed}");
    Ok(())
}

impl Places {
    /// A command's word, or the value of a variable.
    fn resolve(&self, text: &str) -> String {
        text.replace("temporal:7233", &format!("127.0.0.1:{}", self.grpc_port))
    }

    fn variables(&self, service: &Service) -> Variables {
        let pairs: Vec<(&str, &str)> = match &service.environment {
            Environment::List(list) => list.iter().filter_map(|pair| pair.split_once('=')).collect(),
            Environment::Map(map) => map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        };
        let here = |name: &str, value: &str| match (name, value) {
            ("POSTGRES_SEEDS", "postgresql") => "127.0.0.1".to_owned(),
            ("DB_PORT", "5432") => self.database_port.to_string(),
            _ => self.resolve(value),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), here(name, value))).collect()
    }

    fn command(&self, healthcheck: &Healthcheck) -> Vec<String> {
        match healthcheck.test.split_first() {
            Some((form, line)) if form == "CMD-SHELL" => ["sh", "-c", &line.concat()].map(str::to_owned).to_vec(),
            Some((_, command)) => command.iter().map(|word| self.resolve(word)).collect(),
            None => Vec::new(),
        }
    }

    async fn is_healthy(&self, machine: &Machine, service: &Service) -> Result<bool> {
        let test = self.command(service.healthcheck.as_ref().context("a health check")?);
        Ok(machine.run(&test, &Variables::new()).await?.status.success())
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The volume of the file, at the place that the variable names.
fn mount_dynamic_config(machine: &Machine) -> Result<()> {
    let folder = machine.folder("temporal")?.join("config/dynamicconfig");
    std::fs::create_dir_all(&folder)?;
    for file in std::fs::read_dir(deploy().join("compose/dynamicconfig"))? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    Ok(())
}

/// Debian keeps them out of `PATH`.
fn postgres_programs() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).collect()
}

/// What the image of PostgreSQL does with its variables.
async fn prepare(cluster: &Cluster, variables: &Variables) -> Result<()> {
    let (user, password) = (&variables["POSTGRES_USER"], &variables["POSTGRES_PASSWORD"]);
    let mut connection = cluster.url().parse::<PgConnectOptions>()?.connect().await?;
    for statement in [
        format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'"),
        format!("CREATE DATABASE {user} OWNER {user}"),
    ] {
        connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    }
    Ok(connection.close().await?)
}

/// Closes connections at once, until it is open; then they reach `port`.
async fn forward(gate: TcpListener, is_open: Arc<AtomicBool>, port: u16) -> Result<()> {
    loop {
        let (mut outside, _) = gate.accept().await?;
        if is_open.load(Ordering::Acquire) {
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    }
}
