//! What may revoke a token: its own name, its application and its subject.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rescind_revocation::Kind;
use serde::Deserialize;

/// The claims that decide.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    jti: Option<String>,
    azp: Option<String>,
    entity_id: Option<String>,
    iat: Option<f64>,
}

/// What names it, by kind, with the second of its issue. Nothing is verified: whoever asks about a token may be wrong about
/// it, and learns whether that is revoked.
pub(super) fn names(token: &str) -> Vec<(Kind, String, Option<u64>)> {
    let Some(claims) = claims(token) else {
        // An opaque token names itself.
        return vec![(Kind::Token, token.to_owned(), None)];
    };
    let issued_at = claims.iat.filter(|iat| *iat >= 0.0).map(|iat| iat as u64);
    // Without a `jti` the control plane sends the signature.
    let own = claims.jti.unwrap_or_else(|| {
        let signature = token.rsplit_once('.').map(|(_, signature)| signature);
        signature.unwrap_or(token).to_owned()
    });
    let mut names = vec![(Kind::Token, own, None)];
    names.extend(claims.azp.map(|azp| (Kind::App, azp, issued_at)));
    names.extend(claims.entity_id.map(|id| (Kind::Subject, id, issued_at)));
    names.retain(|(_, name, _)| !name.is_empty());
    names
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
    serde_json::from_slice(&payload.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_token_is_revoked_by_its_name_its_application_or_its_subject() {
        assert_eq!(
            names(&token(
                r#"{"jti":"a","azp":"app","entity_id":"user","iat":7.9}"#
            )),
            [
                (Kind::Token, "a".to_owned(), None),
                (Kind::App, "app".to_owned(), Some(7)),
                (Kind::Subject, "user".to_owned(), Some(7))
            ]
        );
        assert_eq!(
            names(&token("{}")),
            [(Kind::Token, "c2ln".to_owned(), None)]
        );
        for opaque in ["opaque", "a.b", "a.b.c"] {
            assert_eq!(names(opaque), [(Kind::Token, opaque.to_owned(), None)]);
        }
    }
}
