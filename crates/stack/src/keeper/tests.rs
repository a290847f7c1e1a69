use std::path::Path;

use super::*;
use crate::{probe::Probe, warden::Warden};

struct Kept {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<Status>,
    notices: mpsc::UnboundedReceiver<Notice>,
    _state: tempfile::TempDir,
    _port: std::net::TcpListener,
}

/// A shell in a part's place. The probe finds a port of the test's own, so it is ready at once.
fn keep(script: &str) -> Kept {
    let state = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (orders, orders_rx) = mpsc::channel(1);
    let (notices_tx, notices) = mpsc::unbounded_channel();
    let (status_tx, status) = watch::channel(Status::Down);
    let program = Program {
        part: Part::Upstream,
        path: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: Vec::new(),
        clean: false,
        log: state.path().join("log"),
        probe: Probe::Connect(port.local_addr().unwrap().port()),
    };
    let warden = Warden::start(Path::new("/bin/true"), state.path()).unwrap();
    let keeper = Keeper {
        program,
        journal: Arc::new(Journal::begin(state.path(), warden)),
        orders: orders_rx,
        status: status_tx,
        notices: notices_tx,
    };
    tokio::spawn(keeper.run());
    Kept {
        orders,
        status,
        notices,
        _state: state,
        _port: port,
    }
}

impl Kept {
    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, is_done) = oneshot::channel();
        self.orders.send(order(done)).await.unwrap();
        is_done.await.unwrap();
    }

    async fn end(&self, grace: Duration) {
        self.order(|done| Order::End(grace, done)).await;
    }

    async fn ready(&mut self) -> ProcessId {
        let is_ready = |status: &Status| matches!(status, Status::Ready(_));
        let status = *self.status.wait_for(is_ready).await.unwrap();
        status.process().unwrap()
    }

    async fn died(&mut self) -> Duration {
        loop {
            if let Notice::Died { rest, .. } = self.notices.recv().await.unwrap() {
                return rest;
            }
        }
    }
}

/// Kills the leader alone.
fn kill(process: ProcessId) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_part_that_is_killed_lives_again_after_the_first_rest() {
    let mut kept = keep("sleep 600");
    kept.order(Order::Start).await;
    let first = kept.ready().await;

    kill(first);
    assert_eq!(kept.died().await, FIRST_REST);
    let second = kept.ready().await;
    assert_ne!(first, second);

    kept.end(Duration::from_secs(5)).await;
    assert!(!second.is_alive());
}

#[tokio::test]
async fn one_that_is_ended_on_purpose_stays_down() {
    let mut kept = keep("sleep 600");
    kept.order(Order::Start).await;
    let process = kept.ready().await;
    kept.order(Order::Kill).await;
    assert_eq!(*kept.status.borrow(), Status::Down);
    assert!(!process.is_alive());
    kept.order(Order::Start).await;
    kept.ready().await;
}

#[tokio::test]
async fn one_that_does_not_listen_is_killed_after_its_grace() {
    let mut kept = keep("trap '' TERM; while :; do sleep 1; done");
    kept.order(Order::Start).await;
    let process = kept.ready().await;
    kept.end(Duration::from_millis(300)).await;
    assert!(!process.is_alive());
    assert!(process::group_members(process.pid).is_empty());
}

#[tokio::test]
async fn what_a_dead_leader_leaves_of_its_group_is_ended_too() {
    let mut kept = keep("sleep 600 & sleep 600");
    kept.order(Order::Start).await;
    let process = kept.ready().await;
    kill(process);
    kept.died().await;
    assert!(process::group_members(process.pid).is_empty());
}

#[test]
fn rests_grow_to_half_a_minute_and_begin_anew_after_a_life() {
    let mut rests = Rests::default();
    let short = Duration::from_secs(1);
    let grown: Vec<u64> = (0..8)
        .map(|_| rests.next(short).as_millis() as u64)
        .collect();
    assert_eq!(
        grown,
        [500, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
    );
    assert_eq!(rests.next(A_LIFE), FIRST_REST);
}
