use std::io::Write;

use super::*;

fn from_environment(variables: &[(&str, &str)]) -> anyhow::Result<(Settings, Vec<String>)> {
    load(None, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn nothing_set() {
    let (settings, notices) = from_environment(&[("HOME", "/root"), ("DB", "")]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(notices, Vec::<String>::new());
}

#[test]
fn the_variables_of_temporals_compose_file() {
    let (settings, notices) = from_environment(&[
        ("DB", "postgres12"),
        ("DB_PORT", "5433"),
        ("POSTGRES_USER", "temporal"),
        ("POSTGRES_PWD", "12345"),
        ("POSTGRES_SEEDS", "postgresql, other"),
        ("DBNAME", "workflows"),
        ("BIND_ON_IP", "0.0.0.0"),
        ("FRONTEND_GRPC_PORT", "7234"),
        ("NUM_HISTORY_SHARDS", "512"),
        ("DYNAMIC_CONFIG_FILE_PATH", "/etc/dynamic.yaml"),
        ("DEFAULT_NAMESPACE", "jarvis-prod"),
        ("DEFAULT_NAMESPACE_RETENTION", "3"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    let expected = Settings {
        store: StoreSettings {
            kind: StoreKind::Postgresql,
            host: "postgresql".to_owned(),
            port: 5433,
            user: "temporal".to_owned(),
            password: "12345".to_owned(),
            database: "workflows".to_owned(),
            ..StoreSettings::default()
        },
        listen: Listen { ip: "0.0.0.0".to_owned(), grpc_port: 7234, ..Listen::default() },
        log: Log { format: LogFormat::Json, ..Log::default() },
        namespaces: vec!["jarvis-prod".to_owned()],
        namespace_retention: "3".to_owned(),
        dynamic_config: Some("/etc/dynamic.yaml".into()),
        ..Settings::default()
    };
    assert_eq!(settings, expected);
    let expected = [
        "POSTGRES_SEEDS names several hosts: only the first is used",
        "NUM_HISTORY_SHARDS has no effect: there is no number of shards to choose",
    ];
    assert_eq!(notices, expected);
}

#[test]
fn the_http_ports() {
    let (settings, _) = from_environment(&[
        ("BIND_ON_IP", "0.0.0.0"),
        ("FRONTEND_HTTP_PORT", "0"),
        ("FRONTEND_UI_PORT", "8080"),
        ("TEMPORAL_CORS_ORIGINS", "http://a:1, http://b:2"),
        ("TEMPORAL_CODEC_ENDPOINT", "http://codec"),
        ("TEMPORAL_DISABLE_NEWS_FETCH", "true"),
        ("FRONTEND_GRPC_PORT", "tcp://10.0.0.1:7233"),
    ])
    .unwrap();
    assert_eq!((settings.listen.http(), settings.listen.ui()), (("0.0.0.0", 0), ("0.0.0.0", 8080)));
    let told = settings.ui.settings(settings.namespaces.first());
    assert_eq!((told.default_namespace.as_str(), told.codec_endpoint.as_str()), ("default", "http://codec"));
    assert_eq!(
        (told.cors_origins, told.disable_news_fetch),
        (vec!["http://a:1".to_owned(), "http://b:2".to_owned()], true)
    );
}

#[test]
fn tls_keys_and_metrics() {
    let (settings, notices) = from_environment(&[
        ("TEMPORAL_TLS_FRONTEND_CERT", "/tls/server.pem"),
        ("TEMPORAL_TLS_FRONTEND_KEY", "/tls/server.key"),
        ("TEMPORAL_TLS_CLIENT1_CA_CERT", "/tls/one.pem"),
        ("TEMPORAL_TLS_CLIENT2_CA_CERT", "/tls/two.pem"),
        ("TEMPORAL_TLS_REQUIRE_CLIENT_AUTH", "True"),
        ("TEMPORAL_TLS_REFRESH_INTERVAL", "0s"),
        ("PERDURE_API_KEY_HASHES", "a, b"),
        ("PROMETHEUS_ENDPOINT", "0.0.0.0:9090"),
        ("SQL_TLS_ENABLED", "true"),
        ("SQL_CA", "/tls/database.pem"),
    ])
    .unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let tls = &settings.tls;
    assert_eq!(tls.identity().unwrap(), Some((&"/tls/server.pem".into(), &"/tls/server.key".into())));
    assert_eq!(tls.client_ca, [PathBuf::from("/tls/one.pem"), "/tls/two.pem".into()]);
    assert!(tls.requires_client_cert());
    assert_eq!(tls.refresh().unwrap(), None);
    assert_eq!(settings.auth.api_key_hashes, ["a", "b"]);
    assert_eq!(settings.metrics.endpoint.as_deref(), Some("0.0.0.0:9090"));
    let database = StoreTls { enabled: true, ca: Some("/tls/database.pem".into()), ..StoreTls::default() };
    assert_eq!(settings.store.tls, database);
}

#[test]
fn leases_have_bounds() {
    for (seconds, good) in [("3", false), ("4", true), ("15", true), ("600", true), ("601", false)] {
        let (settings, _) = from_environment(&[("LEASE_SECONDS", seconds)]).unwrap();
        assert_eq!(settings.lease().is_ok(), good, "{seconds}");
    }
}

#[test]
fn threads_have_bounds() {
    let threads = |text| from_environment(&[("WORKER_THREADS", text)]).unwrap().0.worker_threads();
    assert_eq!((threads("1").unwrap(), threads("1024").unwrap()), (1, 1024));
    assert!(threads("0").is_err() && threads("1025").is_err());
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(Settings::default().worker_threads().unwrap(), if cores == 1 { 1 } else { cores - 1 });
}

#[test]
fn no_default_namespace() {
    let (settings, _) =
        from_environment(&[("DEFAULT_NAMESPACE", "n"), ("SKIP_DEFAULT_NAMESPACE_CREATION", "true")]).unwrap();
    assert_eq!(settings.namespaces, Vec::<String>::new());
}

#[test]
fn what_is_not_understood_is_told() {
    let unknown = |name: &str| vec![format!("{name} has no effect: this server does not know it")];
    let cases = [
        ("TEMPORAL_TLS_CLIENT9_CA_CERT", unknown("TEMPORAL_TLS_CLIENT9_CA_CERT")),
        ("POSTGRES_SSLMODE", unknown("POSTGRES_SSLMODE")),
        ("MYSQL_SEEDS", unknown("MYSQL_SEEDS")),
        ("SKIP_DB_CREATE", vec!["SKIP_DB_CREATE has no effect: a database is only created where it is missing".into()]),
        ("TEMPORAL_ADDRESS", vec![]),
        ("TEMPORAL_CLI_ADDRESS", vec![]),
        ("TEMPORAL_UI_PORT", vec![]),
        ("TEMPORAL_FRONTEND_SERVICE_HOST", vec![]),
        ("PERDURE_SERVICE_PORT_GRPC", vec![]),
        ("PERDURE_PORT", vec![]),
        ("PERDURE_PORT_7233_TCP_ADDR", vec![]),
        ("PATH", vec![]),
    ];
    for (name, expected) in cases {
        let (settings, notices) = from_environment(&[(name, "x")]).unwrap();
        assert_eq!((settings, notices), (Settings::default(), expected), "{name}");
    }
}

#[test]
fn search_attributes_of_auto_setup() {
    for (value, expected) in [("false", 7), ("true", 0), ("", 0)] {
        let (settings, _) = from_environment(&[("SKIP_ADD_CUSTOM_SEARCH_ATTRIBUTES", value)]).unwrap();
        assert_eq!(settings.search_attributes.len(), expected, "{value:?}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let cases = [
        (("DB", "cassandra"), "DB=cassandra is not supported: use DB=postgres12 or DB=sqlite"),
        (("DB_PORT", "x"), "DB_PORT=x: a number is needed"),
        (
            ("SQL_HOST_NAME", "db.example"),
            "SQL_HOST_NAME is not supported: name the host of the database's certificate in POSTGRES_SEEDS",
        ),
        (("SQL_TLS_ENABLED", "maybe"), "SQL_TLS_ENABLED=maybe: true or false is needed"),
        (
            ("TEMPORAL_TLS_FRONTEND_KEY_DATA", "LS0t"),
            "TEMPORAL_TLS_FRONTEND_KEY_DATA is not supported: put it into a file, and name that in TEMPORAL_TLS_FRONTEND_KEY",
        ),
    ];
    for (variable, expected) in cases {
        assert_eq!(from_environment(&[variable]).unwrap_err().to_string(), expected);
    }
    let error = load(Some(Path::new("/no/such/file")), std::iter::empty()).unwrap_err();
    assert_eq!(error.to_string(), "there is no settings file /no/such/file");
    let error = from_environment(&[("DB_PORT", "70000")]).unwrap_err();
    assert!(format!("{error:#}").contains("port"), "{error:#}");
}

#[test]
fn a_file_under_the_environment() {
    let path = std::env::temp_dir().join(format!("perdure-settings-{}.yaml", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"store:\n  kind: sqlite\n  path: /data/p.db\nlisten:\n  grpc_port: 9000\n  http_port: 0\n")
        .unwrap();
    let variables = [("FRONTEND_GRPC_PORT".to_owned(), "9001".to_owned())];
    let (settings, _) = load(Some(&path), variables.into_iter()).unwrap();
    std::fs::write(&path, "stoer:\n  kind: sqlite\n").unwrap();
    let error = load(Some(&path), std::iter::empty()).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(settings.store.kind, StoreKind::Sqlite);
    assert_eq!(settings.store.path.as_deref(), Some(Path::new("/data/p.db")));
    assert_eq!((settings.listen.grpc_port, settings.listen.http_port), (9001, 0));
    assert!(format!("{error:#}").contains("stoer"), "{error:#}");
}

#[test]
fn a_password_is_not_shown() {
    let by_parts = StoreSettings { password: "secret".to_owned(), ..StoreSettings::default() };
    let by_url = StoreSettings { url: Some("postgres://u:secret@h/d".to_owned()), ..by_parts.clone() };
    assert_eq!(by_parts.to_string(), "PostgreSQL at localhost:5432, user postgres, database perdure");
    for settings in [by_parts, by_url] {
        assert!(!format!("{settings} {settings:?}").contains("secret"));
    }
}
