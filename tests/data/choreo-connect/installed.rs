//! An installation of Choreo Connect, as far as the tests of both parts need one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

/// The file, with `@security@` for the folder.
pub(crate) const SAMPLE: &str = include_str!("config.toml");

/// Choreo Connect's folder of certificates and its configuration. The one certificate that its parts share is self-signed
/// and no CA; the control plane's, in the file `control_plane`, has expired long ago and counts for its key alone.
pub(crate) fn installed(folder: &Path, control_plane: &str) -> PathBuf {
    for name in ["keystore", "truststore"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let certificate = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        (params, KeyPair::generate().unwrap())
    };
    let (params, key) = certificate(&["adapter", "enforcer", "router", "localhost"]);
    let shared = params.self_signed(&key).unwrap().pem();
    fs::write(folder.join("keystore/mg.pem"), &shared).unwrap();
    fs::write(folder.join("keystore/mg.key"), key.serialize_pem()).unwrap();
    fs::write(folder.join("truststore/mg.pem"), &shared).unwrap();
    let (mut params, key) = certificate(&["localhost"]);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2025, 5, 27);
    let expired = params.self_signed(&key).unwrap().pem();
    fs::write(folder.join("truststore").join(control_plane), expired).unwrap();
    let config = folder.join("config.toml");
    let text = SAMPLE.replace("@security@", folder.to_str().unwrap());
    fs::write(&config, text).unwrap();
    config
}
