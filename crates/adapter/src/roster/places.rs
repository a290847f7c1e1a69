//! The live streams of one row that subscribe to all, or did: where they are, and whom another one comes after.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use rescind_xds::server::Method;

use super::Live;

/// Of one row. There is none where no such stream is live.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// How many are at a place.
    live: BTreeMap<u64, usize>,
    /// How many come over a connection.
    connections: HashMap<SocketAddr, usize>,
    /// The streams that came last, in that order.
    came: VecDeque<Came>,
}

/// A stream that came.
#[derive(Debug)]
struct Came {
    stream: u64,
    at: Instant,
    method: Method,
    /// Where the client was for whose next stream it is taken; `None` where it is taken for nobody's. It may as well be the
    /// next one of any other client that has been silent since, and then that other place is where one is away.
    taken_for: Option<u64>,
}

impl Places {
    /// A stream comes. Of those that were away one counts as back, and was at `taken_for`.
    pub(super) fn come(&mut self, stream: &Live, taken_for: Option<u64>) {
        *self.live.entry(stream.acked).or_default() += 1;
        if let Some(address) = stream.address {
            *self.connections.entry(address).or_default() += 1;
        }
        self.came.push_back(Came {
            stream: stream.stream,
            at: stream.opened_at,
            method: stream.method,
            taken_for,
        });
        // Of one that goes unmatched too much is said to be away, never too little.
        if self.came.len() > 2 * self.count() {
            self.came.pop_front();
        }
    }

    pub(super) fn go(&mut self, from: u64, to: u64) {
        remove(&mut self.live, &from);
        *self.live.entry(to).or_default() += 1;
    }

    /// A stream has ended at `acked`. Where its client, or another one that is hidden by its next stream, is away now at
    /// least; `None` if it just came again: over the same connection, or by a stream that opened after the last word on
    /// this one. `silent` tells whether another one may have come again by this stream.
    pub(super) fn end(
        &mut self,
        stream: &Live,
        acked: u64,
        silent: impl FnOnce() -> bool,
    ) -> Option<u64> {
        remove(&mut self.live, &stream.acked);
        if self.is_connected_still(stream) {
            return None;
        }
        if self.live.is_empty() {
            return Some(acked);
        }
        // If it was another one's, the one it was taken for is where it was.
        let before = self.taken_for(stream).filter(|_| silent());
        let acked = before.map_or(acked, |before| acked.min(before));
        let later = || {
            let came = self.came.iter().enumerate().rev();
            came.take_while(|(_, came)| came.at > stream.heard_at)
                .filter(|(_, came)| came.method == stream.method)
        };
        // One that opened later is the next one of one client alone, and that comes in the same way.
        let next = later().find(|(_, came)| came.taken_for.is_none());
        if let Some(next) = next.map(|(at, _)| at) {
            self.came[next].taken_for = Some(acked);
            return None;
        }
        // Whose next one it is nobody knows then: what is away holds no more than any of those it may be.
        let places = later().filter_map(|(_, came)| came.taken_for);
        Some(places.fold(acked, u64::min))
    }

    /// Whether its client has another stream over the same connection.
    fn is_connected_still(&mut self, stream: &Live) -> bool {
        let Some(address) = stream.address else {
            return false;
        };
        if let Some(count) = self.connections.get_mut(&address) {
            *count -= 1;
            if *count > 0 {
                return true;
            }
            self.connections.remove(&address);
        }
        false
    }

    fn taken_for(&self, stream: &Live) -> Option<u64> {
        let mut came = self.came.iter().rev();
        came.find(|came| came.stream == stream.stream)?.taken_for
    }

    /// How many are live.
    pub(super) fn count(&self) -> usize {
        self.live.values().sum()
    }

    /// Nobody of them has less; `None` where there is nobody.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.live.keys().next().copied()
    }
}

fn remove(live: &mut BTreeMap<u64, usize>, at: &u64) {
    if let Some(count) = live.get_mut(at) {
        *count -= 1;
        if *count == 0 {
            live.remove(at);
        }
    }
}
