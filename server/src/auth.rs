//! The API keys that are let in, from the settings and from a file that may change.

use std::{path::Path, time::Duration};

use anyhow::{Context, anyhow};
use perdure_frontend::api_keys::{ApiKeys, KeyHash};
use perdure_metrics::Registry;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::settings::AuthSettings;

/// A key that was taken out of the file is refused so much later at most.
const REFRESH: Duration = Duration::from_secs(2);

/// Looks at the file again and again until `stop`.
pub(crate) fn open(settings: &AuthSettings, registry: &Registry, stop: CancellationToken) -> anyhow::Result<ApiKeys> {
    let keys = ApiKeys::new(registry);
    let fixed = settings.api_key_hashes.iter().map(|hash| parse(hash)).collect::<Result<Vec<_>, _>>();
    let fixed = fixed.context("auth.api_key_hashes")?;
    match &settings.api_keys_file {
        Some(file) => {
            let text = read(file)?;
            keys.replace(Some(join(&fixed, &text, file)?));
            let (file, keys) = (file.clone(), keys.clone());
            tokio::spawn(async move { stop.run_until_cancelled(keep_fresh(&keys, &fixed, &file, text)).await });
        }
        None if !fixed.is_empty() => keys.replace(Some(fixed)),
        None => {}
    }
    Ok(keys)
}

async fn keep_fresh(keys: &ApiKeys, fixed: &[KeyHash], file: &Path, mut seen: String) {
    loop {
        sleep(REFRESH).await;
        let text = match read(file) {
            Ok(text) if text == seen => continue,
            Ok(text) => text,
            Err(error) => {
                tracing::warn!("the API keys stay as they are: {error:#}");
                continue;
            }
        };
        match join(fixed, &text, file) {
            Ok(known) => {
                tracing::info!(keys = known.len(), "the file of API keys has changed");
                keys.replace(Some(known));
            }
            Err(error) => {
                tracing::warn!("the file of API keys has changed and is not used until it is mended: {error:#}")
            }
        }
        seen = text;
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("auth.api_keys_file: {} cannot be read", file.display()))
}

fn join(fixed: &[KeyHash], text: &str, file: &Path) -> anyhow::Result<Vec<KeyHash>> {
    let mut keys = fixed.to_vec();
    for (number, line) in text.lines().enumerate() {
        let hash = line.split('#').next().unwrap_or_default().trim();
        if !hash.is_empty() {
            let place = || format!("auth.api_keys_file: {}, line {}", file.display(), number + 1);
            keys.push(parse(hash).with_context(place)?);
        }
    }
    Ok(keys)
}

/// The text itself is not shown: it may be a key that somebody forgot to hash.
fn parse(hash: &str) -> anyhow::Result<KeyHash> {
    let mut bytes = KeyHash::default();
    hex::decode_to_slice(hash, &mut bytes)
        .map_err(|_| anyhow!("a key's SHA-256 in hex, 64 digits, is needed: printf %s \"$KEY\" | sha256sum"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    #[test]
    fn a_file() {
        let text = format!("# jobs\n{SECRET}  # a note\n\n  {}\n", SECRET.to_uppercase());
        let keys = join(&[[7; 32]], &text, Path::new("keys")).unwrap();
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[1], keys[2]);
        let error = join(&[], "# x\nsecret\n", Path::new("keys")).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("auth.api_keys_file: keys, line 2: a key's SHA-256 in hex"),
            "{error:#}"
        );
        assert!(!format!("{error:#}").contains("secret"));
    }

    #[test]
    fn bad_hashes() {
        let cut = &SECRET[..63];
        for hash in ["", "secret", cut, &format!("{cut}g"), &format!("{cut}é"), &format!("+{cut}")] {
            assert!(parse(hash).is_err(), "{hash}");
        }
    }
}
