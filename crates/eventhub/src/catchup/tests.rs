use std::sync::Mutex;

use axum::{Router, extract::State, http::HeaderMap, response::IntoResponse, routing::get};
use rescind_revocation::{Expiry, Identifier, Revocation};
use tokio::net::TcpListener;

use super::*;
use crate::test_port::ClosedPort;

mod tls;

const NOW: UnixMillis = UnixMillis(1_710_000_000_000);

/// `admin:secret`.
const BASIC: &str = "Basic YWRtaW46c2VjcmV0";

/// What a control plane answers, and the headers of the last request.
#[derive(Clone)]
struct ControlPlane {
    answer: Arc<dyn Fn() -> axum::response::Response + Send + Sync>,
    asked: Arc<Mutex<Option<HeaderMap>>>,
}

impl ControlPlane {
    fn new<R: IntoResponse>(answer: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(move || answer().into_response()),
            asked: Arc::default(),
        }
    }

    fn router(&self) -> Router {
        let list = |State(this): State<Self>, headers: HeaderMap| async move {
            *this.asked.lock().unwrap() = Some(headers);
            (this.answer)()
        };
        Router::new()
            .route("/internal/data/v1/revokedjwt", get(list))
            .with_state(self.clone())
    }

    fn header(&self, name: header::HeaderName) -> String {
        let asked = self.asked.lock().unwrap();
        asked.as_ref().unwrap()[name].to_str().unwrap().to_owned()
    }

    /// Serves without TLS; the base URL.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

fn config(url: &str) -> CatchupConfig {
    CatchupConfig::new(url, "admin", "secret", crate::test_tls::trusting(&[]))
}

/// A list that was read to its end.
#[derive(Debug, PartialEq)]
struct Whole {
    revocations: Vec<Revocation>,
    rows: Rows,
    date: Option<UnixMillis>,
}

async fn whole(catchup: &Catchup) -> Result<Whole, CatchupError> {
    let mut listing = catchup.fetch(NOW).await?;
    let mut revocations = Vec::new();
    loop {
        match listing.next().await? {
            Part::Group(group) => revocations.extend(group),
            Part::End(rows) => {
                let date = listing.date();
                return Ok(Whole {
                    revocations,
                    rows,
                    date,
                });
            }
        }
    }
}

async fn fetch_answer<R: IntoResponse>(
    answer: impl Fn() -> R + Send + Sync + 'static,
) -> Result<Whole, CatchupError> {
    let url = ControlPlane::new(answer).serve().await;
    whole(&Catchup::new(config(&url)).unwrap()).await
}

#[tokio::test]
async fn the_list_is_read_with_the_date_of_its_answer() {
    let control_plane = ControlPlane::new(|| {
        (
            [("date", "Sat, 09 Mar 2024 16:00:00 GMT")],
            r#"[{"jwt_signature":"a"},{}]"#,
        )
    });
    let url = control_plane.serve().await;
    let catchup = Catchup::new(config(&url)).unwrap();
    assert_eq!(
        whole(&catchup).await,
        Ok(Whole {
            revocations: vec![Revocation::Token {
                identifier: Identifier::new("a").unwrap(),
                expiry: Expiry::Unknown,
            }],
            rows: Rows {
                total: 2,
                skipped: 1,
            },
            date: Some(NOW),
        })
    );
    assert_eq!(control_plane.header(header::AUTHORIZATION), BASIC);
}

#[tokio::test]
async fn the_later_of_both_clocks_stands_in_for_a_moment() {
    for (date, at) in [
        ("Sat, 09 Mar 2024 15:00:00 GMT", NOW),
        (
            "Sat, 09 Mar 2024 17:00:00 GMT",
            UnixMillis(NOW.0 + 3_600_000),
        ),
        ("yesterday", NOW),
    ] {
        let list = fetch_answer(move || {
            let body = r#"{"revokedJWTConsumerKeyList":[{"consumer_key":"c"}]}"#;
            ([("date", date)], body)
        });
        let Revocation::App { revoked_at, .. } = list.await.unwrap().revocations[0] else {
            panic!("not an application");
        };
        assert_eq!(revoked_at, at, "{date}");
    }
}

#[tokio::test]
async fn each_status_has_its_error() {
    for (status, error) in [
        (401, CatchupError::Unauthorized(401)),
        (403, CatchupError::Unauthorized(403)),
        (404, CatchupError::Status(404)),
        (503, CatchupError::Status(503)),
        (204, CatchupError::Status(204)),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(fetch_answer(move || (status, "[]")).await, Err(error));
    }
}

#[tokio::test]
async fn a_redirect_does_not_take_the_password_along() {
    let elsewhere = ControlPlane::new(|| "[]");
    let location = elsewhere.serve().await + "/internal/data/v1/revokedjwt";
    let answer = move || (StatusCode::FOUND, [("location", location.clone())]);
    assert_eq!(fetch_answer(answer).await, Err(CatchupError::Status(302)));
    assert!(elsewhere.asked.lock().unwrap().is_none());
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error() {
    for body in ["", "  ", "<html/>", "{\"error\":\"x\"}", "[{"] {
        let error = fetch_answer(move || body).await.unwrap_err();
        assert!(matches!(error, CatchupError::Body(_)), "{body}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    // Says 100 bytes, sends a whole list, and hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[]";
        socket.write_all(answer).await.unwrap();
    };
    let catchup = Catchup::new(config(&url)).unwrap();
    let (result, ()) = tokio::join!(whole(&catchup), serve);
    assert!(
        matches!(result, Err(CatchupError::Transport(_))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_silent_control_plane_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let catchup = Catchup::new(CatchupConfig {
        read_timeout: Duration::from_millis(50),
        ..config(&url)
    });
    let catchup = catchup.unwrap();
    let fetched = tokio::time::timeout(Duration::from_secs(10), whole(&catchup));
    let error = fetched.await.expect("still waiting").unwrap_err();
    assert!(
        matches!(&error, CatchupError::Transport(text) if text.contains("timed out")),
        "{error}"
    );
}

#[tokio::test]
async fn an_error_names_its_cause_and_no_credentials() {
    let nobody = ClosedPort::new();
    let url = format!("http://127.0.0.1:{}", nobody.port);
    let catchup = Catchup::new(config(&url)).unwrap();
    let error = whole(&catchup).await.unwrap_err();
    let text = format!("{error} {error:?} {catchup:?} {:?}", config(&url));
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains("secret") && !text.contains(BASIC), "{text}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read_on() {
    let row = r#"{"jwt_signature":"a"}"#;
    let url = ControlPlane::new(move || format!("[{row}]")).serve().await;
    let limited = async |bytes| {
        let behind = Duration::from_secs(60);
        let mut listing = begin(&url, Limits { bytes, behind }).await;
        loop {
            match listing.next().await {
                Ok(Part::Group(_)) => {}
                end => return end,
            }
        }
    };
    let rows = Rows {
        total: 1,
        skipped: 0,
    };
    assert_eq!(limited(23).await, Ok(Part::End(rows)));
    let too_long = CatchupError::Body("more than 22 bytes".into());
    assert_eq!(limited(22).await, Err(too_long));
}

/// A listing of what is answered at `url`.
async fn begin(url: &str, limits: Limits) -> Listing {
    let catchup = Catchup::new(config(url)).unwrap();
    let request = catchup.client.get(catchup.url.clone());
    Listing::begin(request.send().await.unwrap(), NOW, limits)
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_given_up() {
    let control_plane = ControlPlane::new(|| {
        let bytes = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        axum::body::Body::from_stream(bytes)
    });
    let limits = Limits {
        bytes: MAX_LIST_BYTES,
        behind: Duration::from_millis(100),
    };
    let mut listing = begin(&control_plane.serve().await, limits).await;
    let next = tokio::time::timeout(Duration::from_secs(20), listing.next());
    let error = next.await.expect("still reading").unwrap_err();
    let text = "the list comes too slowly: 100ms behind 16 KiB a second";
    assert_eq!(error, CatchupError::Transport(text.into()));
}

#[tokio::test]
async fn a_body_cut_in_the_middle_gives_what_it_had() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            17\r\n[{\"jwt_signature\":\"a\"},\r\n";
        socket.write_all(answer).await.unwrap();
    };
    let catchup = Catchup::new(config(&url)).unwrap();
    let read = async {
        let mut listing = catchup.fetch(NOW).await.unwrap();
        (listing.next().await, listing.next().await)
    };
    let ((first, second), ()) = tokio::join!(read, serve);
    assert!(
        matches!(&first, Ok(Part::Group(group)) if group.len() == 1),
        "{first:?}"
    );
    assert!(
        matches!(second, Err(CatchupError::Transport(_))),
        "{second:?}"
    );
}

#[tokio::test]
async fn who_takes_slowly_slows_the_answer_down() {
    use axum::body::Body;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static SENT: AtomicUsize = AtomicUsize::new(0);
    let row = r#"{"jwt_signature":"4e330dbd-75c6-4ab5-a749-b9497aa3521a","expiry_time":1},"#;
    let url = ControlPlane::new(move || {
        let rows = futures_util::stream::repeat_with(move || {
            SENT.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(row.repeat(1000))
        });
        let rows =
            futures_util::StreamExt::chain(futures_util::stream::iter([Ok("[".to_owned())]), rows);
        Body::from_stream(rows)
    });
    let catchup = Catchup::new(config(&url.serve().await)).unwrap();
    let mut listing = catchup.fetch(NOW).await.unwrap();
    // The list has no end. Had it been read ahead, this would not come back.
    for _ in 0..3 {
        let Ok(Part::Group(group)) = listing.next().await else {
            panic!("no group");
        };
        assert_eq!(group.len(), 10_000);
    }
    drop(listing);
    // Two groups ahead, and what sockets and channels hold: some megabytes at the most.
    assert!(SENT.load(Ordering::Relaxed) < 300);
}
