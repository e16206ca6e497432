//! A fingerprint of all that a script led to.

use std::fmt::Debug;

/// FNV-1a: quick, and the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn text(&mut self, value: &impl Debug) {
        self.bytes(format!("{value:?}").as_bytes());
    }
}
