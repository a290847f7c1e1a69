//! The way to the next enforcer: calls over HTTP/2 and mutual TLS, on connections that are made anew when they are gone.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Uri};
use rescind_carry::{AskError, Asker, Away, Hops, Settings, Upstream};
use rustls_pki_types::{IpAddr, ServerName};

use super::{
    Failure, PROBE,
    call::{self, MOST, NextAnswer},
};
use crate::check::CHECK;

/// How long TLS may take, once there is a connection: a check waits for it.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// The way.
#[derive(Debug)]
pub(crate) struct Link {
    asker: Asker,
    check: Uri,
}

impl Link {
    /// Not connected yet.
    pub(crate) fn new(mut upstream: Upstream) -> anyhow::Result<Self> {
        let name = match &upstream.server_name {
            ServerName::IpAddress(IpAddr::V6(_)) => {
                format!("[{}]", upstream.server_name.to_str())
            }
            name => name.to_str().into_owned(),
        };
        let check = Uri::builder().scheme("https").authority(name);
        upstream.handshake_timeout = HANDSHAKE;
        let settings = Settings {
            probe_timeout: PROBE,
            ..Settings::default()
        };
        Ok(Self {
            check: check.path_and_query(CHECK).build()?,
            asker: Asker::new(&upstream, settings)?,
        })
    }

    /// Who probes, for who else goes the same way.
    pub(crate) fn hops(&self) -> Hops {
        self.asker.hops()
    }

    /// Passes a check on. The caller sees to it that it does not take longer than `limit`.
    pub(super) async fn check(
        &self,
        headers: &HeaderMap,
        limit: Duration,
        body: Bytes,
    ) -> Result<NextAnswer, Failure> {
        let head = call::head(self.check.clone(), headers, limit);
        call::answer(self.asker.ask(head, body, MOST).await?)
    }

    /// Whether it answers anything at all, and is not ourselves.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        Ok(self.asker.probe().await?)
    }
}

impl From<Away> for Failure {
    fn from(away: Away) -> Self {
        Self::Unavailable(away.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Away(away) => away.into(),
            broken => Self::Failed(broken.to_string()),
        }
    }
}
