//! TLS 1.2 and 1.3 for servers and clients, with the identities and trust that operators have as files.
//!
//! One cryptography provider for the whole process (aws-lc-rs). Trust is a PEM file or a folder of them, as Choreo
//! Connect's trust store is; a self-signed certificate in it trusts itself even where the Web PKI's rules would not let it
//! be its own issuer.
//!
//! What is read from files follows them: a configuration is made once, and its handshakes use the certificate and the
//! trust that are in force when they happen. [`Certificates`] knows the files of a process, [`Reloader`] reads them again.

mod asked;
mod client;
mod error;
mod files;
mod follow;
mod identity;
mod listener;
mod pinned;
mod refusals;
mod server;
mod trust;
mod turns;
mod validity;
mod words;

pub use asked::Asked;
pub use client::{client_config, insecure_client_config};
pub use error::TlsError;
pub use follow::{Certificates, Reloader};
pub use identity::{Identity, OwnCertificate, Shown};
pub use listener::{TlsListener, TlsStream};
pub use server::{ClientAuth, server_config};
pub use trust::Trust;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// ALPN of gRPC and of other HTTP/2.
pub const ALPN_H2: &[&str] = &["h2"];

/// ALPN of a server that speaks both versions of HTTP.
pub const ALPN_HTTP: &[&str] = &["h2", "http/1.1"];

/// Makes aws-lc-rs the provider of every TLS configuration in this process, also those made by libraries. Call it first
/// thing in `main`; calling it again changes nothing.
pub fn install_crypto_provider() {
    // An error says that one is installed already; only aws-lc-rs is linked.
    let _ = aws_lc_rs::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}

fn alpn_protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect()
}

#[cfg(test)]
mod tests;
