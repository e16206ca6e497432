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
const WITHOUT_EFFECT: [(&str, &str); 9] = [
    ("NUM_HISTORY_SHARDS", "there is no number of shards to choose"),
    ("SERVICES", "one process does all"),
    ("TEMPORAL_BROADCAST_ADDRESS", "servers meet in the database"),
    ("VISIBILITY_DBNAME", VISIBILITY),
    ("ENABLE_ES", VISIBILITY),
    ("SKIP_SCHEMA_SETUP", "the server sets its schema up, and upgrades it, by itself"),
    ("SKIP_DB_CREATE", "a database is only created where it is missing"),
    ("POSTGRES_DB", "the database is named by DBNAME"),
    ("PROMETHEUS_ENDPOINT", "metrics are not built yet"),
];

const VISIBILITY: &str = "lists are in the same database as everything else";

/// Who sets a variable that begins so wants something of a server: what is not understood must not be lost in silence.
const PREFIXES: [&str; 11] = [
    "TEMPORAL_",
    "PERDURE_",
    "POSTGRES_",
    "SQL_",
    "DB_",
    "SKIP_",
    "VISIBILITY_",
    "FRONTEND_",
    "ES_",
    "CASSANDRA_",
    "MYSQL_",
];

/// Variables of clients, of admin commands and of the web UI, which compose files set for all containers alike.
const CLIENTS: [&str; 11] = [
    "TEMPORAL_ADDRESS",
    "TEMPORAL_CLI_",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_HOST",
    "TEMPORAL_TASK_QUEUE",
    "TEMPORAL_PROFILE",
    "TEMPORAL_CONFIG_FILE",
    "TEMPORAL_CORS_ORIGINS",
    "TEMPORAL_CODEC_",
    "TEMPORAL_UI_",
    "PERDURE_CONFIG",
];

/// Those that Temporal's `auto-setup` image adds to the namespace that it makes.
const SEARCH_ATTRIBUTES: [(&str, &str); 7] = [
    ("CustomKeywordField", "Keyword"),
    ("CustomStringField", "Text"),
    ("CustomTextField", "Text"),
    ("CustomIntField", "Int"),
    ("CustomDatetimeField", "Datetime"),
    ("CustomDoubleField", "Double"),
    ("CustomBoolField", "Bool"),
];

pub(super) fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Environment> {
    let mut environment = Environment { settings: Dict::new(), notices: Vec::new() };
    let mut default_namespace = None;
    let mut skip_default_namespace = false;
    let mut skip_search_attributes = true;
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
            "SQL_TLS_ENABLED" | "POSTGRES_TLS_ENABLED" if value == "true" => {
                bail!("{name}=true: TLS to the database is not built yet; use a tunnel, or unset it")
            }
            "SKIP_DEFAULT_NAMESPACE_CREATION" => skip_default_namespace = value == "true",
            "SKIP_ADD_CUSTOM_SEARCH_ATTRIBUTES" => skip_search_attributes = value != "false",
            "DEFAULT_NAMESPACE" => default_namespace = Some(value),
            _ => environment.notices.extend(notice(&name)),
        }
    }
    if skip_default_namespace {
        put(&mut environment.settings, &["namespaces"], Value::from(Vec::<String>::new()));
    } else if let Some(name) = default_namespace {
        put(&mut environment.settings, &["namespaces"], Value::from(vec![name]));
    }
    if !skip_search_attributes {
        for (name, kind) in SEARCH_ATTRIBUTES {
            put(&mut environment.settings, &["search_attributes", name], kind.into());
        }
    }
    Ok(environment)
}

/// What an operator should be told about a variable that sets nothing.
fn notice(name: &str) -> Option<String> {
    if let Some((_, reason)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name) {
        return Some(format!("{name} has no effect: {reason}"));
    }
    let is_meant_for_a_server = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let is_for_others = CLIENTS.iter().any(|prefix| name.starts_with(prefix)) || is_service_link(name);
    (is_meant_for_a_server && !is_for_others).then(|| format!("{name} has no effect: this server does not know it"))
}

/// Kubernetes tells each pod about each service of its namespace: `X_SERVICE_HOST`, `X_PORT_7233_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let after_port = name.split("_PORT").nth(1);
    let is_port = after_port.is_some_and(|rest| rest.is_empty() || rest.contains("_TCP") || rest.contains("_UDP"));
    name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || is_port
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
    match value.to_lowercase().as_str() {
        "postgresql" | "postgres" | "postgres12" | "postgres12_pgx" => Ok("postgresql"),
        "sqlite" => Ok("sqlite"),
        "memory" => Ok("memory"),
        _ => bail!("DB={value} is not supported: use DB=postgres12 or DB=sqlite"),
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
