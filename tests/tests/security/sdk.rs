//! Temporal's Python SDK, with certificates and a key: a worker and a client.

use std::fs;

use anyhow::Result;
use perdure_tests::{fresh_folder, python};

use crate::{
    certificates::Authority,
    client::{flag, serve},
};

/// SHA-256 of `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

#[tokio::test]
async fn a_worker_with_certificates_and_a_key() -> Result<()> {
    let folder = fresh_folder("security_sdk")?;
    let authority = Authority::new(&folder, "authority")?;
    let identity = authority.sign("server")?;
    authority.sign("client")?;
    let keys = folder.join("keys");
    fs::write(&keys, SECRET)?;
    let flags = [&identity.flags()[..], &flag("--tls-client-ca", &authority.pem), &flag("--api-keys-file", &keys)];
    let server = serve("security_sdk", &flags.concat()).await?;
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/security/worker.py");
    let (address, folder) = (format!("localhost:{}", server.grpc_port()), folder.display().to_string());
    python("security_sdk_python", &[program, &address, &folder]).await
}
