//! What the enforcer listens on, and by which certificates.

use std::path::PathBuf;

use rescind_runtime::{
    config::{Port, Secret},
    tls::Identity,
};
use serde::{Deserialize, Serialize};

/// The ext_authz server: gRPC over mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuthService {
    /// The address to listen on.
    pub host: String,
    /// The port.
    pub port: Port,
    /// The largest check that is taken, in bytes.
    pub max_message_size: usize,
    /// The most that the headers of a call may have, in bytes. Those of the request that is checked do not count.
    pub max_header_limit: u32,
}

/// The admin server: HTTPS, without client certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RestServer {
    /// Whether there is one.
    pub enabled: bool,
    /// Choreo Connect's older name of that: there `false` wins.
    #[serde(skip_serializing)]
    pub enable: bool,
    /// The address to listen on.
    pub host: String,
    /// The port.
    pub port: Port,
}

impl RestServer {
    /// Whether there is one, by either name.
    pub fn is_enabled(&self) -> bool {
        self.enabled && self.enable
    }

    /// Says it by the one name that is shown.
    pub(super) fn settle(&mut self) {
        self.enabled = self.is_enabled();
    }
}

/// Who may see the revoked tokens: HTTP Basic authentication. Without a password, nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Management {
    /// The user.
    pub username: String,
    /// The password.
    #[serde(skip_serializing)]
    pub password: Secret,
}

/// Who this process is, towards Envoy, the adapter, and callers of the admin server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Keystore {
    /// The certificate, and after it any intermediates; PEM.
    pub cert_path: PathBuf,
    /// Its private key, PEM.
    pub key_path: PathBuf,
}

/// Whom this process believes: Envoy, the adapter, and who serves keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Truststore {
    /// A PEM file, or a folder of `*.pem` and `*.crt`.
    pub location: PathBuf,
}

impl Keystore {
    /// The files as TLS wants them.
    pub fn identity(&self) -> Identity {
        Identity::new(&self.cert_path, &self.key_path)
    }
}

const fn port(port: u16) -> Port {
    match Port::new(port) {
        Some(port) => port,
        None => panic!("0 is no port"),
    }
}

impl Default for AuthService {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: const { port(8081) },
            max_message_size: 4 * 1024 * 1024,
            max_header_limit: 8192,
        }
    }
}

impl Default for RestServer {
    fn default() -> Self {
        Self {
            enabled: true,
            enable: true,
            host: "127.0.0.1".to_owned(),
            port: const { port(9001) },
        }
    }
}

impl Default for Management {
    fn default() -> Self {
        Self {
            username: "admin".to_owned(),
            password: Secret::new(""),
        }
    }
}

/// Choreo Connect's places.
impl Default for Keystore {
    fn default() -> Self {
        Self {
            cert_path: "/home/wso2/security/keystore/mg.pem".into(),
            key_path: "/home/wso2/security/keystore/mg.key".into(),
        }
    }
}

/// Choreo Connect's place.
impl Default for Truststore {
    fn default() -> Self {
        Self {
            location: "/home/wso2/security/truststore".into(),
        }
    }
}
