//! `perdure config validate`, and a server that is started with what it finds wrong.

use std::fs;

use anyhow::Result;
use perdure_tests::fresh_folder;

use crate::{Ran, command};

#[test]
fn each_wrong_thing_is_told_with_its_line() -> Result<()> {
    let folder = fresh_folder("administration_config")?;
    let (settings, dynamic) = (folder.join("settings.yaml"), folder.join("dynamic.yaml"));
    fs::write(
        &settings,
        "store:\n  kind: sqlite\n  hosst: a\n  port: abc\nlisten:\n  http_port: 7233\nnamespace_retention: 5x\n\
         search_attributes:\n  A: Foo\nextra: 1\n",
    )?;
    fs::write(&dynamic, "limit.maxIDLength:\n  - value: -1\nno.such.key:\n  - value: 1\n")?;
    let mut validate = command(&["config", "validate"])?;
    validate.env("PERDURE_CONFIG", &settings).env("DYNAMIC_CONFIG_FILE_PATH", &dynamic);
    validate.env("DB_PORT", "x").env("SQL_TLS_ENABLED", "maybe").env("TEMPORAL_FOO", "1");
    let ran = Ran::of(&mut validate)?;
    assert!(!ran.success, "{ran:?}");
    let at = |line: &str| format!("{}:{line}", settings.display());
    let expected = [
        "DB_PORT=x: a number is needed".to_owned(),
        "SQL_TLS_ENABLED=maybe: true or false is needed".to_owned(),
        at("3: store.hosst: nobody knows it: use one of kind, url, host"),
        at("4: store.port: invalid type"),
        at("10: extra: nobody knows it"),
        "namespace_retention: \"5x\" is not a duration".to_owned(),
        "search_attributes.A: Foo: use Text".to_owned(),
        "listen: port 7233 is wanted for gRPC and for HTTP".to_owned(),
        "limit.maxIDLength: -1".to_owned(),
    ];
    for text in expected {
        assert!(ran.err.contains(&text), "{text} in {}", ran.err);
    }
    assert!(ran.out.contains("notice:  TEMPORAL_FOO has no effect"), "{ran:?}");

    // With what was said to be right, all is.
    fs::write(&settings, "store:\n  kind: sqlite\nnamespace_retention: 5d\nsearch_attributes:\n  A: Keyword\n")?;
    fs::write(&dynamic, "limit.maxIDLength:\n  - value: 255\n")?;
    let mut validate = command(&["config", "validate", "--config"])?;
    validate.arg(&settings).env("DYNAMIC_CONFIG_FILE_PATH", &dynamic);
    let ran = Ran::of(&mut validate)?.ok()?;
    assert!(ran.out.contains("acts:       limit.maxIDLength"), "{ran:?}");
    assert!(ran.out.contains("a server starts with these settings"), "{ran:?}");
    Ok(())
}
