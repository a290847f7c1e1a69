//! Project Wycheproof's vectors: signatures that wrong implementations have accepted, or refused.
//!
//! Their messages are no header and payload, so none of them can be a token as a whole. Everything else is as with a token:
//! a header in base64url that names algorithm and key, an issuer's keys in which that key is looked for, and the signature
//! in base64url; they go in where tokens do, behind the cut into segments. For ECDSA the form of a token's signature is
//! P1363 (RFC 7518 section 3.4).

use serde_json::json;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;
use crate::{
    Reason,
    testing::pad,
    token::{Header, Jws},
    verify::signed_by,
};

/// The keys of an issuer that has the vectors' key, and another of the same kind beside it.
struct Keys([IssuerKeys; 3]);

impl Keys {
    /// Under the `kid` "vector": as a certificate of that name, as a certificate for all, and in a JWK Set.
    fn new(pem: &str, mut jwk: serde_json::Value) -> Self {
        let key = VerificationKey::from_pem(pem.as_bytes()).expect("its key is not read");
        jwk["kid"] = json!("vector");
        let set = jwks(&[jwk.to_string(), ISSUER_B.jwk("other", "")]);
        let jwks = Jwks::parse(set.as_bytes()).unwrap();
        assert_eq!(jwks.len(), 2, "its JWK is not read");
        Self([
            IssuerKeys::default()
                .with_certificate_of("vector", key.clone())
                .with_certificate_of("other", other()),
            IssuerKeys::default()
                .with_certificate(key)
                .with_certificate_of("other", other()),
            IssuerKeys::from_jwks(jwks),
        ])
    }

    /// What becomes of this with every one of them; it must be the same.
    #[track_caller]
    fn verify(
        &self,
        what: &str,
        header: &str,
        input: &[u8],
        signature: &[u8],
    ) -> Result<(), Reason> {
        let header = Header::read(&encode(header.as_bytes())).unwrap();
        let bare = encode(signature);
        let verdicts = self.0.iter().flat_map(|keys| {
            [bare.clone(), pad(bare.clone())].map(|signature| {
                let (header, signature) = (&header, &*signature);
                let jws = Jws {
                    header,
                    input,
                    signature,
                };
                signed_by(keys, &jws).map_err(|failure| failure.reason)
            })
        });
        let verdicts: Vec<_> = verdicts.collect();
        assert!(
            verdicts.iter().all(|verdict| *verdict == verdicts[0]),
            "{what}: {verdicts:?}"
        );
        verdicts[0]
    }
}

fn other() -> VerificationKey {
    VerificationKey::from_pem(ISSUER_B.public_pem().as_bytes()).unwrap()
}

/// Every `alg` that is taken, and some that are not.
const NAMES: [&str; 14] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
    "ES512", "ES256K", "None", "",
];

/// Counts vectors, so that an empty file does not pass for a good one.
#[derive(Default)]
struct Seen {
    accepted: usize,
    refused: usize,
}

impl Seen {
    #[track_caller]
    fn check(
        &mut self,
        what: &str,
        keys: &Keys,
        algorithm: &str,
        (message, signature): (&[u8], &[u8]),
        result: TestResult,
    ) {
        let verify = |algorithm: &str, kid: &str| {
            let header = json!({ "alg": algorithm, "kid": kid }).to_string();
            keys.verify(what, &header, message, signature)
        };
        let verified = verify(algorithm, "vector");
        match result {
            TestResult::Valid => assert_eq!(verified, Ok(()), "{what} was refused"),
            TestResult::Invalid => {
                assert_eq!(verified, Err(Reason::Signature), "{what} was accepted");
            }
            TestResult::Acceptable => {}
        }
        // The key that is named is the one that is asked.
        assert!(verify(algorithm, "other").is_err(), "{what}");
        if verified.is_err() {
            self.refused += 1;
            return;
        }
        self.accepted += 1;
        // What one algorithm takes, no other does. (Some bad vectors are good signatures of another algorithm.)
        for name in NAMES.into_iter().filter(|name| *name != algorithm) {
            assert!(verify(name, "vector").is_err(), "{what} {name}");
        }
        // Nor does any where the header demands what is not understood.
        let header = json!({ "alg": algorithm, "kid": "vector", "crit": ["b64"], "b64": false });
        let critical = keys.verify(what, &header.to_string(), message, signature);
        assert_eq!(critical, Err(Reason::Signature), "{what}");
    }

    #[track_caller]
    fn at_least(&self, accepted: usize, refused: usize) {
        assert!(
            self.accepted >= accepted && self.refused >= refused,
            "{} accepted, {} refused",
            self.accepted,
            self.refused
        );
    }
}

/// Of an uncompressed point.
fn point(point: &[u8]) -> serde_json::Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    let curve = if x.len() == 32 { "P-256" } else { "P-384" };
    json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
}

fn rsa(n: &[u8], e: &[u8]) -> serde_json::Value {
    json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })
}

#[test]
fn rsa_signatures_are_told_apart() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, "RS256"),
        (TestName::Rsa2048Sha384, "RS384"),
        (TestName::Rsa2048Sha512, "RS512"),
        (TestName::Rsa3072Sha256, "RS256"),
        (TestName::Rsa4096Sha512, "RS512"),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = Keys::new(&group.pem, rsa(&group.key.n, &group.key.e));
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&what, &keys, algorithm, (&test.msg, &test.sig), test.result);
            }
        }
    }
    seen.at_least(30, 1000);
}

#[test]
fn pss_signatures_are_told_apart_and_their_salt_is_as_long_as_the_hash() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, "PS256"),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
        // RFC 7518 section 3.5: neither another length of salt, nor another hash in the mask.
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, "PS256"),
        (TestName::RsaPss4096Sha512Mgf1SaltLen32, "PS512"),
        (TestName::RsaPss2048Sha256Mgf1Sha1_20, "PS256"),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = Keys::new(&group.pem, rsa(&group.key.n, &group.key.e));
            let hash = match algorithm {
                "PS256" => 32,
                "PS384" => 48,
                _ => 64,
            };
            let ours = group.salt_size == hash;
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                // Among the bad ones of another length are good ones of ours.
                let result = match (ours, test.result) {
                    (true, result) => result,
                    (false, TestResult::Valid) => TestResult::Invalid,
                    (false, _) => TestResult::Acceptable,
                };
                seen.check(&what, &keys, algorithm, (&test.msg, &test.sig), result);
            }
        }
    }
    seen.at_least(100, 200);
}

#[test]
fn ecdsa_signatures_are_told_apart() {
    use ecdsa::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256P1363, "ES256"),
        (TestName::EcdsaSecp384r1Sha384P1363, "ES384"),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = Keys::new(&group.pem, point(&group.key.key));
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&what, &keys, algorithm, (&test.msg, &test.sig), test.result);
            }
        }
    }
    seen.at_least(100, 100);
}

#[test]
fn ecdsa_signatures_in_der_are_never_taken() {
    use ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let mut seen = Seen::default();
    for group in set.test_groups {
        let keys = Keys::new(&group.pem, point(&group.key.key));
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            let vector = (&test.msg[..], &test.sig[..]);
            seen.check(&what, &keys, "ES256", vector, TestResult::Invalid);
        }
    }
    seen.at_least(0, 400);
}

#[test]
fn ed25519_signatures_are_told_apart() {
    use eddsa::{TestName, TestSet};
    let mut seen = Seen::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk) });
        let keys = Keys::new(&group.pem, jwk);
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            let vector = (&test.msg[..], &test.sig[..]);
            seen.check(&what, &keys, "EdDSA", vector, test.result);
        }
    }
    seen.at_least(50, 50);
}

/// What is good over another hash is good over none of ours.
fn over_another_hash(result: TestResult) -> TestResult {
    match result {
        TestResult::Valid => TestResult::Invalid,
        // Among the bad ones are some that are good over ours.
        TestResult::Invalid | TestResult::Acceptable => TestResult::Acceptable,
    }
}

#[test]
fn rsa_signatures_over_other_hashes_are_never_taken() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::Rsa2048Sha224, "RS256"),
        (TestName::Rsa2048Sha512_256, "RS256"),
        (TestName::Rsa2048Sha3_256, "RS256"),
        (TestName::Rsa2048Sha3_384, "RS384"),
        (TestName::Rsa2048Sha3_512, "RS512"),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = Keys::new(&group.pem, rsa(&group.key.n, &group.key.e));
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                let result = over_another_hash(test.result);
                seen.check(&what, &keys, algorithm, (&test.msg, &test.sig), result);
            }
        }
    }
    seen.at_least(0, 1000);
}

#[test]
fn ecdsa_signatures_over_other_hashes_are_never_taken() {
    use ecdsa::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha512P1363, "ES256"),
        (TestName::EcdsaSecp384r1Sha512P1363, "ES384"),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = Keys::new(&group.pem, point(&group.key.key));
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                let result = over_another_hash(test.result);
                seen.check(&what, &keys, algorithm, (&test.msg, &test.sig), result);
            }
        }
    }
    seen.at_least(0, 200);
}

#[test]
fn keys_on_other_curves_are_none() {
    let mut seen = 0;
    let mut check = |pem: &str, jwk: serde_json::Value| {
        let key = VerificationKey::from_pem(pem.as_bytes());
        assert_eq!(key.err(), Some(KeyError::Algorithm));
        let jwks = Jwks::parse(jwks(&[jwk.to_string()]).as_bytes()).unwrap();
        assert_eq!((jwks.len(), jwks.skipped()), (0, 1));
        seen += 1;
    };
    for (name, curve) in [
        (ecdsa::TestName::EcdsaSecp256k1Sha256P1363, "secp256k1"),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, "P-521"),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let mut jwk = point(&group.key.key);
            (jwk["kid"], jwk["crv"]) = (json!("a"), json!(curve));
            check(&group.pem, jwk);
        }
    }
    let ed448 = eddsa::TestSet::load(eddsa::TestName::Ed448).unwrap();
    for group in ed448.test_groups {
        let x = encode(&group.key.pk);
        check(
            &group.pem,
            json!({ "kty": "OKP", "crv": "Ed448", "kid": "a", "x": x }),
        );
    }
    assert!(seen > 20, "{seen}");
}
