//! Choreo Connect's text layout.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape::Escaping;
use super::fields::{Parts, write_pairs};

/// `YYYY-MM-DD HH:MM:SS LEVL [file:line] - [target] [-] message [k=v k2=v2]`, in UTC; the fields of the spans around an
/// event, outermost first, stand before its own.
#[derive(Debug)]
pub(super) struct Text;

impl<S, N> FormatEvent<S, N> for Text
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
        write!(
            out,
            "{} {} [{}:{}] - [{}] [-] ",
            Timestamp::now().strftime("%Y-%m-%d %H:%M:%S"),
            abbreviate(*metadata.level()),
            parts.file(metadata),
            parts.line(metadata),
            parts.target(metadata),
        )?;
        Escaping(&mut out).write_str(&parts.message)?;
        out.write_str(" [")?;
        let mut blank = "";
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            if let Some(fields) = extensions
                .get::<FormattedFields<N>>()
                .filter(|fields| !fields.is_empty())
            {
                write!(out, "{blank}{fields}")?;
                blank = " ";
            }
        }
        if !parts.fields.is_empty() {
            out.write_str(blank)?;
        }
        write_pairs(&mut out, &parts.fields)?;
        out.write_str("]\n")
    }
}

fn abbreviate(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERRO",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBG",
        Level::TRACE => "TRCE",
    }
}
