//! One version of the set, as readers see it.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    mix::Mixer,
    shard::{Shard, shard_of},
};
use crate::{TokenId, UnixMillis};

/// The shards of a table, shared by all versions between which none of them grew.
pub(super) type Directory = Arc<[Arc<Shard>]>;

/// When each application, or each subject, was revoked last. There are few: a version that changes one has its own map.
pub(super) type Moments = Arc<HashMap<TokenId, UnixMillis>>;

/// One version of the set.
pub struct View {
    pub(super) directory: Directory,
    pub(super) sequence: u64,
    pub(super) mixer: Mixer,
    pub(super) tokens: usize,
    pub(super) apps: Moments,
    pub(super) subjects: Moments,
    pub(super) version: Arc<str>,
}

impl View {
    /// The version that the newest batch brought; empty before the first.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether this token is revoked. Presence decides: no clock is read.
    #[inline]
    pub fn has_token(&self, id: TokenId) -> bool {
        let key = self.mixer.mix(id);
        self.directory[shard_of(key)].contains(key, self.sequence)
    }

    /// When the application with this consumer key was revoked last.
    pub fn app_revoked_at(&self, id: TokenId) -> Option<UnixMillis> {
        self.apps.get(&id).copied()
    }

    /// When the subject with this entity id was revoked last.
    pub fn subject_revoked_at(&self, id: TokenId) -> Option<UnixMillis> {
        self.subjects.get(&id).copied()
    }

    /// How many things are revoked.
    pub fn len(&self) -> usize {
        self.tokens + self.apps.len() + self.subjects.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("version", &self.version)
            .field("tokens", &self.tokens)
            .field("apps", &self.apps.len())
            .field("subjects", &self.subjects.len())
            .finish_non_exhaustive()
    }
}
