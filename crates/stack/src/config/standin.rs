//! `standin.toml`.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    certs::{Certs, Identity},
    credentials::{ADMIN_PASSWORD, ADMIN_USER, Credentials},
    ports::Ports,
};

/// The form of the stand-in's whole list: both exist in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListForm {
    /// Three lists in an object, as later API Managers give it.
    #[default]
    Object,
    /// One array of tokens, as earlier ones do.
    Array,
}

/// The stand-in's configuration; it publishes at `hub`.
pub(crate) fn standin(
    ports: &Ports,
    certs: &Certs,
    credentials: &Credentials,
    state: &Path,
    hub: &str,
    list_form: ListForm,
) -> Value {
    let server = certs.identity("standin");
    let signer = |name: &str| {
        let Identity { cert, key } = certs.identity(name);
        json!({ "keyPath": key, "certPath": cert })
    };
    json!({
        "log": { "format": "text", "level": "info" },
        "standin": {
            "host": "127.0.0.1",
            "port": ports.standin,
            "certPath": server.cert,
            "keyPath": server.key,
            "stateDirectory": state,
            "issuer": issuer(ports),
            "listForm": match list_form {
                ListForm::Object => "object",
                ListForm::Array => "array",
            },
            "entityId": false,
            "tokenKey": signer("token-signing"),
            "apiKeyKey": signer("api-key-signing"),
            "admin": { "username": ADMIN_USER, "password": ADMIN_PASSWORD },
            "application": [{
                "id": credentials.application_id,
                "name": "PetStoreApp",
                "clientId": credentials.client_id,
                "clientSecret": credentials.client_secret,
            }],
        },
        "hub": { "enabled": true, "url": hub, "caFile": certs.ca() },
    })
}

/// The claim `iss` of what the stand-in signs.
pub(crate) fn issuer(ports: &Ports) -> String {
    format!("https://localhost:{}/oauth2/token", ports.standin)
}
