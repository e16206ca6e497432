//! Messages that tonic could not read.
//!
//! tonic answers them before a handler runs, with codes that SDKs try again without end: OUT_OF_RANGE for a message above
//! the limit (RESOURCE_EXHAUSTED when it was compressed), INTERNAL for one that is no protobuf, or cannot be decompressed. None
//! of them can ever succeed. SDKs know an oversize message by RESOURCE_EXHAUSTED and the words of grpc-go's text.

use http::{HeaderMap, HeaderValue, Response};
use tonic::{Code, Status};

/// `Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes`.
const TOO_LARGE: &str = "Error, decoded message length too large: found ";
/// `Error decompressing: size limit, of 4 bytes, exceeded while decompressing message`.
const UNPACKED_TOO_LARGE: &str = "Error decompressing: size limit, of ";
/// `Error decompressing: invalid gzip header, while sending request`.
const PACKED_BADLY: &str = "Error decompressing: ";
/// The words before each reason of prost's.
const MALFORMED: &str = "failed to decode Protobuf message: ";

/// Gives such an answer its right code and text; leaves all others as they are. For `tower::ServiceBuilder::map_response`.
pub fn correct<B>(mut response: Response<B>) -> Response<B> {
    if let Some(status) = corrected(response.headers()) {
        let headers = response.headers_mut();
        headers.insert(Status::GRPC_STATUS, HeaderValue::from(i32::from(status.code())));
        // Text of ours is ASCII or comes percent-encoded from tonic.
        if let Ok(message) = HeaderValue::from_str(status.message()) {
            headers.insert(Status::GRPC_MESSAGE, message);
        }
    }
    response
}

/// An error before the answer began is in the headers.
fn corrected(headers: &HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    match status.code() {
        Code::OutOfRange => too_large(status.message()).map(Status::resource_exhausted),
        Code::ResourceExhausted => unpacked_too_large(status.message()).map(Status::resource_exhausted),
        Code::Internal => malformed(status.message()).map(|text| Status::invalid_argument(percent_encode(&text))),
        _ => None,
    }
}

fn malformed(message: &str) -> Option<String> {
    if let Some(reason) = message.strip_prefix(MALFORMED) {
        return Some(format!("grpc: error unmarshalling request: {reason}"));
    }
    let reason = message.strip_prefix(PACKED_BADLY)?.strip_suffix(", while sending request")?;
    Some(format!("grpc: failed to decompress the received message: {reason}"))
}

/// How large it would have become nobody knows: it was not unpacked to its end.
fn unpacked_too_large(message: &str) -> Option<String> {
    let limit = message.strip_prefix(UNPACKED_TOO_LARGE)?.split(' ').next()?;
    Some(format!("grpc: received message after decompression larger than max {limit}"))
}

fn too_large(message: &str) -> Option<String> {
    let rest = message.strip_prefix(TOO_LARGE)?;
    let (found, limit) = rest.split_once(" bytes, the limit is: ")?;
    let limit = limit.strip_suffix(" bytes")?;
    Some(format!("grpc: received message larger than max ({found} vs. {limit})"))
}

/// As `grpc-message` wants it: all but printable ASCII, and the percent sign, as `%XX`.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(status: Status) -> Status {
        Status::from_header_map(correct(status.into_http::<()>()).headers()).unwrap()
    }

    #[test]
    fn answers_before_the_handler() {
        let limit = "Error, decoded message length too large: found 4300075 bytes, the limit is: 4194304 bytes";
        let status = through(Status::out_of_range(limit));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "grpc: received message larger than max (4300075 vs. 4194304)");

        let reason = <() as prost::Message>::decode(&[0xff][..]).unwrap_err().to_string();
        assert!(reason.starts_with(MALFORMED), "{reason}");
        let status = through(Status::internal("failed to decode Protobuf message: é 100%"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "grpc: error unmarshalling request: é 100%");
    }

    #[test]
    fn compressed_messages() {
        let cases = [
            (
                Status::resource_exhausted(
                    "Error decompressing: size limit, of 4194304 bytes, exceeded while decompressing message",
                ),
                Code::ResourceExhausted,
                "grpc: received message after decompression larger than max 4194304",
            ),
            (
                Status::internal("Error decompressing: invalid gzip header, while sending request"),
                Code::InvalidArgument,
                "grpc: failed to decompress the received message: invalid gzip header",
            ),
        ];
        for (status, code, text) in cases {
            let after = through(status);
            assert_eq!((after.code(), after.message()), (code, text));
        }
    }

    #[test]
    fn other_answers_stay() {
        let others = [
            Status::out_of_range("a page"),
            Status::internal("a bug"),
            Status::not_found("nothing"),
            Status::resource_exhausted("namespace rate limit exceeded"),
        ];
        for status in others {
            let after = through(status.clone());
            assert_eq!((after.code(), after.message()), (status.code(), status.message()));
        }
        assert!(correct(Response::new(())).headers().is_empty());
    }
}
