//! What is wrong with a certificate, in plain words: what the libraries print are names of their own types.

use std::fmt;

use rustls::{CertificateError, OtherError};
use rustls_pki_types::UnixTime;
use webpki::Error as PkiError;

use super::validity;

/// An error that is its words.
#[derive(Debug)]
pub(super) struct Words(pub(super) String);

/// To go on after "the certificate".
pub(super) fn of(error: &CertificateError) -> String {
    use CertificateError::{
        BadEncoding, BadSignature, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext,
        NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, Other, Revoked,
        UnhandledCriticalExtension, UnknownIssuer,
    };
    let fixed = match error {
        ExpiredContext { not_after, .. } => {
            return format!("has expired on {}", moment(*not_after));
        }
        NotValidYetContext { not_before, .. } => {
            return format!("is not valid before {}", moment(*not_before));
        }
        NotValidForNameContext {
            expected,
            presented,
        } => return not_for_name(&expected.to_str(), presented),
        InvalidPurposeContext { required, .. } => {
            return format!("does not allow the use as {required} (extended key usage)");
        }
        Other(other) => return of_other(other),
        Expired => "has expired",
        NotValidYet => "is not valid yet",
        Revoked => "is revoked by its issuer",
        UnknownIssuer => "is from an issuer that is not trusted here",
        BadSignature => {
            "is not signed by the issuer that it names (another CA of the same name is trusted here)"
        }
        NotValidForName => "is for other names",
        InvalidPurpose => "does not allow this use (extended key usage)",
        BadEncoding => "cannot be read as X.509",
        UnhandledCriticalExtension => "has a critical extension that is not known here",
        other => return format!("cannot be used: {other}"),
    };
    fixed.to_owned()
}

fn of_other(error: &OtherError) -> String {
    let Some(error) = error.0.downcast_ref::<PkiError>() else {
        return format!("cannot be used: {error}");
    };
    let fixed = match error {
        PkiError::CaUsedAsEndEntity => {
            "is that of a CA, which must not stand for a server or a client; only one that is itself in the trust store may"
        }
        PkiError::EndEntityUsedAsCa => {
            "is signed by a certificate that is not that of a CA (basicConstraints)"
        }
        PkiError::PathLenConstraintViolated => "has more CAs above it than one of them allows",
        PkiError::NameConstraintViolation => "has names that its CA must not give",
        PkiError::UnsupportedCertVersion => "is not of X.509 version 3",
        PkiError::MaximumPathDepthExceeded
        | PkiError::MaximumPathBuildCallsExceeded
        | PkiError::MaximumSignatureChecksExceeded => {
            "has a chain that is too long or too winding to be checked"
        }
        other => return format!("cannot be used ({other:?})"),
    };
    fixed.to_owned()
}

fn not_for_name(expected: &str, presented: &[String]) -> String {
    match presented {
        [] => format!("is not for the name {expected}: it has no names (subjectAltName)"),
        names => {
            let names: Vec<_> = names.iter().map(|name| bare(name)).collect();
            let names = names.join(", ");
            format!("is not for the name {expected}, only for {names}")
        }
    }
}

/// The name in `DnsName("adapter")`.
fn bare(presented: &str) -> &str {
    match presented.split_once('(') {
        Some((_, name)) => name.trim_end_matches(')').trim_matches('"'),
        None => presented,
    }
}

fn moment(at: UnixTime) -> String {
    validity::moment(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Words {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls_pki_types::ServerName;

    use super::*;

    #[test]
    fn each_says_what_is_wrong() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let other = |error: PkiError| CertificateError::Other(OtherError(Arc::new(error)));
        for (error, words) in [
            (
                CertificateError::ExpiredContext {
                    time: at(86_400),
                    not_after: at(5),
                },
                "has expired on 1970-01-01T00:00:05Z",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("adapter").unwrap(),
                    presented: vec![
                        "DnsName(\"other\")".to_owned(),
                        "IpAddress(10.0.0.1)".to_owned(),
                    ],
                },
                "is not for the name adapter, only for other, 10.0.0.1",
            ),
            (
                CertificateError::UnknownIssuer,
                "is from an issuer that is not trusted here",
            ),
            (
                other(PkiError::CaUsedAsEndEntity),
                "is that of a CA, which must not stand for a server or a client; only one that is itself in the trust \
                 store may",
            ),
            (
                other(PkiError::EmptyEkuExtension),
                "cannot be used (EmptyEkuExtension)",
            ),
        ] {
            assert_eq!(of(&error), words);
        }
    }
}
