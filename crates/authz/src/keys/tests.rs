use super::*;
use crate::{
    Algorithm,
    encoding::encode,
    testing::{ISSUER_A, ISSUER_B, OWN, eddsa, es256, jwks},
};

mod vectors;

fn algorithms(key: &VerificationKey) -> Vec<Algorithm> {
    key.algorithms().collect()
}

#[test]
fn a_key_set_is_read_by_kid() {
    let (_, ec) = es256("ec", "{}", "{}");
    let (_, ed) = eddsa("ed", "{}", "{}");
    let json = jwks(&[
        ISSUER_A.jwk("plain", ""),
        ISSUER_A.jwk("declared", r#","alg":"RS256","use":"sig","x5t":"abc""#),
        ec,
        ed,
    ]);
    let jwks = Jwks::parse(json.as_bytes()).unwrap();
    assert_eq!((jwks.len(), jwks.skipped()), (4, 0));
    assert_eq!(algorithms(jwks.get("plain").unwrap()), Algorithm::RSA);
    assert_eq!(
        algorithms(jwks.get("declared").unwrap()),
        [Algorithm::Rs256]
    );
    assert_eq!(algorithms(jwks.get("ec").unwrap()), [Algorithm::Es256]);
    assert_eq!(algorithms(jwks.get("ed").unwrap()), [Algorithm::EdDsa]);
    assert!(jwks.get("other").is_none());
}

#[test]
fn what_cannot_be_used_is_skipped_and_takes_nothing_away() {
    let json = jwks(&[
        ISSUER_A.jwk("encryption", r#","use":"enc""#),
        ISSUER_A.jwk("wrapping", r#","key_ops":["wrapKey","encrypt"]"#),
        ISSUER_A.jwk("signing", r#","key_ops":[]"#),
        ISSUER_A.jwk("unknown-algorithm", r#","alg":"RSA-OAEP""#),
        ISSUER_A.jwk("unfitting", r#","alg":"ES256""#),
        r#"{"kty":"oct","kid":"secret","k":"c2VjcmV0"}"#.into(),
        r#"{"kty":"RSA","kid":"small","n":"AQAB","e":"AQAB"}"#.into(),
        r#"{"kty":"RSA","kid":"empty","n":"","e":""}"#.into(),
        r#"{"kty":"EC","crv":"P-256","kid":"short","x":"AQ","y":"AQ"}"#.into(),
        r#"{"kty":"OKP","crv":"X25519","kid":"exchange","x":"AQ"}"#.into(),
        "7".into(),
        ISSUER_A.jwk("good", r#","key_ops":["verify"],"use":"sig""#),
        ISSUER_B.jwk("good", ""),
    ]);
    let jwks = Jwks::parse(json.as_bytes()).unwrap();
    assert_eq!((jwks.len(), jwks.skipped()), (1, 12));
    assert!(jwks.get("good").is_some());
}

#[test]
fn a_point_that_is_not_on_its_curve_is_skipped() {
    let coordinate = encode(&[7; 32]);
    let key =
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{coordinate}","y":"{coordinate}"}}"#);
    assert!(Jwks::parse(jwks(&[key]).as_bytes()).unwrap().is_empty());
}

#[test]
fn a_document_that_is_no_key_set_is_an_error() {
    for json in ["", "{}", "[]", r#"{"keys":{}}"#, "<html>"] {
        assert!(
            matches!(Jwks::parse(json.as_bytes()), Err(KeyError::Jwks(_))),
            "{json}"
        );
    }
}

#[test]
fn an_expired_certificate_is_a_key_all_the_same() {
    let pem = OWN.expired_certificate();
    let key = VerificationKey::from_pem(pem.as_bytes()).unwrap();
    assert_eq!(algorithms(&key), Algorithm::RSA);
    let bag = format!("Bag Attributes\n    friendlyName: wso2carbon\n{pem}");
    assert!(VerificationKey::from_pem(bag.as_bytes()).is_ok());
    assert!(VerificationKey::from_pem(OWN.public_pem().as_bytes()).is_ok());
}

#[test]
fn certificates_on_curves_are_keys() {
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::Es256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::Es384),
        (&rcgen::PKCS_ED25519, Algorithm::EdDsa),
    ] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".into()])
            .unwrap()
            .self_signed(&pair)
            .unwrap();
        let key = VerificationKey::from_pem(certificate.pem().as_bytes()).unwrap();
        assert_eq!(algorithms(&key), [expected]);
    }
}

#[test]
fn a_file_without_a_key_is_an_error() {
    let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (pem, error) in [
        ("", KeyError::Pem),
        ("no PEM at all", KeyError::Pem),
        (private.as_str(), KeyError::Pem),
        (
            "-----BEGIN CERTIFICATE-----\nAQAB\n-----END CERTIFICATE-----\n",
            KeyError::Certificate,
        ),
    ] {
        assert_eq!(VerificationKey::from_pem(pem.as_bytes()).err(), Some(error));
    }
}

#[test]
fn a_small_rsa_key_is_refused_by_its_size() {
    assert_eq!(
        VerificationKey::rsa(&[0x80; 128], &[1, 0, 1], None).err(),
        Some(KeyError::RsaBits(1024))
    );
    assert_eq!(
        VerificationKey::rsa(&[&[0; 9][..], &[0x40; 256]].concat(), &[1, 0, 1], None).err(),
        Some(KeyError::RsaBits(2047))
    );
}

#[test]
fn an_exponent_that_nothing_can_be_verified_with_is_refused() {
    let key = |e: &[u8]| VerificationKey::rsa(ISSUER_A.modulus(), e, None).err();
    for e in [
        &[][..],
        &[0],
        &[1],
        &[2],
        &[0, 0, 1],
        &[1, 0, 0],
        &[2, 0, 0, 0, 1],
        &[0xff; 9],
    ] {
        assert_eq!(key(e), Some(KeyError::RsaExponent), "{e:?}");
    }
    for e in [&[3][..], &[0, 3], &[17], &[1, 0, 1], &[1, 0, 0, 0, 1]] {
        assert_eq!(key(e), None, "{e:?}");
    }
}

#[test]
fn a_kid_is_looked_for_in_the_jwks_alone() {
    let jwks = Jwks::parse(jwks(&[ISSUER_A.jwk("a", "")]).as_bytes()).unwrap();
    let certificate = || VerificationKey::from_pem(OWN.public_pem().as_bytes()).unwrap();
    let both = IssuerKeys::from_jwks(jwks).with_certificate(certificate());
    assert!(both.knows(Some("a")) && both.knows(None) && !both.knows(Some("b")));
    let certificate = IssuerKeys::default().with_certificate(certificate());
    assert!(certificate.knows(Some("anything")) && certificate.knows(None));
    let empty = IssuerKeys::from_jwks(Jwks::default());
    assert!(!empty.knows(Some("a")) && !empty.knows(None));
}

#[test]
fn a_kid_that_names_a_certificate_has_that_key_and_no_other() {
    let pem = |signer: &crate::testing::Signer| {
        VerificationKey::from_pem(signer.public_pem().as_bytes()).unwrap()
    };
    let found = |keys: &IssuerKeys, kid: Option<&str>, signer: &crate::testing::Signer| {
        let token = signer.sign(r#"{"alg":"RS256"}"#, "{}");
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = crate::encoding::decode_lenient(signature);
        let key = keys.find(kid)?;
        let verified = key.verify(Algorithm::Rs256, input.as_bytes(), &signature);
        Some(verified.is_ok())
    };
    let named = IssuerKeys::default()
        .with_certificate_of("a", pem(&ISSUER_A))
        .with_certificate_of("b", pem(&ISSUER_B));
    for (kid, signer) in [("a", &*ISSUER_A), ("b", &*ISSUER_B)] {
        assert_eq!(found(&named, Some(kid), signer), Some(true), "{kid}");
        assert_eq!(found(&named, Some(kid), &OWN), Some(false), "{kid}");
    }
    assert_eq!(found(&named, Some("a"), &ISSUER_B), Some(false));
    // No other key is tried where the name fits none.
    assert!(!named.knows(Some("c")) && !named.knows(Some("A")) && !named.knows(Some("")));
    assert!(!named.knows(None));

    let usual = named.clone().with_certificate(pem(&OWN));
    assert_eq!(found(&usual, Some("c"), &OWN), Some(true));
    assert_eq!(found(&usual, None, &OWN), Some(true));
    assert_eq!(found(&usual, Some("a"), &OWN), Some(false));

    let jwks = Jwks::parse(jwks(&[OWN.jwk("a", ""), OWN.jwk("j", "")]).as_bytes()).unwrap();
    let both = IssuerKeys::from_jwks(jwks).with_certificate_of("a", pem(&ISSUER_A));
    assert_eq!(found(&both, Some("a"), &ISSUER_A), Some(true));
    assert_eq!(found(&both, Some("a"), &OWN), Some(false));
    assert_eq!(found(&both, Some("j"), &OWN), Some(true));
    assert!(!both.knows(Some("c")) && !both.knows(None));
}

#[test]
fn debug_shows_no_key_material() {
    let key = VerificationKey::from_pem(OWN.public_pem().as_bytes()).unwrap();
    assert_eq!(
        format!("{key:?}"),
        "VerificationKey([Rs256, Rs384, Rs512, Ps256, Ps384, Ps512])"
    );
}
