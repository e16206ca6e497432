//! Clients with and without certificates and keys.

use std::{fs, path::Path};

use anyhow::Result;
use perdure_proto::api::workflowservice::{ListNamespacesRequest, workflow_service_client::WorkflowServiceClient};
use perdure_tests::Server;
use tonic::{
    Code, Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::certificates::{Authority, Identity};

/// How a client comes.
#[derive(Clone, Default)]
pub(crate) struct Client<'a> {
    pub(crate) trusts: Option<&'a Authority>,
    pub(crate) shows: Option<&'a Identity>,
    pub(crate) key: Option<&'a str>,
}

impl Client<'_> {
    /// Err: no connection.
    pub(crate) async fn channel(&self, server: &Server) -> Result<Channel> {
        let Some(authority) = self.trusts else { return server.channel().await };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(&authority.pem)?));
        if let Some(Identity { cert, key }) = self.shows {
            tls = tls.identity(tonic::transport::Identity::from_pem(fs::read(cert)?, fs::read(key)?));
        }
        let address = format!("https://localhost:{}", server.grpc_port());
        Ok(Endpoint::from_shared(address)?.tls_config(tls)?.connect().await?)
    }

    /// Asks for the namespaces. Err: the code, or None where nothing came back but a broken connection.
    pub(crate) async fn ask(&self, server: &Server) -> Result<(), Option<Code>> {
        let channel = self.channel(server).await.map_err(|_| None)?;
        self.ask_on(channel)
            .await
            .map_err(|status| status.metadata().contains_key("content-type").then(|| status.code()))
    }

    pub(crate) async fn ask_on(&self, channel: Channel) -> Result<(), Status> {
        let mut request = Request::new(ListNamespacesRequest::default());
        if let Some(key) = self.key {
            let value = format!("Bearer {key}").parse().map_err(|_| Status::internal("no header"))?;
            request.metadata_mut().insert("authorization", value);
        }
        WorkflowServiceClient::new(channel).list_namespaces(request).await?;
        Ok(())
    }
}

/// Starts a server with these flags.
pub(crate) async fn serve(name: &str, flags: &[String]) -> Result<Server> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::start_set(name, perdure_tests::Database::SqliteMemory, &flags, &[]).await
}

pub(crate) fn flag(name: &str, file: &Path) -> [String; 2] {
    [name.to_owned(), file.display().to_string()]
}
