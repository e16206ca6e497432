//! Sealed tokens: what a client carries for us is authenticated, so that it can neither be forged nor moved to
//! another namespace or run.

use bytes::Bytes;
use prost::Message;

pub use crate::perdure::token::v1::{
    ActivityTaskToken, HistoryPageToken, ListPageToken, NexusCallbackToken, NexusTaskToken, QueryTaskToken, SortValue,
    StateToken, WorkflowTaskToken, sort_value,
};

/// Bytes of the MAC that stands before the message.
const MAC_LEN: usize = 16;

/// A token that this server did not make, or not for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token was not made by this server")]
pub struct InvalidToken;

/// A kind of token; its tag goes into the MAC, so that one kind is never taken for another.
pub trait Token: Message + Default {
    const KIND: u8;
}

impl Token for WorkflowTaskToken {
    const KIND: u8 = 1;
}
impl Token for ActivityTaskToken {
    const KIND: u8 = 2;
}
impl Token for QueryTaskToken {
    const KIND: u8 = 3;
}
impl Token for HistoryPageToken {
    const KIND: u8 = 4;
}
impl Token for ListPageToken {
    const KIND: u8 = 5;
}
impl Token for NexusTaskToken {
    const KIND: u8 = 6;
}
impl Token for NexusCallbackToken {
    const KIND: u8 = 7;
}

impl Token for StateToken {
    const KIND: u8 = 8;
}

/// Seals and opens tokens with the key of the database.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

impl Sealer {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub fn seal<T: Token>(&self, token: &T) -> Bytes {
        let mut out = Vec::with_capacity(MAC_LEN + token.encoded_len());
        out.resize(MAC_LEN, 0);
        token.encode_raw(&mut out);
        let mac = self.mac(T::KIND, &out[MAC_LEN..]);
        out[..MAC_LEN].copy_from_slice(&mac);
        out.into()
    }

    pub fn open<T: Token>(&self, sealed: &[u8]) -> Result<T, InvalidToken> {
        let (mac, body) = sealed.split_at_checked(MAC_LEN).ok_or(InvalidToken)?;
        let expected = self.mac(T::KIND, body);
        // All bytes are compared, so that the time tells nothing about the first wrong one.
        let same = mac.iter().zip(&expected).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0;
        if !same {
            return Err(InvalidToken);
        }
        T::decode(body).map_err(|_| InvalidToken)
    }

    fn mac(&self, kind: u8, body: &[u8]) -> [u8; MAC_LEN] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[kind]);
        hasher.update(body);
        let mut mac = [0; MAC_LEN];
        mac.copy_from_slice(&hasher.finalize().as_bytes()[..MAC_LEN]);
        mac
    }
}
