//! Reaching the server, creating the database, bringing its schema up to date.

use std::{io, path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    PostgresStore,
    connections::{Connections, STATEMENT_TIMEOUT},
    presence::Presence,
};
use crate::error::StoreError;

pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres");

/// Where the database is. `url` wins over the fields after it; what is missing there comes from libpq's variables (`PGHOST`, …).
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?sslmode=…`
    pub url: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    pub user: Option<String>,
    pub password: Option<String>,
    /// None: as `sslmode` of the URL or `PGSSLMODE` says; without them, where the server has TLS, unverified.
    pub tls: Option<PostgresTls>,
    /// At most, of all kinds together; at least 2 are used. One more says that the owner of the leases lives.
    pub max_connections: usize,
}

/// TLS is required. The files are PEM.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PostgresTls {
    /// Who signs the server's certificate. None: any certificate will do, or with `verify_host` one that the system trusts.
    pub ca: Option<PathBuf>,
    /// Certificate and key for a server that asks clients for one.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The certificate must be of the host that was asked for.
    pub verify_host: bool,
}

impl PostgresTls {
    /// An error that names the file, which the driver's does not.
    fn check_files(&self) -> Result<(), StoreError> {
        for file in [&self.ca, &self.cert, &self.key].into_iter().flatten() {
            std::fs::metadata(file)
                .map_err(|error| StoreError::Settings(format!("the file {}: {error}", file.display()).into()))?;
        }
        Ok(())
    }

    fn apply(&self, mut options: PgConnectOptions) -> PgConnectOptions {
        options = options.ssl_mode(match (&self.ca, self.verify_host) {
            (_, true) => PgSslMode::VerifyFull,
            (Some(_), false) => PgSslMode::VerifyCa,
            (None, false) => PgSslMode::Require,
        });
        if let Some(ca) = &self.ca {
            options = options.ssl_root_cert(ca);
        }
        if let Some(cert) = &self.cert {
            options = options.ssl_client_cert(cert);
        }
        if let Some(key) = &self.key {
            options = options.ssl_client_key(key);
        }
        options
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            tls: None,
            max_connections: 20,
        }
    }
}

impl PostgresConfig {
    pub fn from_url(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::default() }
    }

    pub(crate) fn options(&self) -> Result<PgConnectOptions, StoreError> {
        self.tls.iter().try_for_each(PostgresTls::check_files)?;
        let mut options = match &self.url {
            Some(url) => {
                let options = PgConnectOptions::from_str(url).map_err(|error| StoreError::Settings(Box::new(error)))?;
                return Ok(self.tls.iter().fold(options, |options, tls| tls.apply(options)));
            }
            None => PgConnectOptions::new(),
        };
        if let Some(host) = &self.host {
            options = options.host(host);
        }
        if let Some(port) = self.port {
            options = options.port(port);
        }
        if let Some(database) = &self.database {
            options = options.database(database);
        }
        if let Some(user) = &self.user {
            options = options.username(user);
        }
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if let Some(tls) = &self.tls {
            options = tls.apply(options);
        }
        Ok(options)
    }
}

impl PostgresStore {
    /// Connects, creates the database if it does not exist and the user may, and sets the schema up or upgrades it.
    pub async fn connect(config: PostgresConfig) -> Result<Self, StoreError> {
        let options = config.options()?.application_name("perdure").disable_statement_logging();
        // Just-in-time compilation pays for long reports, not for statements of a millisecond.
        let options =
            options.options([("jit", "off".to_owned()), ("statement_timeout", milliseconds(STATEMENT_TIMEOUT))]);
        migrated(&options).await?.close().await?;

        let for_lists = (config.max_connections / 4).max(1);
        let for_keys = config.max_connections.saturating_sub(for_lists).max(1);
        // All statements on keys go through an index, whatever the planner thinks of tables that were just created; and they
        // are planned once, not with each call's values.
        let key_options = options.clone().options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        ]);
        Ok(Self {
            keys: Connections::new(key_options, for_keys),
            lists: Connections::new(options.clone(), for_lists),
            presence: Presence::new(options),
        })
    }
}

/// A connection to a database that has the schema of this version. Statements may take as long as they need.
pub(crate) async fn set_up(config: &PostgresConfig) -> Result<PgConnection, StoreError> {
    migrated(&config.options()?.application_name("perdure").disable_statement_logging()).await
}

async fn migrated(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = connect_or_create(options).await.map_err(|error| connect_error(error, options))?;
    MIGRATIONS.run(&mut connection).await?;
    Ok(connection)
}

/// What waiting for the database does not mend.
fn connect_error(error: sqlx::Error, options: &PgConnectOptions) -> StoreError {
    let has_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
    let is_of_tls = match &error {
        sqlx::Error::Tls(_) => true,
        // A certificate that is not trusted, or a key file that is none.
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => true,
        // Over TCP no file is missing but one of TLS.
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::NotFound && !has_socket,
        _ => false,
    };
    match error {
        error if is_of_tls => StoreError::Settings(Box::new(error)),
        error => error.into(),
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

async fn connect_or_create(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    const DATABASE_MISSING: &str = "3D000";
    match PgConnection::connect_with(options).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DATABASE_MISSING) => {
            create_database(options).await?;
            PgConnection::connect_with(options).await
        }
        result => result,
    }
}

async fn create_database(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    /// Another node was faster.
    const DATABASE_EXISTS: [&str; 2] = ["42P04", "23505"];
    let name = options.get_database().unwrap_or_else(|| options.get_username()).replace('"', "\"\"");
    let mut connection = PgConnection::connect_with(&options.clone().database("postgres")).await?;
    let statement =
        format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
    // An identifier cannot be bound; it comes from the operator and is quoted.
    let created = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await;
    connection.close().await?;
    match created {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| DATABASE_EXISTS.contains(&&*code)) => {
            Ok(())
        }
        result => result.map(|_| ()),
    }
}
