//! `enforcer.toml`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{certs::Certs, ports::Ports};

/// Whom the enforcer believes.
#[derive(Debug, Clone)]
pub(crate) struct Believed {
    /// The CAs of its peers: a file or a folder.
    pub(crate) trust: PathBuf,
    pub(crate) issuer: String,
    pub(crate) jwks_url: String,
    /// The certificate that API keys are signed with.
    pub(crate) api_key_cert: Option<PathBuf>,
}

/// The enforcer's configuration; it keeps its own log in `state`.
pub(crate) fn enforcer(ports: &Ports, certs: &Certs, believed: &Believed, state: &Path) -> Value {
    let own = certs.identity("enforcer");
    json!({
        "log": { "format": "text", "level": "info" },
        "enforcer": {
            "security": { "tokenService": token_services(believed) },
            "authService": { "host": "127.0.0.1", "port": ports.ext_authz },
            "restServer": { "enabled": true, "host": "127.0.0.1", "port": ports.enforcer_admin },
            "keystore": { "certPath": own.cert, "keyPath": own.key },
            "truststore": { "location": believed.trust },
            "state": { "directory": state },
        },
        "xds": {
            "adapters": [format!("127.0.0.1:{}", ports.xds)],
            "serverName": "adapter",
            "retryPeriod": 1,
        },
    })
}

/// Who signs access tokens, API keys, and the Publisher's internal keys, which an API Manager signs with the same key as API
/// keys. The last two have the names by which Choreo Connect knows them.
fn token_services(believed: &Believed) -> Vec<Value> {
    let tokens = json!({
        "name": "Resident Key Manager",
        "issuer": believed.issuer,
        "jwksURL": believed.jwks_url,
    });
    let cert = believed.api_key_cert.as_ref();
    let keys = cert.into_iter().flat_map(|cert| {
        ["APIM APIkey", "APIM Publisher"].map(
            |name| json!({ "name": name, "issuer": believed.issuer, "certificateFilePath": cert }),
        )
    });
    std::iter::once(tokens).chain(keys).collect()
}
