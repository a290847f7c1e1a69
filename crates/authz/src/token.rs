//! A credential's text, taken apart: the few header fields and claims that a decision needs, and what names it.
//!
//! Nothing is verified here. What cannot be read in exactly one way is malformed: a field given twice, a `jti` that is no
//! text, a payload that is no object. Fields that no decision looks at may hold anything.

use std::fmt;

use rescind_revocation::{Identifier, TokenId, UnixSeconds};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Unexpected, Visitor},
};

use loose::{AudienceVisitor, Loose};

use crate::{
    Algorithm, Lacking,
    encoding::{decode_lenient, encode, is_something, pad},
};

mod ecdsa;
mod loose;

/// The longest credential that is taken apart. Envoy refuses requests with more than 60 KiB of headers.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// A JWT in compact form (RFC 7515 section 7.1).
pub(crate) struct Token<'a> {
    /// What is signed: header and payload as they were sent.
    pub(crate) signing_input: &'a str,
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    signature_text: &'a str,
}

/// The text is no token, or not one that has a single reading. Says nothing of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The header fields that matter (RFC 7515 section 4.1).
#[derive(Deserialize)]
pub(crate) struct Header {
    alg: Box<str>,
    #[serde(default)]
    pub(crate) kid: Option<Box<str>>,
    /// Extensions that must be understood. None is.
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// The claims that matter.
#[derive(Default, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    pub(crate) jti: Option<Box<str>>,
    #[serde(default)]
    pub(crate) iss: Option<Box<str>>,
    #[serde(default)]
    pub(crate) azp: Name,
    #[serde(default)]
    pub(crate) entity_id: Name,
    #[serde(default)]
    pub(crate) token_type: Name,
    #[serde(default)]
    pub(crate) keytype: Name,
    #[serde(default)]
    pub(crate) aud: Audience,
    #[serde(default)]
    pub(crate) exp: Date,
    #[serde(default)]
    pub(crate) nbf: Date,
    #[serde(default)]
    pub(crate) iat: Date,
}

/// A claim outside the standard, which may be anything: a text or a number is its text, anything else is no name.
#[derive(Default)]
pub(crate) struct Name(pub(crate) Option<Box<str>>);

/// The `aud` (RFC 7519 section 4.1.3): one text, or several. Anything else is nobody.
#[derive(Default)]
pub(crate) struct Audience(pub(crate) Vec<Box<str>>);

/// A NumericDate (RFC 7519 section 2), in whole seconds. What lies before the epoch counts as the epoch.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Date(pub(crate) Option<UnixSeconds>);

/// What may name a credential in a revocation, whatever it is: a JWT, an API key, an opaque token, or an identifier itself.
pub fn identifiers(credential: &str) -> Vec<TokenId> {
    match Token::parse(credential) {
        Ok(token) => token.ids(),
        Err(Malformed) if credential.len() <= Identifier::MAX_BYTES => {
            vec![TokenId::of(credential)]
        }
        Err(Malformed) => Vec::new(),
    }
}

impl<'a> Token<'a> {
    /// Takes a text apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed);
        }
        let (signing_input, signature_text) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed)?;
        if payload.contains('.') || !is_something(signature_text) {
            return Err(Malformed);
        }
        let header: Header = object(header)?;
        if &*header.alg == "none" {
            return Err(Malformed);
        }
        Ok(Self {
            signing_input,
            header,
            claims: object(payload)?,
            signature_text,
        })
    }

    /// The signature. It is long, and where the token is known nobody asks for it.
    pub(crate) fn signature(&self) -> Vec<u8> {
        decode_lenient(self.signature_text)
    }

    /// The `jti`, where there is one.
    pub(crate) fn identifier(&self) -> Option<Identifier> {
        Identifier::new(self.claims.jti.as_deref()?).ok()
    }

    /// What may name this token in a revocation: its `jti`, else its signature as it was sent and in the two forms in
    /// which a control plane may have stored it, so that another spelling of one signature is not another token. Nor is the
    /// other signature that everybody can make of an ECDSA signature.
    pub(crate) fn ids(&self) -> Vec<TokenId> {
        if let Some(jti) = self.claims.jti.as_deref().filter(|jti| !jti.is_empty()) {
            return vec![TokenId::of(jti)];
        }
        let mut ids = vec![TokenId::of(self.signature_text)];
        let signature = self.signature();
        let twin = ecdsa::twin(&signature);
        for signature in [Some(&signature), twin.as_ref()].into_iter().flatten() {
            let canonical = encode(signature);
            ids.push(TokenId::of(&canonical));
            ids.push(TokenId::of(&pad(canonical)));
        }
        ids
    }
}

/// Shows nothing of the token: an identifier is masked by its own type, and everything else is left out.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("identifier", &self.identifier())
            .finish_non_exhaustive()
    }
}

impl Header {
    /// The algorithm, if it is one that is taken.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::parse(&self.alg)
    }

    /// Whether the token demands extensions (RFC 7515 section 4.1.11).
    pub(crate) fn is_critical(&self) -> bool {
        self.crit.is_some()
    }
}

fn object<T: for<'de> Deserialize<'de>>(segment: &str) -> Result<T, Malformed> {
    let bytes = decode_lenient(segment);
    // serde would read an array as the fields in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed);
    }
    serde_json::from_slice(&bytes).map_err(|_| Malformed)
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Loose(name) = Loose::deserialize(deserializer)?;
        Ok(Self(name.filter(|name| !name.is_empty())))
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DateVisitor)
    }
}

struct DateVisitor;

impl Visitor<'_> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Date, E> {
        Ok(Date(Some(UnixSeconds(seconds))))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Date, E> {
        Ok(Date(Some(UnixSeconds(seconds.try_into().unwrap_or(0)))))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Date, E> {
        if !seconds.is_finite() {
            return Err(E::invalid_value(Unexpected::Float(seconds), &self));
        }
        // The cast saturates at both ends and cuts the fraction.
        Ok(Date(Some(UnixSeconds(seconds as u64))))
    }

    fn visit_unit<E>(self) -> Result<Date, E> {
        Ok(Date(None))
    }
}

impl Claims {
    /// Which of the claims that rules of revocation ask for are missing.
    pub(crate) fn lacking(&self) -> Lacking {
        let has_jti = self.jti.as_deref().is_some_and(|jti| !jti.is_empty());
        [
            (has_jti, Lacking::JTI),
            (self.iat.0.is_some(), Lacking::IAT),
            (self.azp.0.is_some(), Lacking::AZP),
            (self.entity_id.0.is_some(), Lacking::ENTITY_ID),
        ]
        .into_iter()
        .filter(|(has, _)| !has)
        .fold(Lacking::NOTHING, |all, (_, claim)| all.and(claim))
    }
}

#[cfg(test)]
mod tests;
