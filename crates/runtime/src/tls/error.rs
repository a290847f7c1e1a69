//! What can be wrong with certificates, keys and trust, each naming its file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why no TLS configuration could be made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file or folder cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    Read {
        /// What it was to be: a certificate, a private key, trusted certificates.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds no PEM section of the kind wanted, or a broken one.
    #[error("{} holds no usable {what}: {reason}", path.display())]
    Unusable {
        /// What it was to be: a certificate, a private key, trusted certificates.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// The private key is not that of the certificate.
    #[error("the private key {} does not belong to the certificate {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// No certificate to trust was found.
    #[error("no certificate to trust in {place}{detail}")]
    NothingTrusted {
        /// The folder, or the system's store.
        place: String,
        /// What was found instead, if anything; begins with `: `.
        detail: String,
    },
    /// The system's store could be read in part only, and what was trusted is not in that part.
    #[error("the system's store cannot be read as a whole: {reason}")]
    SystemStore {
        /// What could not be read.
        reason: String,
    },
    /// rustls refused the combination.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}
