//! Certificates that follow their files: handshakes to come use the new ones, and no connection ends.
//!
//! ```text
//! look: unchanged ───────────────────────────────────────────────> nothing
//!       changed, and can be used ────────────────────────────────> in force
//!       changed, and cannot be used ── still so a second later ──> degraded; what was in force stays so
//! ```
//!
//! The second look is for files that are written one after the other, a certificate and then its key. Contents are
//! compared, not times: a file that is renamed into place, written over or reached by another link is all one.

use std::fs;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::trust::{SystemStore, files_of};
use super::validity::Validity;
use super::{Identity, OwnCertificate, Shown as _, TlsError, Trust};
use crate::health::Health;
use crate::time::unix_now_seconds;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How soon after a look that found them unusable.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The system's store is some hundred files, which change with the system: every so many looks.
const SYSTEM: u64 = 60;

/// The degraded state while files cannot be used, or a certificate is about to expire.
const HEALTH: &str = "certificates";

/// Every certificate that this process shows or believes by. Each is read once, under the configuration's key that names
/// its files, and followed by [`Self::follow`].
#[derive(Debug, Default)]
pub struct Certificates {
    followed: Vec<Followed>,
    hasher: RandomState,
}

/// Keeps [`Certificates`] up to their files. Runs as one task of the process.
#[derive(Debug)]
pub struct Reloader {
    certificates: Certificates,
    looks: u64,
    health: Health,
    days_left: Family<Role, Gauge>,
}

/// What names a certificate in metrics: the configuration's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Role {
    role: String,
}

#[derive(Debug)]
struct Followed {
    role: String,
    place: Place,
    /// The content that is in force.
    seen: u64,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
enum Place {
    Identity(Identity, OwnCertificate),
    Trust(PathBuf, Trust),
    System(Trust),
}

/// The files have changed and cannot be used.
#[derive(Debug)]
struct Trouble {
    reason: String,
    looks: u32,
}

impl Certificates {
    /// Reads a certificate and its key.
    pub fn identity(
        &mut self,
        role: impl Into<String>,
        files: &Identity,
    ) -> Result<OwnCertificate, TlsError> {
        let hash = |hasher| fingerprint([&*files.cert, &*files.key], hasher);
        let seen = hash(&self.hasher);
        let certificate = files.certificate()?;
        let place = Place::Identity(files.clone(), certificate.clone());
        self.add(role, place, seen);
        Ok(certificate)
    }

    /// Reads trust from a file or a folder. The same path again is the same trust.
    pub fn trust(&mut self, role: impl Into<String>, path: &Path) -> Result<Trust, TlsError> {
        let known = self
            .followed
            .iter()
            .find_map(|followed| match &followed.place {
                Place::Trust(place, trust) if place == path => Some(trust.clone()),
                _ => None,
            });
        if let Some(trust) = known {
            return Ok(trust);
        }
        let seen = fingerprint(files_of(path).iter().map(PathBuf::as_path), &self.hasher);
        let trust = Trust::load(path)?;
        self.add(role, Place::Trust(path.to_owned(), trust.clone()), seen);
        Ok(trust)
    }

    /// The certificates that the operating system trusts.
    pub fn system_trust(&mut self, role: impl Into<String>) -> Result<Trust, TlsError> {
        let known = self
            .followed
            .iter()
            .find_map(|followed| match &followed.place {
                Place::System(trust) => Some(trust.clone()),
                _ => None,
            });
        if let Some(trust) = known {
            return Ok(trust);
        }
        let store = SystemStore::read();
        let seen = self.hasher.hash_one(&store.certificates);
        let trust = Trust::of_system(store)?;
        self.add(role, Place::System(trust.clone()), seen);
        Ok(trust)
    }

    /// What is to be said of the certificates that are in force: which of them expire soon, or have expired.
    pub fn concerns(&self) -> Vec<String> {
        let now = now();
        let concerns = self
            .followed
            .iter()
            .filter_map(|followed| followed.concern(now));
        concerns.collect()
    }

    /// Prepares to follow the files: days left are in `registry` as `certificate_days_left`, and `health` is degraded while
    /// something is wrong.
    pub fn follow(self, registry: &mut Registry, health: &Health) -> Reloader {
        let reloader = Reloader {
            certificates: self,
            looks: 0,
            health: health.clone(),
            days_left: Family::default(),
        };
        registry.register(
            "certificate_days_left",
            "Whole days until a certificate expires, negative afterwards; of trust, until the last of it expires",
            reloader.days_left.clone(),
        );
        reloader.show();
        reloader
    }

    fn add(&mut self, role: impl Into<String>, place: Place, seen: u64) {
        self.followed.push(Followed {
            role: role.into(),
            place,
            seen,
            trouble: None,
        });
    }
}

impl Reloader {
    /// Looks at the files now and then, until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let wait = match self.is_unsure() {
                true => LOOK_AGAIN,
                false => LOOK,
            };
            if cancel.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
            // Disks can hang.
            let looking = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looking.await {
                Ok(reloader) => reloader,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is ending.
                    Err(_) => return,
                },
            };
        }
    }

    /// Takes what has changed into force, and shows what is wrong. Blocks.
    pub fn look(&mut self) {
        let Certificates { followed, hasher } = &mut self.certificates;
        let system = self.looks.is_multiple_of(SYSTEM);
        self.looks += 1;
        for followed in followed {
            if !matches!(followed.place, Place::System(_)) || system {
                followed.look(hasher);
            }
        }
        self.show();
    }

    pub(super) fn is_unsure(&self) -> bool {
        let mut followed = self.certificates.followed.iter();
        followed.any(Followed::is_unsure)
    }

    fn show(&self) {
        let now = now();
        let mut wrong = Vec::new();
        for followed in &self.certificates.followed {
            if let Some(validity) = followed.place.validity() {
                let role = followed.role.clone();
                let gauge = self.days_left.get_or_create_owned(&Role { role });
                gauge.set(validity.days_left(now));
            }
            wrong.extend(followed.trouble());
            wrong.extend(followed.concern(now));
        }
        match wrong.is_empty() {
            true => self.health.recover(HEALTH),
            false => self.health.degrade(HEALTH, wrong.join("; ")),
        }
    }
}

impl Followed {
    fn look(&mut self, hasher: &RandomState) {
        match self.place.look(hasher, self.seen) {
            Ok(found) => {
                if found != self.seen {
                    info!(role = self.role, "Certificates read again");
                }
                self.seen = found;
                self.trouble = None;
            }
            Err(error) => {
                let looks = self.trouble.as_ref().map_or(0, |trouble| trouble.looks);
                self.trouble = Some(Trouble {
                    reason: format!("{:#}", anyhow::Error::from(error)),
                    looks: looks.saturating_add(1),
                });
            }
        }
    }

    /// A second look is due soon. Not at the system's store, which is not looked at each time.
    fn is_unsure(&self) -> bool {
        let looks = self.trouble.as_ref().map(|trouble| trouble.looks);
        looks == Some(1) && !matches!(self.place, Place::System(_))
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.as_ref().filter(|trouble| trouble.looks > 1)?;
        Some(format!(
            "{}: the files have changed and cannot be used, what was read before stays in force: {}",
            self.role, trouble.reason
        ))
    }

    fn concern(&self, now: i64) -> Option<String> {
        let concern = self.place.validity()?.concern(now)?;
        Some(match &self.place {
            Place::Identity(files, _) => {
                format!("{}: {} {concern}", self.role, files.cert.display())
            }
            Place::Trust(path, _) => {
                format!(
                    "{}: the last certificate in {} {concern}",
                    self.role,
                    path.display()
                )
            }
            Place::System(_) => return None,
        })
    }
}

impl Place {
    /// Takes into force what is there, unless that is `seen`. What was found.
    fn look(&self, hasher: &RandomState, seen: u64) -> Result<u64, TlsError> {
        match self {
            Self::Identity(files, certificate) => {
                // Before the files are read: what changes meanwhile is seen at the next look.
                let found = fingerprint([&*files.cert, &*files.key], hasher);
                if found != seen {
                    certificate.replace(files.load()?);
                }
                Ok(found)
            }
            Self::Trust(path, trust) => {
                let found = fingerprint(files_of(path).iter().map(PathBuf::as_path), hasher);
                if found != seen {
                    trust.read_again(path)?;
                }
                Ok(found)
            }
            Self::System(trust) => look_at_system(trust, hasher, seen),
        }
    }

    /// `None` for the system's store, which is not the operator's to renew.
    fn validity(&self) -> Option<Validity> {
        match self {
            Self::Identity(_, certificate) => certificate.validity(),
            Self::Trust(_, trust) => trust.validity(),
            Self::System(_) => None,
        }
    }
}

/// Reads the store once: what is taken into force is what was compared.
fn look_at_system(trust: &Trust, hasher: &RandomState, seen: u64) -> Result<u64, TlsError> {
    let store = SystemStore::read();
    let found = hasher.hash_one(&store.certificates);
    if found != seen {
        trust.take_system(store)?;
    }
    Ok(found)
}

/// Of the names and contents of files; one that cannot be read is a content of its own. Keyed, and never stored.
fn fingerprint<'a>(paths: impl IntoIterator<Item = &'a Path>, hasher: &RandomState) -> u64 {
    let mut hash = hasher.build_hasher();
    for path in paths {
        path.hash(&mut hash);
        fs::read(path).ok().hash(&mut hash);
    }
    hash.finish()
}

fn now() -> i64 {
    i64::try_from(unix_now_seconds()).unwrap_or(i64::MAX)
}
