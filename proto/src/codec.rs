//! How the messages of gRPC calls become bytes, and bytes messages.
//!
//! tonic's own codec takes 8 KiB of memory for each message. Here the payloads of a request stay parts of the buffer that it
//! was read into: a workflow whose input has ten bytes would keep 8 KiB for as long as it is in memory.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, EncodeBuf},
};
use tonic_prost::ProstDecoder;

/// Most messages of the API fit. A larger one takes what it needs.
const SMALL: usize = 256;
/// As tonic's: a stream of messages is sent on when so many bytes have gathered.
const SENT_ON: usize = 32 * 1024;

fn settings() -> BufferSettings {
    BufferSettings::new(SMALL, SENT_ON)
}

/// Protobuf in buffers of the right size.
#[derive(Clone, Debug)]
pub(crate) struct Codec<Encoded, Decoded>(PhantomData<(Encoded, Decoded)>);

#[derive(Clone, Debug)]
pub(crate) struct Encoder<Encoded>(PhantomData<Encoded>);

impl<Encoded, Decoded> Default for Codec<Encoded, Decoded> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Encoded, Decoded> tonic::codec::Codec for Codec<Encoded, Decoded>
where
    Encoded: Message + 'static,
    Decoded: Message + Default + 'static,
{
    type Encode = Encoded;
    type Decode = Decoded;
    type Encoder = Encoder<Encoded>;
    type Decoder = ProstDecoder<Decoded>;

    fn encoder(&mut self) -> Self::Encoder {
        Encoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(settings())
    }
}

impl<Encoded: Message> tonic::codec::Encoder for Encoder<Encoded> {
    type Item = Encoded;
    type Error = Status;

    fn encode(&mut self, message: Encoded, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode_raw(buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}
