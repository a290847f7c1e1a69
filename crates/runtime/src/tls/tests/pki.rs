//! Certificates for tests, in a folder of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::tls::{Identity, Trust};

/// What Choreo Connect's one certificate is valid for, and the loopback address.
pub(super) const NAMES: &[&str] = &["adapter", "enforcer", "router", "localhost", "127.0.0.1"];

/// A folder with a CA, `ca.pem` in it.
pub(super) struct Pki {
    pub(super) folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(super) fn new() -> Self {
        Self::valid_until(2099)
    }

    pub(super) fn valid_until(year: i32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("CA no. {}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self::named(&name, year)
    }

    pub(super) fn named(name: &str, year: i32) -> Self {
        crate::tls::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let mut params = params(&[], year);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::load(self.path("ca.pem")).unwrap()
    }

    /// An identity that the CA has issued.
    pub(super) fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        self.issue_with(name, NAMES, 2099, &key, &key.serialize_pem())
    }

    /// The same, whatever is wanted of it.
    pub(super) fn issue_with(
        &self,
        name: &str,
        names: &[&str],
        year: i32,
        key: &KeyPair,
        key_pem: &str,
    ) -> Identity {
        let certificate = params(names, year).signed_by(key, &self.issuer).unwrap();
        Identity::new(
            self.write(&format!("{name}.pem"), certificate.pem()),
            self.write(&format!("{name}.key"), key_pem),
        )
    }

    /// An identity that nobody but itself has issued, as Choreo Connect's `mg.pem` is.
    pub(super) fn self_signed(&self, name: &str, is_ca: IsCa, year: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = params(NAMES, year);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = is_ca;
        let certificate = params.self_signed(&key).unwrap();
        Identity::new(
            self.write(&format!("{name}.pem"), certificate.pem()),
            self.write(&format!("{name}.key"), key.serialize_pem()),
        )
    }
}

fn params(names: &[&str], year: i32) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    params
}
