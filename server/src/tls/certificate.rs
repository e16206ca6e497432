//! From PEM files to what a TLS server needs, with errors that say which file is wrong, and how.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow, bail, ensure};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_cert::{Certificate, der::Decode};

use crate::settings::TlsSettings;

/// An operator should hear of the end of a certificate so long before.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The contents of the files that the settings name.
#[derive(PartialEq)]
pub(super) struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<Vec<u8>>,
}

pub(super) fn read(settings: &TlsSettings) -> anyhow::Result<Files> {
    let (cert, key) = settings.identity()?.context("there is no certificate to read")?;
    let client_ca = settings.client_ca.iter().map(|path| read_file("tls.client_ca", path));
    Ok(Files {
        cert: read_file("tls.cert", cert)?,
        key: read_file("tls.key", key)?,
        client_ca: client_ca.collect::<Result<_, _>>()?,
    })
}

fn read_file(setting: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{setting}: the file {} cannot be read", path.display()))
}

/// Errors where no client could connect: no certificate, a key of another one, one that has expired.
pub(super) fn server_config(settings: &TlsSettings, files: &Files) -> anyhow::Result<ServerConfig> {
    let (cert_path, key_path) = settings.identity()?.context("there is no certificate to read")?;
    let chain = certificates(&files.cert).with_context(|| format!("tls.cert: the file {}", cert_path.display()))?;
    check_time(&chain[0]).with_context(|| format!("tls.cert: the file {}", cert_path.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|_| {
        anyhow!(
            "tls.key: the file {} has no private key: PEM without a passphrase is needed (PKCS#8, PKCS#1 or SEC1)",
            key_path.display()
        )
    })?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("no version of TLS")?;
    let builder = match client_verifier(settings, files, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => anyhow!(
            "tls.key: the key in {} is not that of the certificate in {}: name the two files that belong together",
            key_path.display(),
            cert_path.display()
        ),
        error => anyhow!("certificate {} with key {}: {error}", cert_path.display(), key_path.display()),
    })
}

/// None: clients are not asked.
fn client_verifier(
    settings: &TlsSettings,
    files: &Files,
    provider: Arc<CryptoProvider>,
) -> anyhow::Result<Option<Arc<dyn ClientCertVerifier>>> {
    if settings.client_ca.is_empty() {
        ensure!(
            !settings.requires_client_cert(),
            "clients shall have certificates, but tls.client_ca names no file of who signs them"
        );
        return Ok(None);
    }
    let roots = roots(settings.client_ca.iter().zip(&files.client_ca), "tls.client_ca")?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if settings.requires_client_cert() { builder } else { builder.allow_unauthenticated() };
    Ok(Some(builder.build().context("tls.client_ca")?))
}

/// What calls of this server trust beside the system's roots.
pub(crate) fn outgoing_roots(settings: &TlsSettings) -> anyhow::Result<RootCertStore> {
    let Some(path) = &settings.outgoing_ca else { return Ok(RootCertStore::empty()) };
    let pem = read_file("tls.outgoing_ca", path)?;
    roots([(path, &pem)].into_iter(), "tls.outgoing_ca")
}

fn roots<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a Vec<u8>)>, what: &str) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (path, pem) in files {
        let name = || format!("{what}: the file {}", path.display());
        for certificate in certificates(pem).with_context(name)? {
            check_time(&certificate).with_context(name)?;
            roots.add(certificate).with_context(name)?;
        }
    }
    Ok(roots)
}

/// At least one.
fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow!("is no PEM file of certificates: {error}"))?;
    ensure!(!found.is_empty(), "has no certificate: PEM is needed (-----BEGIN CERTIFICATE-----)");
    Ok(found)
}

fn check_time(certificate: &CertificateDer<'_>) -> anyhow::Result<()> {
    let certificate =
        Certificate::from_der(certificate).map_err(|error| anyhow!("has a damaged certificate: {error}"))?;
    let validity = certificate.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (begin, end) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if now > end {
        bail!("has a certificate that expired on {}: put a new one in its place", validity.not_after);
    }
    if now < begin {
        bail!("has a certificate that is not valid before {}: is this machine's clock right?", validity.not_before);
    }
    if now + EXPIRY_WARNING > end {
        let subject = certificate.tbs_certificate.subject.to_string();
        tracing::warn!(subject, expires = %validity.not_after, "a TLS certificate expires soon: put a new one in its place");
    }
    Ok(())
}
