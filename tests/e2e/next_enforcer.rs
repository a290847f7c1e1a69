//! Our enforcer in front of another: what callers and APIs see is what they would see without us, but for revoked
//! credentials.
//!
//! Two Envoys with the same bootstrap: one asks the scripted enforcer itself, the other asks ours, which asks the scripted one.

mod rows;
mod script;
pub(crate) mod sides;

use std::time::Duration;

use prost::bytes::Bytes;
use tonic::Code;

use crate::{
    clients::frames::RawClient,
    eventually::eventually,
    port::Port,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};
use rescind_stack::Part;
use rows::{Row, allowed, rows};
use script::{Asked, FRAMES, NextEnforcer, Script};
use sides::{Api, Gate, Ports, Wire, program_of};

const SILENT: &str = r#"{"error_message":"Service Unavailable","code":"900900","error_description":"The check of this request could not be completed"}"#;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "before_another_enforcer_all_is_as_without_us_but_for_what_is_revoked",
        all,
    );
}

/// Both ways to the same API.
struct Front {
    world: World,
    next: NextEnforcer,
    api: Api,
    direct: Gate,
    ours: Gate,
    _folder: tempfile::TempDir,
}

impl Front {
    async fn start(broker: &Broker) -> Self {
        let held = Port::free();
        let port = held.number();
        let world = World::start(broker).await;
        let next = NextEnforcer::start(held, &world.state().join("certs"));
        // The stack has its certificates only once it runs, and is ready only where the enforcer behind answers.
        world.end(Part::Enforcer).await;
        world.add_to_config(
            Part::Enforcer,
            &format!("\n[next]\naddress = '127.0.0.1'\nport = {port}\n"),
        );
        world.begin(Part::Enforcer).await;
        let api = Api::start().await;
        let bootstrap = world.config_text("envoy.yaml");
        let stack = world.ports();
        let ports = Ports {
            admin: stack.envoy_admin,
            tls: stack.envoy_tls,
            plain: stack.envoy_plain,
            h2: stack.envoy_h2,
            ext_authz: stack.ext_authz,
            upstream: stack.upstream,
            api: api.port,
        };
        let binary = program_of(world.pid(Part::Envoy).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let gate = async |enforcer| {
            Gate::start(&binary, folder.path(), &bootstrap, &ports, enforcer).await
        };
        Self {
            direct: gate(port).await,
            ours: gate(ports.ext_authz).await,
            world,
            next,
            api,
            _folder: folder,
        }
    }

    /// The same request both ways: both answers, and what reached API and enforcer.
    async fn both(&self, request: &Wire<'_>) -> [Seen; 2] {
        let mut seen = Vec::new();
        for gate in [&self.direct, &self.ours] {
            let answer = gate.ask(request).await;
            seen.push(Seen {
                answer,
                upstream: self.api.take(),
                asked: self.next.scripts.take_asked(),
            });
        }
        seen.try_into().unwrap_or_else(|_| unreachable!())
    }

    async fn token(&self) -> String {
        format!("Bearer {}", self.world.control_plane().token().await)
    }
}

#[derive(Debug)]
struct Seen {
    answer: String,
    upstream: Vec<String>,
    asked: Vec<Asked>,
}

impl Seen {
    fn status(&self) -> &str {
        self.answer.split(' ').nth(1).unwrap_or_default()
    }

    fn body(&self) -> &str {
        self.answer.split_once("\r\n\r\n").unwrap().1
    }
}

async fn all(broker: &Broker) {
    let mut front = Front::start(broker).await;
    let good = front.token().await;
    for row in rows() {
        same(&front, &row, &good).await;
    }
    revoked(&front).await;
    frames(&front).await;
    errors(&front, &good).await;
    gone(&mut front, &good).await;
    frozen(&front, &good).await;
    front.world.stop().await;
}

/// One row both ways.
async fn same(front: &Front, row: &Row, token: &str) {
    let name = row.name;
    front
        .next
        .scripts
        .set(name, Script::Answer(row.answer.clone()));
    let mut request = row.request.clone();
    request.headers.push(("x-row", name));
    for (_, value) in &mut request.headers {
        if *value == "GOOD" {
            *value = token;
        }
    }
    let [direct, ours] = front.both(&request).await;
    assert_eq!(ours.answer, direct.answer, "{name}");
    assert_eq!(ours.upstream, direct.upstream, "{name}");
    assert_eq!(direct.status(), row.status, "{name}: {}", direct.answer);
    assert_eq!(direct.upstream.len(), usize::from(row.reaches), "{name}");
    assert_eq!(ours.asked.len(), direct.asked.len(), "{name}");
    for (ours, direct) in ours.asked.iter().zip(&direct.asked) {
        assert_eq!(attributes(ours), attributes(direct), "{name}");
        assert_eq!(metadata(ours), metadata(direct), "{name}");
    }
}

/// What a check says, but for connection and time.
fn attributes(asked: &Asked) -> String {
    let mut attributes = asked.check.attributes.clone().unwrap();
    attributes.source = None;
    attributes.destination = None;
    let request = attributes.request.as_mut().unwrap();
    request.time = None;
    let http = request.http.as_mut().unwrap();
    http.id.clear();
    let mut headers: Vec<_> = std::mem::take(&mut http.headers).into_iter().collect();
    headers.sort();
    let mut extensions: Vec<_> = attributes.context_extensions.drain().collect();
    extensions.sort();
    format!("{attributes:?} {headers:?} {extensions:?}")
}

/// The metadata of a call, but for the time that it may take.
fn metadata(asked: &Asked) -> Vec<(String, String)> {
    let all = asked.metadata.iter();
    let mut all: Vec<_> = all
        .filter(|(name, _)| !["grpc-timeout", "grpc-accept-encoding"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    all.sort();
    assert!(asked.metadata.contains_key("grpc-timeout"));
    all
}

fn request<'a>(row: &'a str, token: &'a str) -> Wire<'a> {
    Wire {
        method: "GET",
        target: "/demo/v1/echo",
        headers: vec![("authorization", token), ("x-row", row)],
        body: String::new(),
    }
}

/// The one difference.
async fn revoked(front: &Front) {
    front.next.scripts.set("revoked", Script::Answer(allowed()));
    let token = front.world.control_plane().token().await;
    let bearer = format!("Bearer {token}");
    let request = request("revoked", &bearer);
    let [direct, ours] = front.both(&request).await;
    assert_eq!((direct.status(), ours.status()), ("200", "200"));
    front.world.control_plane().revoke(&token).await;
    let ask = || front.ours.ask(&request);
    let refused = |answer: &String| answer.starts_with("HTTP/1.1 401 ");
    eventually(Duration::from_secs(30), ask, refused).await;
    front.api.take();
    front.next.scripts.take_asked();
    let [direct, ours] = front.both(&request).await;
    assert_eq!(direct.status(), "200");
    assert_eq!((ours.status(), ours.body()), ("401", REVOKED_TOKEN));
    assert!(ours.asked.is_empty() && ours.upstream.is_empty());
}

/// Another service of the same port.
async fn frames(front: &Front) {
    let identity = front.world.router_identity();
    let channel = front.world.ext_authz_channel(Some(&identity)).await;
    let client = RawClient::new(channel.unwrap());
    let frame = |n: usize| Bytes::from(format!("frame {n}").repeat(100));
    let sent = tokio_stream::iter((0..1000).map(frame));
    let mut echoed = client.streaming(FRAMES, sent).await.unwrap();
    for n in 0..1000 {
        assert_eq!(echoed.message().await.unwrap(), Some(frame(n)));
    }
    assert_eq!(echoed.message().await.unwrap(), None);
}

/// An error for an answer, of gRPC or of nothing that is an answer.
async fn errors(front: &Front, token: &str) {
    for (row, script) in [
        ("unavailable", Script::Fails(Code::Unavailable)),
        ("unknown", Script::Fails(Code::Unknown)),
        ("exhausted", Script::Fails(Code::ResourceExhausted)),
        ("garbage", Script::Answer(b"\x0a\xff garbage".to_vec())),
        (
            "cut",
            Script::Answer(allowed()[..allowed().len() - 1].to_vec()),
        ),
    ] {
        front.next.scripts.set(row, script);
        let [_, ours] = front.both(&request(row, token)).await;
        assert_eq!((ours.status(), ours.body()), ("503", SILENT), "{row}");
        assert!(ours.upstream.is_empty());
    }
    let page = front.world.admin("ENFORCER_ADMIN_URL", "/metrics").await.1;
    let line = "rescind_enforcer_next_calls_total{outcome=\"failed\"} 5";
    assert!(page.contains(line), "{page}");
}

/// Killed and started again, with a request under way.
async fn gone(front: &mut Front, token: &str) {
    let scripts = front.next.scripts.clone();
    scripts.set("hangs", Script::Hangs);
    scripts.set("after", Script::Answer(allowed()));
    let (hanging, after) = (request("hangs", token), request("after", token));
    let under_way = front.ours.ask(&hanging);
    let (cut_off, ()) = tokio::join!(under_way, async {
        let asked = || async { scripts.take_asked().len() };
        eventually(Duration::from_secs(30), asked, |count| *count == 1).await;
        front.next.kill().await;
    });
    assert!(cut_off.starts_with("HTTP/1.1 503 ") && cut_off.ends_with(SILENT));
    let down = front.ours.ask(&after).await;
    assert!(down.starts_with("HTTP/1.1 503 ") && down.ends_with(SILENT));
    let (status, page) = front.world.admin("ENFORCER_ADMIN_URL", "/readyz").await;
    assert_eq!(status, 200);
    assert!(page.contains("degraded: next enforcer: "), "{page}");

    front.next.restart();
    let ask = || front.ours.ask(&after);
    let passes = |answer: &String| answer.starts_with("HTTP/1.1 200 ");
    eventually(Duration::from_secs(20), ask, passes).await;
    let page = async || front.world.admin("ENFORCER_ADMIN_URL", "/readyz").await.1;
    let recovered = |page: &String| !page.contains("next enforcer");
    eventually(Duration::from_secs(30), page, recovered).await;
}

/// Alive, and silent: refused by us, before Envoy has lost patience.
async fn frozen(front: &Front, token: &str) {
    front.api.take();
    let answer = front.ours.ask(&request("hangs", token)).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(SILENT));
    assert!(front.api.take().is_empty());
    let answer = front.ours.ask(&request("after", token)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
