//! Project Wycheproof's vectors: signatures that wrong implementations have accepted, or refused.
//!
//! Their messages are no tokens, so they go to the key itself, in the form in which a token's signature comes: for ECDSA
//! that is P1363 (RFC 7518 section 3.4).

use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

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
        key: &VerificationKey,
        algorithm: Algorithm,
        (message, signature): (&[u8], &[u8]),
        result: TestResult,
    ) {
        let verified = key.verify(algorithm, message, signature).is_ok();
        match result {
            TestResult::Valid => assert!(verified, "{what} was refused"),
            TestResult::Invalid => assert!(!verified, "{what} was accepted"),
            TestResult::Acceptable => {}
        }
        match verified {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
        // What one algorithm takes, no other does. (Some bad vectors are good signatures of another algorithm.)
        if !verified {
            return;
        }
        for other in Algorithm::RSA
            .into_iter()
            .chain([Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa])
            .filter(|other| *other != algorithm)
        {
            assert!(key.verify(other, message, signature).is_err(), "{what}");
        }
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

#[test]
fn rsa_signatures_are_told_apart() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha512, Algorithm::Rs512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerificationKey::from_pem(group.pem.as_bytes()).unwrap();
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&what, &key, algorithm, (&test.msg, &test.sig), test.result);
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
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
        // RFC 7518 section 3.5: neither another length of salt, nor another hash in the mask.
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256),
        (TestName::RsaPss4096Sha512Mgf1SaltLen32, Algorithm::Ps512),
        (TestName::RsaPss2048Sha256Mgf1Sha1_20, Algorithm::Ps256),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let Ok(key) = VerificationKey::from_pem(group.pem.as_bytes()) else {
                panic!("{name:?}: its key is not read");
            };
            let hash = match algorithm {
                Algorithm::Ps256 => 32,
                Algorithm::Ps384 => 48,
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
                seen.check(&what, &key, algorithm, (&test.msg, &test.sig), result);
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
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let Ok(key) = VerificationKey::from_pem(group.pem.as_bytes()) else {
                panic!("{name:?}: its key is not read");
            };
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&what, &key, algorithm, (&test.msg, &test.sig), test.result);
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
        let key = VerificationKey::from_pem(group.pem.as_bytes()).unwrap();
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            let vector = (&test.msg[..], &test.sig[..]);
            seen.check(&what, &key, Algorithm::Es256, vector, TestResult::Invalid);
        }
    }
    seen.at_least(0, 400);
}

#[test]
fn ed25519_signatures_are_told_apart() {
    use eddsa::{TestName, TestSet};
    let mut seen = Seen::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerificationKey::from_pem(group.pem.as_bytes()).unwrap();
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            let vector = (&test.msg[..], &test.sig[..]);
            seen.check(&what, &key, Algorithm::EdDsa, vector, test.result);
        }
    }
    seen.at_least(50, 50);
}
