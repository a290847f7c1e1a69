//! Whatever order things happen in, a client ends up with what the source holds.
//!
//! 500 schedules each; `PROPTEST_CASES` says how many in a soak. A schedule that fails is written down beside this crate
//! (`proptest-regressions`), and is played first from then on.

use std::collections::{BTreeSet, VecDeque};

use proptest::{collection::vec, prelude::*};
use rescind_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use super::{
    Step, StreamId,
    bench::{Bench, answer, state},
};
use crate::{
    Audience, Position, Source as _,
    fixtures::{FakeSource, names, resource},
    server::Settings,
    wire_len,
};

mod named;
mod packed;

#[derive(Debug, Clone)]
enum Op {
    Push {
        app: bool,
        bad: bool,
    },
    Burst(usize),
    Complete,
    /// The server acts on the newest stream, or on the one before it.
    Act {
        older: bool,
    },
    /// The client takes the next response from the wire.
    Take,
    /// The client's oldest answer arrives, on the newest stream as with the original client.
    Answer,
    /// An answer arrives once more.
    Repeat,
    /// A NACK for something answered long ago.
    Blame,
    /// A new stream beside the others, with the version the client holds.
    Reopen,
    /// The newest stream breaks; what is on the wire is lost.
    Break,
    /// The connection breaks.
    Reconnect,
    Pass(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(app, bad)| Op::Push { app, bad }),
        1 => (1usize..20).prop_map(Op::Burst),
        1 => Just(Op::Complete),
        8 => prop::bool::weighted(0.2).prop_map(|older| Op::Act { older }),
        8 => Just(Op::Take),
        8 => Just(Op::Answer),
        1 => Just(Op::Repeat),
        1 => Just(Op::Blame),
        1 => Just(Op::Reopen),
        1 => Just(Op::Break),
        1 => Just(Op::Reconnect),
        3 => (0u32..20_000).prop_map(Op::Pass),
    ]
}

/// A client that refuses what has `bad` in it, and answers on its newest stream.
struct Client {
    audience: Audience,
    instance: &'static str,
    version: String,
    holds: BTreeSet<String>,
    streams: Vec<StreamId>,
    wire: VecDeque<DiscoveryResponse>,
    answers: VecDeque<DiscoveryRequest>,
    answered: Vec<DiscoveryRequest>,
}

struct World {
    bench: Bench,
    client: Client,
    pushed: usize,
}

impl World {
    fn new(audience: Audience, instance: &'static str) -> Self {
        let settings = Settings {
            chunk_bytes: 5 * wire_len(&resource("token-10")),
            ..Settings::default()
        };
        let mut world = Self {
            bench: Bench::with(FakeSource::new(), settings),
            client: Client {
                audience,
                instance,
                version: String::new(),
                holds: BTreeSet::new(),
                streams: Vec::new(),
                wire: VecDeque::new(),
                answers: VecDeque::new(),
                answered: Vec::new(),
            },
            pushed: 0,
        };
        world.reopen();
        world
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Push { app, bad } => self.push(app, bad),
            Op::Burst(count) => (0..count).for_each(|_| self.push(false, false)),
            Op::Complete => self.bench.source.complete(),
            Op::Act { older } => {
                let back = if older { 2 } else { 1 };
                if let Some(index) = self.client.streams.len().checked_sub(back) {
                    self.act(self.client.streams[index]);
                }
            }
            Op::Take => self.take(),
            Op::Answer => self.answer(),
            Op::Repeat => {
                if let Some(request) = self.client.answered.last().cloned() {
                    self.deliver(&request);
                }
            }
            Op::Blame => {
                if let Some(mut request) = self.client.answered.first().cloned() {
                    request.error_detail = Some(Default::default());
                    self.deliver(&request);
                }
            }
            Op::Reopen => self.reopen(),
            Op::Break => {
                if let Some(stream) = self.client.streams.pop() {
                    self.bench.close_stream(stream);
                    self.client.wire.clear();
                }
            }
            Op::Reconnect => {
                self.bench.reconnect();
                self.client.streams.clear();
                self.client.wire.clear();
                self.client.answers.clear();
                self.client.answered.clear();
            }
            Op::Pass(ms) => self.bench.pass(f64::from(ms) / 1000.0),
        }
    }

    fn push(&mut self, app: bool, bad: bool) {
        self.pushed += 1;
        let name = format!("{}-{}", if bad { "bad" } else { "token" }, self.pushed);
        if app {
            self.bench.source.push_app(&name);
        } else {
            self.bench.source.push(&name);
        }
    }

    /// Returns whether the server did something.
    fn act(&mut self, stream: StreamId) -> bool {
        match self.bench.step(stream) {
            Step::Send(sent) => self.client.wire.push_back(state(sent.reply)),
            Step::Superseded | Step::AckTimeout => {
                self.bench.close_stream(stream);
                self.client.streams.retain(|other| *other != stream);
                return false;
            }
            Step::Late | Step::TooLarge { .. } => {}
            Step::End(status) => panic!("{status:?}"),
            Step::Wait(_) => return false,
        }
        true
    }

    fn take(&mut self) {
        let Some(response) = self.client.wire.pop_front() else {
            return;
        };
        let names = names(&response.resources);
        if names.iter().any(|name| name.starts_with("bad")) {
            self.client
                .answers
                .push_back(answer(&response, Some("bad")));
        } else {
            self.client.holds.extend(names);
            self.client.version = response.version_info.clone();
            self.client.answers.push_back(answer(&response, None));
        }
    }

    fn answer(&mut self) {
        if !self.client.streams.is_empty()
            && let Some(request) = self.client.answers.pop_front()
        {
            self.deliver(&request);
            self.client.answered.push(request);
        }
    }

    fn deliver(&mut self, request: &DiscoveryRequest) {
        if let Some(newest) = self.client.streams.last().copied() {
            self.bench.request(newest, request);
        }
    }

    fn reopen(&mut self) {
        let Client {
            audience, instance, ..
        } = self.client;
        let stream = self.bench.open(audience, instance, &self.client.version);
        self.client.streams.push(stream);
    }

    /// Lets everything happen that is still to happen.
    fn settle(&mut self) {
        for _ in 0..200 {
            if self.client.streams.is_empty() {
                self.reopen();
            }
            for stream in self.client.streams.clone() {
                while self.act(stream) {
                    self.take();
                    self.answer();
                }
            }
            for _ in 0..self.client.wire.len() {
                self.take();
            }
            for _ in 0..self.client.answers.len() {
                self.answer();
            }
            self.bench.pass(6.0);
        }
    }
}

fn schedules() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(500),
    }
}

proptest! {
    #![proptest_config(schedules())]

    #[test]
    fn a_client_ends_up_with_all_it_can_take(
        rescind in any::<bool>(),
        named in any::<bool>(),
        ops in vec(op(), 1..120),
    ) {
        let audience = if rescind { Audience::Rescind } else { Audience::Classic };
        let mut world = World::new(audience, if named { "gw" } else { "" });
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        let mut all: BTreeSet<String> = world.bench.source.names(audience).into_iter().collect();
        all.retain(|name| !name.starts_with("bad"));
        prop_assert_eq!(&world.client.holds, &all);
    }
}
