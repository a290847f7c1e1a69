//! The layouts, through a captured writer.

use std::io;

use serde_json::Value;
use tracing::{debug, error, info, info_span, trace, warn};

use super::captured::Captured;
use super::*;

fn capture(format: Format, level: &str, log: impl FnOnce()) -> String {
    let captured = Captured::default();
    let guard = captured.as_default_in(format, level);
    log();
    drop(guard);
    captured.text()
}

/// Asserts the lines, of which `{date}` and `{line}` vary, in text.
#[track_caller]
fn check(log: impl FnOnce(), expected: &[&str]) {
    let text = capture(Format::Text, "trace", log);
    let lines: Vec<_> = text
        .strip_suffix('\n')
        .unwrap()
        .split('\n')
        .map(fix)
        .collect();
    assert_eq!(lines, expected);
}

/// Replaces a line's date and line number after a look at their form.
fn fix(line: &str) -> String {
    let (date, rest) = line.split_at(19);
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", date).unwrap();
    let (before, after) = rest.split_once("[tests.rs:").unwrap();
    let (number, after) = after.split_once(']').unwrap();
    assert!(number.parse::<u32>().unwrap() > 0);
    format!("{{date}}{before}[tests.rs:{{line}}]{after}")
}

const TARGET: &str = "rescind_runtime::telemetry::tests";

#[test]
fn a_line_is_laid_out_as_choreo_connects() {
    check(
        || info!(target: "rescind_adapter::ingest", "Event JWT is received"),
        &["{date} INFO [tests.rs:{line}] - [rescind_adapter::ingest] [-] Event JWT is received []"],
    );
}

#[test]
fn levels_have_four_letters() {
    check(
        || {
            error!("e");
            warn!("w");
            info!("i");
            debug!("d");
            trace!("t");
        },
        &[
            &format!("{{date}} ERRO [tests.rs:{{line}}] - [{TARGET}] [-] e []"),
            &format!("{{date}} WARN [tests.rs:{{line}}] - [{TARGET}] [-] w []"),
            &format!("{{date}} INFO [tests.rs:{{line}}] - [{TARGET}] [-] i []"),
            &format!("{{date}} DEBG [tests.rs:{{line}}] - [{TARGET}] [-] d []"),
            &format!("{{date}} TRCE [tests.rs:{{line}}] - [{TARGET}] [-] t []"),
        ],
    );
}

#[test]
fn fields_stand_after_the_message_and_those_of_spans_before_them() {
    let cause = io::Error::other(crate::exit::UsageError::new("deep"));
    check(
        || {
            let _outer = info_span!("stream", node = "a").entered();
            let _inner = info_span!("empty").entered();
            info!(
                version = 3,
                ok = true,
                ratio = 0.5,
                name = "two words",
                empty = "",
                quoted = "a\"b",
                error = &cause as &dyn std::error::Error,
                "done"
            );
        },
        &[&format!(
            "{{date}} INFO [tests.rs:{{line}}] - [{TARGET}] [-] done [node=a version=3 ok=true ratio=0.5 name=\"two words\" empty=\"\" quoted=\"a\\\"b\" error=deep]"
        )],
    );
}

#[test]
fn nothing_splits_a_line_or_drives_a_terminal() {
    let hostile = "x\n2021-05-01 07:20:57 INFO [a.rs:1] - [b] [-] forged []\r\u{1b}[2J\u{2028}";
    let escaped = "x\\n2021-05-01 07:20:57 INFO [a.rs:1] - [b] [-] forged []\\r\\u{1b}[2J\\u{2028}";
    check(
        || {
            let _span = info_span!("stream", node = hostile).entered();
            info!(value = hostile, shown = %hostile, "{hostile}");
        },
        &[&format!(
            "{{date}} INFO [tests.rs:{{line}}] - [{TARGET}] [-] {escaped} [node=\"{escaped}\" value=\"{escaped}\" shown=\"{escaped}\"]"
        )],
    );
}

#[test]
fn json_is_one_object_a_line() {
    let text = capture(Format::Json, "info", || {
        let _span = info_span!("stream", node = "a\nb").entered();
        warn!(count = 3, name = "a\nb", nan = f64::NAN, "two\nlines");
        debug!("not this");
    });
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{line}");
    assert!(line.starts_with("{\"timestamp\":\""), "{line}");
    let mut line: Value = serde_json::from_str(line).unwrap();
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let timestamp = timestamp.as_str().unwrap();
    assert!(
        timestamp.ends_with('Z') && timestamp.len() == 27,
        "{timestamp}"
    );
    timestamp.parse::<jiff::Timestamp>().unwrap();
    let expected = serde_json::json!({
        "level": "WARN",
        "target": TARGET,
        "message": "two\nlines",
        "fields": { "count": 3, "name": "a\nb", "nan": null },
        "spans": [{ "name": "stream", "fields": "node=a\\nb" }],
    });
    assert_eq!(line, expected);
}

#[test]
fn the_filter_chooses_by_target() {
    let text = capture(Format::Text, "warn,rescind_xds=debug", || {
        debug!(target: "rescind_xds::server", "yes");
        debug!(target: "rescind_other", "no");
        info!("no");
    });
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.contains("] yes []"), "{text}");
}

#[test]
fn a_filter_that_would_log_nothing_by_mistake_is_refused() {
    for sound in [
        "info",
        "WARN",
        "off",
        "info,rescind_xds=debug",
        "rescind_xds=trace, error",
    ] {
        assert!(Filter::try_from(sound.to_owned()).is_ok(), "{sound}");
    }
    for wrong in ["infoo", "", "rescind_xds", "info,rescind_xds=loud", "4 2"] {
        assert_eq!(
            Filter::try_from(wrong.to_owned()),
            Err(FilterError(wrong.to_owned())),
            "{wrong}"
        );
    }
}
