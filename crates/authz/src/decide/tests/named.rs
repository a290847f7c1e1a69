//! What an older control plane calls a credential by: its signature, or all of its text, also where it has a `jti`.

use super::*;
use crate::{
    encoding::{decode_lenient, encode},
    testing::pad,
};

/// The last segment as other encoders write the same bytes, none of which a signature forbids.
fn spellings(signature: &str) -> Vec<String> {
    let (bare, standard) = (bare(signature), standard(signature));
    // 256 bytes leave four bits of the last digit unused.
    let mut spare = bare.clone();
    let last = spare.pop().unwrap();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = digits.find(last).unwrap();
    spare.push(char::from(digits.as_bytes()[at | 1]));
    let stray = format!("{}~{}", &bare[..7], &bare[7..]);
    vec![
        pad(standard.clone()),
        standard,
        spare,
        stray,
        pad(bare.clone()),
        bare,
    ]
}

fn bare(segment: &str) -> String {
    encode(&decode_lenient(segment))
}

/// In the alphabet that is not safe in a URL.
fn standard(segment: &str) -> String {
    bare(segment).replace('-', "+").replace('_', "/")
}

/// Whatever is stored of `key`, and however its signature is spelt when it comes, it is revoked.
fn check(kind: CredentialKind, issued: &str) {
    let (input, signature) = issued.rsplit_once('.').unwrap();
    let segments = |write: fn(&str) -> String| {
        let segments: Vec<_> = issued.split('.').map(write).collect();
        segments.join(".")
    };
    let stored = [
        issued.to_owned(),
        segments(bare),
        segments(|segment| pad(bare(segment))),
        signature.to_owned(),
        bare(signature),
        pad(bare(signature)),
        segments(standard),
        segments(|segment| pad(standard(segment))),
        standard(signature),
        pad(standard(signature)),
    ];
    let answer = match kind {
        Bearer => Answer::InvalidJwt,
        ApiKey | InternalKey => Answer::InvalidCredentials,
    };
    for sent in spellings(signature) {
        let row = |name| {
            let text = format!("{input}.{sent}");
            match kind {
                Bearer => row(name).bearer(text),
                ApiKey => row(name).key(text),
                InternalKey => row(name).internal(text),
            }
        };
        row("good").revoked("another").allowed(kind);
        for stored in &stored {
            row("revoked")
                .revoked(stored)
                .denied(answer, Reason::TokenRevoked, kind);
        }
    }
}

#[test]
fn a_key_is_known_by_its_signature_and_by_all_of_its_text_too() {
    check(ApiKey, &api_key(r#""jti":"k""#));
    check(ApiKey, &api_key(r#""no":"jti""#));
    check(ApiKey, &OWN.sign(r#"{"alg":"RS256"}"#, r#"{"jti":"k"}"#));
    check(InternalKey, &internal_key(r#""jti":"k""#));
}

#[test]
fn so_is_a_bearer_token() {
    check(Bearer, &with_jti(JTI));
    check(Bearer, &token(r#""iat":1"#));
}

#[test]
fn a_key_in_the_query_is_known_by_all_of_its_text() {
    let key = api_key(r#""jti":"k""#);
    row("encoded")
        .path(format!("/?apikey={}", key.replace('=', "%3D")))
        .revoked(&key)
        .denied(Answer::InvalidCredentials, Reason::TokenRevoked, ApiKey);
}

#[test]
fn nobody_elses_signature_or_text_revokes_it() {
    let (key, other) = (api_key(r#""jti":"k""#), api_key(r#""jti":"o""#));
    let signature = other.rsplit('.').next().unwrap().to_owned();
    row("another key's")
        .key(&key)
        .revoked(&other)
        .revoked(&signature)
        .revoked(key.rsplit_once('.').unwrap().0)
        .allowed(ApiKey);
}
