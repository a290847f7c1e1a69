//! The decision with all that it rests on: one call for each request, whichever proxy asks.
//!
//! A decision is a function of one version of the set, one of the keys, how the set stands, and the clock. Nothing is kept
//! between two of them but the fingerprints of verified credentials.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rescind_authz::{Answer, Decision, Denial, Headers, Policy, Reason, Request};
use rescind_revocation::{RevokedSet, UnixSeconds};

use crate::{
    keys::Keys,
    metrics::{Metrics, Outcome},
    staleness::{Freshness, StalePolicy, Standing},
};

/// Decides requests. A clone decides on the same.
#[derive(Debug, Clone)]
pub struct Engine {
    policy: Arc<Policy>,
    keys: Keys,
    set: Arc<RevokedSet>,
    freshness: Freshness,
    metrics: Metrics,
}

/// A decision, and how old it is what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is to become of the request.
    pub decision: Decision,
    /// Whether the set was stale, and the policy had to say.
    pub stale: bool,
    /// The link age.
    pub link_age: Option<Duration>,
    /// The source age.
    pub source_age: Option<Duration>,
}

/// What was asked lacks what a decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCheck;

impl Engine {
    /// Decides by `policy` on what `set` and `keys` hold at the moment of each request, as far as `freshness` lets it.
    pub fn new(
        policy: Policy,
        keys: Keys,
        set: Arc<RevokedSet>,
        freshness: Freshness,
        metrics: Metrics,
    ) -> Self {
        Self {
            policy: Arc::new(policy),
            keys,
            set,
            freshness,
            metrics,
        }
    }

    /// Where credentials are looked for, where a route does not say.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The set that is asked.
    pub fn set(&self) -> &RevokedSet {
        &self.set
    }

    /// How the set stands.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Decides on one request. `stale_policy` is the route's, if it has one; `now` is the wall clock's.
    pub fn decide<H: Headers + ?Sized>(
        &self,
        request: Result<&Request<'_, H>, BadCheck>,
        stale_policy: Option<StalePolicy>,
        now: UnixSeconds,
    ) -> Verdict {
        let began = Instant::now();
        let look = self.freshness.look();
        let decision = match (look.standing, request) {
            (Standing::NotReady, _) => self.refuse(Answer::NotReady, Reason::NotReady),
            (_, Err(BadCheck)) => self.refuse(Answer::Unclassified, Reason::BadCheck),
            (Standing::Fresh, Ok(request)) => self.ask(request, now),
            (Standing::Stale, Ok(request)) => {
                let settings = self.freshness.settings();
                let refused = settings.policy_of(stale_policy).refuses(request.method);
                match self.ask(request, now) {
                    // What is known to be revoked, or bad, is so on any set.
                    Decision::Allow(_) if refused => self.refuse(settings.answer, Reason::Stale),
                    decision => decision,
                }
            }
        };
        let stale = look.standing == Standing::Stale;
        self.count(&decision, stale, began.elapsed());
        Verdict {
            decision,
            stale,
            link_age: look.link_age,
            source_age: look.source_age,
        }
    }

    /// `OPTIONS` of a resource that leaves it to the gateway: nothing is looked at, and nothing reaches the upstream.
    pub(crate) fn answer_options(&self) -> Verdict {
        let began = Instant::now();
        let look = self.freshness.look();
        let decision = self.refuse(Answer::Options, Reason::Options);
        self.count(&decision, false, began.elapsed());
        Verdict {
            decision,
            stale: false,
            link_age: look.link_age,
            source_age: look.source_age,
        }
    }

    fn ask<H: Headers + ?Sized>(&self, request: &Request<'_, H>, now: UnixSeconds) -> Decision {
        let keys = self.keys.load();
        let decision = self.policy.decide(request, &keys, &self.set, now);
        if let Decision::Deny(denial) = &decision
            && denial.reason == Reason::UnknownKey
        {
            self.keys.wanted();
        }
        decision
    }

    fn refuse(&self, answer: Answer, reason: Reason) -> Decision {
        Decision::Deny(Denial {
            answer,
            reason,
            credential: None,
            version: self.set.read(|view| Arc::clone(view.version())),
        })
    }

    fn count(&self, decision: &Decision, stale: bool, took: Duration) {
        self.metrics.checked(outcome(decision), took.as_secs_f64());
        if let Decision::Allow(permit) = decision {
            self.metrics.lacking(permit.lacking);
            if permit.known {
                self.metrics.known_tokens.inc();
            }
            if stale {
                self.metrics.stale_passed.inc();
            }
        }
    }
}

fn outcome(decision: &Decision) -> Outcome {
    match decision {
        Decision::Allow(_) => Outcome::Allowed,
        Decision::Deny(denial) => match denial.reason {
            reason if reason.is_revoked() => Outcome::Revoked,
            Reason::NotReady => Outcome::NotReady,
            Reason::Stale => Outcome::Stale,
            Reason::BadCheck => Outcome::BadCheck,
            Reason::Options => Outcome::Options,
            Reason::NoCredential | Reason::TooManyCredentials => Outcome::Missing,
            _ => Outcome::Invalid,
        },
    }
}
