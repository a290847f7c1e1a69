//! A look at every entry, part of the set by part, while updates go on.
//!
//! What an update brings into a part that was looked at is counted with the update; what it brings into another is found
//! there when its turn comes.

use rescind_revocation::{Digests, Entry, Merged, Placement, RevokedSet, UnixSeconds};

use super::{Marks, Walk, is_before, key};

/// Makes the digests of what is held, as it counts.
#[derive(Debug)]
pub(super) struct Look {
    placement: Placement,
    /// The next part.
    next: usize,
    digests: Digests,
    after: Option<After>,
}

/// It follows a walk, and finds the marks too.
#[derive(Debug)]
struct After {
    walk: Walk,
    /// What expired before was left out by the walk.
    horizon: UnixSeconds,
    /// The marks before the walk.
    before: Marks,
}

impl Look {
    /// A step ends once it has looked at so many entries: some milliseconds, since each is hashed.
    pub(super) const STEP: usize = 32 * 1024;

    pub(super) fn at(set: &RevokedSet) -> Self {
        Self {
            placement: set.placement(),
            next: 0,
            digests: Digests::new(),
            after: None,
        }
    }

    pub(super) fn after(walk: Walk, horizon: UnixSeconds, before: Marks, set: &RevokedSet) -> Self {
        let after = After {
            walk,
            horizon,
            before,
        };
        Self {
            after: Some(after),
            ..Self::at(set)
        }
    }

    pub(super) fn follows_a_walk(&self) -> bool {
        self.after.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.next >= RevokedSet::PARTS
    }

    /// What came after the walk was named too.
    pub(super) fn named(&mut self, entry: &Entry, merged: &Merged) {
        let seen = self.has_seen(entry);
        if let Some(after) = self.after.as_mut().filter(|_| !seen) {
            after.walk.named(entry, merged);
        }
    }

    /// The digests, if the entry is counted in them.
    pub(super) fn digests_with(&mut self, entry: &Entry) -> Option<&mut Digests> {
        self.has_seen(entry).then_some(&mut self.digests)
    }

    pub(super) fn digests_mut(&mut self) -> &mut Digests {
        &mut self.digests
    }

    fn has_seen(&self, entry: &Entry) -> bool {
        self.placement.part_of(entry) < self.next
    }

    /// Looks at the next parts, until that were so many `entries`. `marks` are what is known, or where what is found goes.
    pub(super) fn step(&mut self, set: &RevokedSet, marks: &mut Marks, entries: usize) {
        let (digests, after) = (&mut self.digests, &self.after);
        let mut looked_at = 0;
        while self.next < RevokedSet::PARTS && looked_at < entries {
            set.visit_part(self.next, |held, named| {
                looked_at += 1;
                let counts = match after {
                    None => marks.value_of(&held),
                    Some(after) => after.value_of(&held, named, marks),
                };
                if let Some(counts) = counts {
                    digests.insert(&counts);
                }
            });
            self.next += 1;
        }
    }

    /// The digests, and the marks that were before the walk, if it followed one.
    pub(super) fn finish(self) -> (Digests, Option<Marks>) {
        (self.digests, self.after.map(|after| after.before))
    }
}

impl After {
    /// What an entry counts as; marked, where that is not what is held.
    fn value_of(&self, held: &Entry, named: bool, marks: &mut Marks) -> Option<Entry> {
        let counts = self.walk.value_of(held, named);
        if counts.is_none() && is_before(held, self.horizon) {
            return None;
        }
        if counts != Some(*held) {
            marks.insert(key(held), *held, counts);
        }
        counts
    }
}
