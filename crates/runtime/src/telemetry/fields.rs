//! The parts of an event: its message, its fields, and where it was made.

use std::fmt::{self, Debug, Write};
use std::path::Path;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use super::escape::Escaping;

/// An event taken apart.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Set when the event was a record of the `log` crate, whose origin travels as fields.
    target: Option<String>,
    file: Option<String>,
    line: Option<u64>,
}

/// A field's value. Numbers and booleans stay themselves in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
}

impl Parts {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut parts = Self::default();
        event.record(&mut parts);
        parts
    }

    pub(super) fn target<'a>(&'a self, metadata: &'a Metadata<'_>) -> &'a str {
        self.target.as_deref().unwrap_or(metadata.target())
    }

    /// The file's name without its folders.
    pub(super) fn file<'a>(&'a self, metadata: &'a Metadata<'_>) -> &'a str {
        let path = self.file.as_deref().or(metadata.file()).unwrap_or("-");
        Path::new(path)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("-")
    }

    pub(super) fn line(&self, metadata: &Metadata<'_>) -> u64 {
        self.line.or(metadata.line().map(u64::from)).unwrap_or(0)
    }

    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", value) => self.message = value.to_string(),
            ("log.target", Value::Text(target)) => self.target = Some(target),
            ("log.file", Value::Text(file)) => self.file = Some(file),
            ("log.line", Value::Unsigned(line)) => self.line = Some(line),
            ("log.module_path", _) => {}
            (name, value) => self
                .fields
                .push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }
}

impl Visit for Parts {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.push(field, Value::Text(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push(field, Value::Text(format!("{value:?}")));
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// `k=v k2=v2`. A value with blanks, brackets, quotes or nothing in it is quoted, so that a line can be taken apart again.
pub(super) fn write_pairs(out: &mut impl Write, fields: &[(&str, Value)]) -> fmt::Result {
    for (at, (name, value)) in fields.iter().enumerate() {
        let blank = if at == 0 { "" } else { " " };
        write!(out, "{blank}{name}=")?;
        match value {
            Value::Text(text) if text.is_empty() || text.contains([' ', '[', ']', '"', '=']) => {
                let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
                out.write_char('"')?;
                Escaping(out).write_str(&quoted)?;
                out.write_char('"')?;
            }
            value => write!(Escaping(out), "{value}")?,
        }
    }
    Ok(())
}

/// Formats the fields of spans as those of events.
#[derive(Debug)]
pub(super) struct SpanFields;

impl<'w> FormatFields<'w> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut parts = Parts::default();
        fields.record(&mut parts);
        write_pairs(&mut writer, &parts.fields)
    }
}
