//! What `docs/protocol.md` shows is what is sent and what is understood.

use rescind_proto::rescind::v1::{Checkpoint, Range, range::Walk};
use rescind_revocation::{Digest, Digests, Entry, packed};

use super::*;

const PROTOCOL: &str = include_str!("../../../../../docs/protocol.md");

/// Where the fields of the page's table are declared.
const SOURCES: [&str; 4] = [
    include_str!("../../../../../proto/rescind/v1/range.proto"),
    include_str!("../../../../../proto/third_party/envoy/config/core/v3/base.proto"),
    include_str!("../../../../../proto/third_party/envoy/service/discovery/v3/discovery.proto"),
    include_str!("../../../../../proto/wso2/discovery/keymgt/revoked_tokens.proto"),
];

/// The blocks of the page's example: of each line the bytes, and what stands beside them.
fn blocks() -> Vec<Vec<(Vec<u8>, &'static str)>> {
    let (_, example) = PROTOCOL.split_once("### An example").unwrap();
    let (example, _) = example.split_once("\n## ").unwrap();
    let blocks = example.split("```").skip(1).step_by(2);
    blocks
        .map(|block| block.lines().skip(1).map(line).collect())
        .collect()
}

fn line(line: &'static str) -> (Vec<u8>, &'static str) {
    let (bytes, beside) = line.split_once("  ").unwrap();
    (hex(bytes), beside.trim())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.split(' ');
    digits
        .map(|two| u8::from_str_radix(two, 16).unwrap())
        .collect()
}

fn joined(block: &[(Vec<u8>, &str)]) -> Vec<u8> {
    block.iter().flat_map(|(bytes, _)| bytes.clone()).collect()
}

/// What the text above the example says that it carries.
fn entries() -> Vec<Entry> {
    let uuid = Revocation::Token {
        identifier: id("0f8fad5b-d9cb-469f-a165-70867728950e"),
        expiry: Expiry::Known(UnixSeconds(1_800_000_000)),
    };
    let opaque = Revocation::Token {
        identifier: id("opaque"),
        expiry: Expiry::Never,
    };
    let app = Revocation::App {
        consumer_key: id("key"),
        revoked_at: UnixMillis(1_700_000_000_123),
        disbelieved: None,
    };
    [uuid, opaque, app].iter().map(Revocation::entry).collect()
}

#[test]
fn the_example_of_a_range_is_what_is_sent_and_is_read_as_it_says() {
    let [log, checkpoint, hashed] = &blocks()[..] else {
        panic!("another number of blocks")
    };
    let sent = Range {
        ledger: "5f0c1a2b".into(),
        to: "3-5f0c1a2b".into(),
        base: packed::BASE.0,
        entries: packed::encode(&entries()),
        walk: Walk::End.into(),
        ..Range::default()
    };
    assert_eq!(joined(log), sent.encode_to_vec());
    let read = Range::decode(&*joined(log)).unwrap();
    assert_eq!(read, sent);
    let read = packed::decode(&read.entries, UnixSeconds(read.base)).unwrap();
    assert_eq!(read, entries());

    let mut digests = Digests::new();
    read.iter().for_each(|entry| digests.insert(entry));
    let horizon = UnixSeconds(1_799_996_400);
    assert_eq!(Digests::boundary(horizon), horizon);
    let (digest, count) = digests.from(horizon);
    let sent = Range {
        ledger: "5f0c1a2b".into(),
        checkpoint: Some(Checkpoint {
            cursor: "3-5f0c1a2b".into(),
            horizon: horizon.0,
            digest: digest.to_bytes().into(),
            count,
            complete: true,
            as_of_ms: 1000,
            source_age_ms: Some(0),
        }),
        ..Range::default()
    };
    assert_eq!(joined(checkpoint), sent.encode_to_vec());

    // By hand, as the page has it: hash what stands left, add up what stands right.
    let mut sum = Digest::default();
    for ((bytes, half), entry) in hashed.iter().zip(&read) {
        let hash = sha256(bytes);
        assert_eq!(hash[..16], hex(half));
        sum = sum.plus(Digest::of(entry));
        assert_eq!(Digest::of(entry).to_bytes(), hash[..16]);
    }
    assert_eq!((sum, hashed.len()), (digest, 3));
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().unwrap().common.hash_provider.hash(bytes);
    hash.as_ref().to_vec()
}

/// The rows of the page's table of messages.
fn rows() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let (_, table) = PROTOCOL.split_once("| message | fields |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let (message, fields) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let fields = fields.split(", ").map(|field| {
            let (name, number) = field.split_once(' ').unwrap();
            (name.trim_matches('`'), number)
        });
        (message.trim_matches('`'), fields.collect())
    })
    .collect()
}

#[test]
fn the_numbers_of_the_fields_are_those_of_the_sources() {
    let rows = rows();
    assert_eq!(rows.len(), 10);
    for (message, fields) in rows {
        let begins = format!("\nmessage {message} {{");
        let source = SOURCES.iter().find_map(|source| source.split_once(&begins));
        let (_, body) = source.unwrap_or_else(|| panic!("{message} is declared nowhere"));
        let (body, _) = body.split_once("\n}").unwrap();
        for (field, number) in fields {
            let declared = format!(" {field} = {number};");
            assert!(body.contains(&declared), "{message}.{field}");
        }
    }
}
