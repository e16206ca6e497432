//! The environment variables that people already use for Temporal's server images.

use anyhow::bail;
use figment::value::{Dict, Value};

/// What the environment sets, by the structure of [`super::Settings`].
pub(super) struct Environment {
    pub(super) settings: Dict,
    pub(super) notices: Vec<String>,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
}

/// Variable, place in the settings, type.
const VARIABLES: [(&str, &[&str], Kind); 18] = [
    ("DB_PORT", &["store", "port"], Kind::Number),
    ("POSTGRES_USER", &["store", "user"], Kind::Text),
    ("POSTGRES_PWD", &["store", "password"], Kind::Text),
    ("DBNAME", &["store", "database"], Kind::Text),
    ("DATABASE_URL", &["store", "url"], Kind::Text),
    ("SQLITE_PATH", &["store", "path"], Kind::Text),
    ("DB_WAIT_SECONDS", &["store", "wait_seconds"], Kind::Number),
    ("BIND_ON_IP", &["listen", "ip"], Kind::Text),
    ("FRONTEND_GRPC_PORT", &["listen", "grpc_port"], Kind::Number),
    ("FRONTEND_HTTP_PORT", &["listen", "http_port"], Kind::Number),
    ("LOG_LEVEL", &["log", "level"], Kind::Text),
    ("LOG_FORMAT", &["log", "format"], Kind::Text),
    ("DEFAULT_NAMESPACE_RETENTION", &["namespace_retention"], Kind::Text),
    ("DYNAMIC_CONFIG_FILE_PATH", &["dynamic_config"], Kind::Text),
    ("CACHED_RUNS", &["cached_runs"], Kind::Number),
    ("STOP_GRACE_SECONDS", &["stop_grace_seconds"], Kind::Number),
    ("PERDURE_HTTP_IP", &["listen", "http_ip"], Kind::Text),
    ("PERDURE_HTTP_URL", &["listen", "http_url"], Kind::Text),
];

/// Variables of Temporal's images that have no effect here, and why.
const WITHOUT_EFFECT: [(&str, &str); 6] = [
    ("NUM_HISTORY_SHARDS", "there is no number of shards to choose"),
    ("SERVICES", "one process does all"),
    ("TEMPORAL_BROADCAST_ADDRESS", "servers meet in the database"),
    ("VISIBILITY_DBNAME", "lists are in the same database as everything else"),
    ("ENABLE_ES", "lists are in the same database as everything else"),
    ("PROMETHEUS_ENDPOINT", "metrics are not built yet"),
];

pub(super) fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Environment> {
    let mut environment = Environment { settings: Dict::new(), notices: Vec::new() };
    let mut default_namespace = None;
    let mut skip_default_namespace = false;
    for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
        if let Some((_, place, kind)) = VARIABLES.iter().find(|(known, _, _)| *known == name) {
            put(&mut environment.settings, place, read_value(&name, value, *kind)?);
            continue;
        }
        match name.as_str() {
            "DB" => put(&mut environment.settings, &["store", "kind"], store_kind(&value)?.into()),
            "POSTGRES_SEEDS" => {
                let mut hosts = value.split(',').map(str::trim);
                put(&mut environment.settings, &["store", "host"], hosts.next().unwrap_or_default().into());
                if hosts.next().is_some() {
                    environment.notices.push("POSTGRES_SEEDS names several hosts: only the first is used".to_owned());
                }
            }
            "SQL_TLS_ENABLED" if value == "true" => {
                bail!("SQL_TLS_ENABLED=true: TLS to the database is not built yet; use a tunnel, or unset it")
            }
            "SKIP_DEFAULT_NAMESPACE_CREATION" => skip_default_namespace = value == "true",
            "DEFAULT_NAMESPACE" => default_namespace = Some(value),
            _ => {
                if let Some((_, reason)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name) {
                    environment.notices.push(format!("{name} has no effect: {reason}"));
                }
            }
        }
    }
    if skip_default_namespace {
        put(&mut environment.settings, &["namespaces"], Value::from(Vec::<String>::new()));
    } else if let Some(name) = default_namespace {
        put(&mut environment.settings, &["namespaces"], Value::from(vec![name]));
    }
    Ok(environment)
}

fn read_value(name: &str, value: String, kind: Kind) -> anyhow::Result<Value> {
    match kind {
        Kind::Text => Ok(value.into()),
        Kind::Number => match value.parse::<u64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => bail!("{name}={value}: a number is needed"),
        },
    }
}

/// The names of Temporal's plugins; both of its PostgreSQL ones are one store here.
fn store_kind(value: &str) -> anyhow::Result<&'static str> {
    match value {
        "postgresql" | "postgres" | "postgres12" | "postgres12_pgx" => Ok("postgresql"),
        "sqlite" => Ok("sqlite"),
        "memory" => Ok("memory"),
        other => bail!("DB={other} is not supported: use DB=postgres12 or DB=sqlite"),
    }
}

/// Puts a value at its place, making the tables on the way.
fn put(settings: &mut Dict, place: &[&str], value: Value) {
    let Some((last, tables)) = place.split_last() else { return };
    let mut table = settings;
    for name in tables {
        let entry = table.entry((*name).to_owned()).or_insert_with(|| Dict::new().into());
        let Value::Dict(_, inner) = entry else { return };
        table = inner;
    }
    table.insert((*last).to_owned(), value);
}
