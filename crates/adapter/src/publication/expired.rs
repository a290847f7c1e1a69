//! Which tokens expire in a range of time: the whole ledger is walked for that, aside, on a thread that may block.
//!
//! What is known of a range reaches to some sequence. What was accepted since is looked through when it is asked for, so that
//! an answer is always about all that any stream can have been sent: a token that comes when it has expired already is told
//! as removed too. One that has come again meanwhile, and expires later, may be named; who asks looks again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rescind_ledger::LedgerReader;
use rescind_revocation::{Expiry, Revocation, UnixSeconds};
use rescind_xds::Removed;

use super::PAGE;

/// So many sequences are looked through at once, by who asks.
const NEAR: u64 = 4 * PAGE as u64;

/// So many ranges are known at a time. Streams that keep up all ask for the same, and all others end where that does.
const RANGES: usize = 8;

/// What is known. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Expired {
    reader: LedgerReader,
    ranges: Arc<Mutex<VecDeque<Range>>>,
}

#[derive(Debug)]
struct Range {
    from: u64,
    to: u64,
    names: Arc<[String]>,
    /// All up to here has been looked through.
    upto: u64,
    /// It is being looked through aside.
    walked: bool,
}

impl Expired {
    pub(super) fn new(reader: LedgerReader) -> Self {
        Self {
            reader,
            ranges: Arc::default(),
        }
    }

    /// The names of those that expire in `[from, to)`.
    pub(super) fn between(&self, from: u64, to: u64) -> Removed {
        // What was dropped cannot be told.
        if self.reader.horizon().0 > from {
            return Removed::Unknown;
        }
        let head = self.reader.head().sequence;
        let mut ranges = self.ranges();
        if find(&mut ranges, from, to).is_none() {
            make_room(&mut ranges, to);
            if ranges.len() >= RANGES {
                return Removed::Later;
            }
            ranges.push_back(Range {
                from,
                to,
                names: Arc::default(),
                upto: 0,
                walked: false,
            });
        }
        let Some(range) = find(&mut ranges, from, to) else {
            return Removed::Later;
        };
        if range.walked {
            return Removed::Later;
        }
        if head.saturating_sub(range.upto) > NEAR {
            range.walked = true;
            let (expired, after) = (self.clone(), range.upto);
            drop(ranges);
            tokio::task::spawn_blocking(move || expired.walk((from, to), after, head));
            return Removed::Later;
        }
        let more = names(&self.reader, (from, to), range.upto, head);
        range.add(more, head);
        Removed::Names(Arc::clone(&range.names))
    }

    /// Looks through a part of the ledger.
    fn walk(&self, (from, to): (u64, u64), after: u64, head: u64) {
        let more = names(&self.reader, (from, to), after, head);
        let mut ranges = self.ranges();
        if let Some(range) = find(&mut ranges, from, to) {
            range.add(more, head);
            range.walked = false;
        }
    }

    fn ranges(&self) -> MutexGuard<'_, VecDeque<Range>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Range {
    fn add(&mut self, more: Vec<String>, upto: u64) {
        if !more.is_empty() {
            self.names = self.names.iter().cloned().chain(more).collect();
        }
        self.upto = upto;
    }
}

fn find(ranges: &mut VecDeque<Range>, from: u64, to: u64) -> Option<&mut Range> {
    let mut ranges = ranges.iter_mut();
    ranges.find(|range| (range.from, range.to) == (from, to))
}

/// Forgets ranges that end before, and the oldest where there are too many; but none that is being looked through.
fn make_room(ranges: &mut VecDeque<Range>, to: u64) {
    ranges.retain(|range| range.walked || range.to >= to);
    while ranges.len() >= RANGES
        && let Some(at) = ranges.iter().position(|range| !range.walked)
    {
        ranges.remove(at);
    }
}

/// All tokens in `(after, upto]` that expire in `[from, to)`.
fn names(reader: &LedgerReader, (from, to): (u64, u64), mut after: u64, upto: u64) -> Vec<String> {
    let range = Expiry::Known(UnixSeconds(from))..Expiry::Known(UnixSeconds(to));
    let mut names = Vec::new();
    loop {
        let page = reader.read(after, upto, PAGE);
        for live in &page {
            if let Revocation::Token { identifier, expiry } = &live.revocation
                && range.contains(expiry)
            {
                names.push(identifier.as_str().to_owned());
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.sequence,
            _ => return names,
        }
    }
}

#[cfg(test)]
mod tests {
    use rescind_ledger::Ledger;
    use rescind_revocation::Identifier;
    use tempfile::TempDir;

    use super::*;
    use crate::testing::soon;

    fn until(name: &str, second: u64) -> Revocation {
        Revocation::Token {
            identifier: Identifier::new(name).unwrap(),
            expiry: Expiry::Known(UnixSeconds(second)),
        }
    }

    /// A ledger of more than is looked through at once, of which two expire between 600 and 1200.
    fn ledger(directory: &TempDir) -> Ledger {
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        let mut all: Vec<_> = (0..=NEAR)
            .map(|n| until(&format!("token-{n}"), 4_000_000_000))
            .collect();
        all[7] = until("early", 600);
        all.push(until("late", 1199));
        all.push(until("after", 1200));
        ledger.append(&all).unwrap();
        ledger
    }

    async fn known(expired: &Expired, from: u64, to: u64) -> Vec<String> {
        soon(async {
            loop {
                match expired.between(from, to) {
                    Removed::Names(names) => return names.to_vec(),
                    Removed::Later => tokio::task::yield_now().await,
                    Removed::Unknown => panic!("unknown"),
                }
            }
        })
        .await
    }

    #[tokio::test]
    async fn a_large_ledger_is_walked_aside_and_what_comes_meanwhile_is_told_too() {
        let directory = TempDir::new().unwrap();
        let mut ledger = ledger(&directory);
        let expired = Expired::new(ledger.reader());
        assert!(matches!(expired.between(600, 1200), Removed::Later));
        // It has expired before it came; streams that were not told yet are sent it.
        ledger.append(&[until("at once", 700)]).unwrap();
        assert_eq!(
            known(&expired, 600, 1200).await,
            ["early", "late", "at once"]
        );
        ledger.append(&[until("and then", 800)]).unwrap();
        let names = known(&expired, 600, 1200).await;
        assert_eq!(names.last().unwrap(), "and then");
    }

    #[tokio::test]
    async fn streams_that_ask_for_other_ranges_do_not_keep_each_other_from_an_answer() {
        let directory = TempDir::new().unwrap();
        let ledger = ledger(&directory);
        let expired = Expired::new(ledger.reader());
        let asked = [600, 0, 1200].map(|from| known(&expired, from, 1800));
        let counts: Vec<_> = futures_util::future::join_all(asked)
            .await
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(counts, [3, 3, 1]);
        // Nobody asks for what ended before.
        assert_eq!(known(&expired, 1800, 2400).await.len(), 0);
        assert_eq!(expired.ranges().len(), 1);
    }
}
