//! The file may change while the server runs.

use std::time::Duration;

use perdure_frontend::namespaces::Namespaces;
use perdure_history::{ByNamespace, LiveLimits};
use perdure_matching::Matching;
use tokio_util::sync::CancellationToken;

use super::{AllLimits, DynamicConfig, config_of, file::Parsed, read, tell};

/// Between two looks at the file. Its text is compared, not its time: a ConfigMap changes by a link that points elsewhere.
const INTERVAL: Duration = Duration::from_secs(2);

/// Who must know of changes.
#[derive(Clone)]
pub(crate) struct Targets {
    pub(crate) runs: LiveLimits,
    pub(crate) namespaces: Namespaces,
    pub(crate) matching: Matching,
}

impl Targets {
    fn put(&self, limits: &ByNamespace<AllLimits>) {
        self.runs.set(limits.map(|all| all.frontend.runs.clone()));
        self.namespaces.set_limits(limits.map(|all| all.frontend.clone()));
        self.matching.set_limits(limits.all.matching.clone());
    }
}

/// Looks at the file until the server stops. What cannot be read or has not the right form changes nothing.
pub(crate) async fn watch(mut config: DynamicConfig, targets: Targets, stop: CancellationToken) {
    let Some(path) = config.path.clone() else { return };
    let mut before = config.parsed().unwrap_or_default();
    let mut last_error = None;
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        match config.reread().await {
            Ok(None) => last_error = None,
            Ok(Some(parsed)) => {
                tell(&path, &parsed, &before);
                targets.put(&config_of(&parsed.entries, &config.fixed));
                tracing::info!("{}: the new values hold: {}", path.display(), changed(&before, &parsed).join(", "));
                (before, last_error) = (parsed, None);
            }
            Err(error) => {
                let error = format!("{error:#}");
                if last_error.as_ref() != Some(&error) {
                    tracing::error!("{}: {error}: the old values stay until the file is mended", path.display());
                }
                last_error = Some(error);
            }
        }
    }
}

impl DynamicConfig {
    /// None: the file is as it was. A file that is gone says nothing any more: it may be about to come back.
    pub(super) async fn reread(&mut self) -> anyhow::Result<Option<Parsed>> {
        let Some(path) = &self.path else { return Ok(None) };
        let Some(text) = read(path).await? else {
            anyhow::ensure!(self.text.is_none(), "the dynamic configuration file is gone");
            return Ok(None);
        };
        if self.text.as_ref() == Some(&text) {
            return Ok(None);
        }
        let parsed = super::file::parse(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
        self.text = Some(text);
        Ok(Some(parsed))
    }
}

/// The keys whose values are others than before.
pub(super) fn changed(before: &Parsed, after: &Parsed) -> Vec<&'static str> {
    let values = |parsed: &Parsed, name: &str| {
        parsed.entries.iter().find(|entry| entry.key.name == name).map(|entry| format!("{:?}", entry.values))
    };
    let mut names: Vec<_> = before.known().chain(after.known()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| values(before, name) != values(after, name));
    names
}
