//! The same for a client of packed ranges. Beside the end, two things must hold at every moment: the cursor that the client
//! is told has no gap below it, and a checkpoint speaks of exactly what it holds.

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    rescind::v1::{Range, range::Walk},
};

use super::*;
use crate::{
    fixtures::{unpacked, wire::answer_delta},
    server::connection::bench::delta,
};

#[derive(Debug, Clone)]
enum Op {
    Push {
        bad: bool,
    },
    Burst(usize),
    Complete,
    Act,
    Take,
    Answer,
    /// The client asks for everything again.
    Walk,
    Reconnect,
    Pass(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop::bool::weighted(0.15).prop_map(|bad| Op::Push { bad }),
        1 => (1usize..20).prop_map(Op::Burst),
        1 => Just(Op::Complete),
        8 => Just(Op::Act),
        8 => Just(Op::Take),
        8 => Just(Op::Answer),
        1 => Just(Op::Walk),
        1 => Just(Op::Reconnect),
        3 => (0u32..20_000).prop_map(Op::Pass),
    ]
}

#[derive(Default)]
struct Client {
    version: String,
    holds: BTreeSet<String>,
    /// Named by the walk that is under way, and pushed beside it.
    named: Option<BTreeSet<String>>,
    walks: usize,
    wire: VecDeque<DeltaDiscoveryResponse>,
    answers: VecDeque<DeltaDiscoveryRequest>,
}

struct World {
    bench: Bench,
    client: Client,
    stream: StreamId,
    pushed: usize,
}

impl World {
    fn new(before: usize) -> Self {
        let settings = Settings {
            chunk_bytes: 40,
            ..Settings::default()
        };
        let mut bench = Bench::with(FakeSource::with(before), settings);
        let stream = bench.range("");
        Self {
            bench,
            client: Client::default(),
            stream,
            pushed: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Push { bad } => {
                self.pushed += 1;
                let kind = if bad { "bad" } else { "good" };
                self.bench.source.push(&format!("{kind}-{}", self.pushed));
            }
            Op::Burst(count) => {
                self.bench.source.push_many(count);
            }
            Op::Complete => self.bench.source.complete(),
            Op::Act => {
                self.act();
            }
            Op::Take => self.take(),
            Op::Answer => self.answer(),
            Op::Walk => {
                self.bench.subscribe(self.stream, &["log"], &[]);
            }
            Op::Reconnect => {
                self.bench.reconnect();
                self.client.wire.clear();
                self.client.answers.clear();
                self.client.named = None;
                self.stream = self.bench.range(&self.client.version);
            }
            Op::Pass(ms) => self.bench.pass(f64::from(ms) / 1000.0),
        }
    }

    /// Returns whether the server did something.
    fn act(&mut self) -> bool {
        match self.bench.step(self.stream) {
            Step::Send(sent) => self.client.wire.push_back(delta(sent.reply)),
            Step::Superseded | Step::AckTimeout => {
                self.bench.close_stream(self.stream);
                self.apply(&Op::Reconnect);
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
        let mut ends = false;
        for resource in &response.resources {
            let body = resource.resource.as_ref().expect("a body");
            let range = Range::decode(&*body.value).expect("a range");
            if resource.name != "log" {
                continue;
            }
            let names = unpacked(&range.entries);
            if names.iter().any(|name| name.starts_with("bad")) {
                self.client
                    .answers
                    .push_back(answer_delta(&response, Some("bad")));
                return;
            }
            if range.walk() != Walk::None && range.from.is_empty() {
                self.client.named = Some(BTreeSet::new());
            }
            ends = range.walk() == Walk::End;
            if let Some(named) = &mut self.client.named {
                named.extend(names.iter().cloned());
            }
            self.client.holds.extend(names);
            self.client.version.clone_from(&resource.version);
        }
        self.check_cursor();
        if ends && let Some(named) = self.client.named.take() {
            // Everything was named that the client holds, and that the ledger had.
            let other: Vec<_> = named.symmetric_difference(&self.client.holds).collect();
            assert!(other.is_empty(), "{other:?}");
            self.client.walks += 1;
        }
        if response.resources.iter().any(|r| r.name == "checkpoint") {
            self.check_statement(&response);
        }
        self.client.answers.push_back(answer_delta(&response, None));
    }

    /// Everything that can be taken up to the cursor is there.
    fn check_cursor(&self) {
        let at = self.bench.source.resolve(&self.client.version);
        for name in self.good(at) {
            assert!(self.client.holds.contains(&name), "{name} below {at:?}");
        }
    }

    /// It is about the cursor beside it, and nothing that can be taken is missing there.
    fn check_statement(&self, response: &DeltaDiscoveryResponse) {
        let at = self.bench.source.resolve(&response.system_version_info);
        let good = self.good(at);
        let other: Vec<_> = good.symmetric_difference(&self.client.holds).collect();
        assert!(other.is_empty(), "{other:?} at {at:?}");
    }

    fn good(&self, to: Position) -> BTreeSet<String> {
        if to == Position(0) {
            return BTreeSet::new();
        }
        let all = self
            .bench
            .source
            .read(Position(0), to, Audience::Rescind, usize::MAX);
        let mut names: BTreeSet<_> = names(&all.resources.decode()).into_iter().collect();
        names.retain(|name| !name.starts_with("bad"));
        names
    }

    fn answer(&mut self) {
        if let Some(request) = self.client.answers.pop_front() {
            self.bench.request_delta(self.stream, request);
        }
    }

    /// Lets everything happen that is still to happen.
    fn settle(&mut self) {
        for _ in 0..200 {
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
            self.bench.pass(6.0);
        }
    }
}

proptest! {
    #![proptest_config(schedules())]

    #[test]
    fn a_client_of_packed_ranges_ends_up_with_all_it_can_take(
        before in 0usize..60,
        ops in vec(op(), 1..120),
    ) {
        let mut world = World::new(before);
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        let all = world.good(world.bench.source.head_now().position);
        let other: Vec<_> = all.symmetric_difference(&world.client.holds).collect();
        prop_assert!(other.is_empty(), "{:?}", other);
        // What was asked for last is done.
        world.apply(&Op::Walk);
        let before = world.client.walks;
        world.settle();
        prop_assert_eq!(world.client.walks, before + 1);
    }
}
