//! Headers that a caller gives to a Nexus operation.

use std::collections::BTreeMap;

use crate::limits::Limits;

/// Why a header is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadNexusHeader {
    /// The server says this one itself.
    Reserved(String),
    TooLarge,
}

/// The header as handlers get it: keys in lower case.
pub fn nexus_header(
    given: BTreeMap<String, String>,
    limits: &Limits,
) -> Result<BTreeMap<String, String>, BadNexusHeader> {
    let mut header = BTreeMap::new();
    let mut size = 0;
    for (key, value) in given {
        let lower = key.to_lowercase();
        if limits.nexus_disallowed_headers.contains(&lower) {
            return Err(BadNexusHeader::Reserved(key));
        }
        size += lower.len() + value.len();
        header.insert(lower, value);
    }
    if size > limits.nexus_header_size { Err(BadNexusHeader::TooLarge) } else { Ok(header) }
}
