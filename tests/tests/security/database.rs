//! TLS on the way to PostgreSQL: a relay speaks it in front of a database that does not.

use std::sync::Arc;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, fresh_folder};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::certificates::{Authority, Identity};

/// What a PostgreSQL client sends before TLS: length 8 and a code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server for TLS with this identity, of any protocol.
pub(crate) fn acceptor(identity: &Identity) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&identity.cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The port on which the relay listens.
async fn relay(to: &PgConnectOptions, identity: &Identity) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let (to, acceptor) = ((to.get_host().to_owned(), to.get_port()), acceptor(identity)?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (to, acceptor) = (to.clone(), acceptor.clone());
            // A client that does not trust the relay goes away.
            tokio::spawn(async move { pass_on(stream, to, acceptor).await.ok() });
        }
    });
    Ok(port)
}

async fn pass_on(mut stream: TcpStream, to: (String, u16), acceptor: TlsAcceptor) -> Result<()> {
    let mut asked = [0; 8];
    stream.read_exact(&mut asked).await?;
    anyhow::ensure!(asked == SSL_REQUEST, "a client came without TLS");
    stream.write_all(b"S").await?;
    let mut inside = acceptor.accept(stream).await?;
    let mut database = TcpStream::connect((to.0.as_str(), to.1)).await?;
    copy_bidirectional(&mut inside, &mut database).await?;
    Ok(())
}

#[tokio::test]
async fn a_database_behind_tls() -> Result<()> {
    let folder = fresh_folder("security_database")?;
    let (authority, other) = (Authority::new(&folder, "authority")?, Authority::new(&folder, "other")?);
    let Database::Postgres(options) = Database::fresh_postgres("security_database").await? else {
        anyhow::bail!("it is no PostgreSQL");
    };
    let port = relay(&options, &authority.sign("database")?).await?;
    let database = || Database::Postgres(Box::new((*options).clone().host("localhost").port(port)));
    let (ca, wrong_ca) = (authority.pem.display().to_string(), other.pem.display().to_string());
    let url = |mode: &str| {
        let (user, name) = (options.get_username(), options.get_database().unwrap_or_default());
        format!("postgres://{user}@localhost:{port}/{name}?sslmode={mode}")
    };

    let enabled = ("SQL_TLS_ENABLED", "true");
    let (unverified, trusted) = (url("require"), format!("{}&sslrootcert={ca}", url("verify-full")));
    let good = [
        vec![enabled],
        vec![enabled, ("SQL_CA", &ca), ("SQL_HOST_VERIFICATION", "true")],
        vec![("DATABASE_URL", &unverified)],
        vec![("DATABASE_URL", &trusted)],
    ];
    for environment in &good {
        let started = Server::start_set("security_database", database(), &[], environment).await;
        let mut server = started.with_context(|| format!("{environment:?}"))?;
        server.stop().await?;
    }

    let (plain, untrusted) = (url("disable"), url("verify-full"));
    let bad = [
        (vec![enabled, ("SQL_CA", &wrong_ca)], "UnknownIssuer"),
        (vec![("DATABASE_URL", untrusted.as_str())], "UnknownIssuer"),
        (vec![enabled, ("SQL_CA", "/no/such/file")], "/no/such/file"),
    ];
    for (environment, expected) in &bad {
        let started = Server::start_set("security_database_refused", database(), &[], environment).await;
        let error = started.err().with_context(|| format!("{environment:?} was taken"))?;
        let error = format!("{error:#}");
        assert!(error.contains(expected) && error.contains("do sslmode or SQL_TLS_* fit its TLS?"), "{error}");
    }
    // The relay closes the connection of who comes without.
    let waits = [("DATABASE_URL", plain.as_str()), ("DB_WAIT_SECONDS", "1")];
    assert!(Server::start_set("security_database_plain", database(), &[], &waits).await.is_err());
    // A database without TLS is not used where TLS is wanted.
    let bare = Server::start_set("security_database_bare", Database::Postgres(options.clone()), &[], &[enabled]).await;
    let error = format!("{:#}", bare.err().context("TLS was given up")?);
    assert!(error.contains("server does not support TLS"), "{error}");
    Ok(())
}
