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

/// Who signs access tokens and API keys. The second has the name by which Choreo Connect knows it.
fn token_services(believed: &Believed) -> Vec<Value> {
    let tokens = json!({
        "name": "Resident Key Manager",
        "issuer": believed.issuer,
        "jwksURL": believed.jwks_url,
    });
    let api_keys = believed.api_key_cert.as_ref().map(|cert| {
        json!({ "name": "APIM APIkey", "issuer": believed.issuer, "certificateFilePath": cert })
    });
    std::iter::once(tokens).chain(api_keys).collect()
}
