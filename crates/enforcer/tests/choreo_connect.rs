//! A config.toml of Choreo Connect's, as it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

const SAMPLE: &str = include_str!("../../../tests/data/choreo-connect/config.toml");

/// Choreo Connect's folder of certificates and its configuration. The one certificate that its parts share is self-signed
/// and no CA; the control plane's has expired long ago, and counts for its key alone.
fn installed(folder: &Path) -> PathBuf {
    for name in ["keystore", "truststore"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let certificate = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        (params, KeyPair::generate().unwrap())
    };
    let (params, key) = certificate(&["adapter", "enforcer", "router", "localhost"]);
    let shared = params.self_signed(&key).unwrap().pem();
    fs::write(folder.join("keystore/mg.pem"), &shared).unwrap();
    fs::write(folder.join("keystore/mg.key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("truststore/mg.pem"), &shared).unwrap();
    let (mut params, key) = certificate(&["localhost"]);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2025, 5, 27);
    let expired = params.self_signed(&key).unwrap().pem();
    fs::write(folder.join("truststore/wso2carbon.pem"), expired).unwrap();
    let config = folder.join("config.toml");
    let text = SAMPLE.replace("@security@", folder.to_str().unwrap());
    fs::write(&config, text).unwrap();
    config
}

#[test]
fn the_enforcer_reads_it_and_says_what_it_uses_and_what_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let config = installed(folder.path());
    let output = Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
        .env_clear()
        .env("enforcer_admin_pwd", "s3cret")
        // In Choreo Connect the enforcer's certificates are variables, never keys.
        .env(
            "ENFORCER_PUBLIC_CERT_PATH",
            folder.path().join("keystore/mg.pem"),
        )
        .env(
            "ENFORCER_PRIVATE_KEY_PATH",
            folder.path().join("keystore/mg.key"),
        )
        .env("TRUSTED_CA_CERTS_PATH", folder.path().join("truststore"))
        .args(["--check", "--config"])
        .arg(&config)
        .output()
        .unwrap();
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
        "not used here: enforcer.security.mutualSSL",
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
        "enforcer.restserver.enabled",
        "enforcer.security.authHeader.testConsoleHeaderName",
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
