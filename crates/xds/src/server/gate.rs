//! How many chunks of full syncs are under way at once.
//!
//! A place is taken for each chunk and given back with its answer, so that no stream keeps one for long; who finds none
//! waits in line. Who cannot take its turn, because an answer is due or nothing may go out, stands aside meanwhile: it
//! keeps its turn and holds up nobody. Live pushes do not come by here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::connection::StreamId;

/// Hands out the places. A clone is the same gate.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Mutex<Line>>);

/// When a stream came, among all that wait.
type Turn = u64;

#[derive(Debug)]
struct Line {
    free: usize,
    next: Turn,
    /// Of those who wait, and of those who stand aside.
    turns: HashMap<StreamId, Turn>,
    /// Who waits and can take a place at once.
    waiting: BTreeMap<Turn, Arc<Notify>>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Gate);

impl Gate {
    pub(super) fn new(places: usize) -> Self {
        let line = Line {
            free: places.max(1),
            next: 0,
            turns: HashMap::new(),
            waiting: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(line)))
    }

    /// A place, if it is this stream's turn. Else the stream stands in line and is woken when it may ask again.
    pub(super) fn enter(&self, id: StreamId, wake: &Arc<Notify>) -> Option<Place> {
        let mut line = self.line();
        let turn = line.turns.get(&id).copied().unwrap_or(line.next);
        if line.before(turn) < line.free {
            line.free -= 1;
            line.turns.remove(&id);
            line.waiting.remove(&turn);
            return Some(Place(self.clone()));
        }
        if turn == line.next {
            line.next += 1;
            line.turns.insert(id, turn);
        }
        line.waiting.insert(turn, Arc::clone(wake));
        None
    }

    /// The stream cannot take a place now. When it asks again, it is as if it had waited.
    pub(super) fn stand_aside(&self, id: StreamId) {
        let mut line = self.line();
        if let Some(turn) = line.turns.get(&id).copied() {
            line.waiting.remove(&turn);
            line.call();
        }
    }

    /// The stream wants no place any more.
    pub(super) fn leave(&self, id: StreamId) {
        let mut line = self.line();
        if let Some(turn) = line.turns.remove(&id) {
            line.waiting.remove(&turn);
            line.call();
        }
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
    /// How many come before `turn`, as far as that matters.
    fn before(&self, turn: Turn) -> usize {
        self.waiting.range(..turn).take(self.free).count()
    }

    /// Wakes those whose turn it is.
    fn call(&self) {
        for wake in self.waiting.values().take(self.free) {
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

    #[tokio::test]
    async fn who_stands_aside_holds_up_nobody_and_keeps_its_turn() {
        let gate = Gate::new(1);
        let wakes: Vec<_> = (0..4).map(|_| Arc::new(Notify::new())).collect();
        let place = gate.enter(0, &wakes[0]);
        for id in 1..4 {
            assert!(gate.enter(id, &wakes[id as usize]).is_none());
        }
        gate.stand_aside(1);
        drop(place);
        wakes[2].notified().await;
        let place = gate.enter(2, &wakes[2]);
        assert!(place.is_some());
        assert!(gate.enter(1, &wakes[1]).is_none());
        drop(place);
        wakes[1].notified().await;
        assert!(gate.enter(3, &wakes[3]).is_none(), "not its turn");
        assert!(gate.enter(1, &wakes[1]).is_some());
    }
}
