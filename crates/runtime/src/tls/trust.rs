//! Whom we believe: the certificates of a file, of a folder, or of the system.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;
use tracing::warn;

use super::validity::{self, Validity};
use super::{TlsError, files, provider};

const WHAT: &str = "trusted certificates";

/// Trust anchors as they are in force now; a clone is the same ones. [`Certificates`](super::Certificates) puts others in
/// their place when the files change, and every configuration made of them believes those from then on.
#[derive(Clone)]
pub struct Trust(Arc<ArcSwap<Anchors>>);

/// Trust anchors of one moment.
pub(super) struct Anchors {
    /// Each trusted certificate as it is, for peers that present that very one.
    pub(super) pinned: HashSet<CertificateDer<'static>>,
    pub(super) servers: Arc<WebPkiServerVerifier>,
    pub(super) clients: Arc<dyn ClientCertVerifier>,
    /// Files of a folder that could not be used.
    passed_over: Vec<(PathBuf, TlsError)>,
}

/// What one reading of the system's store has found.
pub(super) struct SystemStore {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What could not be read.
    pub(super) errors: Vec<String>,
}

impl SystemStore {
    pub(super) fn read() -> Self {
        let found = rustls_native_certs::load_native_certs();
        Self {
            certificates: found.certs,
            errors: found.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Trust {
    /// Reads a PEM file with one or more certificates, or every `*.pem` and `*.crt` in a folder and the folders below it.
    ///
    /// In a folder, a file that cannot be used is named in a WARN line and passed over. Expired certificates are taken:
    /// whether one is expired is judged when a peer relies on it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let anchors = Anchors::read(path.as_ref())?;
        for (_, error) in &anchors.passed_over {
            let reason = in_one_line(error);
            warn!(reason, "A file of the trust store is passed over");
        }
        Ok(Self::of(anchors))
    }

    /// The certificates that the operating system trusts.
    pub fn system() -> Result<Self, TlsError> {
        Self::of_system(SystemStore::read())
    }

    /// What could be read is trusted, and what could not be is named in a WARN line.
    pub(super) fn of_system(store: SystemStore) -> Result<Self, TlsError> {
        for reason in &store.errors {
            warn!(reason, "A part of the system's store is passed over");
        }
        Anchors::of_system(store.certificates).map(Self::of)
    }

    fn of(anchors: Anchors) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(anchors)))
    }

    pub(super) fn current(&self) -> Arc<Anchors> {
        self.0.load_full()
    }

    /// Reads the path again. What could be used before must be usable still: a broken file takes nobody's trust away.
    pub(super) fn read_again(&self, path: &Path) -> Result<(), TlsError> {
        let mut anchors = Anchors::read(path)?;
        let before = self.current();
        let known = |path: &Path| before.passed_over.iter().any(|(other, _)| other == path);
        let broken = anchors
            .passed_over
            .iter()
            .position(|(path, _)| !known(path));
        if let Some(at) = broken {
            return Err(anchors.passed_over.swap_remove(at).1);
        }
        self.0.store(Arc::new(anchors));
        Ok(())
    }

    /// Takes another reading of the system's store. One that failed in part takes nobody's trust away.
    pub(super) fn take_system(&self, store: SystemStore) -> Result<(), TlsError> {
        let anchors = Anchors::of_system(store.certificates)?;
        if !store.errors.is_empty() && !self.current().pinned.is_subset(&anchors.pinned) {
            return Err(TlsError::SystemStore {
                reason: store.errors.join("; "),
            });
        }
        self.0.store(Arc::new(anchors));
        Ok(())
    }

    /// How long anybody can be believed by it.
    pub(super) fn validity(&self) -> Option<Validity> {
        validity::of_last(&self.current().pinned)
    }
}

impl Anchors {
    fn read(path: &Path) -> Result<Self, TlsError> {
        let metadata = std::fs::metadata(path).map_err(|source| read_error(path, source))?;
        if metadata.is_dir() {
            return Self::from_folder(path);
        }
        Self::from_certificates(
            files::certificates(WHAT, path)?,
            &path.display().to_string(),
        )
    }

    fn of_system(certificates: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        Self::from_certificates(certificates, "the system's store")
    }

    fn from_folder(folder: &Path) -> Result<Self, TlsError> {
        let paths = certificate_files(folder).map_err(|source| read_error(folder, source))?;
        let mut certificates = Vec::new();
        let mut passed_over = Vec::new();
        for path in &paths {
            match files::certificates(WHAT, path) {
                Ok(found) => certificates.extend(found),
                Err(error) => passed_over.push((path.clone(), error)),
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
        let anchors = Self::from_certificates(certificates, &place)?;
        Ok(Self {
            passed_over,
            ..anchors
        })
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
        let roots = Arc::new(roots);
        let setup = |error: VerifierBuilderError| {
            TlsError::Setup(rustls::Error::General(error.to_string()))
        };
        let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider());
        // Without hints: Java and Go clients filter their certificates by them, and a pinned certificate may have none.
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .clear_root_hint_subjects();
        Ok(Self {
            pinned: certificates.into_iter().collect(),
            servers: servers.build().map_err(setup)?,
            clients: clients.build().map_err(setup)?,
            passed_over: Vec::new(),
        })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} certificates)", self.current().pinned.len())
    }
}

fn read_error(path: &Path, source: std::io::Error) -> TlsError {
    TlsError::Read {
        what: WHAT,
        path: path.to_owned(),
        source,
    }
}

fn in_one_line(error: &TlsError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Every file that [`Trust::load`] reads for `path`.
pub(super) fn files_of(path: &Path) -> Vec<PathBuf> {
    match path.is_dir() {
        true => certificate_files(path).unwrap_or_default(),
        false => vec![path.to_owned()],
    }
}

/// Every `*.pem` and `*.crt` below `folder`, sorted. Links are followed to files (Kubernetes mounts its secrets as links)
/// but not to folders, so there is no going round in circles. A link to nothing is among them: that it cannot be read is to
/// show.
fn certificate_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_certificate(&path) && !is_of_another_kind(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A folder, or what would block whoever reads it.
fn is_of_another_kind(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

fn is_certificate(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["pem", "crt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}
