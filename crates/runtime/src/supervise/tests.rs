//! The state machine, with paused time and signals from a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

struct Fixture {
    supervisor: Supervisor,
    health: Health,
    signals: mpsc::Sender<&'static str>,
    received: mpsc::Receiver<&'static str>,
}

fn fixture() -> Fixture {
    let health = Health::new();
    let (signals, received) = mpsc::channel(2);
    Fixture {
        supervisor: Supervisor::new(health.clone()),
        health,
        signals,
        received,
    }
}

/// Sets a flag when it is dropped, as a task's locals are when it ends or is aborted.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn until(cancel: CancellationToken) -> anyhow::Result<()> {
    cancel.cancelled().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_signal_drains_and_all_is_well() {
    let mut fixture = fixture();
    let token = fixture.supervisor.token();
    fixture.supervisor.spawn("one", until(token.clone()));
    fixture.supervisor.spawn("two", until(token));
    fixture.signals.send("SIGTERM").await.unwrap();
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 0);
    assert!(!fixture.health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn the_token_drains_as_a_signal_does() {
    let mut fixture = fixture();
    let token = fixture.supervisor.token();
    fixture.supervisor.spawn("one", until(token.clone()));
    token.cancel();
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_ends_the_process_and_the_others_drain() {
    let mut fixture = fixture();
    let token = fixture.supervisor.token();
    let drained = Arc::new(AtomicBool::new(false));
    let flag = drained.clone();
    fixture.supervisor.spawn("good", async move {
        token.cancelled().await;
        flag.store(true, Ordering::SeqCst);
        anyhow::Ok(())
    });
    fixture
        .supervisor
        .spawn("bad", async { Err(anyhow::anyhow!("broken")) });
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
    assert!(drained.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_unasked_ends_the_process() {
    let mut fixture = fixture();
    fixture.supervisor.spawn("short", async { anyhow::Ok(()) });
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_ends_the_process() {
    let mut fixture = fixture();
    fixture.supervisor.spawn("panics", async {
        assert_eq!(1, 2, "a bug");
        anyhow::Ok(())
    });
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_configuration_found_late_keeps_its_code() {
    let mut fixture = fixture();
    fixture.supervisor.spawn("late", async {
        Err(exit::UsageError::new("no such thing"))
    });
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_overruns_is_cut_off() {
    let mut fixture = fixture();
    let aborted = Arc::new(AtomicBool::new(false));
    let flag = Flag(aborted.clone());
    fixture.supervisor.spawn("stuck", async move {
        let _flag = flag;
        std::future::pending::<anyhow::Result<()>>().await
    });
    fixture.signals.send("SIGINT").await.unwrap();
    let start = Instant::now();
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
    assert_eq!(start.elapsed().as_secs(), DRAIN_DEADLINE.as_secs());
    while !aborted.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_at_once_unless_it_is_the_echo_of_the_first() {
    let mut fixture = fixture();
    fixture
        .supervisor
        .spawn("stuck", std::future::pending::<anyhow::Result<()>>());
    let start = Instant::now();
    tokio::spawn(async move {
        for at in [0, 0, 500, 2000] {
            sleep_until(start + Duration::from_millis(at)).await;
            fixture.signals.send("SIGTERM").await.unwrap();
        }
    });
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_error_while_draining_is_not_swallowed() {
    let mut fixture = fixture();
    let token = fixture.supervisor.token();
    fixture.supervisor.spawn("closing", async move {
        token.cancelled().await;
        Err(anyhow::anyhow!("could not close"))
    });
    fixture.signals.send("SIGHUP").await.unwrap();
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 1);
}

#[tokio::test(start_paused = true)]
async fn without_tasks_it_still_waits_to_be_told() {
    let fixture = fixture();
    fixture.signals.send("SIGTERM").await.unwrap();
    assert_eq!(fixture.supervisor.run_with(fixture.received).await, 0);
}

/// Real signals to this very process: once they are caught they do it no harm.
#[tokio::test]
async fn the_three_signals_are_caught() {
    use nix::sys::signal::{Signal, raise};
    let mut signals = signals().unwrap();
    for (signal, name) in [
        (Signal::SIGTERM, "SIGTERM"),
        (Signal::SIGINT, "SIGINT"),
        (Signal::SIGHUP, "SIGHUP"),
    ] {
        raise(signal).unwrap();
        assert_eq!(signals.recv().await, Some(name));
    }
}
