//! Reading PEM files, with errors that an operator can act upon.

use std::path::Path;

use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// All certificates of a PEM file, in their order; other sections (a key, parameters) are passed over.
pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(what, path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(what, path, reason(&error, &text)))?;
    if certificates.is_empty() {
        return Err(unusable(what, path, absent(&text, "BEGIN CERTIFICATE")));
    }
    match certificates
        .iter()
        .position(|der| x509_parser::parse_x509_certificate(der).is_err())
    {
        Some(at) => Err(unusable(
            what,
            path,
            format!("its certificate no. {} is damaged", at + 1),
        )),
        None => Ok(certificates),
    }
}

/// The first private key of a PEM file: PKCS#8, PKCS#1 or SEC1.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "private key";
    let text = read(what, path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => {
            Err(unusable(what, path, absent(&text, "BEGIN PRIVATE KEY")))
        }
        Err(error) => Err(unusable(what, path, reason(&error, &text))),
    }
}

pub(super) fn unusable(what: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::Unusable {
        what,
        path: path.to_owned(),
        reason,
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}

fn absent(text: &[u8], wanted: &str) -> String {
    let holds = |marker: &str| {
        text.windows(marker.len())
            .any(|window| window == marker.as_bytes())
    };
    if holds("BEGIN ENCRYPTED PRIVATE KEY") {
        return "the key is encrypted; write it without a passphrase (openssl pkcs8 -topk8 -nocrypt)".to_owned();
    }
    if holds("-----BEGIN ") {
        return format!("it is PEM but has no section \"{wanted}\"");
    }
    "it is not PEM".to_owned()
}

/// The library's errors hold raw bytes of the file, which for a key are the secret: only their kind is said.
fn reason(error: &PemError, text: &[u8]) -> String {
    match error {
        PemError::MissingSectionEnd { .. } => "a PEM section has no END line".to_owned(),
        PemError::IllegalSectionStart { .. } => "a PEM section has a broken BEGIN line".to_owned(),
        PemError::Base64Decode(_) => "a PEM section is not base64".to_owned(),
        _ => absent(text, "BEGIN"),
    }
}
