//! The limit of open files, as a process finds it and leaves it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "support/written.rs"]
mod written;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// An adapter that was started with these limits, soft and hard, and the line that it wrote about them.
fn started(directory: &TempDir, soft: u32, hard: u32, streams: u32) -> (Child, String) {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -Sn $1; ulimit -Hn $2; exec $3 --config $4"])
        .args(["sh", &soft.to_string(), &hard.to_string()])
        .arg(env!("CARGO_BIN_EXE_rescind-adapter"))
        .arg(written::written(directory))
        .env(
            "RESCIND_ADAPTER__XDS__MAXSTREAMSPERCLIENT",
            streams.to_string(),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find(|line| {
        let line = line.as_ref().unwrap();
        line.contains("Open files") || line.contains("limit of open files")
    });
    (child, line.expect("the line comes").unwrap())
}

fn limits(child: &Child) -> String {
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    words.join(" ")
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_limit_is_raised_as_far_as_it_goes() {
    let directory = TempDir::new().unwrap();
    let (child, line) = started(&directory, 200, 400, 300);
    assert_eq!(limits(&child), "400 400");
    assert!(
        line.contains("INFO") && line.contains("limit=400"),
        "{line}"
    );
    end(child);
}

#[test]
fn a_limit_that_is_too_low_for_the_configured_streams_is_told() {
    let directory = TempDir::new().unwrap();
    let (child, line) = started(&directory, 200, 399, 300);
    assert_eq!(limits(&child), "399 399");
    for part in [
        "WARN",
        "adapter.xds.maxStreamsPerClient",
        "about 299 enforcers can connect",
        "needed=400",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    end(child);
}
