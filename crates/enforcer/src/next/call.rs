//! One call to the next enforcer: what goes on of the caller's, and what of the answer goes back.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{self, CONTENT_TYPE},
};
use rescind_carry::Answered;
use tonic::body::Body;

use super::Failure;
use crate::check::{
    grpc::{self, GRPC, GRPC_STATUS},
    wire::Fields,
};

/// The largest answer, in bytes. One with a thousand headers has a tenth of it.
pub(super) const MOST: usize = 4 * 1024 * 1024;

/// How the rest of the caller's time is shared: nine tenths for the next, so that there is time to say that it was late.
const SHARE: f64 = 0.9;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Headers that are about one connection or one encoding, and not the caller's words (RFC 9113 section 8.2.2).
const OURS: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("grpc-accept-encoding"),
    GRPC_TIMEOUT,
];

/// An answer of the next enforcer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextAnswer {
    headers: HeaderMap,
    /// A `CheckResponse`, in its frame.
    body: Bytes,
    trailers: HeaderMap,
}

/// How long the next may take for a call with these headers.
pub(super) fn limit(headers: &HeaderMap, most: Duration) -> Duration {
    match headers.get(GRPC_TIMEOUT).and_then(timeout) {
        Some(given) => most.min(given.mul_f64(SHARE)),
        None => most,
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let value = value.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The call that goes on: to `uri`, with the caller's headers, for `limit`.
pub(super) fn head(uri: Uri, headers: &HeaderMap, limit: Duration) -> Request<()> {
    let mut passed = headers.clone();
    for name in OURS {
        passed.remove(name);
    }
    passed.insert(header::TE, HeaderValue::from_static("trailers"));
    passed.entry(CONTENT_TYPE).or_insert(GRPC);
    // At most eight digits: 60 s in milliseconds have five.
    let millis = limit.as_millis().clamp(1, 99_999_999);
    if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
        passed.insert(GRPC_TIMEOUT, value);
    }
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri;
    *head.headers_mut() = passed;
    head
}

/// What goes back of the answer to a call.
pub(super) fn answer(answered: Answered) -> Result<NextAnswer, Failure> {
    let failed = |text: String| Err(Failure::Failed(text));
    let Answered {
        head,
        body,
        trailers,
    } = answered;
    if head.status != StatusCode::OK {
        return failed(format!("it answered with HTTP status {}", head.status));
    }
    if let Some(status) = head.headers.get(GRPC_STATUS) {
        return failed(format!("it answered with gRPC status {status:?}"));
    }
    match trailers.get(GRPC_STATUS) {
        Some(status) if status == "0" => {}
        Some(status) => return failed(format!("it answered with gRPC status {status:?}")),
        None => return failed("its answer was cut off".to_owned()),
    }
    // What stands behind it must not become a part of what stands in it.
    let sound = |message| Fields::of(message).all(|field| field.is_ok());
    if !grpc::message(&body).is_some_and(sound) {
        return failed("its answer is no CheckResponse".to_owned());
    }
    let mut headers = head.headers;
    headers.remove(header::CONTENT_LENGTH);
    Ok(NextAnswer {
        headers,
        body,
        trailers,
    })
}

impl NextAnswer {
    /// As it came, with what `behind` writes behind its message.
    pub(crate) fn reply(self, behind: impl FnOnce(&mut Vec<u8>)) -> Response<Body> {
        let message = grpc::message(&self.body).unwrap_or_default();
        let body = grpc::body(message.len() + 256, |out| {
            out.extend_from_slice(message);
            behind(out);
        });
        grpc::reply_with(self.headers, body, self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_shorter_of_ours_and_most_of_the_callers() {
        for (given, limit_ms) in [
            (None, 15_000),
            (Some("20000m"), 15_000),
            (Some("20S"), 15_000),
            (Some("2S"), 1800),
            (Some("1000m"), 900),
            (Some("100000u"), 90),
            (Some("10000000n"), 9),
            (Some("1M"), 15_000),
            (Some("99999999H"), 15_000),
            (Some("0m"), 0),
            (Some("m"), 15_000),
            (Some(""), 15_000),
            (Some("123456789m"), 15_000),
            (Some("+1S"), 15_000),
            (Some("1s"), 15_000),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(given));
            }
            let limit = limit(&headers, Duration::from_secs(15));
            assert_eq!(limit.as_millis(), limit_ms, "{given:?}");
        }
    }
}
