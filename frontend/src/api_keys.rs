//! API keys: who may call, where only those may who have a key.
//!
//! The server knows keys by their SHA-256 alone. They are compared in constant time: how long a refusal takes tells nothing about
//! a hash that is nearly right.

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};
use parking_lot::RwLock;
use perdure_metrics::{IntCounter, Registry, definitions};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const SCHEME: &str = "bearer ";

pub type KeyHash = [u8; 32];

/// Cheap to clone; all clones see a change.
#[derive(Clone)]
pub struct ApiKeys {
    known: Arc<RwLock<Option<Arc<[KeyHash]>>>>,
    refused: IntCounter,
}

impl ApiKeys {
    /// As yet nobody needs a key.
    pub fn new(registry: &Registry) -> Self {
        Self { known: Arc::default(), refused: registry.counter(&definitions::SERVICE_ERRORS_UNAUTHORIZED) }
    }

    /// From now on these, and no others. None: nobody needs a key.
    pub fn replace(&self, keys: Option<Vec<KeyHash>>) {
        *self.known.write() = keys.map(Arc::from);
    }

    /// Whether a request with these headers may come in. One that may not is counted.
    pub fn accept(&self, headers: &HeaderMap) -> bool {
        let Some(known) = self.known.read().clone() else { return true };
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(bearer);
        let accepted = given.is_some_and(|key| is_known(&Sha256::digest(key).into(), &known));
        if !accepted {
            self.refused.inc();
        }
        accepted
    }
}

/// What comes after the scheme, whose letters may be small or capital.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = header.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(key.trim_ascii())
}

/// Looks at all of them, wherever the right one is.
fn is_known(given: &KeyHash, known: &[KeyHash]) -> bool {
    known.iter().fold(Choice::from(0), |found, hash| found | hash.ct_eq(given)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: Option<&str>) -> HeaderMap {
        value.map(|value| (AUTHORIZATION, value.parse().unwrap())).into_iter().collect()
    }

    #[test]
    fn who_may_come_in() {
        let keys = ApiKeys::new(&Registry::default());
        assert!(keys.accept(&headers(None)));
        keys.replace(Some(vec![Sha256::digest("other").into(), Sha256::digest("secret").into()]));
        let cases = [
            (Some("Bearer secret"), true),
            (Some("Bearer other"), true),
            (Some("bearer secret"), true),
            (Some("Bearer  secret "), true),
            (Some("Bearer Secret"), false),
            (Some("Bearer secre"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic secret"), false),
            (Some("secret"), false),
            (Some(""), false),
            (None, false),
        ];
        for (value, expected) in cases {
            assert_eq!(keys.accept(&headers(value)), expected, "{value:?}");
        }
        keys.replace(Some(Vec::new()));
        assert!(!keys.accept(&headers(Some("Bearer secret"))), "no key is known: nobody comes in");
    }
}
