//! Ranges as the bytes that are sent, made once for all who are at the same place.
//!
//! Streams that walk the whole ledger come by the same cuts (see `Log::cut`), and live pushes are the same range for every
//! stream at the head. What was made last is kept, and what somebody still holds is found again. A range that is kept may
//! hold entries that were superseded since: what supersedes them stands later in the log, so a union stays right.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use rescind_revocation::{Entry, packed};

use crate::reader::LedgerReader;

/// Ranges that are kept when nobody holds them: some 1.3 MB each.
const KEPT: usize = 4;

/// Most entries of a range: as many as a window of the log has sequences.
const MOST: usize = 65_536;

/// Entries that are copied out of the ledger under one lock.
const PAGE: usize = 4_096;

/// The live entries of a range in the packed form of [`rescind_revocation::packed`], counted from its `BASE`.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedRange {
    /// It holds what is live after this sequence,
    pub after: u64,
    /// up to this one.
    pub to: u64,
    /// How many entries that is.
    pub entries: usize,
    /// They, packed. Empty where there are none.
    pub bytes: Box<[u8]>,
}

type Made = Arc<OnceLock<Arc<PackedRange>>>;

/// What was asked for: after which sequence, up to which, and at most how many entries.
type Key = (u64, u64, usize);

/// What was made.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Ranges>);

#[derive(Debug, Default)]
struct Ranges {
    kept: VecDeque<(Key, Made)>,
    held: Vec<(Key, Weak<PackedRange>)>,
}

impl Cache {
    /// The range, made by whoever asks first; who asks meanwhile waits for that.
    fn get(&self, key: Key, make: impl FnOnce() -> PackedRange) -> Arc<PackedRange> {
        let made = match self.lock().find(key) {
            Ok(range) => return range,
            Err(made) => made,
        };
        let range = Arc::clone(made.get_or_init(|| Arc::new(make())));
        self.lock().remember(key, &range);
        range
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ranges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranges {
    fn find(&mut self, key: Key) -> Result<Arc<PackedRange>, Made> {
        if let Some((_, made)) = self.kept.iter().find(|(kept, _)| *kept == key) {
            return Err(Arc::clone(made));
        }
        let held = self.held.iter().find(|(held, _)| *held == key);
        if let Some(range) = held.and_then(|(_, range)| range.upgrade()) {
            return Ok(range);
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let made = Made::default();
        self.kept.push_back((key, Arc::clone(&made)));
        Err(made)
    }

    fn remember(&mut self, key: Key, range: &Arc<PackedRange>) {
        self.held.retain(|(_, held)| held.strong_count() > 0);
        if !self.held.iter().any(|(held, _)| *held == key) {
            self.held.push((key, Arc::downgrade(range)));
        }
    }
}

/// The range after `after`, cut at `to` or before it: see [`LedgerReader::read_packed`].
pub(crate) fn read(
    reader: &LedgerReader,
    after: u64,
    to: u64,
    max_bytes: usize,
) -> Arc<PackedRange> {
    let to = to.min(reader.head().sequence).max(after);
    // A subject takes 24 bytes, and each of three kinds a header.
    let limit = (max_bytes.saturating_sub(15) / 24).clamp(1, MOST);
    let end = match reader.memory().log.cut(after, limit) {
        Some(cut) => cut.min(to),
        None => to,
    };
    reader.packed.get((after, end, limit), || {
        let (entries, reached) = collect(reader, after, end, limit);
        PackedRange {
            after,
            to: reached,
            entries: entries.len(),
            bytes: packed::encode(&entries).into(),
        }
    })
}

/// The entries of a range, at most `limit`, and how far they reach.
fn collect(reader: &LedgerReader, after: u64, to: u64, limit: usize) -> (Vec<Entry>, u64) {
    let mut entries = Vec::new();
    let mut from = after;
    loop {
        let memory = reader.memory();
        let before = entries.len();
        let page = PAGE.min(limit - before);
        for (sequence, entry) in memory.log.range(from, to).take(page) {
            entries.push(entry.entry());
            from = sequence;
        }
        if entries.len() - before < page {
            return (entries, to);
        }
        if entries.len() == limit {
            let more = memory.log.range(from, to).next().is_some();
            return (entries, if more { from } else { to });
        }
    }
}
