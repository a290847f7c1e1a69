//! Case 40 over real gRPC: whatever happens in whatever order, a client ends up with what the source holds.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::fixtures::wire::answer;

/// So many schedules; more by the variable, for a soak.
const SCHEDULES: u64 = 50;
const VARIABLE: &str = "RESCIND_XDS_SCHEDULES";

/// How a client subscribes.
#[derive(Debug, Clone, Copy)]
enum Form {
    State,
    Packed,
    Named,
}

/// What a client holds and where it stands.
#[derive(Debug, Default)]
struct Held {
    names: BTreeSet<String>,
    version: String,
    /// Of named resources each has its own.
    versions: BTreeMap<String, String>,
}

impl Held {
    /// Takes names in, unless one of them is bad; returns what is said against them.
    fn take(&mut self, names: Vec<String>, version: String) -> Option<&'static str> {
        if names.iter().any(|name| name.starts_with("bad")) {
            return Some("bad");
        }
        self.names.extend(names);
        self.version = version;
        None
    }
}

enum Open {
    State(Peer),
    Packed(DeltaPeer),
    Named(DeltaPeer),
}

impl Open {
    async fn open(server: &Served, form: Form, held: &Held) -> Self {
        let channel = server.connect().await;
        match form {
            Form::State => Self::State(Peer::open(&channel, classic("gw", &held.version)).await),
            Form::Packed => {
                let first = packed(&[("t", &held.version)]);
                Self::Packed(DeltaPeer::open(&channel, first).await)
            }
            Form::Named => {
                let versions = held.versions.iter();
                let versions: Vec<_> = versions.map(|(n, v)| (n.as_str(), v.as_str())).collect();
                Self::Named(DeltaPeer::open(&channel, named(&["*"], &versions)).await)
            }
        }
    }

    /// Takes the next response, if it comes soon; refuses what is bad. `false` where the stream has ended.
    async fn take(&mut self, held: &mut Held) -> bool {
        match self {
            Self::State(peer) => match soon(&mut peer.responses).await {
                Next::Response(response) => {
                    let names = names(&response.resources);
                    let error = held.take(names, response.version_info.clone());
                    let answer = answer(&response, error);
                    peer.requests.send(answer).await.is_ok()
                }
                other => other.is_open(),
            },
            Self::Packed(peer) => match soon(&mut peer.responses).await {
                Next::Response(response) => {
                    let error = held.take(entries(&response), cursor(&response));
                    let answer = answer_delta(&response, error);
                    peer.requests.send(answer).await.is_ok()
                }
                other => other.is_open(),
            },
            Self::Named(peer) => match soon(&mut peer.responses).await {
                Next::Response(response) => {
                    let error = held.take(resource_names(&response), cursor(&response));
                    if error.is_none() {
                        let new = response.resources.iter();
                        let new = new.map(|new| (new.name.clone(), new.version.clone()));
                        held.versions.extend(new);
                    }
                    let answer = answer_delta(&response, error);
                    peer.requests.send(answer).await.is_ok()
                }
                other => other.is_open(),
            },
        }
    }

    /// Names a resource that it gets anyhow, or leaves it again.
    async fn name(&self, name: &str, leaves: bool) {
        if let Self::Named(peer) = self {
            let (subscribe, unsubscribe) = match leaves {
                true => (vec![], vec![name.to_owned()]),
                false => (vec![name.to_owned()], vec![]),
            };
            let request = DeltaDiscoveryRequest {
                resource_names_subscribe: subscribe,
                resource_names_unsubscribe: unsubscribe,
                ..Default::default()
            };
            // An ended stream is noticed when it is read.
            let _ = peer.requests.send(request).await;
        }
    }
}

enum Next<T> {
    Response(T),
    Nothing,
    End,
}

impl<T> Next<T> {
    fn is_open(&self) -> bool {
        !matches!(self, Self::End)
    }
}

async fn soon<T>(responses: &mut tonic::Streaming<T>) -> Next<T> {
    match timeout(Duration::from_millis(5), responses.message()).await {
        Ok(Ok(Some(response))) => Next::Response(response),
        Ok(_) => Next::End,
        Err(_) => Next::Nothing,
    }
}

async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let form = [Form::State, Form::Packed, Form::Named][(seed % 3) as usize];
    let settings = Settings {
        nack_hold: Duration::from_millis(10),
        heartbeat: Duration::from_millis(15),
        walk_pause: Duration::ZERO,
        ..small_chunks()
    };
    let source = Arc::new(FakeSource::with(random.random_range(0..2000)));
    let server = Served::on_tcp(&source, settings).await;
    let mut held = Held::default();
    let mut open = Open::open(&server, form, &held).await;
    for n in 0..random.random_range(5..60) {
        match random.random_range(0..13) {
            0..=2 => {
                let bad = random.random_ratio(1, 8);
                source.push(&format!("{}-{n}-x", if bad { "bad" } else { "good" }));
            }
            3 => {
                source.push_many(random.random_range(1..30));
            }
            4 => open = Open::open(&server, form, &held).await,
            5 => server.handle.end_all(),
            6 => source.complete(),
            7 => open.name("token-1", random.random()).await,
            _ => {
                if !open.take(&mut held).await {
                    open = Open::open(&server, form, &held).await;
                }
            }
        }
    }
    open = Open::open(&server, form, &held).await;
    let mut all: BTreeSet<_> = source.names(Audience::Classic).into_iter().collect();
    all.retain(|name| !name.starts_with("bad"));
    let settled = timeout(Duration::from_secs(60), async {
        while !all.is_subset(&held.names) {
            if !open.take(&mut held).await {
                open = Open::open(&server, form, &held).await;
            }
        }
    });
    assert!(
        settled.await.is_ok(),
        "seed {seed}: {} of {}",
        held.names.len(),
        all.len()
    );
    assert_eq!(held.names, all, "seed {seed}");
}

#[tokio::test]
async fn case_40_a_client_ends_up_with_what_the_source_holds() {
    let schedules = std::env::var(VARIABLE).ok().and_then(|n| n.parse().ok());
    // `<VARIABLE>=<seed>:` replays one.
    let one = std::env::var(VARIABLE)
        .ok()
        .and_then(|text| text.strip_suffix(':')?.parse().ok());
    if let Some(seed) = one {
        return run(seed).await;
    }
    // A soak plays others each time; a failure names its seed.
    let first = schedules.map_or(0, |_| u64::from(rand::random::<u32>()));
    for seed in first..first + schedules.unwrap_or(SCHEDULES) {
        run(seed).await;
    }
}
