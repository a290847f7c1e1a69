//! A config.toml of Choreo Connect's, as it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../../tests/data/choreo-connect/installed.rs"]
mod installed;

use std::{
    path::Path,
    process::{Command, Output},
};

use installed::installed;

/// `--check`, with the variables that Choreo Connect's image has: there the enforcer's certificates are never keys.
fn check(folder: &Path, config: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
        .env_clear()
        .env("enforcer_admin_pwd", "s3cret")
        .env("ENFORCER_PUBLIC_CERT_PATH", folder.join("keystore/mg.pem"))
        .env("ENFORCER_PRIVATE_KEY_PATH", folder.join("keystore/mg.key"))
        .env("TRUSTED_CA_CERTS_PATH", folder.join("truststore"))
        .env("CC_CONTROLPLANE_PASSWORD", "s3cret")
        .args(["--check", "--config"])
        .arg(config)
        .output()
        .unwrap()
}

/// Part B of `docs/choreo-connect.md`.
#[test]
fn a_copy_with_our_keys_added_stands_in_front_of_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let config = installed(folder.path(), "wso2carbon.pem");
    let theirs = std::fs::read_to_string(&config).unwrap();
    let table = "[enforcer.restserver]\n";
    assert!(theirs.contains(table));
    let ours = theirs.replace(table, &format!("{table}  host = \"0.0.0.0\"\n"))
        + "[xds]\nadapters = [\"our-adapter:18000\"]\n\
           [next]\naddress = \"enforcer:8081\"\nserverName = \"enforcer\"\ntimeout = 15\n\
           [next.rest]\naddress = \"enforcer:9001\"\n";
    std::fs::write(&config, ours).unwrap();
    let output = check(folder.path(), &config);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for line in [
        "enforcer.restServer.host = \"0.0.0.0\"",
        "next.address = \"enforcer:8081\"",
        "not used here: CC_CONTROLPLANE_PASSWORD (a variable)",
    ] {
        assert!(
            stdout.lines().any(|found| found == line),
            "{line}\n{stdout}"
        );
    }
}

#[test]
fn the_enforcer_reads_it_and_says_what_it_uses_and_what_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let config = installed(folder.path(), "wso2carbon.pem");
    let output = check(folder.path(), &config);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for line in [
        "enforcer.authService.port = 8081",
        "from the environment: enforcer.truststore.location (TRUSTED_CA_CERTS_PATH)",
        "enforcer.security.tokenService[2].name = \"APIM Publisher\"",
        "not used here: router",
        "not used here: controlPlane",
        "not used here: enforcer.throttling",
        "not used here: enforcer.filters",
        "not used here: enforcer.jwtIssuer",
        "not used here: enforcer.security.mutualSSL.enableClientValidation",
        "not used here: enforcer.security.tokenService[0].claimMapping",
    ] {
        assert!(
            stdout.lines().any(|found| found == line),
            "{line}\n{stdout}"
        );
    }
    // The rest of [adapter] may be one line or several.
    let leaves_adapter = |line: &str| line.starts_with("not used here: adapter");
    assert!(stdout.lines().any(leaves_adapter), "{stdout}");
    for key in [
        "enforcer.authService.maxMessageSize",
        "enforcer.management.password",
        "enforcer.restServer.enabled",
        "enforcer.security.authHeader.testConsoleHeaderName",
        "enforcer.security.mutualSSL.certificateHeader",
        "enforcer.security.tokenService[0].issuer",
        "enforcer.security.tokenService[1].certificateFilePath",
    ] {
        let line = format!("used of the file: {key} (line ");
        assert!(
            stdout.lines().any(|found| found.starts_with(&line)),
            "{line}\n{stdout}"
        );
    }
    assert!(stdout.ends_with("the configuration is good\n"), "{stdout}");
    assert!(!stdout.contains("s3cret"), "{stdout}");
}
