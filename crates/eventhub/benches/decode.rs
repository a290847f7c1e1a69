//! How fast events are decoded, form by form. Prints one JSON object per line.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints, and ends where it cannot go on"
)]

use std::{hint::black_box, time::Instant};

use rescind_eventhub::{Received, decode};
use rescind_revocation::UnixMillis;

const JTI: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";
const APP: &str = "eyJjb25zdW1lcktleSI6ImFiYyIsInJldm9jYXRpb25UaW1lIjoiMTcxMDAwMDAwMDAwMCJ9";

fn text(token: &str, kind: &str) -> Vec<u8> {
    format!(
        "{{\"event\":{{\"payloadData\":{{\"eventId\":\"444d2f9b-57d8-4245-bef2-3f8d824741c3\",\"revokedToken\":\"{token}\",\
         \"ttl\":\"3600\",\"expiryTime\":1810000000000,\"type\":\"{kind}\",\"tenantId\":-1234}}}}}}"
    )
    .into_bytes()
}

/// `jms/map-message`: a count, then key, type byte and value of each entry.
fn map() -> Vec<u8> {
    let mut body = 4u32.to_be_bytes().to_vec();
    for (key, value) in [("revokedToken", JTI), ("type", "JWT"), ("ttl", "3600")] {
        body.extend(key.bytes().chain([0, 10]).chain(value.bytes()).chain([0]));
    }
    body.extend(b"expiryTime\0\x07");
    body.extend(1_810_000_000_000i64.to_be_bytes());
    body
}

fn measure(case: &str, content_type: &str, body: &[u8]) {
    const ROUNDS: u32 = 300_000;
    let received = Received::from(UnixMillis(1_710_000_000_000));
    let run = || {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            black_box(decode(Some(content_type), black_box(body), received)).unwrap();
        }
        began.elapsed()
    };
    run();
    let best = (0..3).map(|_| run()).min().unwrap();
    println!(
        "{{\"name\":\"decode.ns\",\"case\":\"{case}\",\"value\":{:.1},\"unit\":\"ns\"}}",
        best.as_nanos() as f64 / f64::from(ROUNDS)
    );
}

fn main() {
    measure("text", "text/plain", &text(JTI, "JWT"));
    measure("text, unescaped", "text/plain", &text("a\"b", "JWT"));
    let app = text(APP, "consumer_app_revocation_event");
    measure("text, application", "text/plain", &app);
    measure("map", "jms/map-message", &map());
}
