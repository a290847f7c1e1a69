//! The file `standin.toml`: what is in it, and which combinations make no sense.

use std::path::PathBuf;

use rescind_runtime::Secret;
use rescind_runtime::config::{Problems, Schema};
use rescind_runtime::telemetry::LogConfig;
use serde::{Deserialize, Serialize};

use crate::hub::{Endpoint, EndpointError};

/// Where the file is, unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/rescind/standin.toml";

/// Variables: `RESCIND_<SECTION>__<KEY>` alone.
pub const SCHEMA: Schema = Schema::EMPTY;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How it logs.
    #[serde(default)]
    pub log: LogConfig,
    /// The stand-in's own section.
    pub standin: StandinConfig,
    /// Where events go.
    pub hub: HubConfig,
}

/// The stand-in's own section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StandinConfig {
    /// The address to listen on.
    #[serde(default = "loopback")]
    pub host: String,
    /// The port of every endpoint, HTTPS. 0 lets the system choose.
    #[serde(default = "https_port")]
    pub port: u16,
    /// The server certificate, PEM.
    pub cert_path: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub key_path: PathBuf,
    /// Where the list of revocations is kept.
    pub state_directory: PathBuf,
    /// The claim `iss` of every token and key.
    pub issuer: String,
    /// The form in which the list is given out.
    #[serde(default)]
    pub list_form: ListForm,
    /// Adds the claim `entity_id` to access tokens.
    #[serde(default)]
    pub entity_id: bool,
    /// Signs access tokens.
    pub token_key: KeyFiles,
    /// Signs API keys.
    pub api_key_key: KeyFiles,
    /// The one user: owns the applications, may use the DevPortal API and read the list.
    pub admin: AdminConfig,
    /// The applications that tokens and keys are issued for.
    #[serde(rename = "application")]
    pub applications: Vec<ApplicationConfig>,
}

/// How `GET /internal/data/v1/revokedjwt` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListForm {
    /// Three lists in an object, as API Manager 4.3 and later do.
    #[default]
    Object,
    /// One array of tokens alone, as API Manager up to 4.2 does.
    Array,
}

/// A signing key and the certificate that verifiers know it by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFiles {
    /// An RSA key of at least 2048 bits, PKCS#8 PEM.
    pub key_path: PathBuf,
    /// The certificate of that key, PEM.
    pub cert_path: PathBuf,
}

/// Name and password of the one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminConfig {
    /// Without tenant domain: `admin`, which is `admin@carbon.super` in full.
    pub username: String,
    /// For Basic auth and for the password grant.
    #[serde(skip_serializing)]
    pub password: Secret,
}

/// An application: whom a token belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationConfig {
    /// The UUID that the DevPortal API knows it by.
    pub id: String,
    /// Its name, in API keys.
    pub name: String,
    /// The consumer key: claim `azp`.
    pub client_id: String,
    /// The consumer secret.
    #[serde(skip_serializing)]
    pub client_secret: Secret,
}

/// The hub that events go to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HubConfig {
    /// Without it nothing is published: revocations are found in the list alone.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// `amqp://user:password@host:port/vhost`, or `amqps`. What follows a `?` is ignored.
    #[serde(default, skip_serializing)]
    pub url: Option<Secret>,
    /// Roots for `amqps` beside the system's own, PEM. Empty: none.
    #[serde(default)]
    pub ca_file: String,
}

impl Config {
    /// Finds what no single key shows.
    pub fn check(&self, problems: &mut Problems) {
        self.standin.check(problems);
        if let Err(error @ (EndpointError::Missing | EndpointError::Malformed)) =
            Endpoint::from_config(&self.hub)
        {
            problems.add("hub.url", error.to_string());
        }
    }
}

impl StandinConfig {
    fn check(&self, problems: &mut Problems) {
        if self.applications.is_empty() {
            problems.add("standin.application", "expected at least one application");
        }
        for (at, application) in self.applications.iter().enumerate() {
            let before = &self.applications[..at];
            let twice = |same: fn(&ApplicationConfig) -> &str| {
                before.iter().any(|other| same(other) == same(application))
            };
            let mut add = |key, text: &str| {
                problems.add(format!("standin.application[{at}].{key}"), text);
            };
            if twice(|application| &application.id) {
                add(
                    "id",
                    "expected another id than that of the applications before",
                );
            }
            if twice(|application| &application.client_id) {
                add(
                    "clientId",
                    "expected another client id than that of the applications before",
                );
            }
            if application.client_secret.is_empty() {
                add("clientSecret", "expected a secret, found an empty text");
            }
        }
        if self.admin.password.is_empty() {
            problems.add(
                "standin.admin.password",
                "expected a password, found an empty text",
            );
        }
    }
}

fn loopback() -> String {
    "127.0.0.1".into()
}

fn https_port() -> u16 {
    9443
}

fn enabled() -> bool {
    true
}

#[cfg(test)]
mod tests;
