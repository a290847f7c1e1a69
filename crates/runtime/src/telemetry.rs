//! The log: one event, one line, on stdout.
//!
//! The text layout is that of Choreo Connect's adapter, so that the greps and dashboards of its operators keep working; JSON
//! is one object a line. Whatever a peer sends, a line is never split and a terminal never driven: control characters in
//! messages and values are escaped.

#[cfg(test)]
pub(crate) mod captured;
mod escape;
mod fields;
mod json;
mod text;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{Subscriber, error};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The `[log]` section of every part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How events look.
    pub format: Format,
    /// Which events are written.
    pub level: Filter,
}

/// How events look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `2021-05-01 07:20:57 INFO [ingest.rs:39] - [rescind_adapter::ingest] [-] message [k=v]`, in UTC.
    #[default]
    Text,
    /// `{"timestamp":"2021-05-01T07:20:57.123456Z","level":"INFO","target":..,"message":..,"fields":{..}}`.
    Json,
}

/// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or a list of `target=level`, as tracing's [`Targets`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(String);

/// Why a text is no [`Filter`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "expected error, warn, info, debug, trace or off, or a list such as \"info,rescind_xds=debug\", found \"{0}\""
)]
pub struct FilterError(String);

/// The log has been started before.
#[derive(Debug, Error)]
#[error("the log has been started already")]
pub struct AlreadyStarted;

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl TryFrom<String> for Filter {
    type Error = FilterError;

    /// Takes what [`Targets`] takes, except that a bare word must be a level: else `infoo` would be the name of a target, and
    /// nothing would be logged.
    fn try_from(text: String) -> Result<Self, FilterError> {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let sound = text.split(',').all(|directive| {
            let directive = directive.trim();
            directive.contains('=')
                || levels
                    .iter()
                    .any(|level| level.eq_ignore_ascii_case(directive))
        });
        if sound && text.parse::<Targets>().is_ok() {
            Ok(Self(text))
        } else {
            Err(FilterError(text))
        }
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

/// Libraries that report each failure themselves, in several lines and at ERROR, beside the one line of the part that uses
/// them. `level = "info,lapin=warn"` brings one back.
const CHATTERERS: &str = "lapin=off,amq_protocol=off,tcp_stream=off";

/// Starts the log of this process, on stdout, and takes panics and the records of the `log` crate into it.
pub fn init(config: &LogConfig) -> Result<(), AlreadyStarted> {
    subscriber(config, std::io::stdout)
        .try_init()
        .map_err(|_| AlreadyStarted)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(config: &LogConfig, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The filter was parsed when the configuration was read. What it says of a chatterer by name comes later, and counts.
    let filter = format!("{CHATTERERS},{}", config.level.0)
        .parse::<Targets>()
        .unwrap_or_default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(writer)
        .fmt_fields(fields::SpanFields);
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        Format::Text => Box::new(registry.with(layer.event_format(text::Text))),
        Format::Json => Box::new(registry.with(layer.event_format(json::Json))),
    }
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let payload = panic.payload();
    let reason = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    error!(place, reason, "Panicked");
}

#[cfg(test)]
mod tests;
