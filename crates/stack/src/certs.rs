//! Development certificates: a CA, one identity for each part, and the two keys that sign tokens and API keys.
//!
//! Made once and kept, so that a restart changes nothing for a client that trusts them; made anew when they near their end.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};

use crate::files;

/// The certificates of one stack, all in one folder.
#[derive(Debug, Clone)]
pub struct Certs {
    folder: PathBuf,
}

/// A certificate (chain) and its key, both PEM files, the key PKCS#8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The names that the original's one certificate has: its parts use them to address each other.
const GATEWAY_NAMES: [&str; 4] = ["adapter", "enforcer", "router", "localhost"];
const IDENTITIES: [(&str, &[&str]); 5] = [
    ("adapter", &GATEWAY_NAMES),
    ("enforcer", &GATEWAY_NAMES),
    ("router", &GATEWAY_NAMES),
    ("standin", &["standin", "localhost"]),
    ("broker", &["broker", "localhost"]),
];
const SIGNERS: [&str; 2] = ["token-signing", "api-key-signing"];

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Clocks that are a year wrong, in the tests, must not end what they are not about.
const LIFETIME: Duration = DAY.saturating_mul(2 * 365);
const NEAR_THE_END: Duration = DAY.saturating_mul(30);
/// Counted up when what is made here changes, so that kept certificates of an older checkout are made anew.
const FORM: &str = "2";

impl Certs {
    /// Takes the certificates of `folder`, or makes them where there are none that will last.
    pub(crate) fn ensure(folder: &Path) -> Result<Self> {
        let certs = Self {
            folder: folder.to_owned(),
        };
        let now = SystemTime::now();
        if !certs.will_last(now) {
            certs.make(now).context("cannot make the certificates")?;
        }
        Ok(certs)
    }

    /// The CA that all identities come from.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The identity of a part: `adapter`, `enforcer`, `router` (Envoy), `standin` or `broker`; or one of the self-signed
    /// `token-signing` and `api-key-signing`.
    pub fn identity(&self, name: &str) -> Identity {
        Identity {
            cert: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        }
    }

    fn mark(&self) -> PathBuf {
        self.folder.join("made")
    }

    /// The mark is written last, so it also says that all of them are there.
    fn will_last(&self, now: SystemTime) -> bool {
        fs::read_to_string(self.mark()).is_ok_and(|mark| lasts(&mark, now))
    }

    fn make(&self, now: SystemTime) -> Result<()> {
        files::private_folder(&self.folder)?;
        let _ = fs::remove_file(self.mark());
        let issuer = self.make_ca(now)?;
        for (name, names) in IDENTITIES {
            self.make_identity(name, names, &issuer, now)?;
        }
        for name in SIGNERS {
            self.make_signer(name, now)?;
        }
        let end = seconds(now + LIFETIME);
        files::replace(&self.mark(), &format!("{FORM} {end}\n"))
    }

    fn make_ca(&self, now: SystemTime) -> Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("Rescind development CA", &[], now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key)?;
        // The CA's key is not kept: nobody can make another identity that these parts would trust.
        files::replace(&self.ca(), &cert.pem())?;
        Ok(Issuer::new(params, key))
    }

    fn make_identity(
        &self,
        name: &str,
        names: &[&str],
        issuer: &Issuer<'_, KeyPair>,
        now: SystemTime,
    ) -> Result<()> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(name, names, now)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let cert = params.signed_by(&key, issuer)?;
        self.write(name, &cert.pem(), &key)
    }

    /// API Manager signs tokens with RSA keys whose certificates are self-signed.
    fn make_signer(&self, name: &str, now: SystemTime) -> Result<()> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let cert = params(name, &[], now)?.self_signed(&key)?;
        self.write(name, &cert.pem(), &key)
    }

    fn write(&self, name: &str, cert: &str, key: &KeyPair) -> Result<()> {
        let identity = self.identity(name);
        files::replace(&identity.cert, cert)?;
        files::replace(&identity.key, &key.serialize_pem())
    }
}

fn params(common_name: &str, names: &[&str], now: SystemTime) -> Result<CertificateParams> {
    let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    if !names.is_empty() {
        names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    }
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A day back, for a machine whose clock was set meanwhile.
    // So early that a clock that is a year slow finds them valid too.
    params.not_before = (now - LIFETIME).into();
    params.not_after = (now + LIFETIME).into();
    Ok(params)
}

fn lasts(mark: &str, now: SystemTime) -> bool {
    let Some((FORM, end)) = mark.trim().split_once(' ') else {
        return false;
    };
    end.parse()
        .is_ok_and(|end: u64| end > seconds(now + NEAR_THE_END))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

    use super::*;

    #[test]
    fn they_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Certs::ensure(folder.path()).unwrap();
        let ca = fs::read(first.ca()).unwrap();
        let again = Certs::ensure(folder.path()).unwrap();
        assert_eq!(fs::read(again.ca()).unwrap(), ca);

        fs::remove_file(first.mark()).unwrap();
        let anew = Certs::ensure(folder.path()).unwrap();
        assert_ne!(fs::read(anew.ca()).unwrap(), ca);
    }

    #[test]
    fn near_their_end_they_do_not_last() {
        let now = UNIX_EPOCH + DAY.saturating_mul(20_000);
        let mark = |end| format!("{FORM} {}\n", seconds(end));
        assert!(lasts(&mark(now + LIFETIME), now));
        assert!(!lasts(&mark(now + NEAR_THE_END), now));
        assert!(!lasts("0 99999999999", now));
        assert!(!lasts("torn", now));
    }

    #[test]
    fn every_identity_is_a_key_of_its_own_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let certs = Certs::ensure(folder.path()).unwrap();
        let names = IDENTITIES.iter().map(|(name, _)| *name).chain(SIGNERS);
        let mut keys = Vec::new();
        for name in names {
            let identity = certs.identity(name);
            assert!(CertificateDer::from_pem_file(&identity.cert).is_ok());
            let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
            assert!(matches!(key, PrivateKeyDer::Pkcs8(_)), "{name}");
            let mode = fs::metadata(&identity.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            keys.push(key.secret_der().to_vec());
        }
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
