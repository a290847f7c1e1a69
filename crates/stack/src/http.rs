//! An HTTPS client that trusts the stack's own CA, and no proxy between.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use reqwest::{Certificate, Client};

/// A client for the parts. An answer that takes longer than five seconds is none.
pub(crate) fn client(ca: &Path) -> Result<Client> {
    // The parts listen on 127.0.0.1; `localhost` may name `::1` first.
    client_to(ca, "localhost", ([127, 0, 0, 1], 0).into())
}

/// A client that finds `host` at `address`, whatever the system says.
pub(crate) fn client_to(ca: &Path, host: &str, address: SocketAddr) -> Result<Client> {
    // Whoever installed one before us has the same one: there is a single provider in this house.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pem = fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    Client::builder()
        .tls_certs_only(Certificate::from_pem_bundle(&pem)?)
        .resolve(host, address)
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .context("cannot make an HTTPS client")
}
