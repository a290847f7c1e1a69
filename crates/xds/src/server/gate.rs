//! How many chunks of full syncs are under way at once.
//!
//! A place is taken for each chunk and given back with its answer, so that no stream keeps one for long; who finds none
//! waits in line. Live pushes do not come by here.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::connection::StreamId;

/// Hands out the places. A clone is the same gate.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    free: usize,
    waiting: VecDeque<(StreamId, Arc<Notify>)>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Gate);

impl Gate {
    pub(super) fn new(places: usize) -> Self {
        let line = Line {
            free: places.max(1),
            waiting: VecDeque::new(),
        };
        Self(Arc::new(Mutex::new(line)))
    }

    /// A place, if it is this stream's turn. Else the stream stands in line and is woken when it may ask again.
    pub(super) fn enter(&self, id: StreamId, wake: &Arc<Notify>) -> Option<Place> {
        let mut line = self.line();
        let standing = line.waiting.iter().position(|(other, _)| *other == id);
        let turn = standing.unwrap_or(line.waiting.len());
        if turn < line.free {
            line.free -= 1;
            if let Some(index) = standing {
                line.waiting.remove(index);
            }
            return Some(Place(self.clone()));
        }
        if standing.is_none() {
            line.waiting.push_back((id, Arc::clone(wake)));
        }
        None
    }

    /// The stream wants no place any more.
    pub(super) fn leave(&self, id: StreamId) {
        let mut line = self.line();
        if line.waiting.is_empty() {
            return;
        }
        line.waiting.retain(|(other, _)| *other != id);
        line.call();
    }

    /// How many wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.line().waiting.len()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Wakes those whose turn it is.
    fn call(&self) {
        for (_, wake) in self.waiting.iter().take(self.free) {
            wake.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.free += 1;
        line.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_go_in_turn_and_a_free_one_wakes_the_next() {
        let gate = Gate::new(1);
        let wakes: Vec<_> = (0..3).map(|_| Arc::new(Notify::new())).collect();
        let place = gate.enter(0, &wakes[0]).expect("free");
        assert!(gate.enter(1, &wakes[1]).is_none() && gate.enter(2, &wakes[2]).is_none());
        assert!(gate.enter(1, &wakes[1]).is_none());
        assert_eq!(gate.waiting(), 2);
        drop(place);
        wakes[1].notified().await;
        assert!(gate.enter(2, &wakes[2]).is_none(), "not its turn");
        assert!(gate.enter(1, &wakes[1]).is_some());
    }

    #[tokio::test]
    async fn who_leaves_the_line_keeps_nobody_waiting() {
        let gate = Gate::new(1);
        let wakes: Vec<_> = (0..3).map(|_| Arc::new(Notify::new())).collect();
        let place = gate.enter(0, &wakes[0]);
        assert!(gate.enter(1, &wakes[1]).is_none() && gate.enter(2, &wakes[2]).is_none());
        drop(place);
        gate.leave(1);
        wakes[2].notified().await;
        assert!(gate.enter(2, &wakes[2]).is_some());
    }
}
