//! Certificates, made when a test needs them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

/// Signs certificates. Files are `NAME.pem` and `NAME.key` in a folder of the test.
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: PathBuf,
}

#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let pem = folder.join(format!("{name}.pem"));
        fs::write(&pem, params.self_signed(&key)?.pem())?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), pem })
    }

    /// Valid for this machine under both its names.
    pub(crate) fn sign(&self, name: &str) -> Result<Identity> {
        self.sign_until(name, 2200)
    }

    /// Until the end of the year before.
    pub(crate) fn sign_until(&self, name: &str, year: i32) -> Result<Identity> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate()?;
        let identity =
            Identity { cert: self.folder.join(format!("{name}.pem")), key: self.folder.join(format!("{name}.key")) };
        fs::write(&identity.cert, params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        Ok(identity)
    }
}

impl Identity {
    /// In the form of the server's flags.
    pub(crate) fn flags(&self) -> [String; 4] {
        let path = |path: &Path| path.display().to_string();
        ["--tls-server-cert".to_owned(), path(&self.cert), "--tls-server-key".to_owned(), path(&self.key)]
    }
}
