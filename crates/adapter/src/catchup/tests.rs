use std::{collections::VecDeque, net::SocketAddr, sync::Mutex};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use futures_util::{FutureExt as _, StreamExt as _};
use rescind_eventhub::CatchupConfig;
use rescind_revocation::{Identifier, Kind};
use rescind_runtime::tls;
use tokio::{net::TcpListener, time::timeout};

use super::*;
use crate::testing::{Running, prepared, soon};

const EMPTY: &str = "[]";
const OLD: &str = r#"[{"jwt_signature":"token-a","expiry_time":4000000000000}]"#;
const NEW: &str = r#"{
    "revokedJWTList":[{"jwt_signature":"token-a","expiry_time":4000000000000}],
    "revokedJWTSubjectEntityList":[
        {"entity_id":"someone","entity_type":"USER_ID","revocation_time":1710000000000,"organization":"carbon.super"}],
    "revokedJWTConsumerKeyList":[
        {"consumer_key":"key","revocation_time":1710000000000,"organization":"carbon.super"}]}"#;

/// What the control plane answers, one after the other; the last one for ever.
type Script = Vec<(StatusCode, String)>;

/// An answer that says it is longer than it is: the connection ends in its middle.
const CUT: StatusCode = StatusCode::PARTIAL_CONTENT;

fn ok(body: &str) -> (StatusCode, String) {
    (StatusCode::OK, body.to_owned())
}

/// Serves the script. Each request is told to the test before it is answered, and waits until the test has heard of it.
async fn control_plane(script: Script) -> (SocketAddr, mpsc::Receiver<oneshot::Sender<()>>) {
    let (requests, heard) = mpsc::channel(1);
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let answer = move |headers: HeaderMap| async move {
        // admin:secret
        let basic = "Basic YWRtaW46c2VjcmV0";
        assert_eq!(headers[header::AUTHORIZATION], basic);
        let (go, gone_on) = oneshot::channel();
        requests.send(go).await.unwrap();
        gone_on.await.unwrap();
        let mut script = script.lock().unwrap();
        let (status, body) = match script.len() {
            1 => script[0].clone(),
            _ => script.pop_front().unwrap(),
        };
        if status == CUT {
            // Had it broken at once, nothing would have been sent.
            let broken = async {
                sleep_until(Instant::now() + Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            };
            let begin = futures_util::future::ready(Ok(body)).boxed();
            let body = futures_util::stream::iter([begin, broken.boxed()]).buffered(1);
            return Body::from_stream(body).into_response();
        }
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let router = Router::new().route("/internal/data/v1/revokedjwt", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    (address, heard)
}

struct Fixture {
    running: Running,
    requests: mpsc::Receiver<oneshot::Sender<()>>,
}

const QUICK: Timing = Timing {
    retry_interval: Duration::from_millis(5),
    unauthorized_retry: Duration::from_millis(10),
    empty_list_wait: Duration::from_millis(20),
    again_after: Duration::from_secs(3600),
    first: Duration::from_secs(3600),
    every: Duration::from_secs(3600),
    pause: Duration::from_millis(1),
};

async fn fixture(script: Script, timing: Timing) -> Fixture {
    let (address, requests) = control_plane(script).await;
    let running = prepared().run();
    let tls = tls::insecure_client_config(None, &[]).unwrap();
    let config = CatchupConfig::new(format!("http://{address}"), "admin", "secret", tls);
    let task = CatchupTask {
        list: Catchup::new(config).unwrap(),
        timing,
        reader: running.reader.clone(),
        asked: running.asked.clone(),
        clock: ControlPlaneClock::default(),
        commands: running.commands.clone(),
        health: running.health.clone(),
        metrics: Arc::clone(&running.metrics),
    };
    tokio::spawn(task.run(CancellationToken::new()));
    running.asked.ask();
    Fixture { running, requests }
}

impl Fixture {
    /// Waits for the next request and lets it be answered. Whether the ledger was complete before the answer.
    async fn request(&mut self) -> bool {
        let go = soon(self.requests.recv()).await.unwrap();
        let complete = self.running.head.borrow().complete;
        go.send(()).unwrap();
        complete
    }

    async fn complete(&mut self) {
        let head = &mut self.running.head;
        soon(head.wait_for(|head| head.complete)).await.unwrap();
        self.running
            .log
            .line("Revoked tokens are retrieved from control plane")
            .await;
    }

    fn holds(&self, kind: Kind, name: &str) -> bool {
        let name = Identifier::new(name).unwrap();
        self.running.reader.find(kind, &name).is_some()
    }
}

#[tokio::test]
async fn both_forms_are_merged_whole_and_then_the_ledger_is_complete() {
    for (body, entries) in [(OLD, 1), (NEW, 3)] {
        let mut fixture = fixture(vec![ok(body)], QUICK).await;
        assert!(!fixture.request().await);
        fixture.complete().await;
        assert_eq!(fixture.running.reader.len(), entries);
        assert!(fixture.holds(Kind::Token, "token-a"));
        assert_eq!(fixture.holds(Kind::App, "key"), entries == 3);
        assert_eq!(fixture.holds(Kind::Subject, "someone"), entries == 3);
    }
}

#[tokio::test]
async fn an_empty_first_list_counts_when_it_is_empty_again() {
    let mut fixture = fixture(vec![ok(EMPTY)], QUICK).await;
    let began = Instant::now();
    assert!(!fixture.request().await);
    fixture.running.log.line("list is empty").await;
    assert!(!fixture.request().await);
    assert!(began.elapsed() >= QUICK.empty_list_wait);
    fixture.complete().await;
    assert!(fixture.running.reader.is_empty());
    assert_eq!(fixture.running.log.lines("list is empty").len(), 1);
}

#[tokio::test]
async fn an_empty_first_list_may_have_been_a_mistake() {
    let broken = (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    let mut fixture = fixture(vec![ok(EMPTY), broken, ok(OLD)], QUICK).await;
    for _ in 0..3 {
        assert!(!fixture.request().await);
    }
    fixture.complete().await;
    assert!(fixture.holds(Kind::Token, "token-a"));
}

#[tokio::test]
async fn a_later_empty_list_removes_nothing() {
    let mut fixture = fixture(vec![ok(OLD), ok(EMPTY)], QUICK).await;
    fixture.request().await;
    fixture.complete().await;
    fixture.running.asked.ask();
    assert!(fixture.request().await);
    fixture.complete().await;
    assert!(fixture.holds(Kind::Token, "token-a"));
    assert_eq!(fixture.running.log.lines("list is empty"), [""; 0]);
}

#[tokio::test]
async fn a_refused_login_is_loud_and_tried_again() {
    let refused = (StatusCode::UNAUTHORIZED, String::new());
    let mut fixture = fixture(vec![refused, ok(OLD)], QUICK).await;
    fixture.request().await;
    let line = fixture.running.log.line("ERROR").await;
    assert!(line.contains("status 401"), "{line}");
    assert!(!line.contains("secret"), "{line}");
    assert_eq!(fixture.running.degraded(), ["catch-up"]);
    fixture.request().await;
    fixture.complete().await;
    assert_eq!(fixture.running.degraded(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_list_is_tried_again_and_again() {
    let script = vec![
        (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        (StatusCode::NO_CONTENT, String::new()),
        ok(""),
        ok("<html>"),
        ok(OLD),
    ];
    let mut fixture = fixture(script, QUICK).await;
    for _ in 0..5 {
        assert!(!fixture.request().await);
    }
    fixture.complete().await;
    assert!(fixture.holds(Kind::Token, "token-a"));
    let failed = "Error occurred while fetching revoked tokens from control plane";
    assert_eq!(fixture.running.log.lines(failed).len(), 4);
}

#[tokio::test]
async fn a_list_of_which_no_row_can_be_read_does_not_make_the_ledger_complete() {
    let renamed = r#"{"revokedJWTList":[{"jti":"token-b"},{"jti":"token-c"}],
        "revokedJWTConsumerKeyList":[{"consumer_key":"key","revocation_time":1710000000000}]}"#;
    let mut fixture = fixture(vec![ok(renamed), ok(renamed), ok(OLD)], QUICK).await;
    fixture.request().await;
    let line = fixture.running.log.line("does not count as read").await;
    assert!(line.contains("entries=1 changed=1"), "{line}");
    assert!(fixture.holds(Kind::App, "key"));
    assert_eq!(fixture.running.degraded(), ["catch-up"]);
    assert_eq!(fixture.running.metrics.unreadable_rows.get(), 2);
    assert!(!fixture.request().await);
    assert!(!fixture.request().await);
    fixture.complete().await;
    assert_eq!(fixture.running.degraded(), [""; 0]);
    assert_eq!(fixture.running.metrics.unreadable_rows.get(), 0);
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_counted_and_shown_until_they_can() {
    let broken = r#"[{"jwt_signature":"token-a"},{"jwt_signature":""}]"#;
    let mut fixture = fixture(vec![ok(broken), ok(OLD)], QUICK).await;
    fixture.request().await;
    fixture.complete().await;
    let report = fixture.running.health.report();
    let [("catch-up", reason)] = &report.degraded[..] else {
        panic!("{report:?}");
    };
    assert!(reason.starts_with("1 of 2 rows"), "{reason}");
    assert_eq!(fixture.running.metrics.unreadable_rows.get(), 1);
    fixture.running.asked.ask();
    fixture.request().await;
    fixture.complete().await;
    assert_eq!(fixture.running.degraded(), [""; 0]);
    assert_eq!(fixture.running.metrics.unreadable_rows.get(), 0);
}

#[tokio::test]
async fn a_long_list_is_merged_in_groups() {
    let row = |n: usize| format!(r#"{{"jwt_signature":"token-{n}","expiry_time":0}}"#);
    let rows: Vec<_> = (0..20_001).map(row).collect();
    let mut fixture = fixture(vec![ok(&format!("[{}]", rows.join(",")))], QUICK).await;
    fixture.request().await;
    fixture.complete().await;
    assert_eq!(fixture.running.reader.len(), 20_001);
    let update = "New Revoked token cache update";
    let updates = fixture.running.log.lines(update);
    let versions: Vec<_> = updates
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(versions, ["10000", "20000", "20001"]);
}

#[tokio::test]
async fn the_list_is_read_once_more_a_while_later() {
    let timing = Timing {
        again_after: Duration::from_millis(30),
        ..QUICK
    };
    let mut fixture = fixture(vec![ok(OLD), ok(NEW)], timing).await;
    fixture.request().await;
    fixture.request().await;
    fixture.running.log.line("entries=3").await;
    assert!(fixture.holds(Kind::App, "key"));
}

#[tokio::test]
async fn a_list_that_breaks_off_is_kept_and_does_not_count() {
    let cut = (CUT, r#"[{"jwt_signature":"token-a"},{"jwt_sig"#.to_owned());
    let rest = ok(r#"[{"jwt_signature":"token-b"}]"#);
    let mut fixture = fixture(vec![cut, rest], QUICK).await;
    assert!(!fixture.request().await);
    let line = fixture.running.log.line("The list broke off").await;
    assert!(line.contains("entries=1 changed=1"), "{line}");
    assert!(fixture.holds(Kind::Token, "token-a"));
    assert!(!fixture.request().await);
    fixture.complete().await;
    // The second list is another one: what only the first had stays.
    assert!(fixture.holds(Kind::Token, "token-a") && fixture.holds(Kind::Token, "token-b"));
}

#[tokio::test]
async fn the_same_list_again_and_again_makes_no_new_version() {
    // Dated 2099, without a moment, unreadable: each counts as the moment of its first receipt.
    let rows = r#"{"revokedJWTList":[{"jwt_signature":"token-a","expiry_time":4000000000000}],
        "revokedJWTConsumerKeyList":[
            {"consumer_key":"far","revocation_time":4070908800000},
            {"consumer_key":"none"},
            {"consumer_key":"odd","revocation_time":"soon"}]}"#;
    let mut fixture = fixture(vec![ok(rows)], QUICK).await;
    fixture.request().await;
    fixture.complete().await;
    let head = fixture.running.reader.head();
    assert_eq!(head.sequence, 4);
    for _ in 0..10 {
        fixture.running.asked.ask();
        fixture.request().await;
        fixture.complete().await;
    }
    assert_eq!(fixture.running.reader.head(), head);
}

#[tokio::test]
async fn the_list_is_read_without_being_asked_for_from_time_to_time() {
    let timing = Timing {
        every: Duration::from_millis(10),
        ..QUICK
    };
    let mut fixture = fixture(vec![ok(OLD), ok(NEW), ok(OLD)], timing).await;
    for _ in 0..4 {
        fixture.request().await;
        fixture.complete().await;
    }
    assert_eq!(fixture.running.reader.len(), 3);
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_because_somebody_asks() {
    let slow = Timing {
        unauthorized_retry: Duration::from_secs(3600),
        again_after: Duration::ZERO,
        ..QUICK
    };
    let refused = (StatusCode::UNAUTHORIZED, String::new());
    let mut fixture = fixture(vec![refused], slow).await;
    fixture.request().await;
    fixture.running.log.line("ERROR").await;
    fixture.running.asked.ask();
    let asked = timeout(Duration::from_millis(300), fixture.requests.recv());
    assert!(asked.await.is_err(), "one more attempt to log in");
}

#[tokio::test]
async fn a_new_subscription_does_not_wait_for_the_next_attempt() {
    let slow = Timing {
        retry_interval: Duration::from_secs(3600),
        ..QUICK
    };
    let broken = (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    let mut fixture = fixture(vec![broken, ok(OLD)], slow).await;
    fixture.request().await;
    fixture.running.log.line("status 500").await;
    fixture.running.asked.subscribed();
    fixture.request().await;
    fixture.complete().await;
}

#[test]
fn attempts_grow_further_apart_while_they_fail() {
    let tls = tls::insecure_client_config(None, &[]).unwrap();
    let config = CatchupConfig::new("http://localhost", "admin", "secret", tls);
    let running = prepared();
    let task = CatchupTask {
        list: Catchup::new(config).unwrap(),
        timing: Timing::new(Duration::from_secs(5), Duration::ZERO),
        reader: running.reader.clone(),
        asked: Asked::default(),
        clock: ControlPlaneClock::default(),
        commands: running.commands.clone(),
        health: running.health.clone(),
        metrics: Arc::clone(&running.metrics),
    };
    let wait = |error, failures| task.failed(&error, &Merged::default(), failures).as_secs();
    let waits: Vec<_> = (1..=6)
        .map(|n| wait(CatchupError::Status(500), n))
        .collect();
    assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    assert_eq!(wait(CatchupError::Unauthorized(401), 1), 30);
}
