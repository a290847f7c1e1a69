//! Digests by expiry, so that what has expired can be left out of a comparison without being read again.

use std::collections::BTreeMap;

use super::Digest;
use crate::{Entry, Expiry, UnixSeconds};

/// The digest of a live set, kept by ten minutes of expiry.
///
/// Tokens of unknown or no expiry, apps and subjects are in a bucket that counts from every horizon. The owner tells it
/// each change; it does not hold the entries and cannot notice one told twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    always: Bucket,
    by_expiry: BTreeMap<u64, Bucket>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    digest: Digest,
    count: u64,
}

impl Digests {
    /// How much of expiry a bucket takes. A horizon between two boundaries counts as the boundary before it.
    pub const BUCKET_SECONDS: u64 = 600;

    /// The digests of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bucket boundary at or before `at`: what a horizon should be.
    pub fn boundary(at: UnixSeconds) -> UnixSeconds {
        UnixSeconds(at.0 - at.0 % Self::BUCKET_SECONDS)
    }

    /// Takes in an entry that was not there.
    pub fn insert(&mut self, entry: &Entry) {
        let bucket = match bucket_of(entry) {
            Some(key) => self.by_expiry.entry(key).or_default(),
            None => &mut self.always,
        };
        bucket.digest = bucket.digest.plus(Digest::of(entry));
        bucket.count += 1;
    }

    /// Takes out an entry exactly as it was put in. One whose bucket was dropped already changes nothing.
    pub fn remove(&mut self, entry: &Entry) {
        let Some(key) = bucket_of(entry) else {
            return self.always.remove(entry);
        };
        if let Some(bucket) = self.by_expiry.get_mut(&key) {
            bucket.remove(entry);
            if bucket.count == 0 {
                self.by_expiry.remove(&key);
            }
        }
    }

    /// Changes an entry: `before` as it was put in, if it was.
    pub fn replace(&mut self, before: Option<&Entry>, after: &Entry) {
        if let Some(before) = before {
            self.remove(before);
        }
        self.insert(after);
    }

    /// The digest of what is live from `horizon` on, and how many entries that is.
    pub fn from(&self, horizon: UnixSeconds) -> (Digest, u64) {
        let sum = self
            .by_expiry
            .range(horizon.0 / Self::BUCKET_SECONDS..)
            .fold(self.always, |sum, (_, bucket)| Bucket {
                digest: sum.digest.plus(bucket.digest),
                count: sum.count + bucket.count,
            });
        (sum.digest, sum.count)
    }

    /// Forgets the buckets that end at or before `horizon`, and says how many entries were in them.
    pub fn drop_before(&mut self, horizon: UnixSeconds) -> u64 {
        let kept = self
            .by_expiry
            .split_off(&(horizon.0 / Self::BUCKET_SECONDS));
        let dropped = std::mem::replace(&mut self.by_expiry, kept);
        dropped.values().map(|bucket| bucket.count).sum()
    }
}

impl Bucket {
    fn remove(&mut self, entry: &Entry) {
        self.digest = self.digest.minus(Digest::of(entry));
        self.count = self.count.saturating_sub(1);
    }
}

/// The bucket of an entry that expires.
fn bucket_of(entry: &Entry) -> Option<u64> {
    match *entry {
        Entry::Token { expiry, .. } => match expiry.capped() {
            Expiry::Known(at) => Some(at.0 / Digests::BUCKET_SECONDS),
            Expiry::Unknown | Expiry::Never => None,
        },
        Entry::App { .. } | Entry::Subject { .. } => None,
    }
}
