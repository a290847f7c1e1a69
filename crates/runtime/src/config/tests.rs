mod cases;
mod checks;
mod environment;
mod hostile;
mod problems;
mod secrets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Loaded, Port, Schema, Secret, load};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    log: Log,
    adapter: Adapter,
    #[serde(default)]
    control_plane: ControlPlane,
    #[serde(default)]
    services: Vec<Service>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Log {
    format: Format,
    fields: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Adapter {
    host: String,
    port: Port,
    directory: String,
    #[serde(default)]
    retry_period: u16,
    #[serde(default)]
    factor: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ControlPlane {
    enabled: bool,
    #[serde(rename = "serviceURL", alias = "serviceUrl")]
    service_url: Option<Url>,
    username: String,
    #[serde(skip_serializing)]
    password: Option<Secret>,
    /// Secret by its type alone.
    #[serde(skip_serializing)]
    key: Option<Secret>,
    endpoints: Vec<Url>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    issuer: String,
}

/// A value that is checked after it has been read, by code that repeats it in its error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Url(String);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.contains("://") && !text.contains(' ') {
            true => Ok(Self(text)),
            false => Err(format!("not a URL: {text}")),
        }
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.0
    }
}

const SCHEMA: Schema = Schema {
    variables: &[
        ("ADAPTER_XDS_PORT", "adapter.port"),
        ("CP_ENDPOINTS", "controlPlane.endpoints"),
    ],
    theirs: &[
        "controlPlane.enabled",
        "controlPlane.password",
        "services.issuer",
    ],
    unused: &[
        "adapter.vhostMapping",
        "services.validateSubscription",
        "tracing",
    ],
    foreign: &["RESCIND_DEMO"],
    ..Schema::EMPTY
};

/// All that is needed, on the lines 1 to 4.
const SOUND: &str =
    "[adapter]\nhost = \"0.0.0.0\"\nport = 18000\ndirectory = \"/var/lib/rescind\"\n";

type Variables = BTreeMap<&'static str, &'static str>;

fn try_load(
    text: &str,
    variables: &[(&'static str, &'static str)],
) -> Result<Loaded<Config>, ConfigError> {
    super::loaded::load_text(
        "adapter.toml",
        text,
        &SCHEMA,
        &Variables::from_iter(variables.iter().copied()),
    )
}

#[track_caller]
fn loaded(text: &str, variables: &[(&'static str, &'static str)]) -> Loaded<Config> {
    match try_load(text, variables) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{error}"),
    }
}

/// Asserts every line of the error.
#[track_caller]
fn check(text: &str, variables: &[(&'static str, &'static str)], expected: &[&str]) {
    let lines = match try_load(text, variables) {
        Ok(_) => vec![],
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    };
    assert_eq!(lines, expected);
}
