//! The epochs of a ledger, and what a cursor means by them.

use crate::{Cursor, Epoch};

/// What a cursor means to this ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// It is a place in this ledger: what comes after it is new to whoever shows it.
    At(u64),
    /// Its epoch is known and ends before it: this ledger was set back to an old copy.
    Beyond,
    /// It says nothing here. Whoever shows it needs the whole set.
    Unknown,
}

/// One epoch with the heads it began and ended at, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) epoch: Epoch,
    pub(crate) first: u64,
    /// `None` while it is the current one: it reaches to the head.
    pub(crate) last: Option<u64>,
}

/// All epochs, oldest first; the last one is the current one.
#[derive(Debug)]
pub(crate) struct Epochs(Vec<Span>);

impl Epochs {
    /// Begins a new epoch at `head`. Those before it end there at the latest.
    pub(crate) fn begin(mut past: Vec<Span>, head: u64) -> Self {
        for span in &mut past {
            span.last.get_or_insert(head);
        }
        let taken = |epoch| past.iter().any(|span| span.epoch == epoch);
        let mut epoch = Epoch(rand::random());
        while taken(epoch) {
            epoch = Epoch(rand::random());
        }
        past.push(Span {
            epoch,
            first: head,
            last: None,
        });
        Self(past)
    }

    pub(crate) fn current(&self) -> Span {
        *self.0.last().expect("begin() pushes one")
    }

    /// The first epoch names the ledger.
    pub(crate) fn ledger_id(&self) -> Epoch {
        self.0[0].epoch
    }

    /// The cursor for a sequence: in the newest epoch that it lies in, so that it resolves to itself.
    pub(crate) fn cursor(&self, sequence: u64, head: u64) -> Cursor {
        let within = |span: &&Span| (span.first..=span.last.unwrap_or(head)).contains(&sequence);
        // None fits only where epochs were lost to damage; then the cursor is unknown later, which is safe.
        let span = self.0.iter().rev().find(within);
        Cursor {
            sequence,
            epoch: span.map_or(self.current().epoch, |span| span.epoch),
        }
    }

    pub(crate) fn resolve(&self, cursor: Cursor, head: u64) -> Resolved {
        let found = self.0.iter().rfind(|span| span.epoch == cursor.epoch);
        match found {
            Some(span) if cursor.sequence < span.first => Resolved::Unknown,
            Some(span) if cursor.sequence > span.last.unwrap_or(head) => Resolved::Beyond,
            Some(_) => Resolved::At(cursor.sequence),
            None => Resolved::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(epoch: u32, first: u64, last: Option<u64>) -> Span {
        Span {
            epoch: Epoch(epoch),
            first,
            last,
        }
    }

    #[test]
    fn a_cursor_is_known_within_its_epoch_both_ends_included() {
        let epochs = Epochs(vec![
            span(1, 0, Some(10)),
            span(2, 10, Some(10)),
            span(3, 10, None),
        ]);
        for (sequence, epoch, resolved) in [
            (0, 1, Resolved::At(0)),
            (10, 1, Resolved::At(10)),
            (11, 1, Resolved::Beyond),
            (9, 2, Resolved::Unknown),
            (10, 2, Resolved::At(10)),
            (11, 2, Resolved::Beyond),
            (9, 3, Resolved::Unknown),
            (10, 3, Resolved::At(10)),
            (25, 3, Resolved::At(25)),
            (26, 3, Resolved::Beyond),
            (10, 4, Resolved::Unknown),
        ] {
            let cursor = Cursor {
                sequence,
                epoch: Epoch(epoch),
            };
            assert_eq!(epochs.resolve(cursor, 25), resolved, "{cursor}");
        }
    }

    #[test]
    fn a_sequence_is_named_in_the_newest_epoch_it_lies_in() {
        let epochs = Epochs(vec![
            span(1, 0, Some(10)),
            span(2, 10, Some(10)),
            span(3, 10, Some(20)),
            span(4, 20, None),
        ]);
        for (sequence, epoch) in [(0, 1), (9, 1), (10, 3), (19, 3), (20, 4), (25, 4), (26, 4)] {
            assert_eq!(
                epochs.cursor(sequence, 25).epoch,
                Epoch(epoch),
                "{sequence}"
            );
        }
    }

    #[test]
    fn a_new_epoch_ends_the_one_before() {
        let epochs = Epochs::begin(vec![span(1, 0, Some(4)), span(2, 4, None)], 9);
        assert_eq!(epochs.0[..2], [span(1, 0, Some(4)), span(2, 4, Some(9))]);
        assert_eq!(epochs.current().first, 9);
        assert_eq!(epochs.ledger_id(), Epoch(1));
    }
}
