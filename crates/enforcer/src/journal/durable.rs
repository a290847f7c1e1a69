//! What the subscription holds: every update is written before it is applied, or everybody knows that it is not.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rescind_revocation::{Entry, RevokedSet};
use rescind_runtime::health::Health;
use thiserror::Error;
use tracing::{debug, info};

use super::{Journal, JournalError, Restored, State, directory};
use crate::{clock::Clock, metrics::Metrics};

/// The degraded state while there is no log.
const HEALTH: &str = "own log";

/// How long after a failure the log is tried again.
const RETRY_MILLIS: u64 = 60_000;

/// The state of the set, and its log where there is one.
#[derive(Debug)]
pub struct Durable {
    journal: Option<Journal>,
    /// Why there is no journal, and where it should be.
    unusable: Option<Unusable>,
    state: State,
    /// A log that misses something is still there.
    stuck: bool,
    /// When the log is tried again, by the boot clock.
    retry_at: u64,
    clock: Arc<dyn Clock>,
    health: Health,
    metrics: Metrics,
}

/// A folder that cannot be used. An earlier process may have left its log there.
#[derive(Debug)]
struct Unusable {
    folder: PathBuf,
    reason: String,
}

/// The log can be neither written nor deleted: after a restart an older set would pass for this one. The update may be
/// applied, but must not be ACKed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the enforcer's own log can be neither written nor deleted")]
pub struct Undurable;

impl Durable {
    /// Without a folder: what is held lives in memory alone, and everybody is told.
    pub fn in_memory(clock: Arc<dyn Clock>, health: &Health, metrics: &Metrics) -> Self {
        health.degrade(
            HEALTH,
            "no directory is configured: after a restart nothing is decided before an adapter has sent everything",
        );
        Self::new(None, State::default(), clock, health, metrics)
    }

    /// Uses the folder at `path`, with what an earlier process left there. A folder that cannot be used is a degraded state,
    /// one that another process uses is an error.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        health: &Health,
        metrics: &Metrics,
    ) -> Result<(Self, Option<Restored>), JournalError> {
        match Journal::open(path, clock.boot_id()) {
            Ok((journal, restored)) => {
                let state = restored.as_ref().map(|restored| restored.state.clone());
                let state = state.unwrap_or_default();
                let mut durable = Self::new(Some(journal), state, clock, health, metrics);
                match &restored {
                    Some(restored) => {
                        log(restored);
                        durable.begin(&restored.set);
                    }
                    None => durable.begin(&RevokedSet::new()),
                }
                Ok((durable, restored))
            }
            Err(error @ JournalError::Taken(_)) => Err(error),
            Err(error @ JournalError::Unusable { .. }) => {
                let mut durable = Self::new(None, State::default(), clock, health, metrics);
                durable.without(path, error.to_string());
                Ok((durable, None))
            }
        }
    }

    fn new(
        journal: Option<Journal>,
        state: State,
        clock: Arc<dyn Clock>,
        health: &Health,
        metrics: &Metrics,
    ) -> Self {
        Self {
            journal,
            unusable: None,
            state,
            stuck: false,
            retry_at: 0,
            clock,
            health: health.clone(),
            metrics: metrics.clone(),
        }
    }

    /// Goes on without the folder. A log in it would pass for whole as soon as the folder can be used again.
    fn without(&mut self, folder: &Path, reason: String) {
        self.health.degrade(HEALTH, &*reason);
        self.stuck = !directory::is_gone(&directory::log_in(folder));
        self.unusable = Some(Unusable {
            folder: folder.to_owned(),
            reason,
        });
    }

    /// What is known of the set.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes what is about to be applied: `entries`, the state after `change`, and `marks` where they changed.
    ///
    /// Call it before the set is changed. Where the log fails it is deleted, and the set goes on in memory; only where that
    /// fails too it is an error: the update may be applied, but the state stays as it was, and nothing may be ACKed.
    pub fn commit(
        &mut self,
        entries: &[Entry],
        marks: Option<&[u8]>,
        change: impl FnOnce(&mut State),
    ) -> Result<(), Undurable> {
        let mut next = self.state.clone();
        change(&mut next);
        self.append(entries, &next, marks);
        if self.stuck {
            self.abandon()?;
        }
        self.state = next;
        Ok(())
    }

    fn append(&mut self, entries: &[Entry], state: &State, marks: Option<&[u8]>) {
        let takes = |journal: &&mut Journal| journal.is_open() || journal.is_writing();
        let Some(journal) = self.journal.as_mut().filter(takes) else {
            return;
        };
        if self.stuck {
            return;
        }
        if let Err(error) = journal.append(entries, state, marks) {
            let path = journal.path().display();
            self.health
                .degrade(HEALTH, format!("{path} cannot be written: {error}"));
            self.metrics.journal_failures.inc();
            self.retry_at = self.clock.boot_millis() + RETRY_MILLIS;
            self.stuck = true;
        }
        self.metrics.journal_bytes.set(journal.bytes());
    }

    /// Whether an image is being written.
    pub fn is_writing(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_writing)
    }

    /// Before anything is applied: where there is no log to go on with, one is begun. Nothing lasts without.
    pub(super) fn begin(&mut self, set: &RevokedSet) {
        if let Some(journal) = self.journal.as_mut().filter(|journal| !journal.is_open()) {
            let begun = journal.begin(set, &self.state);
            // The log of an earlier process may still be there, and nothing is appended to it.
            self.stuck = begun.is_err();
            self.ended(begun);
        }
    }

    /// After an update was applied: changes the log for an image where it has grown, or begins it anew where it had failed.
    /// The image is written beside; a later call puts it in place.
    pub fn tend(&mut self, set: &Arc<RevokedSet>) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Some(ended) = journal.poll() {
            return self.ended(ended);
        }
        let wanted = !journal.is_open() || journal.wants_image();
        let due = wanted && !journal.is_writing() && !self.stuck;
        if due
            && self.clock.boot_millis() >= self.retry_at
            && let Err(error) = journal.begin_beside(set, &self.state)
        {
            self.ended(Err(error));
        }
    }

    /// An image is there, or there will be none for a while.
    fn ended(&mut self, ended: io::Result<()>) {
        let Some(journal) = &self.journal else {
            return;
        };
        match ended {
            Ok(()) => {
                self.metrics.images_written.inc();
                self.metrics.journal_bytes.set(journal.bytes());
                self.health.recover(HEALTH);
            }
            Err(error) => {
                self.metrics.journal_failures.inc();
                self.retry_at = self.clock.boot_millis() + RETRY_MILLIS;
                let path = journal.path().display();
                let reason = format!("{path} takes no image: {error}");
                // A log that is open goes on, and misses nothing.
                match journal.is_open() {
                    true => debug!(reason, "The log goes on without an image"),
                    false => self.health.degrade(HEALTH, reason),
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn journal_mut(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    /// As [`Self::tend`], until no image is being written.
    #[cfg(test)]
    pub(crate) fn tend_to_end(&mut self, set: &Arc<RevokedSet>) {
        crate::testing::patiently(|| {
            self.tend(set);
            !self.journal_mut().is_writing()
        });
    }

    fn abandon(&mut self) -> Result<(), Undurable> {
        let (path, abandoned) = match (&mut self.journal, &self.unusable) {
            (Some(journal), _) => {
                let abandoned = journal.abandon();
                (journal.path(), abandoned)
            }
            (None, Some(Unusable { folder, .. })) => {
                let removed = directory::remove(&directory::log_in(folder));
                (folder.as_path(), removed)
            }
            (None, None) => return Ok(()),
        };
        if let Err(error) = abandoned {
            let path = path.display();
            let reason = format!("{path} can be neither written nor deleted: {error}");
            self.health.degrade(HEALTH, reason);
            return Err(Undurable);
        }
        self.stuck = false;
        self.metrics.journal_bytes.set(0);
        // Nothing will be held any more, but the folder is as it was.
        if let Some(unusable) = &self.unusable {
            self.health.degrade(HEALTH, &*unusable.reason);
        }
        Ok(())
    }
}

fn log(restored: &Restored) {
    let (entries, version) = restored
        .set
        .read(|view| (view.len(), view.version().clone()));
    info!(
        entries,
        %version,
        same_boot = restored.same_boot,
        complete = restored.state.complete,
        unproven = restored.state.unproven,
        torn_bytes = restored.torn_bytes,
        "Revoked tokens restored from the enforcer's own log"
    );
}
