//! Chunks in the classic form that were made, for all who ask for the same.
//!
//! Who begins with nothing comes by the same chunks as everybody else who does: they are cut by their size, whatever the
//! head is meanwhile. One that is kept may hold what was superseded since; what supersedes it stands later in the log, so a
//! union stays right.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rescind_xds::{Audience, Chunk, Position};

/// Chunks that are kept, of 3.5 MB at most: some 130 000 tokens.
const KEPT: usize = 4;

/// What is shorter than this is made again for each stream: quicker than looked for, and it would drive out what is not.
const FEW: u64 = 64;

/// What was asked for: after which place, for whom, and at most how many bytes.
type Key = (Position, Audience, usize);

/// The chunks that were made last.
#[derive(Debug, Default)]
pub(super) struct Chunks(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    key: Key,
    /// Up to where it was asked for.
    to: Position,
    chunk: Chunk,
}

impl Chunks {
    /// The chunk for `key`, which ends at `to` at the latest.
    pub(super) fn get(&self, key: Key, to: Position, make: impl FnOnce() -> Chunk) -> Chunk {
        if to.0.saturating_sub(key.0.0) < FEW {
            return make();
        }
        if let Some(chunk) = find(&self.kept(), key, to) {
            return chunk;
        }
        let chunk = make();
        let mut kept = self.kept();
        // Others may have made the same meanwhile: copies of it would drive out what is not.
        if let Some(chunk) = find(&kept, key, to) {
            return chunk;
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept {
            key,
            to,
            chunk: chunk.clone(),
        });
        chunk
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(kept: &VecDeque<Kept>, key: Key, to: Position) -> Option<Chunk> {
    let same = |kept: &&Kept| {
        // One that ends for its size ends there for whoever asks for at least as much.
        let cut = kept.chunk.to < kept.to && kept.chunk.to <= to;
        kept.key == key && (kept.to == to || cut)
    };
    kept.iter().find(same).map(|kept| kept.chunk.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (Position(0), Audience::Classic, 100);

    fn chunk(to: u64) -> Chunk {
        Chunk {
            to: Position(to),
            ..Chunk::default()
        }
    }

    #[test]
    fn one_that_was_cut_is_the_same_for_whoever_asks_for_more() {
        let chunks = Chunks::default();
        chunks.get(KEY, Position(1000), || chunk(700));
        for to in [700, 999, 1000, 2000] {
            let known = chunks.get(KEY, Position(to), || panic!("made again"));
            assert_eq!(known.to, Position(700));
        }
        let shorter = chunks.get(KEY, Position(699), || chunk(699));
        assert_eq!(shorter.to, Position(699));
    }

    #[test]
    fn one_that_reached_the_head_is_for_the_same_head_alone() {
        let chunks = Chunks::default();
        chunks.get(KEY, Position(1000), || chunk(1000));
        chunks.get(KEY, Position(1000), || panic!("made again"));
        let further = chunks.get(KEY, Position(1001), || chunk(1001));
        assert_eq!(further.to, Position(1001));
    }

    #[test]
    fn what_is_asked_for_otherwise_or_is_short_is_made() {
        let chunks = Chunks::default();
        chunks.get(KEY, Position(1000), || chunk(700));
        for key in [
            (Position(1), Audience::Classic, 100),
            (Position(0), Audience::Rescind, 100),
            (Position(0), Audience::Classic, 101),
        ] {
            assert_eq!(chunks.get(key, Position(1000), || chunk(800)).to.0, 800);
        }
        chunks.get(KEY, Position(9), || chunk(9));
        assert_eq!(chunks.get(KEY, Position(9), || chunk(8)).to, Position(8));
    }

    #[test]
    fn of_two_that_make_the_same_at_once_one_is_kept() {
        let chunks = Chunks::default();
        chunks.get(KEY, Position(1000), || {
            chunks.get(KEY, Position(1000), || chunk(700));
            chunk(700)
        });
        assert_eq!(chunks.kept().len(), 1);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let chunks = Chunks::default();
        for n in 0..10 {
            let key = (Position(n), Audience::Classic, 100);
            chunks.get(key, Position(1000), || chunk(700));
        }
        assert_eq!(chunks.kept().len(), KEPT);
    }
}
