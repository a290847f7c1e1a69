//! Statuses that are ours to say: the upstream is away, the time is up.

use std::{fmt::Write as _, time::Duration};

use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};

use crate::{Away, GrpcBody, dial::chain};

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The codes that a carrier gives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Cancelled = 1,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Internal = 13,
    Unavailable = 14,
}

/// A status that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: Code,
    message: String,
}

impl Status {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn deadline() -> Self {
        Self::new(Code::DeadlineExceeded, "the call's deadline is over")
    }

    pub(crate) fn draining() -> Self {
        Self::new(Code::Unavailable, "shutting down")
    }

    pub(crate) fn too_many() -> Self {
        let text = "too many calls are carried at once";
        Self::new(Code::ResourceExhausted, text)
    }

    pub(crate) fn too_many_of_one() -> Self {
        let text = "too many calls of this client are carried at once";
        Self::new(Code::ResourceExhausted, text)
    }

    /// An upstream that goes away may end its streams with OK; some callers never come back from that.
    pub(crate) fn ended_open() -> Self {
        let text = "the original has ended a call that its caller had not";
        Self::new(Code::Unavailable, text)
    }

    /// The end of a call whose status never came.
    pub(crate) fn without() -> Self {
        let text = "the original has ended the call without a status";
        Self::new(Code::Unavailable, text)
    }

    /// How a call that failed in HTTP/2 is told: a reset as gRPC's table has it, anything else is a lost connection.
    pub(crate) fn of(error: &h2::Error) -> Self {
        let code = match error.reason() {
            Some(reason) if error.is_reset() && error.is_remote() => code_of(reason),
            _ => Code::Unavailable,
        };
        Self::new(code, format!("the original: {}", chain(error)))
    }

    /// As trailers, or as the headers of a response that has nothing else.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code as u16));
        let message = HeaderValue::from_str(&percent_encoded(&self.message));
        let message = message.expect("percent-encoded text is printable ASCII");
        headers.insert(GRPC_MESSAGE, message);
    }

    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::with_capacity(2);
        self.write(&mut trailers);
        trailers
    }

    pub(crate) fn response(&self) -> Response<GrpcBody> {
        let mut response = Response::new(GrpcBody::empty());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        self.write(headers);
        response
    }
}

impl From<Away> for Status {
    fn from(away: Away) -> Self {
        let message = format!("the original is away: {away}");
        Self::new(Code::Unavailable, message)
    }
}

/// Whether `headers` say that the call went well.
pub(crate) fn is_ok(headers: &HeaderMap) -> bool {
    headers.get(GRPC_STATUS).is_some_and(|status| status == "0")
}

/// gRPC over HTTP/2, "HTTP2 Transport Mapping", Errors.
fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM | Reason::NO_ERROR => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// `grpc-timeout`: at most eight digits and a unit. What is malformed counts as none: the upstream says so itself.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

/// gRPC over HTTP/2, Percent-Encoded.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..0x20 | 0x7f.. => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            _ => encoded.push(byte.into()),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_in_all_its_units() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("60S", Some(Duration::from_secs(60))),
            ("100m", Some(Duration::from_millis(100))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("5", None),
            ("S", None),
            ("123456789S", None),
            ("5x", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            assert_eq!(timeout(&headers), expected, "{text}");
        }
    }

    #[test]
    fn a_message_is_percent_encoded() {
        assert_eq!(percent_encoded("away: 100%\né"), "away: 100%25%0A%C3%A9");
    }
}
