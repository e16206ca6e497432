//! HTTP over TLS: the API, what web UIs ask, and probes.

use std::sync::Arc;

use anyhow::{Context, Result};
use perdure_tests::{fresh_folder, http};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::{
    certificates::{Authority, Identity},
    client::{flag, serve},
};

/// How a client speaks TLS.
fn connector(trusts: &Authority, shows: Option<&Identity>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusts.pem)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match shows {
        Some(Identity { cert, key }) => {
            let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The status of `GET path`. Err: no answer.
async fn get(connector: &TlsConnector, port: u16, path: &str) -> Result<u16> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.with_context(|| format!("not an answer: {answer}"))
}

#[tokio::test]
async fn both_ports_speak_tls_and_ask_for_the_same_certificates() -> Result<()> {
    let folder = fresh_folder("security_https")?;
    let (authority, other) = (Authority::new(&folder, "authority")?, Authority::new(&folder, "other")?);
    let (identity, known, stranger) = (authority.sign("server")?, authority.sign("client")?, other.sign("stranger")?);
    let over_tls = [&identity.flags()[..], &["--tls-http".to_owned()]].concat();
    let one_way = serve("security_https", &over_tls).await?;
    let asking = [&over_tls[..], &flag("--tls-client-ca", &authority.pem)].concat();
    let mutual = serve("security_https_mutual", &asking).await?;

    let cases = [
        ("without a certificate", connector(&authority, None)?, true, false),
        ("with a certificate", connector(&authority, Some(&known))?, true, true),
        ("with a certificate of somebody else", connector(&authority, Some(&stranger))?, true, false),
        ("that does not trust the server", connector(&other, Some(&known))?, false, false),
    ];
    for (case, client, gets_into_one_way, gets_into_mutual) in &cases {
        for (server, expected) in [(&one_way, gets_into_one_way), (&mutual, gets_into_mutual)] {
            for (port, path) in [
                (server.http_port(), "/namespaces/default/workflows"),
                (server.http_port(), "/health"),
                (server.ui_port(), "/api/v1/settings"),
                (server.ui_port(), "/livez"),
            ] {
                let answer = get(client, port, path).await.ok();
                assert_eq!(answer, expected.then_some(200), "a client {case} asks for {path}");
            }
        }
    }
    // Prometheus and probes come in plain text, to a port of their own.
    for server in [&one_way, &mutual] {
        assert_eq!(http::get(server.metrics_port(), "/health").await?.0, 200);
        let plain = http::get(server.http_port(), "/health").await.map(|(status, _)| status);
        assert!(!matches!(plain, Ok(200)), "plain text is answered");
    }
    Ok(())
}
