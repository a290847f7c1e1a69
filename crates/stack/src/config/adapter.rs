//! `adapter.toml`.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    certs::Certs,
    credentials::{ADMIN_PASSWORD, ADMIN_USER},
    ports::Ports,
    world::ControlPlane,
};

/// The adapter's configuration; it listens for events at `hub`.
pub(crate) fn adapter(
    ports: &Ports,
    certs: &Certs,
    control_plane: &ControlPlane,
    ledger: &Path,
    hub: &str,
) -> Value {
    let own = certs.identity("adapter");
    let mut control_plane = source(ports, certs, control_plane);
    control_plane["enabled"] = true.into();
    control_plane["retryInterval"] = 1.into();
    // One look more at a list that is empty at first, but not half a minute later: this is a world of one's own.
    control_plane["emptyListWait"] = 1.into();
    control_plane["brokerConnectionParameters"] = json!({
        "eventListeningEndpoints": [hub],
        "tls": { "caFile": certs.ca() },
    });
    json!({
        "log": { "format": "text", "level": "info" },
        "adapter": {
            "keystore": { "certPath": own.cert, "keyPath": own.key },
            "truststore": { "location": certs.ca() },
            "xds": {
                "host": "127.0.0.1",
                "port": ports.xds,
                // Another enforcer, the tests' clients and a second site's adapter have the same certificates.
                "allowedClients": ["adapter", "enforcer", "router"],
                "sharedCertificates": ["enforcer"],
            },
            "admin": {
                "host": "127.0.0.1",
                "port": ports.adapter_admin,
                "readToken": ADMIN_PASSWORD,
            },
        },
        "ledger": { "directory": ledger },
        "controlPlane": control_plane,
    })
}

/// Where the whole list is read.
fn source(ports: &Ports, certs: &Certs, control_plane: &ControlPlane) -> Value {
    match control_plane {
        ControlPlane::Standin => json!({
            "serviceURL": format!("https://localhost:{}/", ports.standin),
            "username": ADMIN_USER,
            "password": ADMIN_PASSWORD,
            "caFile": certs.ca(),
        }),
        ControlPlane::ApiManager(api_manager) => json!({
            "serviceURL": format!("{}/", api_manager.url),
            "username": api_manager.user,
            "password": { "file": api_manager.password_file },
            "caFile": api_manager.ca,
            "serverName": api_manager.server_name.as_deref().unwrap_or_default(),
        }),
    }
}
