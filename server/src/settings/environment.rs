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
    Switch,
    /// Several in one variable, with commas between them; a second variable adds to them.
    List,
}

/// Variable, place in the settings, type.
const VARIABLES: [(&str, &[&str], Kind); 43] = [
    ("DB_PORT", &["store", "port"], Kind::Number),
    ("POSTGRES_USER", &["store", "user"], Kind::Text),
    ("POSTGRES_PWD", &["store", "password"], Kind::Text),
    ("DBNAME", &["store", "database"], Kind::Text),
    ("DATABASE_URL", &["store", "url"], Kind::Text),
    ("SQLITE_PATH", &["store", "path"], Kind::Text),
    ("DB_WAIT_SECONDS", &["store", "wait_seconds"], Kind::Number),
    ("SQL_TLS_ENABLED", &["store", "tls", "enabled"], Kind::Switch),
    ("POSTGRES_TLS_ENABLED", &["store", "tls", "enabled"], Kind::Switch),
    ("SQL_CA", &["store", "tls", "ca"], Kind::Text),
    ("SQL_CERT", &["store", "tls", "cert"], Kind::Text),
    ("SQL_CERT_KEY", &["store", "tls", "key"], Kind::Text),
    ("SQL_HOST_VERIFICATION", &["store", "tls", "verify_host"], Kind::Switch),
    ("BIND_ON_IP", &["listen", "ip"], Kind::Text),
    ("FRONTEND_GRPC_PORT", &["listen", "grpc_port"], Kind::Number),
    ("FRONTEND_HTTP_PORT", &["listen", "http_port"], Kind::Number),
    ("FRONTEND_UI_PORT", &["listen", "ui_port"], Kind::Number),
    ("PERDURE_UI_IP", &["listen", "ui_ip"], Kind::Text),
    ("TEMPORAL_CODEC_ENDPOINT", &["ui", "codec_endpoint"], Kind::Text),
    ("TEMPORAL_DISABLE_NEWS_FETCH", &["ui", "disable_news_fetch"], Kind::Switch),
    ("TEMPORAL_CORS_ORIGINS", &["ui", "cors_origins"], Kind::List),
    ("LOG_LEVEL", &["log", "level"], Kind::Text),
    ("LOG_FORMAT", &["log", "format"], Kind::Text),
    ("DEFAULT_NAMESPACE_RETENTION", &["namespace_retention"], Kind::Text),
    ("DYNAMIC_CONFIG_FILE_PATH", &["dynamic_config"], Kind::Text),
    ("CACHED_RUNS", &["cached_runs"], Kind::Number),
    ("CACHED_MIB", &["cached_mib"], Kind::Number),
    ("LEASE_SECONDS", &["lease_seconds"], Kind::Number),
    ("WORKER_THREADS", &["worker_threads"], Kind::Number),
    ("STOP_GRACE_SECONDS", &["stop_grace_seconds"], Kind::Number),
    ("PERDURE_HTTP_IP", &["listen", "http_ip"], Kind::Text),
    ("PERDURE_HTTP_URL", &["listen", "http_url"], Kind::Text),
    ("TEMPORAL_TLS_FRONTEND_CERT", &["tls", "cert"], Kind::Text),
    ("TEMPORAL_TLS_FRONTEND_KEY", &["tls", "key"], Kind::Text),
    ("TEMPORAL_TLS_CLIENT1_CA_CERT", &["tls", "client_ca"], Kind::List),
    ("TEMPORAL_TLS_CLIENT2_CA_CERT", &["tls", "client_ca"], Kind::List),
    ("TEMPORAL_TLS_REQUIRE_CLIENT_AUTH", &["tls", "require_client_cert"], Kind::Switch),
    ("TEMPORAL_TLS_REFRESH_INTERVAL", &["tls", "refresh_interval"], Kind::Text),
    ("PERDURE_TLS_HTTP", &["tls", "http"], Kind::Switch),
    ("PERDURE_OUTGOING_CA", &["tls", "outgoing_ca"], Kind::Text),
    ("PERDURE_API_KEY_HASHES", &["auth", "api_key_hashes"], Kind::List),
    ("PERDURE_API_KEYS_FILE", &["auth", "api_keys_file"], Kind::Text),
    ("PROMETHEUS_ENDPOINT", &["metrics", "endpoint"], Kind::Text),
];

/// Variables of Temporal's images that have no effect here, and why.
const WITHOUT_EFFECT: [(&str, &str); 8] = [
    ("NUM_HISTORY_SHARDS", "there is no number of shards to choose"),
    ("SERVICES", "one process does all"),
    ("TEMPORAL_BROADCAST_ADDRESS", "servers meet in the database"),
    ("VISIBILITY_DBNAME", VISIBILITY),
    ("ENABLE_ES", VISIBILITY),
    ("SKIP_SCHEMA_SETUP", "the server sets its schema up, and upgrades it, by itself"),
    ("SKIP_DB_CREATE", "a database is only created where it is missing"),
    ("POSTGRES_DB", "the database is named by DBNAME"),
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
const CLIENTS: [&str; 10] = [
    "TEMPORAL_ADDRESS",
    "TEMPORAL_CLI_",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_HOST",
    "TEMPORAL_TASK_QUEUE",
    "TEMPORAL_PROFILE",
    "TEMPORAL_CONFIG_FILE",
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
    // Kubernetes sets a variable such as FRONTEND_UI_PORT to a URL where there is a service of that name.
    for (name, value) in variables.filter(|(_, value)| !value.is_empty() && !value.starts_with("tcp://")) {
        if let Some((_, place, kind)) = VARIABLES.iter().find(|(known, _, _)| *known == name) {
            let value = read_value(&name, value, *kind)?;
            match value {
                Value::Array(_, more) => add(&mut environment.settings, place, more),
                value => put(&mut environment.settings, place, value),
            }
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
            "SQL_HOST_NAME" | "POSTGRES_TLS_SERVER_NAME" => {
                bail!("{name} is not supported: name the host of the database's certificate in POSTGRES_SEEDS")
            }
            "TEMPORAL_TLS_FRONTEND_CERT_DATA"
            | "TEMPORAL_TLS_FRONTEND_KEY_DATA"
            | "TEMPORAL_TLS_CLIENT1_CA_CERT_DATA"
            | "TEMPORAL_TLS_CLIENT2_CA_CERT_DATA" => {
                let file = name.trim_end_matches("_DATA");
                bail!("{name} is not supported: put it into a file, and name that in {file}")
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
        Kind::Switch => match value.to_ascii_lowercase().parse::<bool>() {
            Ok(on) => Ok(on.into()),
            Err(_) => bail!("{name}={value}: true or false is needed"),
        },
        Kind::List => {
            let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(parts.map(Value::from).collect::<Vec<_>>().into())
        }
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

/// Puts a value at its place.
fn put(settings: &mut Dict, place: &[&str], value: Value) {
    if let Some((table, name)) = table_of(settings, place) {
        table.insert(name.to_owned(), value);
    }
}

/// Adds to the list at this place.
fn add(settings: &mut Dict, place: &[&str], more: Vec<Value>) {
    let Some((table, name)) = table_of(settings, place) else { return };
    let list = table.entry(name.to_owned()).or_insert_with(|| Vec::<Value>::new().into());
    if let Value::Array(_, values) = list {
        values.extend(more);
    }
}

/// The table in which a value is, and its name there. Makes the tables on the way.
fn table_of<'a, 'b>(settings: &'a mut Dict, place: &[&'b str]) -> Option<(&'a mut Dict, &'b str)> {
    let (last, tables) = place.split_last()?;
    let mut table = settings;
    for name in tables {
        let entry = table.entry((*name).to_owned()).or_insert_with(|| Dict::new().into());
        let Value::Dict(_, inner) = entry else { return None };
        table = inner;
    }
    Some((table, last))
}
