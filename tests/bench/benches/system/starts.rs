//! From the start of a process until it does its work, with what an earlier one left on disk.

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rescind_enforcer::{
    clock::{Clock as _, SystemClock},
    journal::{Checkpoint, Journal, State},
};
use rescind_ledger::Ledger;
use rescind_revocation::{
    Entry, Expiry, Identifier, Revocation, RevokedSet, TokenId, UnixMillis, UnixSeconds,
};
use rescind_runtime::tls::{self, Identity, Trust};
use rescind_stack::Stack;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    Only,
    measure::{median, show},
    world::{folder, release},
};

const RUNS: usize = 7;
const TEN_MILLION: usize = 10_000_000;

pub(crate) async fn run(only: &Only) {
    if !only.takes(&["start."]) {
        return;
    }
    let state = folder();
    // Nothing is started: certificates and configurations are what is wanted of it.
    let stack = Stack::builder()
        .state(state.path())
        .free_ports()
        .only(&[])
        .start()
        .await
        .unwrap();
    if only.takes(&["start.adapter"]) {
        fill_ledger(&state.path().join("adapter"), 100_000);
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(adapter(&stack).await);
        }
        show(
            "start.adapter_ms",
            "100 000 entries on disk",
            median(runs),
            "ms",
            None,
        );
    }
    if only.takes(&["start.enforcer"]) {
        image(&state.path().join("enforcer"), TEN_MILLION);
        let runs = (0..3).map(|_| enforcer(&stack)).collect();
        show(
            "start.enforcer_ms",
            "own image of 10 000 000",
            median(runs),
            "ms",
            None,
        );
    }
    stack.stop().await;
}

/// Milliseconds until the discovery port has answered a handshake and the first bytes of HTTP/2.
async fn adapter(stack: &Stack) -> f64 {
    let var = |name: &str| stack.var(name);
    let trust = Trust::load(var("CA_CERT")).unwrap();
    let identity = Identity::new(var("XDS_CLIENT_CERT"), var("XDS_CLIENT_KEY"));
    let config = tls::client_config(&trust, Some(&identity), tls::ALPN_H2).unwrap();
    let connector = TlsConnector::from(Arc::clone(&config));
    let began = Instant::now();
    let mut child = start(stack, "adapter", Stdio::null());
    let socket = loop {
        match TcpStream::connect(var("XDS_ADDR")).await {
            Ok(socket) => break socket,
            Err(_) => tokio::time::sleep(Duration::from_micros(300)).await,
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the adapter does not listen"
        );
    };
    let name = rustls_pki_types::ServerName::try_from("adapter").unwrap();
    let mut tls = connector.connect(name, socket).await.unwrap();
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    tls.read_u8().await.unwrap();
    let took = began.elapsed().as_secs_f64() * 1e3;
    end(&mut child);
    took
}

/// Milliseconds until the log says that checks are answered: the set is restored and the port bound before that.
fn enforcer(stack: &Stack) -> f64 {
    let began = Instant::now();
    let mut child = start(stack, "enforcer", Stdio::piped());
    let mut stdout = child.stdout.take().unwrap();
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains("Enforcer started") {
        let read = stdout.read(&mut piece).unwrap();
        assert!(read > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert!(text.contains("complete=true"), "{text}");
    end(&mut child);
    took
}

fn start(stack: &Stack, part: &str, stdout: Stdio) -> Child {
    Command::new(release().join(format!("rescind-{part}")))
        .arg("--config")
        .arg(stack.state().join(format!("{part}.toml")))
        .env_clear()
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn bits(n: usize) -> u128 {
    (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// Tomorrow and a while: nothing of it is swept meanwhile.
fn expiry(n: usize) -> Expiry {
    let now = SystemClock.wall();
    Expiry::Known(UnixSeconds(now.0 / 1000 + 86_400 + n as u64 % 86_400))
}

fn fill_ledger(directory: &Path, entries: usize) {
    let (mut ledger, _) = Ledger::open(directory).unwrap();
    let token = |n| {
        let hex = format!("{:032x}", bits(n));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        Revocation::Token {
            identifier: Identifier::new(parts.join("-")).unwrap(),
            expiry: expiry(n),
        }
    };
    for first in (0..entries).step_by(10_000) {
        let group: Vec<_> = (first..entries.min(first + 10_000)).map(token).collect();
        ledger.append(&group).unwrap();
    }
    ledger
        .mark_complete(UnixMillis(SystemClock.wall().0))
        .unwrap();
}

/// What a process of this boot leaves that was told by its adapter that it has everything.
fn image(directory: &Path, entries: usize) {
    let set = RevokedSet::with_capacity(entries);
    for first in (0..entries).step_by(100_000) {
        let batch: Vec<_> = (first..first + 100_000)
            .map(|n| Entry::Token {
                id: TokenId::from_u128(bits(n)),
                expiry: expiry(n),
            })
            .collect();
        set.apply(&batch, &format!("{}-0a0b0c0d", first + 100_000));
    }
    let mut state = State::default();
    state.set_cursor("", &format!("{entries}-0a0b0c0d"));
    state.complete = true;
    state.checkpoint = Some(Checkpoint {
        wall: SystemClock.wall(),
        boot: SystemClock.boot_millis(),
    });
    let (mut journal, _) = Journal::open(directory, SystemClock.boot_id()).unwrap();
    journal.begin(&set, &state).unwrap();
}
