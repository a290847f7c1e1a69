//! What survives the process, and what happens when the set is too old.

use std::{path::PathBuf, time::Duration};

use rescind_authz::Answer;
use serde::{Deserialize, Serialize};

use crate::staleness::{StalePolicy, StaleSettings};

/// What survives the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct State {
    /// The folder of the own log; empty: nothing survives.
    pub directory: PathBuf,
}

/// When the set is too old, and what then. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Staleness {
    /// The link age beyond which the set is stale.
    pub bound: u64,
    /// The source age beyond which it is; 0: it never is by that.
    pub source_bound: u64,
    /// What then happens to a request, where its route does not say.
    pub policy: StalePolicy,
    /// How weak a route may be that says so itself. The adapters are told the weaker of the two.
    pub weakest_route: StalePolicy,
    /// The status of a refusal for that reason.
    pub status: StaleStatus,
    /// How long an adapter may take for its first word before the policy decides.
    pub start_grace: u64,
}

/// The status of a refusal because the set is stale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum StaleStatus {
    /// 503: the gateway cannot decide now.
    #[default]
    Unavailable,
    /// 401, as for a bad token.
    Unauthorized,
}

impl Staleness {
    /// The settings as they are judged by.
    pub fn settings(&self) -> StaleSettings {
        let seconds = Duration::from_secs;
        StaleSettings {
            bound: seconds(self.bound),
            source_bound: (self.source_bound > 0).then(|| seconds(self.source_bound)),
            policy: self.policy,
            weakest_route: self.weakest_route,
            answer: match self.status {
                StaleStatus::Unavailable => Answer::Stale,
                StaleStatus::Unauthorized => Answer::StaleUnauthorized,
            },
            start_grace: seconds(self.start_grace),
        }
    }
}

impl TryFrom<u16> for StaleStatus {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            503 => Ok(Self::Unavailable),
            401 => Ok(Self::Unauthorized),
            _ => Err(format!("expected 503 or 401, found {status}")),
        }
    }
}

impl From<StaleStatus> for u16 {
    fn from(status: StaleStatus) -> Self {
        match status {
            StaleStatus::Unavailable => 503,
            StaleStatus::Unauthorized => 401,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            directory: "/var/lib/rescind-enforcer".into(),
        }
    }
}

impl Default for Staleness {
    fn default() -> Self {
        Self {
            bound: 900,
            source_bound: 0,
            policy: StalePolicy::Deny,
            weakest_route: StalePolicy::Allow,
            status: StaleStatus::Unavailable,
            start_grace: 30,
        }
    }
}
