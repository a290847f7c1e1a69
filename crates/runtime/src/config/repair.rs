//! Going on after a problem, to find the next one.
//!
//! serde stops at the first error. So the tree is read again without the value that was wrong; where it is needed, with
//! something in its place; and where that does not please its reader either, without the table around it.

use std::collections::BTreeSet;

use super::path;

/// What is different from the true tree.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    removed: BTreeSet<String>,
    stand_ins: BTreeSet<String>,
}

impl Repairs {
    pub(super) fn is_removed(&self, path: &str) -> bool {
        self.removed.contains(path) && !self.stand_ins.contains(path)
    }

    pub(super) fn has_stand_in(&self, path: &str) -> bool {
        self.stand_ins.contains(path)
    }

    /// Whether a problem at `path` follows from one that has been reported.
    pub(super) fn cover(&self, path: &str) -> bool {
        let mut repaired = self.removed.iter().chain(&self.stand_ins);
        repaired.any(|repaired| path::is_within(path, repaired))
    }

    /// Repairs `path`; `false` when nothing more can be done.
    pub(super) fn repair(&mut self, path: &str, missing: bool) -> bool {
        let displeases = self
            .stand_ins
            .iter()
            .find(|stand_in| path::is_within(path, stand_in))
            .cloned();
        let (path, missing) = match &displeases {
            Some(stand_in) => (path::parent(stand_in), false),
            None => (path, missing),
        };
        if path.is_empty() {
            return false;
        }
        if let Some(stand_in) = &displeases {
            self.stand_ins.remove(stand_in);
        }
        if missing || !self.removed.insert(path.to_owned()) {
            self.stand_ins.insert(path.to_owned());
        }
        true
    }
}
