//! One JSON object a line.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as JsonValue};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Parts, Value};

/// `timestamp` (RFC 3339, UTC, microseconds), `level`, `target`, `message`, `fields`, and `spans` where there are any.
#[derive(Debug)]
pub(super) struct Json;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: &'a str,
    message: &'a str,
    fields: Map<String, JsonValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<Span>,
}

#[derive(Serialize)]
struct Span {
    name: &'static str,
    fields: String,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let parts = Parts::of(event);
        let line = Line {
            timestamp: Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
                .to_string(),
            level: metadata.level().as_str(),
            target: parts.target(metadata),
            message: &parts.message,
            fields: parts
                .fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.into()))
                .collect(),
            spans: spans_around(context),
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(out, "{line}")
    }
}

fn spans_around<S, N>(context: &FmtContext<'_, S, N>) -> Vec<Span>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let scope = context
        .event_scope()
        .into_iter()
        .flat_map(|scope| scope.from_root());
    scope
        .map(|span| Span {
            name: span.name(),
            fields: span
                .extensions()
                .get::<FormattedFields<N>>()
                .map(ToString::to_string)
                .unwrap_or_default(),
        })
        .collect()
}

impl From<&Value> for JsonValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => text.as_str().into(),
            Value::Signed(number) => (*number).into(),
            Value::Unsigned(number) => (*number).into(),
            // JSON has no NaN and no infinity: they become null.
            Value::Float(number) => (*number).into(),
            Value::Bool(value) => (*value).into(),
        }
    }
}
