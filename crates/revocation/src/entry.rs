//! One revocation, in the two forms it has: with its text at the adapter, as 128 bits at an enforcer.

use crate::{Expiry, Identifier, TokenId, UnixMillis};

/// What a revocation revokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One token or API key.
    Token,
    /// Every token of an application issued up to a moment.
    App,
    /// Every token of a user or a client issued up to a moment.
    Subject,
}

/// One thing that is revoked, as the control plane names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// One token or API key.
    Token {
        /// Its `jti`, or what the control plane sends instead.
        identifier: Identifier,
        /// When it would have expired by itself.
        expiry: Expiry,
    },
    /// The tokens of an application.
    App {
        /// The consumer key; tokens carry it as `azp`.
        consumer_key: Identifier,
        /// What was issued before this moment, or in its second, is revoked.
        revoked_at: UnixMillis,
    },
    /// The tokens of a user or of a client.
    Subject {
        /// A user's UUID or a consumer key; tokens carry it as `entity_id`.
        entity_id: Identifier,
        /// `USER_ID` or `CLIENT_ID`. Shown, never matched.
        entity_type: Box<str>,
        /// What was issued before this moment, or in its second, is revoked.
        revoked_at: UnixMillis,
    },
}

impl Revocation {
    /// What kind of thing is revoked.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Token { .. } => Kind::Token,
            Self::App { .. } => Kind::App,
            Self::Subject { .. } => Kind::Subject,
        }
    }

    /// What names it.
    pub fn identifier(&self) -> &Identifier {
        match self {
            Self::Token { identifier, .. } => identifier,
            Self::App { consumer_key, .. } => consumer_key,
            Self::Subject { entity_id, .. } => entity_id,
        }
    }

    /// The form that an enforcer holds.
    pub fn entry(&self) -> Entry {
        match self {
            Self::Token { identifier, expiry } => Entry::Token {
                id: identifier.id(),
                expiry: *expiry,
            },
            Self::App {
                consumer_key,
                revoked_at,
            } => Entry::App {
                id: consumer_key.id(),
                revoked_at: *revoked_at,
            },
            Self::Subject {
                entity_id,
                revoked_at,
                ..
            } => Entry::Subject {
                id: entity_id.id(),
                revoked_at: *revoked_at,
            },
        }
    }
}

/// One member of a revoked set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// One token or API key.
    Token {
        /// What names it.
        id: TokenId,
        /// When it would have expired by itself.
        expiry: Expiry,
    },
    /// The tokens of an application.
    App {
        /// The consumer key.
        id: TokenId,
        /// What was issued before this moment, or in its second, is revoked.
        revoked_at: UnixMillis,
    },
    /// The tokens of a user or of a client.
    Subject {
        /// The entity id.
        id: TokenId,
        /// What was issued before this moment, or in its second, is revoked.
        revoked_at: UnixMillis,
    },
}

impl Entry {
    /// What kind of thing is revoked.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Token { .. } => Kind::Token,
            Self::App { .. } => Kind::App,
            Self::Subject { .. } => Kind::Subject,
        }
    }

    /// What names it, within its kind.
    pub fn id(&self) -> TokenId {
        match self {
            Self::Token { id, .. } | Self::App { id, .. } | Self::Subject { id, .. } => *id,
        }
    }
}
