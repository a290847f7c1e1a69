//! What the enforcer is told: `enforcer.toml` and the environment, checked as a whole.
//!
//! Keys and nesting are Choreo Connect's where it has the setting, so that its sections can be copied.

use std::path::Path;

use rescind_runtime::{
    config::{ConfigError, Environment, Loaded, Problems, load},
    telemetry::LogConfig,
};
use serde::{Deserialize, Serialize};

mod checks;
mod names;
mod next;
mod schema;
mod security;
mod server;
mod state;
mod xds;

pub(crate) use checks::is_header_name;
pub use names::Names;
pub use next::{Next, NextRest};
pub use schema::SCHEMA;
pub use security::{
    ApiKey, AuthHeader, Cache, Claim, JwtAuthn, KidCertificate, MutualSsl, Role, Security,
    TokenService, VerificationMode,
};
pub use server::{AuthService, Keystore, Management, RestServer, Truststore};
pub use state::{StaleStatus, Staleness, State};
pub use xds::Xds;

/// Where the configuration is looked for.
pub const DEFAULT_PATH: &str = "/etc/rescind/enforcer.toml";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// The log.
    pub log: LogConfig,
    /// What Choreo Connect keeps under its adapter's name and means its enforcer.
    pub adapter: Adapter,
    /// Everything that Choreo Connect keeps under this name.
    pub enforcer: Enforcer,
    /// The way to the adapters.
    pub xds: Xds,
    /// The enforcer behind this one, if there is one.
    pub next: Next,
}

/// Of `[adapter]`, the one setting that is not the adapter's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Adapter {
    /// Whether callers that speak SOAP are refused by a SOAP fault instead of JSON.
    #[serde(rename = "soapErrorInXMLEnabled")]
    pub soap_error_in_xml_enabled: bool,
}

/// The `[enforcer]` tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Enforcer {
    /// Credentials and keys.
    pub security: Security,
    /// Tokens whose signature was verified before.
    pub cache: Cache,
    /// What survives the process.
    pub state: State,
    /// When the set is too old, and what then.
    pub staleness: Staleness,
    /// The ext_authz server.
    pub auth_service: AuthService,
    /// The admin server.
    pub rest_server: RestServer,
    /// Who may see the revoked tokens on it.
    pub management: Management,
    /// Who this process is.
    pub keystore: Keystore,
    /// Whom this process believes.
    pub truststore: Truststore,
}

impl Config {
    /// Reads and checks the file at `path` with the environment laid over it.
    ///
    /// An instance identifier that is not configured is the environment's `HOSTNAME`, else the host's name.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Loaded<Self>, ConfigError> {
        let mut loaded = load::<Self>(path, &SCHEMA, environment)?.check(Self::check)?;
        loaded.config.enforcer.rest_server.settle();
        let xds = &mut loaded.config.xds;
        if xds.instance_identifier.is_empty() {
            xds.instance_identifier = environment
                .var("HOSTNAME")
                .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "Unassigned".to_owned());
        }
        Ok(loaded)
    }

    fn check(&self, problems: &mut Problems) {
        checks::check(self, problems);
    }
}

#[cfg(test)]
mod tests;
