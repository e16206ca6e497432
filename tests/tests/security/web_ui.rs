//! `perdure ui` in front of a server that lets nobody in without a certificate.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use perdure_tests::{fresh_folder, perdure, ports, rest::Rest};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    certificates::Authority,
    client::{flag, serve},
};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn with_certificates_and_without() -> Result<()> {
    let folder = fresh_folder("security_web_ui")?;
    let authority = Authority::new(&folder, "authority")?;
    let (identity, client) = (authority.sign("server")?, authority.sign("client")?);
    let server =
        serve("security_web_ui", &[&identity.flags()[..], &flag("--tls-client-ca", &authority.pem)].concat()).await?;
    let trust = flag("--tls-ca", &authority.pem);
    let certificate = [flag("--tls-cert", &client.cert), flag("--tls-key", &client.key)].concat();
    for (flags, health, code) in [
        ([&trust[..], &certificate].concat(), 200, json!(null)),
        (trust.to_vec(), 503, json!(14)),
        (Vec::new(), 503, json!(14)),
    ] {
        let port = ports::free()?;
        let mut command = tokio::process::Command::from(perdure()?);
        command.args(["ui", "--log-level", "off", "--port", &port.to_string()]);
        command.args(["--address", &format!("localhost:{}", server.grpc_port())]).args(&flags);
        let mut ui = command.kill_on_drop(true).spawn()?;
        let web = Rest::new(port);
        let deadline = Instant::now() + PATIENCE;
        while !web.get("/healthz").await.is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = ui.try_wait()? {
                bail!("it ended with {status}");
            }
            (Instant::now() < deadline).then_some(()).context("it does not come up")?;
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(web.get("/health").await?.status, health, "{flags:?}");
        let answer = web.get("/api/v1/namespaces").await?;
        assert_eq!((answer.status, &answer.json()["code"]), (health, &code), "{flags:?}: {}", answer.text);
    }
    Ok(())
}
