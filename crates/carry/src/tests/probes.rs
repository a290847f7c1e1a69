//! Probes: our own, and those of others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use http::{HeaderMap, Response};
use tokio::net::TcpListener;

use super::{Certificates, Original, World, original::echo, soon, upstream};
use crate::{Hops, Settings, connection::HEALTH};

/// How many questions for health an original has under way, had at most, and had in all.
#[derive(Default)]
struct Asked {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Asked {
    async fn original(self: &Arc<Self>) -> Original {
        let asked = Arc::clone(self);
        Original::start(move |mut call| {
            let asked = Arc::clone(&asked);
            async move {
                if call.head.uri().path() != HEALTH {
                    return echo(call).await;
                }
                asked.all.fetch_add(1, Ordering::SeqCst);
                let now = asked.now.fetch_add(1, Ordering::SeqCst) + 1;
                asked.most.fetch_max(now, Ordering::SeqCst);
                // Whoever asks beside this one is heard before it is answered.
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                asked.now.fetch_sub(1, Ordering::SeqCst);
                let answer = Response::builder().header("grpc-status", "12");
                let answer: Response<()> = answer.body(()).unwrap();
                let _ = call.respond.send_response(answer, true);
            }
        })
        .await
    }
}

/// What somebody else's probe says.
fn foreign() -> HeaderMap {
    let mut marks = HeaderMap::new();
    Hops::new().mark(&mut marks, None);
    marks
}

#[tokio::test]
async fn somebody_elses_probe_that_is_not_answered_takes_no_connection_away() {
    let original = Original::start(|call| async move {
        match call.head.uri().path() == HEALTH {
            true => std::future::pending().await,
            false => echo(call).await,
        }
    })
    .await;
    let world = World::to(&original).await;
    assert_eq!(world.caller.unary(b"x").await.status(), "0");
    // Nothing else comes to pass, so time passes.
    tokio::time::pause();
    assert!(world.carry.loops(&foreign()).await.is_none());
    tokio::time::resume();
    assert_eq!(world.caller.unary(b"x").await.status(), "0");
    assert_eq!(original.connections(), 1);
}

#[tokio::test]
async fn somebodys_probes_are_asked_once_for_a_while() {
    let asked = Arc::new(Asked::default());
    let original = asked.original().await;
    let world = World::to(&original).await;
    let probe = foreign();
    let probes = join_all((0..50).map(|_| world.carry.loops(&probe)));
    assert!(soon(probes).await.iter().all(Option::is_none));
    // More than one only where the machine stood still.
    let all = asked.all.load(Ordering::SeqCst);
    assert!((1..25).contains(&all), "{all}");
}

#[tokio::test]
async fn probes_of_many_are_asked_one_after_another() {
    let asked = Arc::new(Asked::default());
    let original = asked.original().await;
    let world = World::to(&original).await;
    let marks: Vec<_> = (0..20).map(|_| foreign()).collect();
    let probes = join_all(marks.iter().map(|probe| world.carry.loops(probe)));
    assert!(soon(probes).await.iter().all(Option::is_none));
    assert_eq!(asked.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_one_is_told_is_told_to_nobody_else() {
    let original = Original::start(|mut call| async move {
        // As one behind does that is sent too long a list.
        let list = call.head.headers()["rescind-hops"].to_str().unwrap();
        let too_long = list.split(',').count() > 5;
        let mut answer: Response<()> = Response::default();
        if too_long {
            Hops::say(answer.headers_mut());
        }
        let _ = call.respond.send_response(answer, true);
    })
    .await;
    let world = World::to(&original).await;
    let mut long = HeaderMap::new();
    for _ in 0..10 {
        let from = long.clone();
        Hops::new().mark(&mut long, Some(&from));
    }
    assert!(world.carry.loops(&long).await.is_some());
    assert!(world.carry.loops(&foreign()).await.is_none());
    assert!(world.carry.loops(&long).await.is_some());
}

#[tokio::test]
async fn a_probe_ends_in_time_where_no_connection_comes_to_stand() {
    let certificates = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = Settings {
        probe_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let world = World::with(&upstream(&certificates, address), settings).await;
    let away = soon(world.carry.probe()).await.unwrap_err().to_string();
    assert!(away.contains("it does not answer within 100ms"), "{away}");
}
