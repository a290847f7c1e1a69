//! Case 40 over real gRPC: whatever happens in whatever order, a client ends up with what the source holds.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::fixtures::wire::answer;

/// So many schedules; more by the variable, for a soak.
const SCHEDULES: u64 = 50;
const VARIABLE: &str = "RESCIND_XDS_SCHEDULES";

/// A client of one form: what it holds and where it stands.
#[derive(Debug, Default)]
struct Held {
    names: BTreeSet<String>,
    version: String,
}

enum Open {
    State(Peer),
    Ours(DeltaPeer),
}

impl Open {
    async fn open(server: &Served, packed_form: bool, held: &Held) -> Self {
        let channel = server.connect().await;
        match packed_form {
            true => Self::Ours(DeltaPeer::open(&channel, packed(&[("t", &held.version)])).await),
            false => Self::State(Peer::open(&channel, classic("gw", &held.version)).await),
        }
    }

    /// Takes the next response, if it comes soon; refuses what is bad. `false` where the stream has ended.
    async fn take(&mut self, held: &mut Held) -> bool {
        let soon = Duration::from_millis(20);
        match self {
            Self::State(peer) => match timeout(soon, peer.responses.message()).await {
                Ok(Ok(Some(response))) => {
                    let names = names(&response.resources);
                    let bad = names.iter().any(|name| name.starts_with("bad"));
                    if !bad {
                        held.names.extend(names);
                        held.version.clone_from(&response.version_info);
                    }
                    let answer = answer(&response, bad.then_some("bad"));
                    peer.requests.send(answer).await.is_ok()
                }
                Ok(_) => false,
                Err(_) => true,
            },
            Self::Ours(peer) => match timeout(soon, peer.responses.message()).await {
                Ok(Ok(Some(response))) => {
                    let entries = entries(&response);
                    let bad = entries.iter().any(|name| name.starts_with("bad"));
                    if !bad {
                        held.names.extend(entries);
                        held.version = cursor(&response);
                    }
                    let answer = answer_delta(&response, bad.then_some("bad"));
                    peer.requests.send(answer).await.is_ok()
                }
                Ok(_) => false,
                Err(_) => true,
            },
        }
    }
}

async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let packed_form = random.random();
    let settings = Settings {
        nack_hold: Duration::from_millis(10),
        heartbeat: Duration::from_millis(15),
        walk_pause: Duration::ZERO,
        ..small_chunks()
    };
    let source = Arc::new(FakeSource::with(random.random_range(0..2000)));
    let server = Served::on_tcp(&source, settings).await;
    let mut held = Held::default();
    let mut open = Open::open(&server, packed_form, &held).await;
    for n in 0..random.random_range(5..60) {
        match random.random_range(0..12) {
            0..=2 => {
                let bad = random.random_ratio(1, 8);
                source.push(&format!("{}-{n}-x", if bad { "bad" } else { "good" }));
            }
            3 => {
                source.push_many(random.random_range(1..30));
            }
            4 => open = Open::open(&server, packed_form, &held).await,
            5 => server.handle.end_all(),
            6 => source.complete(),
            _ => {
                if !open.take(&mut held).await {
                    open = Open::open(&server, packed_form, &held).await;
                }
            }
        }
    }
    open = Open::open(&server, packed_form, &held).await;
    let mut all: BTreeSet<_> = source.names(Audience::Classic).into_iter().collect();
    all.retain(|name| !name.starts_with("bad"));
    let settled = timeout(Duration::from_secs(60), async {
        while !all.is_subset(&held.names) {
            if !open.take(&mut held).await {
                open = Open::open(&server, packed_form, &held).await;
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
    for seed in 0..schedules.unwrap_or(SCHEDULES) {
        run(seed).await;
    }
}
