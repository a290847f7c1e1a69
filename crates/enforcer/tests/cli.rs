//! The binary's arguments, messages and exit codes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    path::Path,
    process::{Command, Output},
};

use rcgen::{CertificateParams, KeyPair};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn check(folder: &Path, text: &str) -> (Option<i32>, String, String) {
    let path = folder.join("enforcer.toml");
    std::fs::write(&path, text).unwrap();
    let output = run(&["--check", "--config", path.to_str().unwrap()]);
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(&format!("{}/", folder.display()), "")
    };
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_good_configuration_is_called_good() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["enforcer".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(folder.path().join("mg.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("mg.key"), key.serialize_pem()).unwrap();
    let at = folder.path().display();
    let text = format!(
        "[enforcer.keystore]\ncertPath = '{at}/mg.pem'\nkeyPath = '{at}/mg.key'\n\
         [enforcer.truststore]\nlocation = '{at}'\n"
    );
    let (code, out, error) = check(folder.path(), &text);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(
        out.contains("enforcer.authService.port = 8081\n")
            && out.ends_with("the configuration is good\n"),
        "{out}"
    );

    // A file that cannot be used has the line of its key.
    let text = text.replace("mg.key'", "gone.key'")
        + "[[enforcer.security.tokenService]]\nname = 'APIM APIkey'\ncertificateFilePath = '/nowhere.pem'\n";
    let (code, _, error) = check(folder.path(), &text);
    assert_eq!(code, Some(2));
    assert!(
        error.starts_with("error: enforcer.toml:1: enforcer.keystore: ")
            && error.contains("gone.key"),
        "{error}"
    );
    let text = text.replace("gone.key'", "mg.key'");
    let (code, _, error) = check(folder.path(), &text);
    assert_eq!(code, Some(2));
    assert!(
        error.starts_with(
            "error: enforcer.toml:8: enforcer.security.tokenService[0].certificateFilePath: "
        ),
        "{error}"
    );
}

#[test]
fn a_wrong_configuration_ends_with_2_and_one_line_for_each_problem() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = check(folder.path(), "[xds]\nport = 'x'\nretryPeriod = 0.5\n");
    assert_eq!((code, out), (Some(2), String::new()));
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert_eq!(
        lines[0],
        "error: enforcer.toml:2: xds.port: expected a port number (1-65535), found \"x\""
    );
    assert!(
        lines[1].starts_with("error: enforcer.toml:3: xds.retryPeriod: "),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_configuration() {
    let output = run(&["--config", "/nowhere/enforcer.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    let (code, _, error) = check(folder.path(), "");
    assert_eq!(code, Some(2));
    assert!(error.contains("/home/wso2/security/truststore"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn usage_and_version_are_told() {
    assert_eq!(run(&["--no-such-argument"]).status.code(), Some(2));
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(
        String::from_utf8(version.stdout)
            .unwrap()
            .starts_with("rescind-enforcer ")
    );
}
