//! The log lines about handshakes that failed: at most one a second for each kind, so that nobody fills the disk by
//! knocking.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::AlertDescription;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::words;

/// At most one line for each kind in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    kind: Kind,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Gone before the handshake was done: port probes do that all day.
    Closed,
    NoCertificate,
    Certificate,
    RefusedByPeer,
    NotTls,
    Timeout,
    Other,
    Accept,
}

impl Refusal {
    pub(super) fn of(error: &io::Error) -> Self {
        let cause = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match cause {
            Some(cause) => Self::of_tls(cause),
            None if is_closed(error) => Self::new(Kind::Closed, "the peer closed the connection"),
            None => Self::new(Kind::Other, error.to_string()),
        }
    }

    pub(super) fn timeout(after: Duration) -> Self {
        Self::new(
            Kind::Timeout,
            format!("the handshake took more than {} s", after.as_secs()),
        )
    }

    fn of_tls(cause: &rustls::Error) -> Self {
        use rustls::Error;
        match cause {
            Error::NoCertificatesPresented => {
                Self::new(Kind::NoCertificate, "the client showed no certificate")
            }
            Error::InvalidCertificate(error) => Self::new(
                Kind::Certificate,
                format!("the client's certificate {}", words::of(error)),
            ),
            Error::AlertReceived(alert) => Self::new(Kind::RefusedByPeer, refused_by_peer(*alert)),
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
                Self::new(Kind::NotTls, "what came is not TLS")
            }
            error => Self::new(Kind::Other, error.to_string()),
        }
    }

    fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }
}

fn refused_by_peer(alert: AlertDescription) -> String {
    let hint = match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => " (it does not trust this server's certificate)",
        _ => "",
    };
    format!("the client refused with the alert {alert:?}{hint}")
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | BrokenPipe | ConnectionAborted
    )
}

/// Logs the refusals of one listener.
#[derive(Debug)]
pub(super) struct Refusals {
    listener: SocketAddr,
    said: Mutex<HashMap<Kind, Said>>,
}

#[derive(Debug)]
struct Said {
    last: Instant,
    suppressed: u64,
}

impl Refusals {
    pub(super) fn new(listener: SocketAddr) -> Self {
        Self {
            listener,
            said: Mutex::default(),
        }
    }

    pub(super) fn refused(&self, peer: SocketAddr, refusal: &Refusal) {
        let Refusal { kind, reason } = refusal;
        if *kind == Kind::Closed {
            debug!(%peer, listener = %self.listener, reason, "TLS handshake not finished");
            return;
        }
        if let Some(suppressed) = self.turn(*kind) {
            warn!(%peer, listener = %self.listener, reason, suppressed, "TLS handshake failed");
        }
    }

    pub(super) fn accept_failed(&self, error: &io::Error) {
        if let Some(suppressed) = self.turn(Kind::Accept) {
            warn!(listener = %self.listener, %error, suppressed, "Cannot accept connections, trying again");
        }
    }

    /// The number of lines withheld since the last one of this kind, if one may be written now.
    fn turn(&self, kind: Kind) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(&kind) {
            Some(said) if now.duration_since(said.last) < INTERVAL => {
                said.suppressed += 1;
                None
            }
            Some(said) => {
                said.last = now;
                Some(std::mem::take(&mut said.suppressed))
            }
            None => {
                said.insert(
                    kind,
                    Said {
                        last: now,
                        suppressed: 0,
                    },
                );
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_for_each_kind() {
        let refusals = Refusals::new(([127, 0, 0, 1], 18000).into());
        assert_eq!(refusals.turn(Kind::NotTls), Some(0));
        assert_eq!(refusals.turn(Kind::NotTls), None);
        assert_eq!(refusals.turn(Kind::Timeout), Some(0));
        assert_eq!(refusals.turn(Kind::NotTls), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(refusals.turn(Kind::NotTls), Some(2));
        assert_eq!(refusals.turn(Kind::NotTls), None);
    }
}
