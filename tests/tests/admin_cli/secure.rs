//! The way to a server that asks for TLS, a client certificate or a key.

use std::path::Path;

use anyhow::Result;
use perdure_tests::{Database, Server, fresh_folder};

use crate::{
    certificates::{Authority, Identity},
    run, words,
};

/// The SHA-256 of `secret`.
const HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn path(file: &Path) -> String {
    file.display().to_string()
}

/// Runs each command line, with the exit code and the text that it must have.
async fn expect(server: &Server, cases: &[(String, i32, &str)]) -> Result<()> {
    for (flags, code, says) in cases {
        let line = format!("operator namespace list {flags}");
        let output = run(&server.address(), &words(&line)).await?;
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(*code), "{line}: {said}");
        assert!(said.contains(says), "{line}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn certificates_are_shown_and_checked() -> Result<()> {
    let folder = fresh_folder("admin_cli_tls")?;
    let (authority, other) = (Authority::new(&folder, "authority")?, Authority::new(&folder, "other")?);
    let Identity { cert, key } = authority.sign("client")?;
    let asking = ["--tls-client-ca".to_owned(), path(&authority.pem)];
    let flags = [&authority.sign("server")?.flags()[..], &asking].concat();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::start_set("admin_cli_tls", Database::SqliteMemory, &flags, &[]).await?;

    let (ca, cert, key) = (path(&authority.pem), path(&cert), path(&key));
    let [ca_text, cert_text, key_text] = [&ca, &cert, &key].map(std::fs::read_to_string);
    let (ca_text, cert_text, key_text) = (ca_text?, cert_text?, key_text?);
    let mine = format!("--tls-ca-path {ca} --tls-cert-path {cert} --tls-key-path {key}");
    let cases = [
        (mine.clone(), 0, "default"),
        (format!("{mine} --tls-server-name localhost"), 0, "default"),
        (format!("{mine} --tls-server-name nosuch.example"), 1, "nosuch.example"),
        (format!("--tls-ca-path {ca}"), 1, "perdure: "),
        (String::new(), 1, "perdure: "),
        (mine.replace("authority.pem", "other.pem"), 1, "perdure: "),
        (format!("--tls-ca-path {ca} --tls-cert-path {cert}"), 1, "give both"),
        (format!("{mine} --tls-disable-host-verification"), 1, "--tls-ca-path"),
        (format!("{mine} --client-authority proxied.example --client-connect-timeout 0s --color never"), 0, "default"),
        (format!("--tls-ca-data '{ca_text}' --tls-cert-data '{cert_text}' --tls-key-data '{key_text}'"), 0, "default"),
        (format!("--tls-ca-data '{ca_text}' --tls-cert-path {cert} --tls-key-path {key}"), 0, "default"),
        (format!("{mine} --tls-key-data x"), 2, "cannot be used with"),
    ];
    assert!(other.pem.exists());
    expect(&server, &cases).await
}

#[tokio::test]
async fn keys_are_shown() -> Result<()> {
    let flags = ["--api-key-hash", HASH];
    let server = Server::start_set("admin_cli_key", Database::SqliteMemory, &flags, &[]).await?;
    let cases = [
        ("--tls=false --api-key secret".to_owned(), 0, "default"),
        ("--grpc-meta 'authorization=Bearer secret'".to_owned(), 0, "default"),
        ("--tls=false --api-key wrong".to_owned(), 1, "ListNamespaces"),
        (String::new(), 1, "--api-key"),
        // A key goes over TLS unless told otherwise.
        ("--api-key secret".to_owned(), 1, "no server answers"),
    ];
    expect(&server, &cases).await
}
