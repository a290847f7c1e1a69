//! Whether the set may be decided on: whole, and not too old. What happens where it is not is the policy's affair.
//!
//! ```text
//!            whole?  --no--> an adapter was heard within the grace, or the process is younger than it? --yes--> not ready (503)
//!              | yes                                   | no
//!              v                                       v
//!     link age <= bound, source age <= its own? --no--> stale: deny / deny-writes / allow, by route
//!              | yes
//!              v
//!            fresh
//! ```

use std::{str::FromStr, time::Duration};

use rescind_authz::Answer;
use rescind_runtime::health::Health;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{age::Age, metrics::Metrics, readiness::Readiness};

/// The degraded states.
const LINK: &str = "link age";
const SOURCE: &str = "source age";

/// How often ages are looked at for the metrics and the warnings. Checks read them for themselves.
const TICK: Duration = Duration::from_secs(1);

/// What happens to a request while the set is stale; the weaker, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StalePolicy {
    /// It is refused.
    #[default]
    Deny,
    /// `GET`, `HEAD` and `OPTIONS` are decided on the set as it is, the others are refused.
    DenyWrites,
    /// It is decided on the set as it is.
    Allow,
}

/// When the set is stale, and what then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleSettings {
    /// The link age beyond which it is.
    pub bound: Duration,
    /// The source age beyond which it is; `None`: it never is by that.
    pub source_bound: Option<Duration>,
    /// What then, where the route does not say.
    pub policy: StalePolicy,
    /// How weak a route may be that says so itself.
    pub weakest_route: StalePolicy,
    /// What a refused request is told.
    pub answer: Answer,
    /// How long an adapter may take for its first word before the policy decides.
    pub start_grace: Duration,
}

/// How the set stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be decided on.
    Fresh,
    /// Not whole, and it is worth waiting.
    NotReady,
    /// Not whole, or too old: the policy decides.
    Stale,
}

/// One look at the set: how it stands, and the ages by which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How it stands.
    pub standing: Standing,
    /// The link age.
    pub link_age: Option<Duration>,
    /// The source age.
    pub source_age: Option<Duration>,
}

/// How the set stands: asked by each check. A clone asks the same.
#[derive(Debug, Clone)]
pub struct Freshness {
    readiness: Readiness,
    age: Age,
    settings: StaleSettings,
}

impl StalePolicy {
    /// Whether a request with this method is refused on a stale set.
    pub fn refuses(self, method: &str) -> bool {
        match self {
            Self::Deny => true,
            // RFC 9110 section 9.2.1: methods are case-sensitive. TRACE is safe too, but no gateway needs it then.
            Self::DenyWrites => !matches!(method, "GET" | "HEAD" | "OPTIONS"),
            Self::Allow => false,
        }
    }

    /// As it is configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::DenyWrites => "deny-writes",
            Self::Allow => "allow",
        }
    }
}

/// A text that names no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected deny, allow or deny-writes")]
pub struct UnknownPolicy;

impl FromStr for StalePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        [Self::Deny, Self::DenyWrites, Self::Allow]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or(UnknownPolicy)
    }
}

/// 15 minutes, the source does not matter, deny with 503, routes say what they like, 30 s of grace.
impl Default for StaleSettings {
    fn default() -> Self {
        Self {
            bound: Duration::from_secs(900),
            source_bound: None,
            policy: StalePolicy::Deny,
            weakest_route: StalePolicy::Allow,
            answer: Answer::Stale,
            start_grace: Duration::from_secs(30),
        }
    }
}

impl StaleSettings {
    /// What holds for a route that says `route`, or nothing.
    pub fn policy_of(&self, route: Option<StalePolicy>) -> StalePolicy {
        route.unwrap_or(self.policy).min(self.weakest())
    }

    /// The weakest that any route can come to. It is known before any route is seen, so that others can rely on it.
    pub fn weakest(&self) -> StalePolicy {
        self.policy.max(self.weakest_route)
    }
}

impl Freshness {
    /// Judges by `settings` what `readiness` and `age` say.
    pub fn new(readiness: Readiness, age: Age, settings: StaleSettings) -> Self {
        Self {
            readiness,
            age,
            settings,
        }
    }

    /// What it judges by.
    pub fn settings(&self) -> &StaleSettings {
        &self.settings
    }

    /// The ages that it judges.
    pub fn age(&self) -> &Age {
        &self.age
    }

    /// How the set stands now.
    pub fn look(&self) -> Look {
        let (link_age, source_age) = self.age.both();
        Look {
            standing: self.standing(link_age, source_age),
            link_age,
            source_age,
        }
    }

    fn standing(&self, link: Option<Duration>, source: Option<Duration>) -> Standing {
        if !self.readiness.is_complete() {
            return match self.age.silence() > self.settings.start_grace {
                true => Standing::Stale,
                false => Standing::NotReady,
            };
        }
        let fresh = link.is_some_and(|age| age <= self.settings.bound);
        let beyond = |bound| source.is_none_or(|age| age > bound);
        match fresh && !self.settings.source_bound.is_some_and(beyond) {
            true => Standing::Fresh,
            false => Standing::Stale,
        }
    }

    /// Shows the ages in `metrics` and `health`, each second until `cancel`.
    pub async fn watch(self, health: Health, metrics: Metrics, cancel: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut standing = Standing::NotReady;
        let watching = async {
            loop {
                ticks.tick().await;
                standing = self.show(standing, &health, &metrics);
            }
        };
        cancel.run_until_cancelled(watching).await;
    }

    /// One look. Returns how the set stands.
    fn show(&self, before: Standing, health: &Health, metrics: &Metrics) -> Standing {
        let Look {
            standing,
            link_age: link,
            source_age: source,
        } = self.look();
        metrics.show_ages(link, source);
        metrics
            .set_stale
            .set(i64::from(standing == Standing::Stale));
        let policy = self.settings.policy.as_str();
        let whole = self.readiness.is_complete();
        let bound = self.settings.bound;
        // The reasons do not tell the age itself: each change of a reason is a line in the log.
        match (standing, link) {
            (Standing::Stale, _) if !whole => health.degrade(
                LINK,
                format!("no adapter has answered yet, the policy decides ({policy} unless a route says otherwise)"),
            ),
            (Standing::Stale, link) if link.is_none_or(|age| age > bound) => health.degrade(
                LINK,
                format!("beyond its bound of {bound:?}, the policy decides ({policy} unless a route says otherwise)"),
            ),
            (_, Some(age)) if age > bound / 3 => health.degrade(
                LINK,
                format!("more than a third of its bound of {bound:?}"),
            ),
            _ => health.recover(LINK),
        }
        self.show_source(source, health);
        if before == Standing::Stale && standing == Standing::Fresh {
            info!("The revoked set is fresh again");
        }
        standing
    }

    fn show_source(&self, source: Option<Duration>, health: &Health) {
        let bound = self.settings.source_bound;
        let alarm = bound.unwrap_or(self.settings.bound);
        match source {
            Some(age) if bound.is_some_and(|bound| age > bound) => health.degrade(
                SOURCE,
                format!("beyond its bound of {alarm:?}, the policy decides"),
            ),
            Some(age) if age > alarm / 3 => health.degrade(
                SOURCE,
                format!(
                    "the adapter's own source has been away for more than {:?}",
                    alarm / 3
                ),
            ),
            _ => health.recover(SOURCE),
        }
    }
}

#[cfg(test)]
mod tests;
