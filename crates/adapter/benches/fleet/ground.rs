//! What a row stands on: certificates, a configuration, a ledger with entries in it.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rescind_ledger::Ledger;
use rescind_revocation::{Expiry, Identifier, Revocation, UnixSeconds};
use rescind_runtime::tls::{self, Identity, Trust};
use tempfile::TempDir;

/// Entries of one commit.
const GROUP: u64 = 50_000;

/// A folder with everything in it; gone when dropped.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        // Where the program is, since what is in memory is no disk.
        let program = env::current_exe().unwrap();
        let folder = TempDir::new_in(program.parent().unwrap()).unwrap();
        let ground = Self { folder };
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(ground.path("ca.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in ["adapter", "enforcer"] {
            let key = KeyPair::generate().unwrap();
            let names = vec![name.to_owned(), "localhost".to_owned()];
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(ground.path(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(ground.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The trust and identity of a client.
    pub(crate) fn client_tls(&self) -> Arc<rustls::ClientConfig> {
        client_tls(self.folder.path())
    }

    /// A ledger called `name` with the entries `1..=count`, made in a moment or in a minute.
    pub(crate) fn ledger(&self, name: &str, count: u64) {
        let (mut ledger, _) = Ledger::open(self.path(name)).unwrap();
        let mut from = 1;
        while from <= count {
            let to = (from + GROUP).min(count + 1);
            ledger.append(&revocations(from, to)).unwrap();
            from = to;
        }
    }

    /// The configuration of an adapter on the ledger `name`; its file and its xDS port.
    pub(crate) fn config(&self, name: &str) -> (PathBuf, u16) {
        let free = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let [port, admin] = [(), ()].map(free);
        let shown = |file: &str| self.path(file).display().to_string();
        let text = format!(
            "[adapter.keystore]\ncertPath = '{}'\nkeyPath = '{}'\n[adapter.truststore]\nlocation = '{}'\n\
             [adapter.xds]\nhost = '127.0.0.1'\nport = {port}\nmaxConnectionAge = 0\n\
             allowedClients = ['*']\nsharedCertificates = ['*']\n\
             [adapter.admin]\nport = {admin}\n[ledger]\ndirectory = '{}'\n[controlPlane]\nenabled = false\n",
            shown("adapter.pem"),
            shown("adapter.key"),
            shown("ca.pem"),
            shown(name),
        );
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        (path, port)
    }
}

/// The trust and identity of a client, from a folder that a [`Ground`] has made.
pub(crate) fn client_tls(folder: &Path) -> Arc<rustls::ClientConfig> {
    let trust = Trust::load(folder.join("ca.pem")).unwrap();
    let identity = Identity::new(folder.join("enforcer.pem"), folder.join("enforcer.key"));
    tls::client_config(&trust, Some(&identity), tls::ALPN_H2).unwrap()
}

/// The tokens `from..to`: random UUIDs that expire over the next day.
pub(crate) fn revocations(from: u64, to: u64) -> Vec<Revocation> {
    // Far beyond any run: nothing is swept meanwhile.
    const TOMORROW: u64 = 4_000_000_000;
    let revocation = |n: u64| {
        let bits = (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let hex = format!("{bits:032x}");
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        Revocation::Token {
            identifier: Identifier::new(format!("{a}-{b}-{c}-{d}-{e}")).unwrap(),
            expiry: Expiry::Known(UnixSeconds(TOMORROW + n % 86_400)),
        }
    };
    (from..to).map(revocation).collect()
}
