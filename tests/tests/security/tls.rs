//! TLS and client certificates on the gRPC port.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use perdure_tests::{Database, Server, fresh_folder, http, perdure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    certificates::Authority,
    client::{Client, flag, serve},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again.
async fn until(is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await? {
        ensure!(Instant::now() < deadline, "it does not come about");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn who_gets_in() -> Result<()> {
    let folder = fresh_folder("security_tls")?;
    let (authority, other) = (Authority::new(&folder, "authority")?, Authority::new(&folder, "other")?);
    let (identity, known, stranger) = (authority.sign("server")?, authority.sign("client")?, other.sign("stranger")?);
    let one_way = serve("security_tls", &identity.flags()).await?;
    let asking = [&identity.flags()[..], &flag("--tls-client-ca", &authority.pem)].concat();
    let mutual = serve("security_mtls", &asking).await?;

    let client = |trusts, shows| Client { trusts, shows, key: None };
    let cases = [
        ("plain text", client(None, None), false, false),
        ("without a certificate", client(Some(&authority), None), true, false),
        ("with a certificate", client(Some(&authority), Some(&known)), true, true),
        ("with a certificate of somebody else", client(Some(&authority), Some(&stranger)), true, false),
        ("that does not trust the server", client(Some(&other), Some(&known)), false, false),
    ];
    for (case, client, gets_into_one_way, gets_into_mutual) in cases {
        for (server, expected) in [(&one_way, gets_into_one_way), (&mutual, gets_into_mutual)] {
            let answer = client.ask(server).await;
            assert_eq!(answer, if expected { Ok(()) } else { Err(None) }, "a client {case}");
        }
    }
    // Probes need no certificate; what is not free is not served in plain text to a server's clients with certificates.
    for port in [mutual.ui_port(), mutual.http_port(), mutual.metrics_port()] {
        assert_eq!(http::get(port, "/health").await?.0, 200);
        assert_eq!(http::get(port, "/livez").await?.0, 200);
    }
    assert_eq!(http::get(mutual.http_port(), "/api/v1/namespaces").await?.0, 403);
    assert_eq!(http::get(one_way.http_port(), "/api/v1/namespaces").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn plain_text_hears_why() -> Result<()> {
    let authority = Authority::new(&fresh_folder("security_plain")?, "authority")?;
    let server = serve("security_plain", &authority.sign("server")?.flags()).await?;
    let cases = [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "This port speaks TLS: use https."),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "this port speaks TLS: switch TLS on in the client"),
    ];
    for (request, expected) in cases {
        let mut stream = TcpStream::connect(server.address()).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(expected), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn new_certificates_are_taken_up() -> Result<()> {
    let folder = fresh_folder("security_rotation")?;
    let (old, new) = (Authority::new(&folder, "old")?, Authority::new(&folder, "new")?);
    let identity = old.sign("server")?;
    let (cert, key) = (identity.cert.display().to_string(), identity.key.display().to_string());
    let environment = [
        ("TEMPORAL_TLS_FRONTEND_CERT", cert.as_str()),
        ("TEMPORAL_TLS_FRONTEND_KEY", key.as_str()),
        ("TEMPORAL_TLS_REFRESH_INTERVAL", "1s"),
    ];
    let database = Database::fresh_postgres("security_rotation").await?;
    let server = Server::start_set("security_rotation", database, &[], &environment).await?;
    let trusting = |trusts| Client { trusts: Some(trusts), ..Default::default() };
    let (trusts_old, trusts_new) = (trusting(&old), trusting(&new));
    let connected = trusts_old.channel(&server).await?;
    trusts_old.ask_on(connected.clone()).await?;

    // What is no certificate is not taken: the last good one stays.
    fs::write(&identity.cert, "nothing")?;
    until(async || Ok(server.log()?.contains("are not used"))).await?;
    trusts_old.ask_on(trusts_old.channel(&server).await?).await?;

    // The key comes first: what does not fit together is not taken either.
    let renewed = new.sign("renewed")?;
    fs::copy(&renewed.key, &identity.key)?;
    fs::copy(&renewed.cert, &identity.cert)?;
    until(async || Ok(trusts_new.channel(&server).await.is_ok())).await?;
    trusts_new.ask_on(trusts_new.channel(&server).await?).await?;
    assert!(trusts_old.channel(&server).await.is_err());
    // The connection that was there goes on.
    trusts_old.ask_on(connected).await?;
    Ok(())
}

#[test]
fn wrong_files_are_named() -> Result<()> {
    let folder = fresh_folder("security_files")?;
    let authority = Authority::new(&folder, "authority")?;
    let (identity, other) = (authority.sign("server")?, authority.sign("other")?);
    let expired = authority.sign_until("expired", 2002)?;
    let empty = folder.join("empty.pem");
    fs::write(&empty, "")?;
    let missing = folder.join("missing.pem");
    let path = |path: &std::path::Path| path.display().to_string();
    let identity_flags = |cert: &std::path::Path, key: &std::path::Path| {
        vec!["--tls-server-cert".to_owned(), path(cert), "--tls-server-key".to_owned(), path(key)]
    };
    let good = identity.flags().to_vec();
    let with_ca = |ca: &std::path::Path| [good.clone(), flag("--tls-client-ca", ca).to_vec()].concat();
    let cases = [
        (
            identity_flags(&missing, &identity.key),
            "tls.cert: the file ".to_owned() + &path(&missing) + " cannot be read",
        ),
        (
            identity_flags(&identity.cert, &missing),
            "tls.key: the file ".to_owned() + &path(&missing) + " cannot be read",
        ),
        (identity_flags(&empty, &identity.key), "empty.pem: has no certificate".to_owned()),
        (identity_flags(&identity.key, &identity.key), "server.key: has no certificate".to_owned()),
        (identity_flags(&identity.cert, &identity.cert), "server.pem has no private key".to_owned()),
        (identity_flags(&identity.cert, &other.key), "is not that of the certificate in".to_owned()),
        (identity_flags(&expired.cert, &expired.key), "expired.pem: has a certificate that expired on".to_owned()),
        (good[..2].to_vec(), "tls.cert without tls.key".to_owned()),
        (good[2..].to_vec(), "tls.key without tls.cert".to_owned()),
        (with_ca(&empty), "tls.client_ca: the file ".to_owned() + &path(&empty) + ": has no certificate"),
        (flag("--tls-client-ca", &authority.pem).to_vec(), "without tls.cert and tls.key".to_owned()),
        (flag("--tls-outgoing-ca", &missing).to_vec(), "tls.outgoing_ca: the file".to_owned()),
        (flag("--api-keys-file", &missing).to_vec(), "auth.api_keys_file:".to_owned()),
        (vec!["--api-key-hash".to_owned(), "secret".to_owned()], "a key's SHA-256 in hex".to_owned()),
    ];
    for (flags, expected) in cases {
        let mut command = perdure()?;
        command.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", "1"]).args(&flags);
        let output = command.stdout(Stdio::null()).output().context("perdure")?;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{flags:?}");
        assert!(error.contains(&expected), "{flags:?}: {error}\nexpected: {expected}");
    }
    Ok(())
}
