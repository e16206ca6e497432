//! `perdure config`: what can be configured, and whether a file says what was meant. No server is asked.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Subcommand;

use crate::{admin::print, dynamic_config, settings};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List the keys of Temporal's dynamic configuration that act here, with their defaults.
    Keys,
    /// Check what a server would start with: variables, settings, and the file of dynamic configuration that they name.
    ///
    /// Each unknown key and each bad value is told, with its line and what to do. With FILE only that file, in the format of
    /// Temporal's dynamic configuration, is checked: which keys act, which do not, which values are bad.
    Validate {
        /// A file of dynamic configuration.
        file: Option<PathBuf>,
        /// The server's settings in YAML; the environment overrides them.
        #[arg(long, env = "PERDURE_CONFIG", value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
}

impl ConfigCommand {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Keys => print(&keys()),
            Self::Validate { file: Some(file), .. } => print(&validate(&file)?),
            Self::Validate { file: None, config } => validate_settings(config.as_deref(), std::env::vars()),
        }
    }
}

fn keys() -> String {
    let rows = [["Key", "A value can be for", "Default"].map(str::to_owned)].into_iter().chain(dynamic_config::table());
    let rows: Vec<_> = rows.collect();
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    let lines = rows.iter().map(|[key, scope, default]| format!("{key:first$}  {scope:second$}  {default}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What the file does. Err: something in it is bad.
fn validate(file: &Path) -> anyhow::Result<String> {
    let path = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{path} cannot be read"))?;
    let parsed =
        dynamic_config::check(&text).map_err(|error| anyhow!("{path} is not a dynamic configuration file: {error}"))?;
    let mut lines: Vec<_> = parsed.known().map(|key| format!("acts:       {key}")).collect();
    lines.extend(parsed.without_effect.iter().map(|(key, why)| format!("no effect:  {key}: {why}")));
    lines.extend(parsed.unknown.iter().map(|key| format!("unknown:    {key}: see `perdure config keys`")));
    if lines.is_empty() && parsed.bad.is_empty() {
        return Ok("no keys: the defaults hold".to_owned());
    }
    if parsed.bad.is_empty() {
        return Ok(lines.join("\n"));
    }
    lines.extend(parsed.bad.iter().map(|bad| format!("bad value:  {bad}")));
    bail!("{path} has values that are ignored:\n{}", lines.join("\n"))
}

/// Err: a server would not start, or leave out a part.
fn validate_settings(config: Option<&Path>, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<()> {
    let settings::Findings { mut wrong, notices, settings } = settings::validate(config, variables)?;
    for notice in notices {
        println!("notice:  {notice}");
    }
    if let Some(settings) = settings {
        println!("store:   {}", settings.store);
        if let Some(file) = &settings.dynamic_config {
            match validate(file) {
                Ok(told) => println!("{}:\n{told}", file.display()),
                Err(error) => wrong.push(format!("{error:#}")),
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
    println!("a server starts with these settings");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_aligned() {
        let keys = keys();
        let lines: Vec<_> = keys.lines().collect();
        let at = lines[0].find("Default").unwrap();
        assert!(lines.iter().all(|line| line.as_bytes()[at - 1] == b' '), "{keys}");
        let id = lines.iter().find(|line| line.starts_with("limit.maxIDLength ")).unwrap();
        assert_eq!(id.split_whitespace().collect::<Vec<_>>(), ["limit.maxIDLength", "global", "1000"]);
    }

    #[test]
    fn a_file_is_judged() {
        let file = std::env::temp_dir().join(format!("perdure-validate-{}.yaml", std::process::id()));
        let judge = |text: &str| {
            std::fs::write(&file, text).unwrap();
            validate(&file).map_err(|error| error.to_string().replace(&file.display().to_string(), "FILE"))
        };
        let good = judge("{limit.maxIDLength: [{value: 255}], a.b: [{value: 1}], matching.rps: [{value: 1}]}");
        assert_eq!(judge("# nothing").unwrap(), "no keys: the defaults hold");
        let bad = judge("{limit.maxIDLength: [{value: -1}]}");
        let broken = judge("limit.maxIDLength: 255");
        std::fs::remove_file(&file).unwrap();
        let expected = "acts:       limit.maxIDLength\n\
                        no effect:  matching.rps: matching has no calls of its own: see frontend.rps\n\
                        unknown:    a.b: see `perdure config keys`";
        assert_eq!(good.unwrap(), expected);
        let expected = "FILE has values that are ignored:\nacts:       limit.maxIDLength\n\
                        bad value:  limit.maxIDLength: -1: a whole number that is not negative is needed";
        assert_eq!(bad.unwrap_err(), expected);
        assert!(broken.unwrap_err().starts_with("FILE is not a dynamic configuration file: invalid type"));
        assert!(validate(&file).unwrap_err().to_string().ends_with("cannot be read"));
    }
}
