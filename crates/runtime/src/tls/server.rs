//! The server's side of TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::pinned::PinnedClient;
use super::{Shown, TlsError, Trust, alpn_protocols, provider};

/// Whether clients must show a certificate.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// Each client must show one that this trust accepts.
    Required(Trust),
    /// None is asked for.
    None,
}

/// A server with one certificate that offers `alpn` in its order of preference (empty: no ALPN).
///
/// Sessions are not resumed: a resumed one goes on the certificates of the one before, whatever has changed since.
pub fn server_config(
    identity: &dyn Shown,
    client_auth: &ClientAuth,
    alpn: &[&str],
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = match client_auth {
        ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
        ClientAuth::Required(trust) => Arc::new(PinnedClient::new(trust)),
    };
    let certificate = Arc::new(identity.certificate()?);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = alpn_protocols(alpn);
    Ok(Arc::new(config))
}
