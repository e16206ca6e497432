//! Probes of a server whose database cannot be reached for a while.

use anyhow::Result;
use perdure_tests::{Database, Server, http};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::machine::{Machine, Variables, until, words};

/// A line to a database that can be cut, and mended again.
struct Line {
    port: u16,
    is_whole: watch::Sender<bool>,
}

impl Line {
    async fn to(host: String, port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let line = Self { port: listener.local_addr()?.port(), is_whole: watch::Sender::new(true) };
        let is_whole = line.is_whole.subscribe();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (host, mut is_whole) = (host.clone(), is_whole.clone());
                tokio::spawn(async move {
                    let pass_on = async {
                        let mut to = TcpStream::connect((host.as_str(), port)).await?;
                        copy_bidirectional(&mut from, &mut to).await
                    };
                    // Either way both connections end.
                    tokio::select! {
                        _ = is_whole.wait_for(|is_whole| !is_whole) => {}
                        _ = pass_on => {}
                    }
                });
            }
        });
        Ok(line)
    }
}

const SERVICES: [&str; 3] =
    ["", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"];

/// Whether the gRPC health service says this of all services. It changes them one by one.
async fn grpc_health_is(server: &Server, status: ServingStatus) -> Result<bool> {
    let mut client = HealthClient::new(server.channel().await?);
    for service in SERVICES {
        let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await?;
        if answer.into_inner().status() != status {
            return Ok(false);
        }
    }
    Ok(true)
}

#[tokio::test]
async fn a_server_without_its_database_lives_and_is_not_ready() -> Result<()> {
    let machine = Machine::new("deploy_database", &[])?;
    let Database::Postgres(options) = Database::fresh_postgres("deploy_database").await? else {
        anyhow::bail!("not PostgreSQL");
    };
    let line = Line::to(options.get_host().to_owned(), options.get_port()).await?;
    let database = Database::Postgres(Box::new((*options).clone().host("127.0.0.1").port(line.port)));
    let server = Server::start("deploy_database", database).await?;
    let probe = words(&format!("tctl --address {} cluster health", server.address()));
    let tctl = async || anyhow::Ok(machine.run(&probe, &Variables::new()).await?.status.success());
    // What is asked over HTTP, over gRPC, and as a command.
    let all = async |code: u16, status: ServingStatus| {
        let (health, _) = http::get(server.http_port(), "/health").await?;
        let (live, _) = http::get(server.http_port(), "/livez").await?;
        assert_eq!(live, 200, "it lives");
        let serves = status == ServingStatus::Serving;
        Ok(health == code && grpc_health_is(&server, status).await? && tctl().await? == serves)
    };
    until("it is ready", async || all(200, ServingStatus::Serving).await).await?;
    for _ in 0..2 {
        line.is_whole.send_replace(false);
        until("it is not ready", async || all(503, ServingStatus::NotServing).await).await?;
        line.is_whole.send_replace(true);
        until("it is ready again", async || all(200, ServingStatus::Serving).await).await?;
    }
    server.panics()
}
