//! A config.toml of Choreo Connect's, as it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../../tests/data/choreo-connect/installed.rs"]
mod installed;

use std::process::Command;

use installed::{SAMPLE, installed};
use tempfile::TempDir;

#[test]
fn the_adapter_reads_it_and_says_what_it_uses_and_what_it_leaves() {
    let folder = TempDir::new().unwrap();
    let config = installed(folder.path(), "controlplane.pem");
    let output = Command::new(env!("CARGO_BIN_EXE_rescind-adapter"))
        .env_clear()
        .env("cp_admin_pwd", "s3cret")
        .args(["--check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let line_of = |text: &str| {
        let found = SAMPLE.lines().position(|line| line.contains(text));
        found.unwrap() + 1
    };
    for line in [
        "adapter.xds.port = 18000".to_owned(),
        "controlPlane.serviceURL = \"https://apim:9443/\"".to_owned(),
        "controlPlane.skipSSLVerification = true".to_owned(),
        format!(
            "used of the file: controlPlane.serviceURL (line {})",
            line_of("https://apim:9443/")
        ),
        format!(
            "used of the file: controlPlane.password (line {})",
            line_of("\"$env{cp_admin_pwd}\"")
        ),
        "not used here: adapter.server".to_owned(),
        "not used here: adapter.vhostMapping".to_owned(),
        "not used here: router".to_owned(),
        "not used here: enforcer".to_owned(),
        "not used here: analytics".to_owned(),
        "not used here: controlPlane.httpClient".to_owned(),
        "not used here: controlPlane.environmentLabels".to_owned(),
    ] {
        assert!(
            stdout.lines().any(|found| found == line),
            "{line}\n{stdout}"
        );
    }
    assert!(stdout.ends_with("the configuration is good\n"), "{stdout}");
    assert!(!stdout.contains("s3cret"), "{stdout}");
    assert!(!stdout.contains("used of the file: router"), "{stdout}");
}
