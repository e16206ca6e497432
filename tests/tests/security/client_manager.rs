//! The example `client_manager` on a server that lets nobody in without a certificate and a key.

use anyhow::{Context, Result};
use perdure_tests::{fresh_folder, python};

use crate::{
    certificates::Authority,
    client::{flag, serve},
    keys::SECRET,
};

#[tokio::test]
async fn pools_with_certificates_and_a_key() -> Result<()> {
    let folder = fresh_folder("security_manager")?;
    let authority = Authority::new(&folder, "authority")?;
    let (identity, client) = (authority.sign("server")?, authority.sign("client")?);
    let flags = [
        &identity.flags()[..],
        &flag("--tls-client-ca", &authority.pem),
        &["--api-key-hash".to_owned(), SECRET.to_owned()],
    ]
    .concat();
    let server = serve("security_manager", &flags).await?;

    let address = ["--address".to_owned(), format!("localhost:{}", server.grpc_port())];
    let trust = flag("--ca", &authority.pem);
    let certificate = [flag("--certificate", &client.cert), flag("--key", &client.key)].concat();
    let key = ["--api-key".to_owned(), "secret".to_owned()];
    let come = async |name: &str, with: &[&[String]]| {
        let arguments = [&["-m".to_owned(), "client_manager".to_owned()], &address[..], &with.concat()].concat();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        python(&format!("security_manager_{name}"), &arguments).await
    };
    come("all", &[&trust, &certificate, &key]).await.context("with all that is asked for")?;
    for (name, with) in [
        ("without_trust", [&[][..], &[], &key]),
        ("without_certificate", [&trust, &[], &key]),
        ("without_key", [&trust, &certificate, &[]]),
    ] {
        assert!(come(name, &with).await.is_err(), "{name} it is let in");
    }
    Ok(())
}
