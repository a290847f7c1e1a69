//! What comes from the adapter, taken into the revoked set: decoded and validated whole, then applied in one step.
//!
//! A walk over everything is merged as it comes, also where nothing is held yet. Nothing is decided on a set that is not
//! whole, so nobody takes half of a first walk for the set; and who is whole with an empty set, and finds more at another
//! adapter, enforces each part from its ACK on. Built aside until its end it would be ACKed and not enforced.

use std::{sync::Arc, time::Duration};

use rescind_revocation::{Entry, RevokedSet};
use rescind_runtime::health::Health;
use rescind_xds::client::{
    Answer, Content, LinkState, Outcome, Packed, Rejection, ServerHead, Sink, Update, Walk,
};
use tracing::{debug, info};

use crate::{
    age::Age,
    clock::Clock,
    journal::{Checkpoint, Durable, Undurable},
    metrics::Metrics,
    readiness::Readiness,
};

mod decode;
mod proof;
mod upkeep;

use proof::{Comparison, Marks};
use upkeep::Sweep;

/// The ledger whose cursor a version is, over `StreamTokens`: its server knows its own cursors from others.
const OLD: &str = "";

/// The degraded state while no adapter is connected.
const LINK: &str = "adapter";

/// The degraded state while the adapter does not say whether its set is whole.
const UNPROVEN: &str = "unproven adapter";

/// A server that never speaks when idle has nothing more to say, where it was quiet for so long.
const QUIET: Duration = Duration::from_secs(15);

/// The only writer of the revoked set.
#[derive(Debug)]
pub struct Subscription {
    set: Arc<RevokedSet>,
    /// Written before anything is applied; holds the versions.
    durable: Durable,
    comparison: Comparison,
    sweep: Option<Sweep>,
    /// What is applied and could not be recorded.
    held: Option<Held>,
    allow_unproven: bool,
    /// The server of this stream has shown that it is `rescind.v1`.
    speaks: bool,
    /// It has answered, and has not shown that.
    old: bool,
    age: Age,
    clock: Arc<dyn Clock>,
    readiness: Readiness,
    health: Health,
    metrics: Metrics,
}

/// What the subscription tells, beside the set.
#[derive(Debug, Clone)]
pub struct Signals {
    /// How old the set is.
    pub age: Age,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Whether the set is whole.
    pub readiness: Readiness,
    /// What is wrong.
    pub health: Health,
    /// What is counted.
    pub metrics: Metrics,
}

/// Where an update leads.
#[derive(Debug)]
struct Place {
    ledger: String,
    /// `None` for a heartbeat, which is of no ledger.
    cursor: Option<String>,
    told: Told,
}

/// An update that is applied, and of which the own log knows nothing.
#[derive(Debug)]
struct Held {
    place: Place,
    answer: Answer,
}

/// What an update says, beside its entries.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// What is held by it is all there is at the adapter.
    current: bool,
    /// And that may be called whole.
    whole: bool,
}

impl Subscription {
    /// Takes updates into `set`, which holds what `durable` has restored, and says when it is whole and how old.
    pub fn new(set: Arc<RevokedSet>, durable: Durable, signals: Signals) -> Self {
        let Signals {
            age,
            clock,
            readiness,
            health,
            metrics,
        } = signals;
        let subscription = Self {
            set,
            durable,
            comparison: Comparison::default(),
            sweep: None,
            held: None,
            allow_unproven: false,
            speaks: false,
            old: false,
            age,
            clock,
            readiness,
            health,
            metrics,
        };
        subscription.restored();
        subscription
    }

    /// Goes on with the marks that an earlier process left beside the set.
    #[must_use]
    pub fn with_marks(self, marks: &[u8]) -> Self {
        Self {
            comparison: Comparison::new(Marks::decode(marks)),
            ..self
        }
    }

    /// Whether an adapter that cannot say whether its set is whole is believed to be so.
    #[must_use]
    pub fn allowing_unproven(self, allow_unproven: bool) -> Self {
        let subscription = Self {
            allow_unproven,
            ..self
        };
        subscription.restored();
        subscription
    }

    /// What an earlier process of this boot left is as good as it was then, and as old as it is.
    fn restored(&self) {
        let state = self.durable.state();
        if state.complete || state.unproven && self.allow_unproven {
            if let Some(checkpoint) = state.checkpoint {
                self.age.restore(checkpoint.boot);
            }
            self.readiness.complete();
        }
        let (total, version) = self.set.read(|view| (view.len(), view.version().clone()));
        self.show(total, sequence(&version));
    }

    /// Writes an update to the own log, before it is applied.
    fn record(&mut self, entries: &[Entry], place: &Place) -> Result<(), Undurable> {
        let checkpoint = Checkpoint {
            wall: self.clock.wall(),
            boot: self.clock.boot_millis(),
        };
        self.durable.commit(entries, None, |state| {
            if let Some(cursor) = &place.cursor {
                state.set_cursor(&place.ledger, cursor);
            }
            state.complete |= place.told.whole;
            if place.told.current {
                state.checkpoint = Some(checkpoint);
            }
        })
    }

    fn show(&self, total: usize, sequence: &str) {
        self.metrics
            .set_entries
            .set(i64::try_from(total).unwrap_or(i64::MAX));
        self.metrics.set_version.set(sequence.parse().unwrap_or(0));
    }

    /// Applies the entries of an update, and says so.
    fn publish(&mut self, entries: &[Entry], update: &Update, news: bool) {
        let version = &update.version;
        let batch = self.comparison.named(entries);
        let comparison = &mut self.comparison;
        let applied = self
            .set
            .apply_each(entries.iter().copied(), version, |entry, merged| {
                comparison.merged(&batch, &entry, &merged);
            });
        if self.comparison.applied(&batch) {
            self.keep_marks();
        }
        if let Content::Packed(Packed {
            walk: Walk::Part { ends: true, .. },
            ..
        }) = update.content
        {
            let horizon = self.durable.state().horizon;
            self.comparison.walk_ends(&self.set, horizon);
            self.look();
        }
        let sequence = sequence(version);
        self.metrics.applied_entries.inc_by(entries.len() as u64);
        self.show(applied.total, sequence);
        let (count, total) = (entries.len(), applied.total);
        // Two blanks: Choreo Connect's line, which operators search for.
        if news {
            info!(
                count,
                total, "Revoked  token event received with version : {sequence}"
            );
        } else {
            debug!(
                total,
                "Revoked  token event received with version : {sequence}"
            );
        }
    }

    /// The set is whole once it holds the head of an adapter that calls its own whole.
    fn judge(&mut self, update: &Update, told: Told) {
        if self.speaks {
            self.health.recover(UNPROVEN);
            if told.whole {
                self.ready();
            }
        } else if matches!(update.content, Content::Resources(_)) {
            self.unproven();
        }
    }

    fn ready(&self) {
        if self.readiness.complete() {
            let total = self.set.read(rescind_revocation::View::len);
            info!(
                total,
                "The revoked set is complete, checks are decided from now on"
            );
        }
    }

    /// The adapter has said all it will, or all it has, and cannot say whether that is everything.
    fn unproven(&mut self) {
        self.old = true;
        self.health.degrade(
            UNPROVEN,
            match self.allow_unproven {
                true => "it does not say whether its set is complete; believed, since xds.allowUnproven is true",
                false => "it does not say whether its set is complete",
            },
        );
        if !self.allow_unproven {
            return;
        }
        self.age.current();
        if !self.durable.state().unproven {
            // What cannot be written is said by the log itself.
            let _ = self
                .durable
                .commit(&[], None, |state| state.unproven = true);
        }
        self.ready();
    }

    /// A part of a walk says where the walk begins, and every update of which ledger it is.
    fn enter(&mut self, update: &Update) {
        if let Some(ledger) = &update.ledger
            && self.comparison.enter(ledger, &self.set)
        {
            self.keep_marks();
        }
        if let Content::Packed(Packed {
            walk: Walk::Part { begins: true, .. },
            ..
        }) = update.content
        {
            let held = self.set.read(rescind_revocation::View::len);
            // Where nothing is held, everything that will be was named.
            if held > 0 {
                self.comparison.walk_begins(&self.set);
            }
        }
    }
}

/// Where an update leads, if it is applied.
fn place(update: &Update) -> Place {
    let is_of_one = update.ledger.is_some() || matches!(update.content, Content::Resources(_));
    Place {
        ledger: update.ledger.clone().unwrap_or_else(|| OLD.to_owned()),
        cursor: is_of_one.then(|| update.version.clone()),
        told: told(update),
    }
}

/// What an update says of the whole.
fn told(update: &Update) -> Told {
    if let Some(said) = &update.checkpoint {
        return Told {
            current: true,
            whole: said.complete,
        };
    }
    let resources = matches!(update.content, Content::Resources(_));
    let head = update.head.as_ref().filter(|_| resources);
    let current = head.is_some_and(|head: &ServerHead| head.version == update.version);
    Told {
        current,
        whole: current && head.is_some_and(|head| head.complete),
    }
}

impl Sink for Subscription {
    /// Only what came over `StreamTokens`, or was never told of which ledger it is.
    fn version(&self) -> String {
        self.durable.state().cursor(OLD).to_owned()
    }

    fn is_complete(&self) -> bool {
        self.readiness.is_complete()
    }

    fn versions(&self) -> Vec<(String, String)> {
        let cursors = self.durable.state().cursors();
        let known = cursors.filter(|(ledger, _)| *ledger != OLD);
        known
            .map(|(ledger, cursor)| (ledger.to_owned(), cursor.to_owned()))
            .collect()
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        let entries = decode::entries(&update.content).map_err(|error| {
            self.metrics.rejected_updates.inc();
            Rejection(error.to_string())
        })?;
        self.speaks |= update.head.is_some() || update.checkpoint.is_some();
        let place = place(&update);
        let told = place.told;
        let nothing = matches!(update.content, Content::Nothing);
        let news = !entries.is_empty()
            || !nothing && self.durable.state().cursor(&place.ledger) != update.version;
        self.enter(&update);
        let recorded = self.record(&entries, &place);
        if !nothing {
            self.publish(&entries, &update, news);
        }
        self.durable.tend(&self.set);
        if self.speaks {
            self.age.heard();
        }
        match &update.checkpoint {
            Some(said) => {
                let source_age = said.source_age_ms.map(Duration::from_millis);
                self.age.checkpoint(said.as_of_ms, source_age);
            }
            None if told.current => self.age.current(),
            None => {}
        }
        self.judge(&update, told);
        let answer = update.checkpoint.as_ref().map(|said| self.compare(said));
        let answer = answer.unwrap_or_default();
        Ok(match recorded {
            Ok(()) => {
                self.held = None;
                self.age.acknowledges();
                Outcome::Applied(answer)
            }
            Err(Undurable) => {
                self.held = Some(Held { place, answer });
                Outcome::Held
            }
        })
    }

    fn settle(&mut self) -> Option<Answer> {
        let Held { place, answer } = self.held.take()?;
        // Its entries are in the set already: whatever is written from now on begins with an image, which has them.
        match self.record(&[], &place) {
            Ok(()) => {
                self.durable.tend(&self.set);
                self.age.acknowledges();
                Some(answer)
            }
            Err(Undurable) => {
                self.held = Some(Held { place, answer });
                None
            }
        }
    }

    fn work(&mut self) -> bool {
        match self.comparison.is_looking() {
            true => self.look(),
            false => self.sweep_on(),
        }
        self.comparison.is_looking() || self.sweep.is_some()
    }

    fn link(&mut self, state: LinkState) {
        match state {
            LinkState::Opening { address } => {
                debug!(address, "Opening a stream");
                (self.speaks, self.old) = (false, false);
                self.age.stream_opens();
            }
            LinkState::Connected { address } => {
                debug!(address, "Connected");
                self.metrics.adapter_connected.set(1);
                self.health.recover(LINK);
            }
            LinkState::Alive { quiet } => {
                if quiet >= QUIET || self.old {
                    self.unproven();
                }
            }
            LinkState::Disconnected { reason } => {
                self.metrics.adapter_connected.set(0);
                debug!(reason, "Disconnected");
                self.comparison.lost(&self.set);
                // The link's own log says why, address by address.
                self.health.degrade(LINK, "no stream to an adapter is open");
            }
        }
    }
}

/// The part of a version that grows: `1042` of `1042-0a0b0c0d`.
fn sequence(version: &str) -> &str {
    version
        .split_once('-')
        .map_or(version, |(sequence, _)| sequence)
}

#[cfg(test)]
mod tests;
