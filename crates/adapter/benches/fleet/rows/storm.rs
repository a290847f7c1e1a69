//! A thousand gateways start with nothing at once, while revocations flow to others: the adapter on one core, the clients on
//! the other. Beside it, in the same run: the same thousand streams, idle.

use std::{
    env,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    ROLE, Sizes,
    adapter::Running,
    fleet::{AT_ONCE, Fleet, Plan},
    ground::Ground,
    report::{print, quantile},
    stream::Form,
};

const HELD: u64 = 100_000;
const STEADY: usize = 20;

/// Between two revocations.
const PAUSE: Duration = Duration::from_millis(100);

/// How many are timed while the streams are idle.
const IDLE: usize = 50;

pub(crate) fn run(sizes: &Sizes) {
    const PINNED: &str = "storm";
    if env::var(ROLE).as_deref() != Ok(PINNED) {
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(env::current_exe().unwrap());
        command.arg("storm").args(sizes.quick.then_some("quick"));
        assert!(command.env(ROLE, PINNED).status().unwrap().success());
        return;
    }
    let count = sizes.of(1_000);
    let ground = Ground::new();
    ground.ledger("ledger", HELD);
    let mut adapter = Running::start_under(&ground, "ledger", HELD, &["taskset", "-c", "0"]);
    let (port, tls) = (adapter.port, ground.client_tls());
    let plan = |count, at_once, place| Plan {
        port,
        tls: tls.clone(),
        form: Form::Range,
        count,
        at_once,
        place,
    };
    let mut steady = Fleet::new();
    steady.open(&plan(STEADY, AT_ONCE, HELD));
    let mut fleet = Fleet::new();
    fleet.open(&plan(count, AT_ONCE, HELD));
    let storm = plan(count, count, HELD);

    let mut revoked = Vec::new();
    steady.note();
    for _ in 0..IDLE {
        revoke(&mut adapter, &mut revoked);
    }
    sleep(Duration::from_secs(1));
    let idle = p99(&steady, &revoked);
    drop(fleet);
    sleep(Duration::from_secs(1));

    revoked.clear();
    steady.note();
    let mut fleet = Fleet::new();
    let began = Instant::now();
    fleet.begin(&Plan {
        place: adapter.last,
        ..storm
    });
    let mut done = None;
    while done.is_none() {
        revoke(&mut adapter, &mut revoked);
        done = (fleet.reached() >= count).then(|| began.elapsed());
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "a storm without an end"
        );
    }
    sleep(Duration::from_secs(1));
    let busy = p99(&steady, &revoked);
    let case = format!("{count} x {HELD}");
    print("storm.idle_push_p99_ms", &case, idle, "ms");
    print("storm.live_push_p99_ms", &case, busy, "ms");
    print("storm.live_push_p99", &case, busy / idle, "x idle");
    print("storm.all_done_s", &case, done.unwrap().as_secs_f64(), "s");
}

fn revoke(adapter: &mut Running, revoked: &mut Vec<(u64, Duration)>) {
    let one = adapter.publish(1);
    revoked.push((adapter.last, one.received));
    sleep(PAUSE);
}

/// In milliseconds, over all revocations and all the steady streams.
fn p99(steady: &Fleet, revoked: &[(u64, Duration)]) -> f64 {
    let delays = steady.delays(revoked);
    assert_eq!(delays.len(), revoked.len() * STEADY);
    let mut delays: Vec<_> = delays
        .iter()
        .map(|delay| delay.as_secs_f64() * 1e3)
        .collect();
    quantile(&mut delays, 0.99)
}
