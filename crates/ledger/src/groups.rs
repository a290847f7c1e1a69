//! The rows of the file, as accounts: how many entries each has, and how many of them are still live. They say which rows
//! are worth writing anew.
//!
//! A commit makes a row, so an idle adapter makes many small ones; a sweep and later expiries empty old ones. Both are
//! mended by joining neighbours into one row that answers for all their sequences and holds what is live of them. At the
//! tail sixteen rows of one order of size make one of the next, so an entry is written some four times on its way into a
//! row of thousands, however many commits there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// Most entries of a joined row: one transaction of that size takes some 10 ms.
pub(crate) const GROUP: u32 = 10_000;

/// Fewer rows of one order of size are left alone at the tail.
const TAIL: usize = 16;

/// Orders of size that grow so: sixteen rows of the next one would hold more than [`GROUP`].
const ORDERS: u32 = 3;

/// After a start, neighbours of fewer entries are joined whatever their sizes.
const SMALL: u32 = 256;

/// One row's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) last: u64,
    pub(crate) stored: u32,
    pub(crate) live: u32,
}

/// All rows, by their first sequence.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    rows: BTreeMap<u64, Row>,
    /// Rows that may be worth writing anew, by their first sequence.
    thin: BTreeSet<u64>,
}

impl Groups {
    /// A new row at the end, with `entries` entries, all live.
    pub(crate) fn push(&mut self, sequences: &RangeInclusive<u64>, entries: u32) {
        self.push_counted(sequences, entries, entries);
    }

    /// A new row at the end of which only a part is live.
    pub(crate) fn push_counted(&mut self, sequences: &RangeInclusive<u64>, stored: u32, live: u32) {
        let row = Row {
            last: *sequences.end(),
            stored,
            live,
        };
        self.rows.insert(*sequences.start(), row);
    }

    /// The entry at `sequence` is live no more.
    pub(crate) fn dropped(&mut self, sequence: u64) {
        let Some((first, row)) = self.rows.range_mut(..=sequence).next_back() else {
            return;
        };
        row.live = row.live.saturating_sub(1);
        if row.is_thin() {
            self.thin.insert(*first);
        }
    }

    /// After a start or a failed write: small neighbours, as an older file has them, are to be joined.
    pub(crate) fn review(&mut self) {
        let mut small_before = false;
        for (first, row) in &self.rows {
            let small = row.live < SMALL;
            if row.is_thin() || small && small_before {
                self.thin.insert(*first);
            }
            small_before = small;
        }
    }

    /// The next run of rows to join into one.
    pub(crate) fn next_run(&mut self) -> Option<RangeInclusive<u64>> {
        while let Some(first) = self.thin.first().copied() {
            if let Some(run) = self.run_around(first) {
                return Some(run);
            }
            self.thin.remove(&first);
        }
        self.tail_run()
    }

    /// Every row that holds an entry that is live no more.
    pub(crate) fn holding_dropped(&self) -> Vec<RangeInclusive<u64>> {
        let holding = |(_, row): &(&u64, &Row)| row.live < row.stored;
        let rows = self.rows.iter().filter(holding);
        rows.map(|(first, row)| *first..=row.last).collect()
    }

    /// The rows of `run` were written anew as one, with `entries` entries.
    pub(crate) fn joined(&mut self, run: &RangeInclusive<u64>, entries: u32) {
        let firsts: Vec<u64> = self
            .rows
            .range(run.clone())
            .map(|(first, _)| *first)
            .collect();
        for first in firsts {
            self.rows.remove(&first);
            self.thin.remove(&first);
        }
        self.push(run, entries);
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    fn run_around(&self, first: u64) -> Option<RangeInclusive<u64>> {
        let row = self.rows.get(&first)?;
        let (mut start, mut last, mut live, mut rows) = (first, row.last, row.live, 1);
        for (next, row) in self.rows.range(..first).rev() {
            if live + row.live > GROUP {
                break;
            }
            (start, live, rows) = (*next, live + row.live, rows + 1);
        }
        for row in self.rows.range(first + 1..).map(|(_, row)| row) {
            if live + row.live > GROUP {
                break;
            }
            (last, live, rows) = (row.last, live + row.live, rows + 1);
        }
        // A row alone gets smaller only by what it lost.
        (rows > 1 || row.is_thin()).then_some(start..=last)
    }

    /// Sixteen rows of one order of size, with what is smaller behind them.
    fn tail_run(&self) -> Option<RangeInclusive<u64>> {
        let last = self.rows.last_key_value()?.1.last;
        (0..ORDERS).find_map(|order| {
            let (mut start, mut live, mut rows) = (last, 0, 0);
            for (first, row) in self.rows.iter().rev() {
                live += row.live;
                if row.order() > order || live > GROUP {
                    break;
                }
                start = *first;
                rows += usize::from(row.order() == order);
            }
            (rows >= TAIL).then_some(start..=last)
        })
    }
}

impl Row {
    /// 0 below 16 entries, 1 below 256, and so on.
    fn order(&self) -> u32 {
        self.live.checked_ilog(16).unwrap_or(0)
    }

    /// Half of it or more is gone.
    fn is_thin(&self) -> bool {
        self.stored > 0 && self.live * 2 <= self.stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these sizes, one after the other.
    fn groups(sizes: &[u32]) -> Groups {
        let mut groups = Groups::default();
        let mut first = 1;
        for size in sizes {
            let last = first + u64::from(*size) - 1;
            groups.push(&(first..=last), *size);
            first = last + 1;
        }
        groups
    }

    #[test]
    fn a_tail_of_small_rows_is_joined_and_a_full_row_is_not_written_again() {
        let mut few = groups(&[1; TAIL - 1]);
        assert_eq!(few.next_run(), None);
        let sizes = [&[10_000, 300][..], &[1; TAIL]].concat();
        let mut some = groups(&sizes);
        assert_eq!(some.next_run(), Some(10_301..=10_316));
        some.joined(&(10_301..=10_316), 16);
        assert_eq!((some.next_run(), some.len()), (None, 3));
    }

    #[test]
    fn an_entry_is_written_a_few_times_whatever_the_number_of_commits() {
        let mut groups = Groups::default();
        let mut written = 0;
        for sequence in 1..=100_000 {
            groups.push(&(sequence..=sequence), 1);
            while let Some(run) = groups.next_run() {
                let entries = (run.end() - run.start() + 1) as u32;
                assert!(entries <= GROUP);
                written += entries;
                groups.joined(&run, entries);
            }
        }
        assert!(written < 300_000, "{written}");
        assert!(groups.len() < 80, "{}", groups.len());
    }

    #[test]
    fn a_row_that_lost_half_is_joined_with_what_has_room() {
        let mut groups = groups(&[9_000, 4, 700, 9_000]);
        groups.dropped(9_001);
        assert_eq!(groups.next_run(), None);
        groups.dropped(9_004);
        assert_eq!(groups.next_run(), Some(1..=9_704));
        groups.joined(&(1..=9_704), 9_702);
        assert_eq!(groups.next_run(), None);
    }

    #[test]
    fn rows_that_lost_everything_come_to_rest() {
        let mut groups = groups(&[3, 3]);
        (1..=6).for_each(|sequence| groups.dropped(sequence));
        assert_eq!(groups.next_run(), Some(1..=6));
        groups.joined(&(1..=6), 0);
        assert_eq!((groups.next_run(), groups.len()), (None, 1));
    }

    #[test]
    fn small_rows_of_an_older_file_are_joined() {
        let mut groups = groups(&[1; 30_000]);
        groups.review();
        let mut runs = 0;
        while let Some(run) = groups.next_run() {
            let entries = (run.end() - run.start() + 1) as u32;
            groups.joined(&run, entries);
            runs += 1;
        }
        assert_eq!((runs, groups.len()), (3, 3));
    }
}
