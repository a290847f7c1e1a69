//! Whether a server asked for a client certificate, and what it was shown.
//!
//! In TLS 1.3 the client's handshake is over before the server has looked at what it was shown. A refusal is an alert then,
//! or, where the first bytes of HTTP/2 cross it, a reset that throws the alert away. What is certain is the question, so an
//! error tells that.

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use rustls::{ClientConfig, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

/// What was asked and shown in one handshake.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<AtomicU8>);

const SHOWN: u8 = 1;
const NONE: u8 = 2;

impl Asked {
    /// The same settings, for a handshake that is noted here.
    pub(super) fn noting(&self, config: &ClientConfig) -> Arc<ClientConfig> {
        let mut config = config.clone();
        config.client_auth_cert_resolver = Arc::new(Noting {
            resolver: config.client_auth_cert_resolver,
            asked: self.clone(),
        });
        Arc::new(config)
    }

    /// What may explain that the server broke off; empty where nothing was asked.
    pub(super) fn hint(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            SHOWN => " (it asks for a client certificate and may not believe ours)",
            NONE => " (it asks for a client certificate, and there is none to show)",
            _ => "",
        }
    }
}

/// Whether it was the server who ended a handshake; else it was us, who do not believe it.
pub(super) fn broken_off(error: &io::Error) -> bool {
    let cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|cause| cause as _);
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
