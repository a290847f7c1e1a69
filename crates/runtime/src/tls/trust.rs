//! Whom we believe: the certificates of a file, of a folder, or of the system.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use tracing::warn;

use super::{TlsError, files};

const WHAT: &str = "trusted certificates";

/// Trust anchors, read once; a clone shares them.
#[derive(Clone)]
pub struct Trust {
    pub(super) roots: Arc<RootCertStore>,
    /// Each trusted certificate as it is, for peers that present that very one.
    pub(super) pinned: Arc<HashSet<CertificateDer<'static>>>,
}

impl Trust {
    /// Reads a PEM file with one or more certificates, or every `*.pem` and `*.crt` in a folder and the folders below it.
    ///
    /// In a folder, a file that cannot be used is named in a WARN line and passed over. Expired certificates are taken:
    /// whether one is expired is judged when a peer relies on it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|source| read_error(path, source))?;
        if metadata.is_dir() {
            return Self::from_folder(path);
        }
        Self::from_certificates(
            files::certificates(WHAT, path)?,
            &path.display().to_string(),
        )
    }

    /// The certificates that the operating system trusts.
    pub fn system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        Self::from_certificates(found.certs, "the system's store")
    }

    fn from_folder(folder: &Path) -> Result<Self, TlsError> {
        let paths = certificate_files(folder).map_err(|source| read_error(folder, source))?;
        let mut certificates = Vec::new();
        for path in &paths {
            match files::certificates(WHAT, path) {
                Ok(found) => certificates.extend(found),
                Err(error) => warn!(
                    reason = format!("{:#}", anyhow::Error::from(error)),
                    "A file of the trust store is passed over"
                ),
            }
        }
        let place = folder.display().to_string();
        if certificates.is_empty() {
            let detail = match paths.len() {
                0 => ": it holds no *.pem and no *.crt".to_owned(),
                count => format!(": none of its {count} files could be used"),
            };
            return Err(TlsError::NothingTrusted { place, detail });
        }
        Self::from_certificates(certificates, &place)
    }

    fn from_certificates(
        certificates: Vec<CertificateDer<'static>>,
        place: &str,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(certificates.iter().cloned());
        if ignored > 0 {
            warn!(
                place,
                ignored, "Some certificates cannot be trust anchors and count only as themselves"
            );
        }
        if added == 0 {
            let detail = if ignored > 0 {
                ": none can be a trust anchor"
            } else {
                ""
            };
            return Err(TlsError::NothingTrusted {
                place: place.to_owned(),
                detail: detail.to_owned(),
            });
        }
        Ok(Self {
            roots: Arc::new(roots),
            pinned: Arc::new(certificates.into_iter().collect()),
        })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} certificates)", self.pinned.len())
    }
}

fn read_error(path: &Path, source: std::io::Error) -> TlsError {
    TlsError::Read {
        what: WHAT,
        path: path.to_owned(),
        source,
    }
}

/// Every `*.pem` and `*.crt` below `folder`, sorted. Links are followed to files (Kubernetes mounts its secrets as links)
/// but not to folders, so there is no going round in circles.
fn certificate_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_certificate(&path) && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_certificate(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["pem", "crt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}
