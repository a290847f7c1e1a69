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
        /// A moment that was sent for it and not believed, if there was one; 0 where none was sent. `revoked_at` is then
        /// when that was first heard, or a later moment that was believed.
        disbelieved: Option<UnixMillis>,
    },
    /// The tokens of a user or of a client.
    Subject {
        /// A user's UUID or a consumer key; tokens carry it as `entity_id`.
        entity_id: Identifier,
        /// `USER_ID` or `CLIENT_ID`. Shown, never matched.
        entity_type: Box<str>,
        /// What was issued before this moment, or in its second, is revoked.
        revoked_at: UnixMillis,
        /// As for an application.
        disbelieved: Option<UnixMillis>,
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

    /// What is held for a thing for which `held` was, once `self` is heard of it: the union of both. `None` where `self`
    /// says nothing new: no later expiry, no later moment, or a moment that is not believed where one was before. Only the
    /// first of those counts as its receipt: rows that are listed again and again would else move it for ever.
    ///
    /// Of two different things there is no union, and the answer is `None`.
    pub fn over(&self, held: &Self) -> Option<Self> {
        if self.kind() == Kind::Token {
            return (self.expiry()? > held.expiry()?).then(|| self.clone());
        }
        let (new, new_disbelieved) = self.moment()?;
        let (old, old_disbelieved) = held.moment()?;
        let heard_before = match (new_disbelieved, old_disbelieved) {
            (Some(_), Some(_)) => true,
            // It may have become credible meanwhile.
            (None, Some(sent)) => sent == new,
            (_, None) => false,
        };
        if self.kind() != held.kind() || new <= old || heard_before {
            return None;
        }
        let mut union = self.clone();
        if let Self::App { disbelieved, .. } | Self::Subject { disbelieved, .. } = &mut union {
            *disbelieved = new_disbelieved.or(old_disbelieved);
        }
        Some(union)
    }

    fn expiry(&self) -> Option<Expiry> {
        match self {
            Self::Token { expiry, .. } => Some(*expiry),
            Self::App { .. } | Self::Subject { .. } => None,
        }
    }

    fn moment(&self) -> Option<(UnixMillis, Option<UnixMillis>)> {
        match self {
            Self::Token { .. } => None,
            Self::App {
                revoked_at,
                disbelieved,
                ..
            }
            | Self::Subject {
                revoked_at,
                disbelieved,
                ..
            } => Some((*revoked_at, *disbelieved)),
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
                ..
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixSeconds;

    fn token(expiry: Expiry) -> Revocation {
        Revocation::Token {
            identifier: Identifier::new("t").unwrap(),
            expiry,
        }
    }

    fn app(revoked_at: u64, disbelieved: Option<u64>) -> Revocation {
        Revocation::App {
            consumer_key: Identifier::new("k").unwrap(),
            revoked_at: UnixMillis(revoked_at),
            disbelieved: disbelieved.map(UnixMillis),
        }
    }

    #[test]
    fn the_later_expiry_is_held() {
        let (sooner, later) = (Expiry::Known(UnixSeconds(1)), Expiry::Unknown);
        assert_eq!(token(later).over(&token(sooner)), Some(token(later)));
        assert_eq!(token(later).over(&token(later)), None);
        assert_eq!(token(sooner).over(&token(later)), None);
    }

    #[test]
    fn the_later_moment_is_held() {
        assert_eq!(app(7, None).over(&app(6, None)), Some(app(7, None)));
        for held in [7, 8] {
            assert_eq!(app(7, None).over(&app(held, None)), None);
        }
    }

    #[test]
    fn a_disbelieved_moment_counts_once() {
        const FAR: u64 = 4_000_000;
        // Heard again later, the same value stands for another moment of receipt.
        let first = app(10, Some(FAR));
        assert_eq!(app(20, Some(FAR)).over(&first), None);
        // It may even have become credible, or another value may have come between.
        assert_eq!(app(FAR, None).over(&first), None);
        let between = app(15, None).over(&first).unwrap();
        assert_eq!(between, app(15, Some(FAR)));
        assert_eq!(app(30, Some(FAR)).over(&between), None);
    }

    #[test]
    fn only_the_first_disbelieved_moment_counts() {
        const FAR: u64 = 4_000_000;
        // Two rows of a list with one key and different bogus times, read again and again; an event without a time before.
        let first = app(10, Some(FAR));
        assert_eq!(app(20, Some(FAR + 1)).over(&first), None);
        assert_eq!(app(20, Some(0)).over(&first), None);
        assert_eq!(app(20, Some(FAR)).over(&app(10, Some(0))), None);
        // One that is believed still moves it, and does not open the way for another.
        let later = app(15, None).over(&first).unwrap();
        assert_eq!(app(30, Some(0)).over(&later), None);
        assert_eq!(
            app(20, Some(0)).over(&app(10, None)),
            Some(app(20, Some(0)))
        );
    }

    #[test]
    fn things_of_two_kinds_have_no_union() {
        assert_eq!(token(Expiry::Never).over(&app(1, None)), None);
        assert_eq!(app(1, None).over(&token(Expiry::Unknown)), None);
    }
}
