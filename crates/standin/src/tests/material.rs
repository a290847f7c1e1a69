//! What happens when the files do not fit.

use std::fs;

use super::fixture::config;
use crate::keys::{KeyError, Keys};

#[test]
fn a_certificate_of_another_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    assert!(Keys::load(&config).is_ok());
    config.token_key.cert_path = config.api_key_key.cert_path.clone();
    let error = Keys::load(&config).unwrap_err();
    assert!(matches!(error, KeyError::Mismatch { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("apikey.pem: not the certificate of")
    );
}

#[test]
fn a_key_must_be_rsa_and_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.token_key.key_path = config.key_path.clone();
    let error = Keys::load(&config).unwrap_err();
    assert!(matches!(error, KeyError::Rejected { .. }), "{error}");

    config.token_key.key_path = directory.path().join("missing.key");
    let error = Keys::load(&config).unwrap_err();
    assert!(matches!(error, KeyError::Pem { .. }), "{error}");

    fs::write(&config.token_key.key_path, "no key").unwrap();
    let error = Keys::load(&config).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("missing.key: a PKCS#8 PEM key cannot be read")
    );
}
