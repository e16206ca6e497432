use super::*;

/// A file that is gone again at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("perdure-{name}-{}.yaml", std::process::id())))
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // It may not be there.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn open(file: &File) -> anyhow::Result<(DynamicConfig, ByNamespace<AllLimits>)> {
    DynamicConfig::open(Some(&file.0), &BTreeMap::new()).await
}

#[tokio::test]
async fn a_file_that_comes_changes_breaks_and_goes() {
    let file = File::new("dynamic-config");
    let (mut config, limits) = open(&file).await.unwrap();
    assert_eq!(limits, ByNamespace::of_all(AllLimits::default()));
    let mut reread = async || {
        let parsed = config.reread().await.map_err(|error| format!("{error:#}"))?;
        Ok::<_, String>(parsed.map(|parsed| config_of(&parsed.entries, &[]).all.frontend.runs.id_length))
    };
    assert_eq!(reread().await, Ok(None));
    file.write("limit.maxIDLength: [{value: 255}]");
    assert_eq!(reread().await, Ok(Some(255)));
    assert_eq!(reread().await, Ok(None));
    file.write("limit.maxIDLength: 255");
    // It is told as long as it is so.
    for _ in 0..2 {
        assert!(reread().await.unwrap_err().contains("expected a sequence"));
    }
    file.write("limit.maxIDLength: [{value: 256}]");
    assert_eq!(reread().await, Ok(Some(256)));
    std::fs::remove_file(&file.0).unwrap();
    assert_eq!(reread().await, Err("the dynamic configuration file is gone".to_owned()));
    file.write("limit.maxIDLength: [{value: 256}]");
    assert_eq!(reread().await, Ok(None));
}

#[tokio::test]
async fn a_server_does_not_start_with_a_broken_file() {
    let file = File::new("broken-dynamic-config");
    file.write("limit.maxIDLength: 255");
    let error = format!("{:#}", open(&file).await.unwrap_err());
    let path = file.0.display();
    let expected =
        format!("{path} is not a dynamic configuration file: mend it, or unset DYNAMIC_CONFIG_FILE_PATH: invalid type");
    assert!(error.starts_with(&expected), "{error}");
    let error = DynamicConfig::open(Some(&std::env::temp_dir()), &BTreeMap::new()).await.unwrap_err();
    assert!(error.to_string().ends_with("cannot be read"), "{error:#}");
}

#[test]
fn what_changed() {
    let parsed = |text| check(text).unwrap();
    let before =
        parsed("{limit.blobSize.error: [{value: 1}], frontend.rps: [{value: 2}], limit.maxIDLength: [{value: 3}]}");
    let after =
        parsed("{limit.blobSize.error: [{value: 1}], frontend.rps: [{value: 9}], frontend.namespaceRPS: [{value: 4}]}");
    let expected = ["frontend.namespaceRPS", "frontend.rps", "limit.maxIDLength"];
    assert_eq!(watch::changed(&before, &after), expected);
}
