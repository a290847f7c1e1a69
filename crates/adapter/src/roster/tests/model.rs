//! Clients of one name that come, go, break off and come again as chance has it, and what is said of them.

use super::{
    shared::{MISSING, ours},
    *,
};

/// Whatever three of one name do, each of whom keeps what it ACKed: what all of them are said to hold all of them hold.
#[test]
fn nothing_is_said_to_be_everywhere_that_one_of_a_name_lacks() {
    let mut random = 1_u64;
    let mut draw = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut fixture = fixture();
    for _ in 0..1000 {
        let metrics = Arc::new(Metrics::default());
        fixture.roster = Roster::new(Vec::new(), fixture.ledger.reader(), metrics);
        let mut world = World::new(fixture);
        for _ in 0..40 {
            world.step(draw(5), draw(3) as usize);
            world.check();
        }
        fixture = world.fixture;
    }
}

/// Three clients of one name.
struct World {
    fixture: Fixture,
    /// Where each is, and its stream.
    clients: [(u64, Option<u64>); 3],
    /// Streams whose path is broken, which nobody knows, and where they were.
    broken: Vec<(u64, u64)>,
    streams: u64,
    done: Vec<String>,
}

impl World {
    fn new(fixture: Fixture) -> Self {
        let mut world = Self {
            fixture,
            clients: [(0, None); 3],
            broken: Vec::new(),
            streams: 0,
            done: Vec::new(),
        };
        // All of them have spoken beside each other: there are three.
        for what in [0, 1] {
            for client in 0..3 {
                world.step(what, client);
            }
        }
        world
    }

    fn step(&mut self, what: u64, client: usize) {
        let (at, stream) = self.clients[client];
        self.done.push(format!("{what} {client}"));
        match (what, stream) {
            (0, None) => {
                self.streams += 1;
                self.fixture.opened(&ours(self.streams), at);
                self.clients[client].1 = Some(self.streams);
            }
            (1, Some(stream)) => {
                let to = (at + 1).min(5);
                let roster = &self.fixture.roster;
                roster.acked(&ours(stream), Position(at), Position(to));
                self.clients[client].0 = to;
            }
            (2, Some(stream)) => {
                self.fixture.roster.closed(&ours(stream), Position(at));
                self.clients[client].1 = None;
            }
            (3, Some(stream)) => {
                self.broken.push((stream, at));
                self.clients[client].1 = None;
            }
            (4, _) if !self.broken.is_empty() => {
                let (stream, at) = self.broken.remove(client % self.broken.len());
                self.fixture.roster.closed(&ours(stream), Position(at));
            }
            _ => {}
        }
    }

    fn check(&self) {
        // Until it is known that a path is broken, who came again over another one may hide who is away.
        if !self.broken.is_empty() {
            return;
        }
        let least = self.clients.iter().map(|client| client.0).min().unwrap();
        for sequence in least + 1..=5 {
            let said = self.fixture.all(sequence);
            assert!(said.contains(&MISSING), "{:?} {said:?}", self.done);
        }
    }
}
