//! The same for a client of named resources that knows the specification alone: it subscribes and leaves, under a wildcard
//! or not, refuses what has a bad name in it, and comes back with the versions that it holds.
//!
//! Few names, so that what happens to one of them meets what is on its way about it.

use std::collections::BTreeMap;

use rescind_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource,
};

use super::*;
use crate::{Names as _, fixtures::wire::answer_delta, server::connection::bench::delta};

#[derive(Debug, Clone)]
enum Op {
    /// Revoked, or again and until later.
    Push(Name),
    Burst(usize),
    /// Time goes on for what expires.
    Expire,
    Act,
    Take,
    Answer,
    /// The last answer arrives once more, and changes the subscription.
    Stale(Name),
    Subscribe(Name),
    Leave(Name),
    Everything,
    NoLongerEverything,
    Reconnect,
    Pass(u32),
}

/// One of a few.
#[derive(Debug, Clone, Copy)]
struct Name {
    bad: bool,
    number: u8,
}

impl Name {
    fn text(self) -> String {
        let kind = if self.bad { "bad" } else { "good" };
        format!("{kind}-{}", self.number)
    }
}

fn name() -> impl Strategy<Value = Name> {
    (prop::bool::weighted(0.2), 0u8..6).prop_map(|(bad, number)| Name { bad, number })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => name().prop_map(Op::Push),
        1 => (1usize..20).prop_map(Op::Burst),
        2 => Just(Op::Expire),
        8 => Just(Op::Act),
        8 => Just(Op::Take),
        8 => Just(Op::Answer),
        1 => name().prop_map(Op::Stale),
        3 => name().prop_map(Op::Subscribe),
        2 => name().prop_map(Op::Leave),
        1 => Just(Op::Everything),
        1 => Just(Op::NoLongerEverything),
        1 => Just(Op::Reconnect),
        3 => (0u32..90_000).prop_map(Op::Pass),
    ]
}

#[derive(Default)]
struct Client {
    /// What it has asked for: `*` as well.
    subscribed: BTreeSet<String>,
    /// Version by name.
    holds: BTreeMap<String, String>,
    wire: VecDeque<DeltaDiscoveryResponse>,
    answers: VecDeque<DeltaDiscoveryRequest>,
    answered: Option<DeltaDiscoveryRequest>,
}

impl Client {
    fn wants(&self, name: &str) -> bool {
        self.subscribed.contains("*") || self.subscribed.contains(name)
    }

    /// Applies a response, or refuses it; returns what to answer.
    fn take(&mut self, response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
        let named = response.resources.iter().map(|resource| &resource.name);
        let all: Vec<_> = named.chain(&response.removed_resources).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "a name twice: {response:?}");
        let bad = |resource: &Resource| resource.name.starts_with("bad");
        if response.resources.iter().any(bad) {
            return answer_delta(response, Some("bad"));
        }
        for resource in &response.resources {
            // What it left meanwhile it does not keep.
            if self.wants(&resource.name) {
                let version = resource.version.clone();
                self.holds.insert(resource.name.clone(), version);
            }
        }
        for name in &response.removed_resources {
            self.holds.remove(name);
        }
        answer_delta(response, None)
    }

    fn leave(&mut self, name: &str) {
        self.subscribed.remove(name);
        let Self {
            subscribed, holds, ..
        } = self;
        holds.retain(|held, _| subscribed.contains("*") || subscribed.contains(held));
    }
}

struct World {
    bench: Bench,
    client: Client,
    stream: StreamId,
    /// What was pushed last expires then.
    until: u64,
}

impl World {
    fn new(before: usize, first: &[String]) -> Self {
        let settings = Settings {
            chunk_bytes: 200,
            ..Settings::default()
        };
        let mut world = Self {
            bench: Bench::with(FakeSource::with(before), settings),
            client: Client::default(),
            stream: 0,
            until: 600,
        };
        world.client.subscribed.extend(first.iter().cloned());
        let first: Vec<_> = first.iter().map(String::as_str).collect();
        world.stream = world.bench.named(&first, &[], &[]);
        // Who names nothing at first means everything.
        if first.is_empty() {
            world.client.subscribed.insert("*".to_owned());
        }
        world
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push(name) => {
                self.until += 600;
                self.bench.source.push_until(&name.text(), self.until);
            }
            Op::Burst(count) => {
                self.bench.source.push_many(*count);
            }
            // What was pushed a while ago expires, by and by.
            Op::Expire => self.bench.source.expire(self.until.saturating_sub(2400)),
            Op::Act => {
                self.act();
            }
            Op::Take => self.take(),
            Op::Answer => self.answer(),
            Op::Stale(name) => self.stale(&name.text()),
            Op::Subscribe(name) => self.subscribe(&name.text()),
            Op::Leave(name) => self.leave(&name.text()),
            Op::Everything => self.subscribe("*"),
            Op::NoLongerEverything => self.leave("*"),
            Op::Reconnect => self.reconnect(),
            Op::Pass(ms) => self.bench.pass(f64::from(*ms) / 1000.0),
        }
    }

    fn subscribe(&mut self, name: &str) {
        self.client.subscribed.insert(name.to_owned());
        self.bench.subscribe(self.stream, &[name], &[]);
    }

    fn leave(&mut self, name: &str) {
        self.client.leave(name);
        self.bench.subscribe(self.stream, &[], &[name]);
    }

    fn stale(&mut self, name: &str) {
        let Some(mut request) = self.client.answered.clone() else {
            return;
        };
        request.resource_names_subscribe = vec![name.to_owned()];
        self.client.subscribed.insert(name.to_owned());
        self.bench.request_delta(self.stream, request);
    }

    fn reconnect(&mut self) {
        self.bench.reconnect();
        self.client.wire.clear();
        self.client.answers.clear();
        self.client.answered = None;
        let names: Vec<_> = self.client.subscribed.iter().map(String::as_str).collect();
        let holds = self.client.holds.iter();
        let holds: Vec<_> = holds.map(|(name, version)| (&**name, &**version)).collect();
        // To begin with nothing at all has no other spelling.
        self.stream = match names.is_empty() {
            true => self.bench.named(&["*"], &["*"], &holds),
            false => self.bench.named(&names, &[], &holds),
        };
    }

    /// Returns whether the server did something.
    fn act(&mut self) -> bool {
        match self.bench.step(self.stream) {
            Step::Send(sent) => self.client.wire.push_back(delta(sent.reply)),
            Step::Superseded | Step::AckTimeout => {
                self.bench.close_stream(self.stream);
                self.reconnect();
                return false;
            }
            Step::Late | Step::TooLarge { .. } => {}
            Step::End(status) => panic!("{status:?}"),
            Step::Wait(_) => return false,
        }
        true
    }

    fn take(&mut self) {
        if let Some(response) = self.client.wire.pop_front() {
            let answer = self.client.take(&response);
            self.client.answers.push_back(answer);
        }
    }

    fn answer(&mut self) {
        if let Some(request) = self.client.answers.pop_front() {
            self.client.answered = Some(request.clone());
            self.bench.request_delta(self.stream, request);
        }
    }

    /// Lets everything happen that is still to happen.
    fn settle(&mut self) {
        for _ in 0..100 {
            while self.act() {
                self.take();
                self.answer();
            }
            for _ in 0..self.client.wire.len() {
                self.take();
            }
            for _ in 0..self.client.answers.len() {
                self.answer();
            }
            self.bench.pass(31.0);
        }
    }

    /// What it should hold.
    fn expected(&self) -> BTreeMap<String, String> {
        let source = &self.bench.source;
        let head = source.head_now().position;
        let all = source.read_named(Position(0), head, source.horizon(), usize::MAX);
        let all = all.resources.into_iter();
        all.map(|named| (named.name, named.version))
            .filter(|(name, _)| self.client.wants(name) && !name.starts_with("bad"))
            .collect()
    }
}

proptest! {
    #![proptest_config(schedules())]

    #[test]
    fn a_client_of_named_resources_ends_up_with_all_it_can_take(
        before in 0usize..30,
        first in vec(name(), 0..3),
        ops in vec(op(), 1..120),
    ) {
        let first: BTreeSet<_> = first.into_iter().map(Name::text).collect();
        let first: Vec<_> = first.into_iter().collect();
        let mut world = World::new(before, &first);
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        prop_assert_eq!(&world.client.holds, &world.expected());
        // And then it is left alone.
        for _ in 0..20 {
            world.bench.pass(300.0);
            prop_assert!(!world.act(), "{:?}", world.client.wire);
        }
    }
}
