//! Which certificates this process shows and believes by, and what is made of them. Each follows its files, as
//! [`tls`](rescind_runtime::tls) has it: handshakes to come use the new ones, and no connection ends.
//!
//! | | identity | trust |
//! | --- | --- | --- |
//! | ext_authz | `enforcer.keystore` | `enforcer.truststore` |
//! | admin | `enforcer.keystore` | nobody is asked |
//! | towards adapters | `enforcer.keystore` | `enforcer.truststore` |
//! | towards the next enforcer | `next.certPath`, else `enforcer.keystore` | `next.trustedCerts`, else `enforcer.truststore` |
//! | JWK Sets over https | none | the token service's `caFile`, else `enforcer.truststore` |

use std::{path::Path, sync::Arc};

use prometheus_client::registry::Registry;
use rescind_runtime::{
    exit::UsageError,
    health::Health,
    tls::{
        ALPN_H2, ALPN_HTTP, Certificates as Followed, ClientAuth, Identity, OwnCertificate,
        Reloader, TlsError, Trust, client_config, server_config,
    },
};
use rustls::{ClientConfig, ServerConfig};

use crate::config::{Enforcer, Next, TokenService};

const KEYSTORE: &str = "enforcer.keystore";
const TRUSTSTORE: &str = "enforcer.truststore.location";
const NEXT_IDENTITY: &str = "next.certPath";
const NEXT_TRUST: &str = "next.trustedCerts";

/// What `caFile` says for the certificates that the operating system trusts.
const SYSTEM: &str = "system";

/// The certificates that a configuration names, and the TLS that is made of them.
#[derive(Debug)]
pub struct Certificates {
    followed: Followed,
    /// For the ext_authz server.
    pub checks: Arc<ServerConfig>,
    /// For the admin server.
    pub admin: Arc<ServerConfig>,
    /// For the link to the adapters.
    pub adapter: Arc<ClientConfig>,
    /// For the next enforcer.
    pub next: Arc<ClientConfig>,
    /// Whom the JWK Set of each token service is believed from, in the order of the configuration.
    pub key_sets: Vec<Trust>,
}

impl Certificates {
    /// Reads all files.
    pub fn load(config: &Enforcer, next: &Next) -> Result<Self, UsageError> {
        let of_keystore = |error: TlsError| UsageError::of(KEYSTORE, error);
        let mut followed = Followed::default();
        let trust = followed.trust(TRUSTSTORE, &config.truststore.location);
        let trust = trust.map_err(|error| UsageError::of(TRUSTSTORE, error))?;
        let own = followed.identity(KEYSTORE, &config.keystore.identity());
        let own = own.map_err(of_keystore)?;
        let clients = ClientAuth::Required(trust.clone());
        let services = config.security.token_service.iter().enumerate();
        let key_sets = services.map(|(at, service)| key_set(&mut followed, at, service, &trust));
        let key_sets = key_sets.collect::<Result<_, _>>()?;
        let next = towards_next(&mut followed, next, &own, &trust)?;
        Ok(Self {
            checks: server_config(&own, &clients, ALPN_H2).map_err(of_keystore)?,
            admin: server_config(&own, &ClientAuth::None, ALPN_HTTP).map_err(of_keystore)?,
            adapter: client_config(&trust, Some(&own), ALPN_H2).map_err(of_keystore)?,
            next,
            key_sets,
            followed,
        })
    }

    /// What is to be said of them although they can be used: which expire soon, or have expired.
    pub fn concerns(&self) -> Vec<String> {
        self.followed.concerns()
    }

    /// Prepares to follow the files, with days left in `registry` and what is wrong in `health`.
    pub fn follow(self, registry: &mut Registry, health: &Health) -> Reloader {
        self.followed.follow(registry, health)
    }
}

/// How the next enforcer is met; by our own certificates where the configuration names none for it alone.
fn towards_next(
    followed: &mut Followed,
    next: &Next,
    own: &OwnCertificate,
    trust: &Trust,
) -> Result<Arc<ClientConfig>, UsageError> {
    let given = |path: &Path| next.is_configured() && !path.as_os_str().is_empty();
    let trust = match given(&next.trusted_certs) {
        true => followed.trust(NEXT_TRUST, &next.trusted_certs),
        false => Ok(trust.clone()),
    };
    let trust = trust.map_err(|error| UsageError::of(NEXT_TRUST, error))?;
    let own = match given(&next.cert_path) {
        true => {
            let files = Identity::new(&next.cert_path, &next.key_path);
            followed.identity(NEXT_IDENTITY, &files)
        }
        false => Ok(own.clone()),
    };
    let tls = own.and_then(|own| client_config(&trust, Some(&own), ALPN_H2));
    tls.map_err(|error| UsageError::of(NEXT_IDENTITY, error))
}

/// Whom the JWK Set of a token service is believed from.
fn key_set(
    followed: &mut Followed,
    at: usize,
    service: &TokenService,
    trust: &Trust,
) -> Result<Trust, UsageError> {
    let key = format!("enforcer.security.tokenService[{at}].caFile");
    let own = match service.ca_file.as_str() {
        "" => return Ok(trust.clone()),
        SYSTEM => followed.system_trust(&key),
        path => followed.trust(&key, Path::new(path)),
    };
    own.map_err(|error| UsageError::of(key, error))
}

#[cfg(test)]
mod tests;
