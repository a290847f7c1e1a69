//! A config.toml of Choreo Connect's, as it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use tempfile::TempDir;

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
    fs::write(folder.join("truststore/controlplane.pem"), expired).unwrap();
    let config = folder.join("config.toml");
    let text = SAMPLE.replace("@security@", folder.to_str().unwrap());
    fs::write(&config, text).unwrap();
    config
}

#[test]
fn the_adapter_reads_it_and_says_what_it_uses_and_what_it_leaves() {
    let folder = TempDir::new().unwrap();
    let config = installed(folder.path());
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
