//! One token under several names: what a holder can change without a key.

use super::*;
use crate::{
    encoding::{decode_lenient, encode},
    testing::{eddsa, es256, pad},
};

/// FIPS 186-4, D.1.2.3, as two halves.
const ORDER: (u128, u128) = (
    0xffffffff_00000000_ffffffff_ffffffff,
    0xbce6faad_a7179e84_f3b9cac2_fc632551,
);

/// `(r, n - s)`.
fn twin(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = decode_lenient(signature);
    let half = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().unwrap());
    let (high, low) = (half(&bytes[32..48]), half(&bytes[48..]));
    let (low, borrow) = ORDER.1.overflowing_sub(low);
    let high = ORDER.0 - high - u128::from(borrow);
    bytes[32..48].copy_from_slice(&high.to_be_bytes());
    bytes[48..].copy_from_slice(&low.to_be_bytes());
    format!("{input}.{}", encode(&bytes))
}

fn signature_of(token: &str) -> &str {
    token.rsplit_once('.').unwrap().1
}

fn keys(jwk: String) -> KeySet {
    let mut keys = KeySet::default();
    let jwks = Jwks::parse(jwks(&[jwk]).as_bytes()).unwrap();
    keys.insert_issuer("curves", IssuerKeys::from_jwks(jwks));
    keys
}

fn reason(decision: Decision) -> Result<CredentialKind, Reason> {
    match decision {
        Decision::Allow(permit) => Ok(permit.credential.unwrap()),
        Decision::Deny(denial) => Err(denial.reason),
    }
}

#[test]
fn the_twin_of_an_ecdsa_signature_is_the_same_token() {
    let claims = format!(r#"{{"iss":"curves","exp":{}}}"#, NOW + 60);
    let (token, jwk) = es256("ec", r#"{"alg":"ES256","kid":"ec"}"#, &claims);
    let (keys, other) = (keys(jwk), twin(&token));
    assert_ne!(token, other);
    // It is a real one: both verify.
    for token in [&token, &other] {
        assert_eq!(reason(row("").bearer(token).decide_with(&keys)), Ok(Bearer));
    }
    for sent in [&token, &other] {
        for stored in [&token, &other] {
            let bare = signature_of(stored).to_owned();
            for stored in [bare.clone(), pad(bare)] {
                let row = row("").bearer(sent).revoked(&stored);
                assert_eq!(reason(row.decide_with(&keys)), Err(Reason::TokenRevoked));
            }
        }
    }
}

#[test]
fn a_token_with_a_jti_is_named_by_it_alone() {
    let claims = format!(r#"{{"iss":"curves","exp":{},"jti":"{JTI}"}}"#, NOW + 60);
    let (token, jwk) = es256("ec", r#"{"alg":"ES256","kid":"ec"}"#, &claims);
    let keys = keys(jwk);
    let row = row("").bearer(twin(&token)).revoked(JTI);
    assert_eq!(reason(row.decide_with(&keys)), Err(Reason::TokenRevoked));
}

#[test]
fn an_eddsa_signature_has_no_twin_that_verifies() {
    let claims = format!(r#"{{"iss":"curves","exp":{}}}"#, NOW + 60);
    let (token, jwk) = eddsa("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &claims);
    let keys = keys(jwk);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = decode_lenient(signature);
    // S + L, little-endian, RFC 8032 section 5.1.
    let order: [u8; 32] = {
        let mut order = [0; 32];
        order[..16].copy_from_slice(&0x14def9de_a2f79cd6_5812631a_5cf5d3ed_u128.to_le_bytes());
        order[31] = 0x10;
        order
    };
    let mut carry = 0u16;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    let other = format!("{input}.{}", encode(&bytes));
    let denied = reason(row("").bearer(other).decide_with(&keys));
    assert_eq!(denied, Err(Reason::Signature));
}
