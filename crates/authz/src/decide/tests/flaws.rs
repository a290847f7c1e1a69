//! Real tokens with the flaws that Wycheproof's vectors have: good ones whose signature or key was changed.

use aws_lc_rs::digest::{SHA256, digest};

use super::*;
use crate::{
    KeyError,
    encoding::{decode_lenient, encode},
    testing::{es256, es384, input},
};

/// FIPS 186-4, D.1.2.3 and D.1.2.4.
const ORDERS: [&str; 2] = [
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// `a + b` and `a - b` of numbers of one length, big-endian; what does not fit is lost.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = Vec::new();
    for (a, b) in a.iter().zip(b).rev() {
        carry += u16::from(*a) + u16::from(*b);
        sum.push(carry as u8);
        carry >>= 8;
    }
    sum.reverse();
    sum
}

fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let complement: Vec<u8> = b.iter().map(|byte| !byte).collect();
    let mut one = vec![0; a.len()];
    *one.last_mut().unwrap() = 1;
    add(&add(a, &complement), &one)
}

fn keys(jwk: &str) -> KeySet {
    let jwks = Jwks::parse(jwks(&[jwk.to_owned()]).as_bytes()).unwrap();
    let mut keys = KeySet::default();
    keys.insert_issuer("flawed", IssuerKeys::from_jwks(jwks));
    keys
}

fn payload() -> String {
    format!(r#"{{"iss":"flawed","exp":{}}}"#, NOW + 60)
}

fn outcome(keys: &KeySet, token: &str) -> Result<(), Reason> {
    match row("").bearer(token).decide_with(keys) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(denial) => Err(denial.reason),
    }
}

/// The token with another signature.
fn signed(token: &str, signature: &[u8]) -> String {
    let (input, _) = token.rsplit_once('.').unwrap();
    format!("{input}.{}", encode(signature))
}

fn signature(token: &str) -> Vec<u8> {
    decode_lenient(token.rsplit_once('.').unwrap().1)
}

/// An INTEGER of DER, of a number that is not negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = number
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    [&[2, digits.len() as u8], &digits[..]].concat()
}

/// SEC 1, C.8: as everybody else than JOSE writes a signature.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let body = [integer(r), integer(s)].concat();
    let head = match body.len() {
        length @ ..128 => vec![0x30, length as u8],
        length => vec![0x30, 0x81, length as u8],
    };
    [head, body].concat()
}

#[test]
fn an_ecdsa_signature_is_r_and_s_in_full_length_and_in_range() {
    for (at, order) in ORDERS.into_iter().enumerate() {
        let (token, jwk) = match at {
            0 => es256("k", r#"{"alg":"ES256","kid":"k"}"#, &payload()),
            _ => es384("k", r#"{"alg":"ES384","kid":"k"}"#, &payload()),
        };
        let (keys, n, whole) = (keys(&jwk), bytes(order), signature(&token));
        let (r, s) = whole.split_at(n.len());
        let zero = &vec![0; n.len()][..];
        let one = &[&zero[1..], &[1]].concat()[..];
        let all = &vec![0xff; n.len()][..];
        let outcome = |signature: &[u8]| outcome(&keys, &signed(&token, signature));
        assert_eq!(outcome(&whole), Ok(()));
        // It has a name of its own and the same token: see `twins`.
        assert_eq!(outcome(&[r, &subtract(&n, s)].concat()), Ok(()));
        for (flaw, signature) in [
            ("the twin of r", [&subtract(&n, r), s].concat()),
            ("r and s the other way round", [s, r].concat()),
            ("nothing but zeros", [zero, zero].concat()),
            ("r is zero", [zero, s].concat()),
            ("s is zero", [r, zero].concat()),
            ("r and s are the order", [&n[..], &n].concat()),
            ("r is the order", [&n[..], s].concat()),
            ("s is the order", [r, &n].concat()),
            ("r and s are one", [one, one].concat()),
            (
                "r is one more than the order",
                [&add(&n, one)[..], one].concat(),
            ),
            ("s is the greatest number", [r, all].concat()),
            (
                "r a whole order further",
                [&[0][..], r, &[1], &add(s, &n)].concat(),
            ),
            ("DER", der(r, s)),
            ("DER of zeros", der(zero, zero)),
            ("a byte less", whole[..whole.len() - 1].to_vec()),
            ("a byte more", [&whole[..], &[0]].concat()),
            ("a zero before it", [&[0], &whole[..]].concat()),
            ("a zero before each", [&[0], r, &[0], s].concat()),
            ("r alone", r.to_vec()),
            ("twice", [&whole[..], &whole].concat()),
            ("little-endian", [r, s].concat().into_iter().rev().collect()),
        ] {
            assert_eq!(
                outcome(&signature),
                Err(Reason::Signature),
                "{flaw} {order}"
            );
        }
    }
}

#[test]
fn an_rsa_signature_is_as_long_as_the_modulus_and_below_it() {
    let token = ISSUER_A.sign(r#"{"alg":"RS256","kid":"k"}"#, &payload());
    let (keys, whole, n) = (
        keys(&ISSUER_A.jwk("k", "")),
        signature(&token),
        ISSUER_A.modulus(),
    );
    let outcome = |signature: &[u8]| outcome(&keys, &signed(&token, signature));
    assert_eq!(outcome(&whole), Ok(()));
    let flipped = |at: usize| {
        let mut signature = whole.clone();
        signature[at] ^= 1;
        signature
    };
    let (zeros, ones) = (vec![0; n.len()], vec![0xff; n.len()]);
    let mut one = zeros.clone();
    one[n.len() - 1] = 1;
    let long = |number: &[u8]| [&[0], number].concat();
    for (flaw, signature) in [
        ("negated", subtract(n, &whole)),
        ("a modulus further", add(&long(&whole), &long(n))),
        ("a zero before it", long(&whole)),
        ("a zero behind it", [&whole[..], &[0]].concat()),
        ("without its first byte", whole[1..].to_vec()),
        ("without its last byte", whole[..n.len() - 1].to_vec()),
        ("zero", zeros),
        ("one", one.clone()),
        ("the modulus", n.to_vec()),
        ("one less than the modulus", subtract(n, &one)),
        ("the greatest number", ones),
        ("another first bit", flipped(0)),
        ("another last bit", flipped(n.len() - 1)),
        ("little-endian", whole.iter().rev().copied().collect()),
        ("twice", [&whole[..], &whole].concat()),
    ] {
        assert_eq!(outcome(&signature), Err(Reason::Signature), "{flaw}");
    }
}

/// PKCS #1 v1.5 (RFC 8017 section 9.2) of a text: what a signature is to the power of the public exponent.
fn encoded_message(text: &str, length: usize) -> Vec<u8> {
    const SHA256_INFO: &str = "3031300d060960864801650304020105000420";
    let hash = digest(&SHA256, text.as_bytes());
    let info = [&bytes(SHA256_INFO), hash.as_ref()].concat();
    let filler = vec![0xff; length - 3 - info.len()];
    [&[0, 1][..], &filler, &[0], &info].concat()
}

#[test]
fn a_public_exponent_under_which_everybody_can_sign_makes_no_key() {
    let input = input(r#"{"alg":"RS256","kid":"k"}"#, &payload());
    // With an exponent of 1, this is a signature under any modulus.
    let forged = encode(&encoded_message(&input, ISSUER_A.modulus().len()));
    let n = encode(ISSUER_A.modulus());
    for e in [
        "00",
        "01",
        "02",
        "04",
        "010000",
        "0200000001",
        "ffffffffffffffffff",
    ] {
        let jwk = format!(
            r#"{{"kty":"RSA","kid":"k","n":"{n}","e":"{}"}}"#,
            encode(&bytes(e))
        );
        let jwks = Jwks::parse(jwks(std::slice::from_ref(&jwk)).as_bytes()).unwrap();
        assert_eq!((jwks.len(), jwks.skipped()), (0, 1), "{e}");
        let outcome = outcome(&keys(&jwk), &format!("{input}.{forged}"));
        assert_eq!(outcome, Err(Reason::UnknownKey), "{e}");
    }
    // The key itself has another exponent, and is not fooled.
    let outcome = outcome(&keys(&ISSUER_A.jwk("k", "")), &format!("{input}.{forged}"));
    assert_eq!(outcome, Err(Reason::Signature));
}

/// Signed with an RSA key of 1024 bits, for the issuer `small`; and that key.
const SMALL_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNtYWxsIn0.eyJpc3MiOiJzbWFsbCIsImV4cCI6MTcwMDAwMzYwMH0.Jqls1X6SsZXxU3ujBs7De3sqLdfPeeYyec0pa0O-J6QR7rD0Z3M_JbDpMZ6yAPvcR8zYmExiQCOnYQykZvpmJqc1cmTF_8KbnhSb07Le11-ho0TWVLQtPP4b5kCl59vuYgKJqJFV04lubW8oTt8LO-EEBQkX7WRc_f6G55uxDvM";
const SMALL_MODULUS: &str = "vsVWl9hgQK9YDbxb-hHy9WJnHpgCijRTq8plsbfNAHSoliTWmnTpZ5eCoiZPCGaOcTjrvoVkQ7T-Up2R8Hk5gZG1X-mhvrsQVSeXfxVB7ZhvsmeE1N9VuwlNdN5z-0YNSIOqpv_nwF_tHVKFb7CSakBXDvXXCePqj9HMgwHGc7E";
const SMALL_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+xVaX2GBAr1gNvFv6EfL1Ymce
mAKKNFOrymWxt80AdKiWJNaadOlnl4KiJk8IZo5xOOu+hWRDtP5SnZHweTmBkbVf
6aG+uxBVJ5d/FUHtmG+yZ4TU31W7CU103nP7Rg1Ig6qm/+fAX+0dUoVvsJJqQFcO
9dcJ4+qP0cyDAcZzsQIDAQAB
-----END PUBLIC KEY-----
";

#[test]
fn a_good_signature_of_a_small_key_is_none() {
    let jwk = format!(r#"{{"kty":"RSA","kid":"small","n":"{SMALL_MODULUS}","e":"AQAB"}}"#);
    let jwks = Jwks::parse(jwks(&[jwk]).as_bytes()).unwrap();
    assert_eq!((jwks.len(), jwks.skipped()), (0, 1));
    let mut keys = KeySet::default();
    keys.insert_issuer("small", IssuerKeys::from_jwks(jwks));
    assert_eq!(outcome(&keys, SMALL_TOKEN), Err(Reason::UnknownKey));
    let refused = VerificationKey::from_pem(SMALL_PEM.as_bytes()).err();
    assert_eq!(refused, Some(KeyError::RsaBits(1024)));
}
