//! What a decision needs to know of a credential each time: what may name it in a revocation, and its times.
//!
//! It depends on the credential's text alone, so that it need not be read again from a text that is known.

use std::sync::Arc;

use rescind_revocation::{Identifier, TokenId};

use crate::{
    KeyType, Lacking,
    token::{Claims, Date, Token},
};

/// Of a credential that cannot be read: nothing but what it may be named by.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What names the credential itself: any of these.
    pub(crate) ids: Vec<TokenId>,
    /// Its application, by `azp`.
    pub(crate) app: Option<TokenId>,
    /// Its user or client, by `entity_id`.
    pub(crate) subject: Option<TokenId>,
    /// Its `jti`.
    pub(crate) identifier: Option<Identifier>,
    /// Its `keytype`.
    pub(crate) key_type: Option<Arc<str>>,
    pub(crate) exp: Date,
    pub(crate) nbf: Date,
    pub(crate) iat: Date,
    /// What it lacks of the claims that rules of revocation ask for.
    pub(crate) lacking: Lacking,
}

impl Facts {
    pub(crate) fn of_token(token: &Token<'_>) -> Self {
        Self::new(token.ids(), &token.claims)
    }

    /// Of claims that somebody else has verified: there is no signature that could be a name.
    pub(crate) fn of_claims(claims: &Claims) -> Self {
        let id = claims.jti.as_deref().map(TokenId::of);
        Self::new(id.into_iter().collect(), claims)
    }

    pub(crate) fn of_unreadable(ids: Vec<TokenId>) -> Self {
        Self {
            ids,
            ..Self::default()
        }
    }

    fn new(ids: Vec<TokenId>, claims: &Claims) -> Self {
        let id = |name: Option<&Box<str>>| name.map(|name| TokenId::of(name));
        let identifier = claims.jti.as_deref();
        Self {
            ids,
            app: id(claims.azp.0.as_ref()),
            subject: id(claims.entity_id.0.as_ref()),
            identifier: identifier.and_then(|jti| Identifier::new(jti).ok()),
            key_type: claims.keytype.0.as_deref().map(Arc::from),
            exp: claims.exp,
            nbf: claims.nbf,
            iat: claims.iat,
            lacking: claims.lacking(),
        }
    }

    /// Which of an API's endpoints it is for.
    pub(crate) fn endpoint(&self) -> KeyType {
        KeyType::of(self.key_type.as_deref())
    }

    /// Whether they are small enough to be kept: a `jti` of a few kilobytes is nothing to fill the memory with.
    pub(crate) fn are_small(&self) -> bool {
        let identifier = self.identifier.as_ref().map(Identifier::as_str);
        let texts = [identifier, self.key_type.as_deref()];
        texts.into_iter().flatten().all(|text| text.len() <= 128)
    }
}
