//! The server's side of TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;

use super::pinned::PinnedClient;
use super::{Identity, TlsError, Trust, alpn_protocols, provider};

/// Whether clients must show a certificate.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// Each client must show one that this trust accepts.
    Required(Trust),
    /// None is asked for.
    None,
}

/// A server with one identity that offers `alpn` in its order of preference (empty: no ALPN).
pub fn server_config(
    identity: &Identity,
    client_auth: &ClientAuth,
    alpn: &[&str],
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = match client_auth {
        ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
        ClientAuth::Required(trust) => Arc::new(
            PinnedClient::new(trust)
                .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?,
        ),
    };
    let key = Arc::new(identity.load()?);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = alpn_protocols(alpn);
    Ok(Arc::new(config))
}
