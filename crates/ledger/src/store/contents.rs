//! What a file holds, as its rows are taken in one after the other.

use std::path::Path;

use rescind_revocation::{Expiry, UnixMillis, UnixSeconds};

use super::{
    OriginRow,
    facts::Meta,
    group_checksum,
    scan::{Scan, scan},
};
use crate::{Damage, LedgerError, codec, directory::error, epochs::Span, groups::Groups, log::Log};

/// How far a damaged group may reach to be believed about its key.
const LARGEST_GROUP: u64 = 1 << 20;

/// Entries that are put into the index together: some 12 MB of it at a time.
const UNSETTLED: usize = 1_000_000;

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// What is live of the groups that are whole.
    pub(crate) log: Log,
    pub(crate) groups: Groups,
    /// Entries of the log that are not in its index yet.
    unsettled: usize,
    /// The last sequence of the log. Groups that reach into each other say the same of what both hold.
    taken: u64,
    pub(crate) epochs: Vec<Span>,
    pub(crate) complete: bool,
    pub(crate) source_good_at: Option<UnixMillis>,
    pub(crate) horizon: UnixSeconds,
    /// The highest sequence that was ever given out, as far as the file knows.
    pub(crate) head: u64,
    /// What the ledger says of itself was read, and is believed.
    has_meta: bool,
    /// Empty in a whole file.
    pub(crate) damage: Vec<Damage>,
    /// What is said of the coming of entries: read only of a damaged file, to be copied.
    pub(crate) origins: Vec<OriginRow>,
}

impl Contents {
    /// What its pages hold of a file that SQLite cannot read as a database, and why it cannot.
    pub(crate) fn unreadable(path: &Path, reason: String) -> Result<Self, LedgerError> {
        let mut contents = Self::default();
        contents.damage.push(Damage::File {
            what: "the file",
            reason,
        });
        contents.read_pages(path)?;
        Ok(contents)
    }

    /// Reads a damaged file again, page by page, where there may be more in it than SQLite can reach.
    pub(crate) fn read_pages(&mut self, path: &Path) -> Result<(), LedgerError> {
        if !self.damage.iter().all(is_within_reach) {
            let scan = scan(path).map_err(|source| error("read", path, source))?;
            self.take_scan(scan);
        }
        // What lies behind the head is given out again, and came otherwise.
        let head = self.head;
        self.origins.retain(|(first, _)| *first <= head);
        Ok(())
    }

    fn take_scan(&mut self, scan: Scan) {
        let has_meta = self.has_meta;
        if let Some(meta) = scan.meta.filter(|_| !has_meta) {
            self.take_meta(meta);
        }
        let mut found = Self {
            horizon: self.horizon,
            ..Self::default()
        };
        for group in scan.groups {
            found.take(group);
        }
        found.settle();
        if found.log.len() >= self.log.len() || self.has_meta != has_meta {
            self.damage.retain(is_of_the_file);
            self.damage.append(&mut found.damage);
            self.log = found.log;
            self.groups = found.groups;
            self.head = self.head.max(found.head);
        }
        if self.epochs.is_empty() {
            self.epochs = scan.epochs;
        }
        // Where pages are broken, SQLite does not see that a row is missing.
        self.origins = scan.origins;
        self.end();
    }

    pub(super) fn take_meta(&mut self, meta: Meta) {
        let Meta {
            complete,
            source_good_at,
            horizon,
        } = meta;
        self.complete = complete;
        self.source_good_at = source_good_at;
        self.horizon = horizon;
        self.has_meta = true;
    }

    /// Nothing before where the last epoch began is given out again.
    pub(super) fn end(&mut self) {
        let began = self.epochs.iter().map(|span| span.first).max();
        self.head = self.head.max(began.unwrap_or(0));
    }

    pub(super) fn broken(&mut self, what: &'static str, reason: &rusqlite::Error) {
        let reason = reason.to_string();
        self.damage.push(Damage::File { what, reason });
    }

    pub(super) fn take(&mut self, group: Group) {
        let computed = group.computed();
        let Group {
            first,
            last,
            found,
            bytes,
        } = group;
        if computed != found {
            // Its sequences are not given out again, where its key is likely.
            if first == self.head + 1 && last.saturating_sub(first) < LARGEST_GROUP {
                self.head = self.head.max(last);
            }
            return self.damage.push(Damage::Checksum {
                first,
                last,
                found,
                computed,
            });
        }
        if first > self.head + 1 {
            self.damage.push(Damage::Missing {
                first: self.head + 1,
                last: first - 1,
            });
        }
        self.head = self.head.max(last);
        match codec::decode(first, last, &bytes) {
            Ok(entries) => self.take_entries(first, last, &entries),
            Err(reason) => self.damage.push(Damage::Group {
                first,
                last,
                reason,
            }),
        }
    }

    fn take_entries(&mut self, first: u64, last: u64, entries: &[codec::Raw<'_>]) {
        let stored = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.groups.push(&(first..=last), stored);
        let taken = self.taken;
        for raw in entries.iter().filter(|raw| raw.sequence > taken) {
            self.taken = raw.sequence;
            let swept = raw.entry.expiry() < Some(Expiry::Known(self.horizon));
            if swept && raw.entry.expiry().is_some() {
                self.groups.dropped(raw.sequence);
            } else {
                self.log.push_raw(raw);
                self.unsettled += 1;
            }
        }
        if self.unsettled >= UNSETTLED {
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        for sequence in self.log.settle() {
            self.groups.dropped(sequence);
        }
        self.unsettled = 0;
    }
}

/// Whether SQLite reads all the rest of the file where this is what is wrong.
fn is_within_reach(damage: &Damage) -> bool {
    matches!(
        damage,
        Damage::Checksum { .. } | Damage::Group { .. } | Damage::Header { .. }
    )
}

/// Whether this is wrong however the groups are read.
fn is_of_the_file(damage: &Damage) -> bool {
    matches!(
        damage,
        Damage::File { .. } | Damage::Row { .. } | Damage::Table { .. } | Damage::Header { .. }
    )
}

/// A row, as it was found.
pub(super) struct Group {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The checksum beside the bytes.
    pub(super) found: u64,
    pub(super) bytes: Vec<u8>,
}

impl Group {
    /// The checksum that its bytes give.
    pub(super) fn computed(&self) -> u64 {
        group_checksum(self.first, self.last, &self.bytes)
    }
}
