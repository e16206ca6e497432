//! `temporal.api.history.v1.History` as the bytes of its encoding.
//!
//! A `History` is `repeated HistoryEvent events = 1`, so the encodings of its batches, one behind the other, are the
//! encoding of the whole. The build maps the message to this type: a page read or a poll response is stored bytes that
//! are passed on, neither decoded nor encoded again.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_varint, encode_key, encode_varint, encoded_len_varint, skip_field},
};

use crate::api::history::HistoryEvent;

/// Field number of `History.events`.
const EVENTS: u32 = 1;

/// An encoded `History`; see the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawHistory {
    encoded: Bytes,
}

impl RawHistory {
    /// Takes bytes that are the encoding of a `History`.
    pub fn from_encoded(encoded: Bytes) -> Self {
        Self { encoded }
    }

    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The events, decoded: for tests, tools and the paths that must look inside.
    pub fn events(&self) -> Result<Vec<HistoryEvent>, DecodeError> {
        let mut buf = self.encoded.clone();
        let mut events = Vec::new();
        while buf.has_remaining() {
            let event = take_event(&mut buf)?;
            events.push(HistoryEvent::decode(event)?);
        }
        Ok(events)
    }

    /// Appends one event to an encoding of a `History`.
    pub fn push_event(event: &HistoryEvent, out: &mut BytesMut) {
        let len = event.encoded_len();
        out.reserve(1 + encoded_len_varint(len as u64) + len);
        encode_key(EVENTS, WireType::LengthDelimited, out);
        encode_varint(len as u64, out);
        event.encode_raw(out);
    }
}

impl<'a> FromIterator<&'a HistoryEvent> for RawHistory {
    fn from_iter<I: IntoIterator<Item = &'a HistoryEvent>>(events: I) -> Self {
        let mut out = BytesMut::new();
        for event in events {
            Self::push_event(event, &mut out);
        }
        Self { encoded: out.freeze() }
    }
}

/// Takes the next event's encoding off the front of an encoded `History`.
pub fn take_event(buf: &mut Bytes) -> Result<Bytes, DecodeError> {
    decode_varint(buf)?;
    let len = decode_varint(buf)? as usize;
    if len > buf.len() {
        // prost makes no errors for others: this one is of a field that ends too early.
        return HistoryEvent::decode(&[0x08][..]).map(|_| Bytes::new());
    }
    Ok(buf.split_to(len))
}

impl Message for RawHistory {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put(self.encoded.clone());
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != EVENTS || wire_type != WireType::LengthDelimited {
            return skip_field(wire_type, tag, buf, ctx);
        }
        let mut event = Bytes::new();
        prost::encoding::bytes::merge(wire_type, &mut event, buf, ctx)?;
        // One buffer grows: a copy for each event would cost the square of their number.
        let before = std::mem::take(&mut self.encoded);
        let mut out = before.try_into_mut().unwrap_or_else(BytesMut::from);
        encode_key(EVENTS, WireType::LengthDelimited, &mut out);
        encode_varint(event.len() as u64, &mut out);
        out.put_slice(&event);
        self.encoded = out.freeze();
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    fn clear(&mut self) {
        self.encoded = Bytes::new();
    }
}
