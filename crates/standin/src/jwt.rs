//! JSON Web Tokens in compact form, written and read the way API Manager does.
//!
//! API Manager escapes `/` in its JSON, and pads the segments of an API key. Both are part of the text that is signed.

use base64::alphabet;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::SigningKey;

/// Whether segments end in `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// As RFC 7515 has it: access tokens.
    None,
    /// API keys.
    Padded,
}

impl Padding {
    /// The URL alphabet, with or without `=`.
    pub fn encode(self, bytes: impl AsRef<[u8]>) -> String {
        match self {
            Padding::None => URL_SAFE_NO_PAD.encode(bytes),
            Padding::Padded => URL_SAFE.encode(bytes),
        }
    }
}

/// Writes and signs a token.
pub fn sign(
    key: &SigningKey,
    padding: Padding,
    header: &impl Serialize,
    claims: &impl Serialize,
) -> String {
    let mut token = padding.encode(json(header));
    token.push('.');
    token.push_str(&padding.encode(json(claims)));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&padding.encode(signature));
    token
}

/// The claims of a token that `key` has signed; nothing but the signature has been looked at. `None` for anything else,
/// whatever is wrong with it.
pub fn verify<C: DeserializeOwned>(key: &SigningKey, token: &str) -> Option<C> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    if header.alg != "RS256" || !key.verifies(signed.as_bytes(), &decode(signature)?) {
        return None;
    }
    serde_json::from_slice(&decode(payload)?).ok()
}

#[derive(serde::Deserialize)]
struct Header {
    alg: String,
}

fn json(value: &impl Serialize) -> String {
    // A slash occurs within strings alone, so replacing it everywhere leaves the same JSON value.
    serde_json::to_string(value)
        .expect("headers and claims are structs with string keys")
        .replace('/', "\\/")
}

fn decode(segment: &str) -> Option<Vec<u8>> {
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    EITHER.decode(segment).ok()
}
