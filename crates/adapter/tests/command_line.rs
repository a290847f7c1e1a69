//! The binary, as an operator meets it: exit codes, and what stands on stdout and stderr.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "support/written.rs"]
mod written;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use written::written;

fn adapter(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescind-adapter"));
    command.env_clear().arg("--config").arg(config);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

#[track_caller]
fn fails_with(output: &Output, code: i32, message: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_check_says_what_would_be_used() {
    let directory = TempDir::new().unwrap();
    let config = written(&directory);
    let output = adapter(&config)
        .arg("--check")
        .env("RESCIND_LOG__LEVEL", "debug")
        .output()
        .unwrap();
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        stdout.contains("adapter.xds.host = \"127.0.0.1\"\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("from the environment: log.level (RESCIND_LOG__LEVEL)\n"),
        "{stdout}"
    );
    assert!(stdout.ends_with("the configuration is good\n"), "{stdout}");
    assert!(!directory.path().join("ledger").exists());
}

#[test]
fn a_check_warns_of_a_certificate_that_has_expired_and_refuses_one_of_another_key() {
    let directory = TempDir::new().unwrap();
    let config = written(&directory);
    let key = KeyPair::generate().unwrap();
    let mut expired = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let certificate = directory.path().join("adapter.pem");
    fs::write(&certificate, expired.self_signed(&key).unwrap().pem()).unwrap();
    let check = || adapter(&config).arg("--check").output().unwrap();
    fails_with(&check(), 2, "does not belong to the certificate");

    fs::write(directory.path().join("adapter.key"), key.serialize_pem()).unwrap();
    let output = check();
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let warning = format!(
        "warning: adapter.keystore: {} has expired on 2020-01-01T00:00:00Z\n",
        certificate.display()
    );
    assert!(stdout.contains(&warning), "{stdout}");
}

#[test]
fn a_wrong_configuration_ends_with_2_and_one_line() {
    let directory = TempDir::new().unwrap();
    let config = written(&directory);
    let good = fs::read_to_string(&config).unwrap();
    let run = || adapter(&config).output().unwrap();

    fs::write(&config, good.replace("certPath = ", "certPtah = ")).unwrap();
    fails_with(&run(), 2, "adapter.toml:2: adapter.keystore.certPtah");
    fs::write(&config, good.replace("adapter.key\"", "nowhere.key\"")).unwrap();
    fails_with(&run(), 2, "adapter.toml:1: adapter.keystore: ");
    fs::remove_file(&config).unwrap();
    fails_with(&run(), 2, "--config names another file");
    let output = Command::new(env!("CARGO_BIN_EXE_rescind-adapter"))
        .arg("--chekc")
        .output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}

#[test]
fn it_runs_until_it_is_told_to_end_and_its_ledger_is_its_own() {
    let directory = TempDir::new().unwrap();
    let config = written(&directory);
    let mut first = adapter(&config).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    let mut until = |text: &str| {
        let found = lines.find(|line| line.as_ref().unwrap().contains(text));
        found.expect("the line comes").unwrap()
    };
    let opened = until("Ledger is opened");
    assert!(opened.contains("INFO [opening.rs:"), "{opened}");
    assert!(opened.contains("entries=0"), "{opened}");
    until("controlPlane.enabled is false");
    until("Adapter is ready");

    let second = TempDir::new().unwrap();
    let other = written(&second);
    let mine = directory.path().join("ledger");
    let output = adapter(&other)
        .env("RESCIND_LEDGER__DIRECTORY", &mine)
        .output()
        .unwrap();
    let message = format!(
        "error: cannot open the ledger: ledger directory {} is in use by another process (pid {})",
        mine.display(),
        first.id()
    );
    fails_with(&output, 1, &message);

    let told = Command::new("kill").arg(first.id().to_string()).status();
    assert!(told.unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(0));
    until("Ended");
}
