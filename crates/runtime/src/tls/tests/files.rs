//! Files as operators have them, right and wrong.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use super::pki::{NAMES, Pki};
use crate::tls::{ClientAuth, Identity, Trust, client_config, server_config};

/// The error's lines with its causes, the folder written as `DIR`.
fn shown(pki: &Pki, error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into()).replace(pki.folder.path().to_str().unwrap(), "DIR")
}

#[track_caller]
fn check_identity(pki: &Pki, cert: &Path, key: &Path, expected: &str) {
    let identity = Identity::new(cert, key);
    let error = server_config(&identity, &ClientAuth::None, &[]).unwrap_err();
    assert_eq!(shown(pki, error), expected);
    let error = client_config(&pki.trust(), Some(&identity), &[]).unwrap_err();
    assert_eq!(shown(pki, error), expected);
}

#[track_caller]
fn check_trust(pki: &Pki, path: &Path, expected: &str) {
    assert_eq!(shown(pki, Trust::load(path).unwrap_err()), expected);
}

/// The content of the first element in `der` and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ ..0x80 => (2, usize::from(short)),
        long => {
            let end = 2 + usize::from(long & 0x7f);
            (
                end,
                der[2..end]
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte)),
            )
        }
    };
    (&der[start..start + length], &der[start + length..])
}

/// RFC 5958: PrivateKeyInfo is version, algorithm and, in an octet string, the key in the algorithm's own form.
fn inner_key(pkcs8: &[u8]) -> &[u8] {
    let (info, _) = element(pkcs8);
    let (_, after_version) = element(info);
    let (_, after_algorithm) = element(after_version);
    element(after_algorithm).0
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[test]
fn keys_are_taken_in_all_three_forms() {
    let pki = Pki::new();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let forms = [
        (&rsa, rsa.serialize_pem()),
        (
            &rsa,
            pem("RSA PRIVATE KEY", inner_key(rsa.serialized_der())),
        ),
        (&ec, ec.serialize_pem()),
        (&ec, pem("EC PRIVATE KEY", inner_key(ec.serialized_der()))),
    ];
    for (key, key_pem) in forms {
        let identity = pki.issue_with("any", NAMES, 2099, key, &key_pem);
        if let Err(error) = server_config(&identity, &ClientAuth::None, &[]) {
            panic!(
                "{}: {}",
                key_pem.lines().next().unwrap(),
                shown(&pki, error)
            );
        }
    }
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let pki = Pki::new();
    let identity = pki.issue("adapter");
    let both = [&identity.key, &identity.cert]
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    let path = pki.write("both.pem", both);
    server_config(&Identity::new(&path, &path), &ClientAuth::None, &[]).unwrap();
    assert_eq!(Trust::load(&path).unwrap().current().pinned.len(), 1);
}

#[test]
fn what_is_wrong_with_an_identity_names_the_file() {
    let pki = Pki::new();
    let (good, other) = (pki.issue("good"), pki.issue("other"));
    let missing = pki.path("missing");
    let text = pki.write("text.pem", "just text\n");
    let torn = pki.write("torn.pem", &std::fs::read(&good.cert).unwrap()[..200]);
    let torn_key = pki.write("torn.key", &std::fs::read(&good.key).unwrap()[..100]);
    let noise = pki.write("noise.pem", pem("CERTIFICATE", b"noise"));
    let noise_key = pki.write("noise.key", pem("PRIVATE KEY", b"noise"));
    let not_base64 = pki.write(
        "not-base64.pem",
        "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n",
    );
    let encrypted = pki.write("encrypted.key", pem("ENCRYPTED PRIVATE KEY", b"noise"));

    let table: &[(&Path, &Path, &str)] = &[
        (
            &missing,
            &good.key,
            "cannot read the certificate DIR/missing: No such file or directory (os error 2)",
        ),
        (
            &good.cert,
            &missing,
            "cannot read the private key DIR/missing: No such file or directory (os error 2)",
        ),
        (
            pki.folder.path(),
            &good.key,
            "cannot read the certificate DIR: Is a directory (os error 21)",
        ),
        (
            &text,
            &good.key,
            "DIR/text.pem holds no usable certificate: it is not PEM",
        ),
        (
            &good.key,
            &good.key,
            "DIR/good.key holds no usable certificate: it is PEM but has no section \"BEGIN CERTIFICATE\"",
        ),
        (
            &good.cert,
            &good.cert,
            "DIR/good.pem holds no usable private key: it is PEM but has no section \"BEGIN PRIVATE KEY\"",
        ),
        (
            &good.cert,
            &text,
            "DIR/text.pem holds no usable private key: it is not PEM",
        ),
        (
            &torn,
            &good.key,
            "DIR/torn.pem holds no usable certificate: a PEM section has no END line",
        ),
        (
            &good.cert,
            &torn_key,
            "DIR/torn.key holds no usable private key: a PEM section has no END line",
        ),
        (
            &noise,
            &good.key,
            "DIR/noise.pem holds no usable certificate: its certificate no. 1 is damaged",
        ),
        (
            &good.cert,
            &noise_key,
            "DIR/noise.key holds no usable private key: it is damaged or its kind is not supported",
        ),
        (
            &not_base64,
            &good.key,
            "DIR/not-base64.pem holds no usable certificate: a PEM section is not base64",
        ),
        (
            &good.cert,
            &encrypted,
            "DIR/encrypted.key holds no usable private key: the key is encrypted; write it without a passphrase (openssl pkcs8 -topk8 -nocrypt)",
        ),
        (
            &good.cert,
            &other.key,
            "the private key DIR/other.key does not belong to the certificate DIR/good.pem",
        ),
    ];
    for (cert, key, expected) in table {
        check_identity(&pki, cert, key, expected);
    }
}

#[test]
fn a_folder_is_searched_for_both_endings_and_below() {
    let (pki, one, two, three) = (Pki::new(), Pki::new(), Pki::new(), Pki::new());
    let ca = |pki: &Pki| std::fs::read(pki.path("ca.pem")).unwrap();
    pki.write("store/one.pem", ca(&one));
    pki.write("store/deep/er/two.CRT", ca(&two));
    pki.write("store/ignored.txt", ca(&three));
    pki.write("store/broken.crt", "not a certificate");
    std::fs::create_dir(pki.path("store/folder.pem")).unwrap();
    std::os::unix::fs::symlink(pki.path("store"), pki.path("store/loop")).unwrap();
    std::os::unix::fs::symlink(pki.path("nowhere"), pki.path("store/dangling.pem")).unwrap();
    assert_eq!(
        Trust::load(pki.path("store"))
            .unwrap()
            .current()
            .pinned
            .len(),
        2
    );
}

#[test]
fn what_is_wrong_with_trust_names_the_place() {
    let pki = Pki::new();
    let text = pki.write("text.pem", "just text\n");
    check_trust(
        &pki,
        &pki.path("missing"),
        "cannot read the trusted certificates DIR/missing: No such file or directory (os error 2)",
    );
    check_trust(
        &pki,
        &text,
        "DIR/text.pem holds no usable trusted certificates: it is not PEM",
    );
    std::fs::create_dir(pki.path("empty")).unwrap();
    check_trust(
        &pki,
        &pki.path("empty"),
        "no certificate to trust in DIR/empty: it holds no *.pem and no *.crt",
    );
    pki.write("bad/a.pem", "x");
    pki.write("bad/b.crt", "x");
    check_trust(
        &pki,
        &pki.path("bad"),
        "no certificate to trust in DIR/bad: none of its 2 files could be used",
    );
}
