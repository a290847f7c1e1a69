//! What keeps the set as the adapter's: comparing, looking at all of it, dropping what has expired.
//!
//! A look and a sweep go over the whole set. They take steps of some milliseconds, and what is new goes in between.

use rescind_revocation::{Digests, RevokedSet, UnixSeconds};
use rescind_xds::{
    client::{Answer, Checkpoint},
    server::Proof,
};
use tracing::{debug, warn};

use super::{Subscription, proof::Verdict, sequence};

/// The degraded state while this set is not the adapter's.
const DIVERGED: &str = "digest";

/// No token is dropped before it has been expired for so long by our own clock, whatever the adapter says.
const KEPT: u64 = 3600;

/// A step ends once it has built shards anew that held so many tokens.
const STEP: usize = 64 * 1024;

/// Drops what has expired, part of the set by part.
#[derive(Debug)]
pub(super) struct Sweep {
    horizon: UnixSeconds,
    next: usize,
    swept: usize,
}

impl Subscription {
    /// Compares with what the adapter says of its set, and drops what it has dropped.
    pub(super) fn compare(&mut self, said: &Checkpoint) -> Answer {
        let now = self.clock.boot_millis();
        let verdict = self.comparison.compare(said, &self.set, now);
        self.sweep(UnixSeconds(said.horizon));
        match verdict {
            Verdict::NotYet => Answer::default(),
            Verdict::Proven => {
                self.metrics.set_diverged.set(0);
                self.health.recover(DIVERGED);
                Answer {
                    proof: Some(Proof::Proven),
                    walk: false,
                }
            }
            Verdict::Diverged { stands, walk } => {
                if stands {
                    self.metrics.set_diverged.set(1);
                    self.health
                        .degrade(DIVERGED, "this set is not the one that the adapter holds");
                }
                if walk {
                    self.metrics.walks.inc();
                    let (digest, count) = self.comparison.shown(said.horizon);
                    warn!(
                        held = count,
                        adapter = said.count,
                        %digest,
                        "The set differs from the adapter's: everything is asked for again"
                    );
                }
                Answer {
                    proof: Some(Proof::Diverged),
                    walk,
                }
            }
        }
    }

    /// Drops what the adapter has dropped, and never sooner than our own clock allows: begins to.
    fn sweep(&mut self, horizon: UnixSeconds) {
        let own = self.clock.wall().second().0.saturating_sub(KEPT);
        let horizon = horizon.min(Digests::boundary(UnixSeconds(own)));
        if self.sweep.is_some() || horizon <= self.durable.state().horizon {
            return;
        }
        self.sweep = Some(Sweep {
            horizon,
            next: 0,
            swept: 0,
        });
        self.sweep_on();
    }

    /// The next step of a sweep. At its end the horizon has moved.
    pub(super) fn sweep_on(&mut self) {
        let Some(sweep) = &mut self.sweep else {
            return;
        };
        let mut built = 0;
        while sweep.next < RevokedSet::PARTS && built < STEP {
            let part = self.set.sweep_part(sweep.next, sweep.horizon);
            if part.swept > 0 {
                built += part.looked_at;
            }
            sweep.swept += part.swept;
            sweep.next += 1;
        }
        let over = |sweep: &mut Sweep| sweep.next == RevokedSet::PARTS;
        let Some(Sweep { horizon, swept, .. }) = self.sweep.take_if(over) else {
            return;
        };
        let _ = self
            .durable
            .commit(&[], None, |state| state.horizon = horizon);
        if self.comparison.swept(horizon) {
            self.keep_marks();
        }
        let (total, version) = self.set.read(|view| (view.len(), view.version().clone()));
        self.show(total, sequence(&version));
        debug!(swept, %horizon, "Expired tokens dropped");
    }

    /// The next step of a look at the whole set.
    pub(super) fn look(&mut self) {
        if self.comparison.step(&self.set) {
            self.keep_marks();
        }
    }

    pub(super) fn keep_marks(&mut self) {
        let surplus = self.comparison.surplus();
        self.metrics
            .surplus_entries
            .set(i64::try_from(surplus).unwrap_or(i64::MAX));
        let marks = self.comparison.marks().encode();
        // Without a log they are found again by a walk; with one that is stuck, the next update says so.
        let _ = self.durable.commit(&[], Some(&marks), |_| {});
    }
}
