//! Claims from elsewhere than a token's text, and claims that are not there.

use std::fmt;

use rescind_revocation::UnixSeconds;

use crate::token::{Claims, Date, Name};

/// The claims of a token that the gateway has verified, signature and issuer included.
///
/// They are read as those of a token are: a `jti` that is no text, or a time that is no number, makes them unusable.
#[derive(Default)]
pub struct VerifiedClaims {
    pub(crate) claims: Claims,
    malformed: bool,
}

/// One value of a payload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClaimValue<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(f64),
    /// `null`, which is as good as nothing.
    Null,
    /// Anything else.
    Other,
}

/// Claims that a token does not have, of those that rules of revocation ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lacking(u8);

impl VerifiedClaims {
    /// Takes in one claim; those that no decision looks at are passed over.
    pub fn set(&mut self, name: &str, value: ClaimValue<'_>) {
        let claims = &mut self.claims;
        let read = match name {
            "jti" => text(value).map(|jti| claims.jti = jti),
            "exp" => date(value).map(|exp| claims.exp = exp),
            "nbf" => date(value).map(|nbf| claims.nbf = nbf),
            "iat" => date(value).map(|iat| claims.iat = iat),
            _ => {
                self.set_loose(name, value);
                Some(())
            }
        };
        self.malformed |= read.is_none();
    }

    /// Claims outside the standard may be anything.
    fn set_loose(&mut self, name: &str, value: ClaimValue<'_>) {
        let claims = &mut self.claims;
        match name {
            "azp" => claims.azp = loose(value),
            "entity_id" => claims.entity_id = loose(value),
            "token_type" => claims.token_type = loose(value),
            "keytype" => claims.keytype = loose(value),
            _ => {}
        }
    }

    /// Whether a decision may rest on them: what has no name cannot be revoked.
    pub(crate) fn is_usable(&self) -> bool {
        !self.malformed
            && self
                .claims
                .jti
                .as_deref()
                .is_some_and(|jti| !jti.is_empty())
    }
}

fn text(value: ClaimValue<'_>) -> Option<Option<Box<str>>> {
    match value {
        ClaimValue::Text(text) => Some(Some(text.into())),
        ClaimValue::Null => Some(None),
        ClaimValue::Number(_) | ClaimValue::Other => None,
    }
}

fn date(value: ClaimValue<'_>) -> Option<Date> {
    match value {
        // The cast saturates at both ends and cuts the fraction.
        ClaimValue::Number(seconds) if seconds.is_finite() => {
            Some(Date(Some(UnixSeconds(seconds as u64))))
        }
        ClaimValue::Null => Some(Date(None)),
        _ => None,
    }
}

fn loose(value: ClaimValue<'_>) -> Name {
    Name(match value {
        ClaimValue::Text(text) if !text.is_empty() => Some(text.into()),
        ClaimValue::Number(number) => Some(number.to_string().into()),
        _ => None,
    })
}

/// Shows nothing of the token.
impl fmt::Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("usable", &self.is_usable())
            .finish_non_exhaustive()
    }
}

impl Lacking {
    /// It has them all.
    pub const NOTHING: Self = Self(0);
    /// No name of its own: it can be revoked by its signature alone.
    pub const JTI: Self = Self(1);
    /// Nobody knows when it was issued.
    pub const IAT: Self = Self(2);
    /// It cannot be revoked by its application.
    pub const AZP: Self = Self(4);
    /// It cannot be revoked by its user or client.
    pub const ENTITY_ID: Self = Self(8);

    /// Each claim by itself, and its name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::JTI, "jti"),
        (Self::IAT, "iat"),
        (Self::AZP, "azp"),
        (Self::ENTITY_ID, "entity_id"),
    ];

    /// What is missing in one of two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether anything of `other` is missing.
    pub const fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the claims.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL
            .into_iter()
            .filter(move |(claim, _)| self.any_of(*claim))
            .map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(values: &[(&str, ClaimValue<'_>)]) -> VerifiedClaims {
        let mut claims = VerifiedClaims::default();
        for (name, value) in values {
            claims.set(name, *value);
        }
        claims
    }

    #[test]
    fn claims_are_read_as_those_of_a_token() {
        use ClaimValue::{Null, Number, Other, Text};
        let good = claims(&[
            ("jti", Text("a")),
            ("exp", Number(7.9)),
            ("nbf", Number(-1.0)),
            ("iat", Null),
            ("azp", Number(12.0)),
            ("entity_id", Other),
            ("scope", Other),
        ]);
        assert!(good.is_usable());
        let read = &good.claims;
        assert_eq!(read.exp.0, Some(UnixSeconds(7)));
        assert_eq!(read.nbf.0, Some(UnixSeconds(0)));
        assert_eq!(read.azp.0.as_deref(), Some("12"));
        assert_eq!(
            read.lacking().names().collect::<Vec<_>>(),
            ["iat", "entity_id"]
        );
        for bad in [
            &[][..],
            &[("jti", Null)],
            &[("jti", Text(""))],
            &[("jti", Number(1.0))],
            &[("jti", Text("a")), ("exp", Text("1"))],
            &[("jti", Text("a")), ("iat", Other)],
            &[("jti", Text("a")), ("nbf", Number(f64::NAN))],
        ] {
            assert!(!claims(bad).is_usable(), "{bad:?}");
        }
    }
}
