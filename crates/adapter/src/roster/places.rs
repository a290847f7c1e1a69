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
    /// When streams came that have not been taken for the next one of a client whose stream has ended; in that order.
    came: VecDeque<(Instant, Method)>,
}

impl Places {
    pub(super) fn come(&mut self, stream: &Live) {
        *self.live.entry(stream.acked).or_default() += 1;
        if let Some(address) = stream.address {
            *self.connections.entry(address).or_default() += 1;
        }
        self.came.push_back((stream.opened_at, stream.method));
        if self.came.len() > self.count() {
            self.came.pop_front();
        }
    }

    pub(super) fn go(&mut self, from: u64, to: u64) {
        remove(&mut self.live, &from);
        *self.live.entry(to).or_default() += 1;
    }

    /// A stream has ended. Whether its client is away now, and did not just come again: over the same connection,
    /// or by a stream that opened after the last word on this one.
    pub(super) fn end(&mut self, stream: &Live) -> bool {
        remove(&mut self.live, &stream.acked);
        let same = stream.address.is_some_and(|address| {
            if let Some(count) = self.connections.get_mut(&address) {
                *count -= 1;
                if *count > 0 {
                    return true;
                }
                self.connections.remove(&address);
            }
            false
        });
        if self.live.is_empty() {
            return true;
        }
        if same {
            return false;
        }
        // One that opened later is the next one of one client alone, and that comes in the same way.
        let later = self
            .came
            .iter()
            .rev()
            .take_while(|came| came.0 > stream.heard_at);
        let next = later
            .map(|came| came.1)
            .position(|method| method == stream.method);
        match next {
            Some(back) => {
                self.came.remove(self.came.len() - 1 - back);
                false
            }
            None => true,
        }
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
