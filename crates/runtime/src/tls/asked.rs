//! Whether a server asked for a client certificate, and what it was shown.
//!
//! In TLS 1.3 the client's handshake is over before the server has looked at what it was shown. A refusal is an alert then,
//! or, where the client's first bytes cross it, a reset that throws the alert away. What is certain is the question, so an
//! error tells that.

use std::{
    error::Error,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use rustls::{ClientConfig, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

/// What was asked and shown in one handshake. A clone is of the same one.
///
/// Shown as text, it is what to put behind an error that says that the server broke off: nothing where it did not ask.
#[derive(Debug, Clone, Default)]
pub struct Asked(Arc<AtomicU8>);

const SHOWN: u8 = 1;
const NONE: u8 = 2;

impl Asked {
    /// The same settings, for a handshake that is noted here.
    pub fn noting(&self, config: &ClientConfig) -> Arc<ClientConfig> {
        let mut config = config.clone();
        config.client_auth_cert_resolver = Arc::new(Noting {
            resolver: config.client_auth_cert_resolver,
            asked: self.clone(),
        });
        Arc::new(config)
    }

    /// The same where this error is the server's breaking off, and not our own refusal of what the server is.
    pub fn behind(&self, error: &io::Error) -> impl fmt::Display {
        if broken_off(error) {
            self.clone()
        } else {
            Self::default()
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.load(Ordering::Relaxed) {
            SHOWN => " (it asks for a client certificate, and may not believe ours)",
            NONE => " (it asks for a client certificate, and there is none to show)",
            _ => "",
        })
    }
}

fn broken_off(error: &io::Error) -> bool {
    let cause = error.get_ref().map(|cause| cause as &(dyn Error + 'static));
    let cause = cause.and_then(|cause| cause.downcast_ref());
    matches!(cause, None | Some(rustls::Error::AlertReceived(_)))
}

#[derive(Debug)]
struct Noting {
    resolver: Arc<dyn ResolvesClientCert>,
    asked: Asked,
}

impl ResolvesClientCert for Noting {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self.resolver.resolve(issuers, schemes);
        let what = if shown.is_some() { SHOWN } else { NONE };
        self.asked.0.store(what, Ordering::Relaxed);
        shown
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.resolver.has_certs()
    }
}
