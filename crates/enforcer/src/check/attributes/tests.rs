use proptest::prelude::*;
use prost::Message as _;
use rescind_proto::envoy::{
    config::core::v3::{HeaderMap, HeaderValue, Metadata},
    service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{HttpRequest as Http, Peer, Request},
    },
};

use super::*;

fn check(http: Http) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

fn values(http: &HttpRequest<'_>, name: &str) -> Vec<String> {
    let values = http.values(name);
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn what_a_decision_looks_at_is_read_and_the_rest_passed_over() {
    let mut request = check(Http {
        id: "13".to_owned(),
        method: "POST".to_owned(),
        path: "/pets?a=b?c".to_owned(),
        headers: [("authorization".to_owned(), "Bearer x".to_owned())].into(),
        header_map: Some(HeaderMap {
            headers: vec![
                HeaderValue {
                    key: "X-Key".to_owned(),
                    value: "text".to_owned(),
                    ..HeaderValue::default()
                },
                HeaderValue {
                    key: "x-key".to_owned(),
                    value: "text".to_owned(),
                    raw_value: b"raw\xff".to_vec(),
                },
            ],
        }),
        body: "x".repeat(100_000),
        raw_body: vec![0xff; 1000],
        size: 100_000,
        ..Http::default()
    });
    let attributes = request.attributes.as_mut().unwrap();
    attributes.source = Some(Peer {
        certificate: "pem".to_owned(),
        ..Peer::default()
    });
    attributes.context_extensions = [("path".to_owned(), "/pets".to_owned())].into();
    attributes.metadata_context = Some(Metadata::default());
    let bytes = request.encode_to_vec();
    let attributes = Attributes::read(&bytes).unwrap();
    let http = attributes.http.as_ref().unwrap();
    assert_eq!((http.id, http.method), ("13", "POST"));
    assert_eq!(http.path, "/pets?a=b?c");
    assert_eq!(http.path_without_query(), "/pets");
    assert_eq!(values(http, "authorization"), ["Bearer x"]);
    assert_eq!(values(http, "x-key"), ["text", "raw\u{fffd}"]);
    assert_eq!(http.correlation_id(), "13");
    assert_eq!(attributes.extensions.get("path"), Some("/pets"));
    assert_eq!(attributes.extensions.get("vHost"), None);
    assert_eq!(attributes.metadata, [b""]);
}

#[test]
fn what_comes_in_pieces_is_put_together_and_a_header_that_stands_twice_is_seen_twice() {
    let first = check(Http {
        id: "1".to_owned(),
        method: "GET".to_owned(),
        headers: [("authorization".to_owned(), "one".to_owned())].into(),
        ..Http::default()
    });
    let mut second = check(Http {
        method: "PUT".to_owned(),
        headers: [("authorization".to_owned(), "two".to_owned())].into(),
        ..Http::default()
    });
    for (request, value) in [(&first, "a"), (&second, "b")] {
        assert!(request.attributes.is_some(), "{value}");
    }
    let attributes = second.attributes.as_mut().unwrap();
    attributes.context_extensions = [("path".to_owned(), "/b".to_owned())].into();
    let bytes = [first.encode_to_vec(), second.encode_to_vec()].concat();
    let attributes = Attributes::read(&bytes).unwrap();
    let http = attributes.http.unwrap();
    assert_eq!((http.id, http.method), ("1", "PUT"));
    assert_eq!(values(&http, "authorization"), ["one", "two"]);
    assert_eq!(
        Extensions::of(&[("a", "1"), ("a", "2")]).get("a"),
        Some("2")
    );
}

#[test]
fn a_check_without_a_request_has_none_and_one_that_is_no_message_is_nothing() {
    for check in [
        CheckRequest::default(),
        CheckRequest {
            attributes: Some(AttributeContext::default()),
        },
    ] {
        let bytes = check.encode_to_vec();
        assert!(Attributes::read(&bytes).unwrap().http.is_none());
    }
    let good = check(Http {
        path: "/pets".to_owned(),
        ..Http::default()
    });
    let good = good.encode_to_vec();
    for length in 1..good.len() {
        assert_eq!(Attributes::read(&good[..length]).err(), Some(Malformed));
    }
    // A number where a message stands, a text that is none.
    for bad in [&[0x08, 1][..], b"\x0a\x05\x22\x03\x12\x01\xff"] {
        assert_eq!(Attributes::read(bad).err(), Some(Malformed), "{bad:?}");
    }
    let not_text = b"\x0a\x07\x22\x05\x12\x03\x22\x01\xff";
    assert_eq!(Attributes::read(not_text).err(), Some(Malformed));
}

proptest! {
    /// Whatever comes: no panic, and what is read is what everybody else reads.
    #[test]
    fn random_bytes_are_read_as_others_read_them(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let (Ok(ours), Ok(theirs)) = (Attributes::read(&bytes), CheckRequest::decode(&*bytes)) {
            let http = theirs.attributes.and_then(|all| all.request).and_then(|all| all.http);
            prop_assert_eq!(ours.http.is_some(), http.is_some());
        }
    }

    #[test]
    fn requests_are_read_as_others_read_them(
        path in ".*",
        method in ".*",
        headers in proptest::collection::hash_map("[a-z]{1,8}", ".*", 0..8),
        extensions in proptest::collection::hash_map(".*", ".*", 0..4),
    ) {
        let mut request = check(Http { path, method, headers, ..Http::default() });
        request.attributes.as_mut().unwrap().context_extensions = extensions;
        let bytes = request.encode_to_vec();
        let read = Attributes::read(&bytes).unwrap();
        let (http, attributes) = (read.http.unwrap(), request.attributes.unwrap());
        let theirs = attributes.request.unwrap().http.unwrap();
        prop_assert_eq!(http.path, theirs.path);
        prop_assert_eq!(http.method, theirs.method);
        for (name, value) in theirs.headers {
            prop_assert_eq!(values(&http, &name), [value]);
        }
        for (name, value) in attributes.context_extensions {
            prop_assert_eq!(read.extensions.get(&name), Some(&*value));
        }
    }
}
