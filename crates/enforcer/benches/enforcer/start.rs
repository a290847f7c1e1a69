//! From the start of the process to ready, from its own image of 100 000 tokens, with no adapter there.

use std::{
    io::Read as _,
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rescind_enforcer::{
    clock::{Clock as _, SystemClock},
    journal::{Checkpoint, Journal, State},
};
use rescind_revocation::RevokedSet;

use super::{Figure, input, median};

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key);
    std::fs::write(path("c.pem"), certificate.unwrap().pem()).unwrap();
    std::fs::write(path("k.pem"), key.serialize_pem()).unwrap();
    let port = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let [checks, admin] = [(), ()].map(port);
    let config = format!(
        "[enforcer.state]\ndirectory = '{}'\n[enforcer.authService]\nhost = '127.0.0.1'\nport = {checks}\n\
         [enforcer.restServer]\nport = {admin}\n[enforcer.keystore]\ncertPath = '{c}'\nkeyPath = '{}'\n\
         [enforcer.truststore]\nlocation = '{c}'\n[xds]\nadapters = ['127.0.0.1:9']\n",
        path("state"),
        path("k.pem"),
        c = path("c.pem"),
    );
    std::fs::write(path("enforcer.toml"), config).unwrap();
    image(&path("state"));
    let runs = (0..7).map(|_| once(&path("enforcer.toml"))).collect();
    let value = median(runs);
    Figure {
        name: "start.enforcer_ms",
        case: "own image of 100 000",
        value,
        unit: "ms",
        goal: 200.0,
        limit: None,
        peer: None,
        met: value <= 200.0,
    }
    .print();
}

/// What a process of this boot leaves that was told by its adapter that it has everything.
pub(crate) fn image(path: &str) {
    let set = RevokedSet::new();
    set.apply(&input::entries(100_000), "100000-0a0b0c0d");
    let mut state = State::default();
    state.set_cursor("", "100000-0a0b0c0d");
    state.complete = true;
    state.checkpoint = Some(Checkpoint {
        wall: SystemClock.wall(),
        boot: SystemClock.boot_millis(),
    });
    let (mut journal, _) = Journal::open(path.as_ref(), SystemClock.boot_id()).unwrap();
    journal.begin(&set, &state).unwrap();
}

/// Milliseconds until the log says that checks are answered: the port is bound and the set is restored before that.
fn once(config: &str) -> f64 {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
        .args(["--config", config])
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains("Enforcer started") {
        let read = stdout.read(&mut piece).unwrap();
        assert!(read > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        assert!(began.elapsed() < Duration::from_secs(30), "{text}");
    }
    let took = began.elapsed().as_secs_f64() * 1e3;
    assert!(text.contains("complete=true"), "{text}");
    let _ = child.kill();
    let _ = child.wait();
    took
}
