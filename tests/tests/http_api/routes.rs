//! Every binding of the published API leads to its RPC.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use perdure_tests::{
    Database, Server,
    raw::{Options, Raw, descriptors, methods},
    rest::Rest,
};
use prost_reflect::MethodDescriptor;
use tonic::Code;

/// Method of HTTP and template of each binding, with its RPC.
pub(crate) fn bindings() -> Result<Vec<(String, String, MethodDescriptor)>> {
    let pool = descriptors()?;
    let extension = pool.get_extension_by_name("google.api.http").context("the options of HTTP are there")?;
    let mut bindings = Vec::new();
    for rpc in methods(&pool) {
        let options = rpc.options();
        if !options.has_extension(&extension) {
            continue;
        }
        let rule = options.get_extension(&extension).as_message().cloned().context("a rule is a message")?;
        let more = rule.get_field_by_name("additional_bindings").map(|rules| rules.into_owned());
        let more = more.and_then(|rules| rules.as_list().map(<[_]>::to_vec)).unwrap_or_default();
        let rules = std::iter::once(rule).chain(more.iter().filter_map(|rule| rule.as_message().cloned()));
        for rule in rules {
            let patterns = ["get", "put", "post", "delete", "patch"];
            let pattern = patterns.into_iter().find(|name| rule.has_field_by_name(name)).context("a pattern")?;
            let path = rule.get_field_by_name(pattern).and_then(|path| path.as_str().map(str::to_owned));
            bindings.push((pattern.to_uppercase(), path.context("a pattern is text")?, rpc.clone()));
        }
    }
    Ok(bindings)
}

/// A path of a template: each field has a value.
pub(crate) fn filled(template: &str, value: &str) -> String {
    let fields = template.split('/').map(|segment| match segment {
        "{namespace}" => "default",
        segment if segment.starts_with('{') => value,
        segment => segment,
    });
    fields.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_reaches_its_rpc() -> Result<()> {
    let server = Server::start("http_routes", Database::SqliteMemory).await?;
    let raw = Raw::new(server.channel().await?);
    let programs = Rest::new(server.http_port()).with("grpc-timeout", "5S");
    let browsers = Rest::new(server.ui_port()).with("grpc-timeout", "5S").with("authorization", "x");
    let bindings = bindings()?;
    ensure!(bindings.len() > 200, "{} bindings", bindings.len());
    for (method, template, rpc) in &bindings {
        let name = format!("{}/{}", rpc.parent_service().full_name(), rpc.name());
        let options = Options { deadline: Some(Duration::from_secs(5)), ..Default::default() };
        let over_grpc = raw.call(&name, Bytes::new(), options).await.err().map(|status| status.code());
        let is_built = over_grpc != Some(Code::Unimplemented);
        for client in [&programs, &browsers].into_iter().take(if template.starts_with("/api/v1/") { 2 } else { 1 }) {
            let path = filled(template, "no-such-thing");
            let answer = client.send(method, &path, if method == "GET" { "" } else { "{}" }).await?;
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            ensure!(!["Not Found", "Method Not Allowed"].contains(&message.as_str()), "{method} {path}: {message}");
            ensure!((answer.status == 501) != is_built, "{method} {path}: {} over HTTP, {over_grpc:?}", answer.status);
            ensure!(answer.status != 500, "{method} {path}: {}", answer.text);
        }
    }
    server.panics()
}

#[tokio::test]
async fn the_documents_list_every_route() -> Result<()> {
    let server = Server::start("http_documents", Database::SqliteMemory).await?;
    let client = Rest::new(server.http_port());
    let bindings = bindings()?.into_iter().map(|(method, path, _)| (method.to_lowercase(), path));
    let bindings: BTreeSet<_> = bindings.collect();
    for (path, version) in [("/openapi.yaml", "openapi"), ("/swagger.json", "swagger")] {
        let document = client.get(path).await?;
        ensure!(document.status == 200, "{path}: {}", document.status);
        let document = document.json();
        ensure!(document[version].is_string(), "{path} tells its version");
        let paths = document["paths"].as_object().context("a document has paths")?;
        let listed = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys());
            methods.map(|method| (method.clone(), path.clone()))
        });
        let listed: BTreeSet<_> = listed.collect();
        assert_eq!(listed, bindings, "{path}");
    }
    Ok(())
}
