//! The worst messages cost as much as their length, and no more: one that cost its square would hold up the queue for all
//! who come after it.
//!
//! What is counted is the processor time of the one thread, so that a busy machine changes nothing; eight times the length
//! may cost eight times as much, and what costs the square costs 64 times as much.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::time::{ClockId, clock_gettime};

use super::{hostile::check_anything, *};

const SHORT: usize = 16 * 1024;
const TIMES: u32 = 8;
/// Between eight and 64, with room for what a cache, a tree or an unlucky moment costs.
const MOST: u32 = 3 * TIMES;
/// Below this nothing is measured; 24 times as much is nothing that anybody waits for.
const LEAST: Duration = Duration::from_micros(200);

const APP: &str = "consumer_app_revocation_event";
const MAP: Option<&str> = Some("jms/map-message");
const NEW_MAP: Option<&str> = Some("amqp/map");

/// Makes a message of about this length.
type Make = fn(usize) -> Vec<u8>;

fn repeated(piece: &str, length: usize) -> String {
    piece.repeat(length.saturating_sub(1024) / piece.len())
}

/// `piece` over and over, as the token of the template: what is not escaped in it breaks the JSON.
fn token_of(piece: &str, length: usize) -> Vec<u8> {
    template(&repeated(piece, length), 0, "JWT").into_bytes()
}

/// The same where the texts before and behind it are whole, so that the template is tried member by member.
fn bare(piece: &str, length: usize) -> Vec<u8> {
    format!("{{\"payloadData\":{}", repeated(piece, length)).into_bytes()
}

fn payload(json: &str) -> Vec<u8> {
    template(&STANDARD.encode(json), 0, APP).into_bytes()
}

/// What `piece` is when it is repeated in the JSON within base64, which is a third longer.
fn payload_of(before: &str, piece: &str, after: &str, length: usize) -> Vec<u8> {
    let json = format!("{before}{}{after}", repeated(piece, length / 4 * 3 - 512));
    payload(&json)
}

fn numbered(length: usize) -> String {
    let fields = (0..length.saturating_sub(1024) / 14).map(|n| format!("\"k{n:08}\":1"));
    fields.collect::<Vec<_>>().join(",")
}

const TEXTS: [(&str, Make); 24] = [
    ("arrays in arrays", |n| repeated("[", n).into_bytes()),
    ("objects in objects", |n| {
        repeated("{\"a\":", n).into_bytes()
    }),
    ("nests beside each other", |n| {
        let nest = format!("{}{},", "[".repeat(100), "]".repeat(100));
        format!("{{\"a\":[{}1]}}", repeated(&nest, n)).into_bytes()
    }),
    ("escaped quotes", |n| token_of("\\\"", n)),
    ("escaped characters", |n| token_of("\\u00e9", n)),
    ("halves of characters", |n| token_of("\\ud83d", n)),
    ("bare quotes", |n| token_of("\"", n)),
    ("escaped backslashes", |n| token_of("\\\\", n)),
    ("bare backslashes", |n| token_of("\\ \\", n)),
    ("ends of members", |n| token_of("\",\"", n)),
    ("ends of objects", |n| token_of("\"}", n)),
    ("begins of members", |n| token_of("\"type\":\"", n)),
    ("begins of payloads", |n| token_of("\"payloadData\":{", n)),
    ("a payload of members", |n| {
        bare("\"revokedToken\":\"a\",", n)
    }),
    ("a payload of braces", |n| bare("{", n)),
    ("a payload of blanks", |n| bare(" \t", n)),
    ("digits", |n| {
        format!("{{\"expiryTime\":{}}}", repeated("9", n)).into_bytes()
    }),
    ("an exponent", |n| {
        format!("{{\"expiryTime\":1e{}}}", repeated("9", n)).into_bytes()
    }),
    ("digits in a text", |n| {
        let digits = repeated("9", n);
        format!("{{\"revokedToken\":\"a\",\"expiryTime\":\"{digits}\"}}").into_bytes()
    }),
    ("one field again and again", |n| {
        format!("{{{}\"a\":1}}", repeated("\"revokedToken\":\"a\",", n)).into_bytes()
    }),
    ("many fields", |n| {
        format!("{{{}}}", numbered(n)).into_bytes()
    }),
    ("a long type", |n| {
        template(JTI, 0, &repeated("\u{202e}", n)).into_bytes()
    }),
    ("a long token", |n| token_of("a", n)),
    ("no text at the end", |n| {
        let mut body = token_of("a", n);
        body.push(0xff);
        body
    }),
];

const PAYLOADS: [(&str, Make); 8] = [
    ("base64 of nothing", |n| {
        template(&repeated("=", n), 0, APP).into_bytes()
    }),
    ("base64 of the other alphabet", |n| {
        template(&repeated("-_", n), 0, APP).into_bytes()
    }),
    ("blanks around base64", |n| {
        template(&repeated(" ", n), 0, APP).into_bytes()
    }),
    ("nests in base64", |n| payload_of("", "{\"a\":", "", n)),
    ("nests as a value in base64", |n| {
        payload_of("{\"a\":[", "[[[[[[[[]]]]]]]],", "1]}", n)
    }),
    ("escapes in base64", |n| {
        payload_of("{\"consumerKey\":\"", "\\u00e9", "\"}", n)
    }),
    ("digits in base64", |n| {
        payload_of("{\"consumerKey\":\"a\",\"revocationTime\":", "9", "}", n)
    }),
    ("many fields in base64", |n| {
        payload(&format!("{{{}}}", numbered(n / 4 * 3)))
    }),
];

/// The count, and `entry` again and again.
fn map_of(entry: &[u8], length: usize) -> Vec<u8> {
    let mut body = vec![0xff; 4];
    body.extend(entry.repeat(length.saturating_sub(1024) / entry.len()));
    body
}

fn new_map_of(entry: &[u8], length: usize) -> Vec<u8> {
    let map = map_of(entry, length);
    let mut body = u32::try_from(map.len()).unwrap().to_be_bytes().to_vec();
    body.extend(map);
    body
}

const MAPS: [(Option<&str>, &str, Make); 7] = [
    (MAP, "empty entries", |n| map_of(&[0, 11], n)),
    (MAP, "one text again and again", |n| {
        map_of(b"revokedToken\0\x0aa\0", n)
    }),
    (MAP, "a text without an end", |n| {
        let mut body = b"\xff\xff\xff\xffrevokedToken\0\x0a".to_vec();
        body.resize(n, b'a');
        body
    }),
    (MAP, "a key without an end", |n| map_of(b"a", n)),
    (NEW_MAP, "empty entries", |n| new_map_of(&[0, 0xf0], n)),
    (NEW_MAP, "one text again and again", |n| {
        new_map_of(b"\x0crevokedToken\x85\x01a", n)
    }),
    (NEW_MAP, "bytes of no length", |n| {
        new_map_of(&[0, 0xa0, 0, 0, 0, 0], n)
    }),
];

/// The processor time that it takes.
fn cost(content_type: Option<&str>, body: &[u8]) -> Duration {
    let spent = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let began = spent();
    check_anything(content_type, body);
    spent() - began
}

#[track_caller]
fn check_work(content_type: Option<&str>, name: &str, make: Make) {
    let (short, long) = (make(SHORT), make(SHORT * TIMES as usize));
    let length = SHORT * TIMES as usize;
    assert!(
        (length * 9 / 10..=length).contains(&long.len()),
        "{name}: {}",
        long.len()
    );
    // The best of several is what the work costs; the rest is the machine's.
    let short = (0..5).map(|_| cost(content_type, &short)).min();
    let most = short.unwrap().max(LEAST) * MOST;
    let cheap = (0..3).any(|_| cost(content_type, &long) < most);
    assert!(
        cheap,
        "{name}: more than {most:?} for {TIMES} times {short:?}"
    );
}

#[test]
fn the_worst_texts_cost_no_more_than_their_length() {
    for (name, make) in TEXTS {
        check_work(Some("text/plain"), name, make);
    }
}

#[test]
fn the_worst_payloads_cost_no_more_than_their_length() {
    for (name, make) in PAYLOADS {
        check_work(None, name, make);
    }
}

#[test]
fn the_worst_maps_cost_no_more_than_their_length() {
    for (content_type, name, make) in MAPS {
        check_work(content_type, name, make);
    }
}
