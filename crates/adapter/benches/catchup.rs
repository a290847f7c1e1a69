//! Catch-up of a million entries over HTTPS into a ledger, as the adapter does it: group by group while the list comes.
//! Prints one JSON object per line.
//!
//! The control plane is a process of its own that makes the list while it sends it.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints, and ends where it cannot go on"
)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use axum::{Router, body::Body, routing::get};
use futures_util::stream;
use rcgen::{CertificateParams, KeyPair};
use rescind_eventhub::{Catchup, CatchupConfig, Part};
use rescind_ledger::Ledger;
use rescind_revocation::UnixMillis;
use rescind_runtime::tls::{self, ClientAuth, Identity, TlsListener};
use tempfile::TempDir;

const CHILD: &str = "RESCIND_BENCH_CONTROL_PLANE";
const ROWS: usize = 1_000_000;
const CHUNK: usize = 500;

fn rows(from: usize) -> String {
    let mut text = String::with_capacity(CHUNK * 100);
    for n in from..from + CHUNK {
        let bits = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let hex = format!("{bits:032x}");
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        let comma = if n == 0 { "" } else { "," };
        text.push_str(&format!(
            "{comma}{{\"jwt_signature\":\"{a}-{b}-{c}-{d}-{e}\",\"expiry_time\":{}}}",
            1_800_000_000_000 + n as u64
        ));
    }
    text
}

async fn list() -> Body {
    let begin = [Ok::<_, std::io::Error>("{\"revokedJWTList\":[".to_owned())];
    let end = [Ok("],\"revokedJWTConsumerKeyList\":[]}".to_owned())];
    let middle = (0..ROWS).step_by(CHUNK).map(|from| Ok(rows(from)));
    Body::from_stream(stream::iter(begin.into_iter().chain(middle).chain(end)))
}

/// Prints its port and serves until it is killed.
async fn serve() {
    let directory = TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let paths = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    fs::write(&paths[0], certificate.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&paths[1], key.serialize_pem()).unwrap();
    let identity = Identity::new(&paths[0], &paths[1]);
    let tls = tls::server_config(&identity, &ClientAuth::None, tls::ALPN_HTTP).unwrap();
    let listener = TlsListener::bind("127.0.0.1", 0, tls).await.unwrap();
    let port = listener.local_addr().port();
    println!("{port}");
    let router = Router::new().route("/internal/data/v1/revokedjwt", get(list));
    axum::serve(listener, router).await.unwrap();
}

fn resident(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

fn print(name: &str, value: f64, unit: &str) {
    println!("{{\"name\":\"{name}\",\"case\":\"1M\",\"value\":{value:.3},\"unit\":\"{unit}\"}}");
}

async fn catch_up(port: u16) {
    let directory = TempDir::new_in(env::current_dir().unwrap()).unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let tls = tls::insecure_client_config(None, &[]).unwrap();
    let url = format!("https://127.0.0.1:{port}/");
    let catchup = Catchup::new(CatchupConfig::new(url, "admin", "secret", tls)).unwrap();
    let before = resident("RssAnon:");
    let began = Instant::now();
    let mut listing = catchup.fetch(UnixMillis(1_710_000_000_000)).await.unwrap();
    let mut merged = 0;
    loop {
        match listing.next().await.unwrap() {
            Part::Group(group) => {
                let append = tokio::task::spawn_blocking(move || {
                    merged += ledger.append(&group).unwrap().changed;
                    (ledger, merged)
                });
                (ledger, merged) = append.await.unwrap();
            }
            Part::End(rows) => {
                assert_eq!((rows.total, merged), (ROWS, ROWS));
                break;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let peak = resident("VmHWM:") - before;
    drop(listing);
    // What the set itself takes: as much as a reload of it.
    let head = ledger.reader().checkpoint();
    assert_eq!(head.entries, ROWS as u64);
    print("catchup.s", seconds, "s");
    print("catchup.peak_mb", peak / 1e6, "MB");
    let set = 56.0 * ROWS as f64;
    print("catchup.above_set_mb", (peak - set) / 1e6, "MB");
}

fn main() {
    tls::install_crypto_provider();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if env::var_os(CHILD).is_some() {
        return runtime.block_on(serve());
    }
    let mut child = Command::new(env::current_exe().unwrap())
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    runtime.block_on(catch_up(line.trim().parse().unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
}
