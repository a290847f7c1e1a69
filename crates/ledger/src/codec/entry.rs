//! An entry as it stands in its bytes: read without a copy of its texts.

use rescind_revocation::{Entry, Expiry, Identifier, Kind, Revocation, TokenId, UnixMillis};

use super::text::uuid_text;

/// One entry, borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) value: Value<'a>,
}

/// What names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// The bits of a canonical UUID.
    Uuid(u128),
    /// Any other text: not empty, not too long.
    Text(&'a str),
}

/// What is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Token(Expiry),
    App(Moment),
    Subject(Moment, &'a str),
}

/// When an application or a subject was revoked, and what was sent for it and not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) revoked_at: UnixMillis,
    pub(crate) disbelieved: Option<UnixMillis>,
}

impl EntryRef<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self.value {
            Value::Token(_) => Kind::Token,
            Value::App(_) => Kind::App,
            Value::Subject(..) => Kind::Subject,
        }
    }

    pub(crate) fn id(&self) -> TokenId {
        match self.name {
            Name::Uuid(bits) => TokenId::from_u128(bits),
            Name::Text(text) => TokenId::of(text),
        }
    }

    /// The form that an enforcer holds.
    pub(crate) fn entry(&self) -> Entry {
        let id = self.id();
        match self.value {
            Value::Token(expiry) => Entry::Token { id, expiry },
            Value::App(Moment { revoked_at, .. }) => Entry::App { id, revoked_at },
            Value::Subject(Moment { revoked_at, .. }, _) => Entry::Subject { id, revoked_at },
        }
    }

    /// The expiry of a token that has one.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        match self.value {
            Value::Token(expiry) => Some(expiry),
            Value::App(_) | Value::Subject(..) => None,
        }
    }

    /// The revocation, with its own copy of the texts.
    pub(crate) fn revocation(&self) -> Revocation {
        let name = match self.name {
            Name::Uuid(bits) => Identifier::new(uuid_text(bits)),
            Name::Text(text) => Identifier::new(text),
        };
        let name = name.expect("a name is checked when it is read");
        match self.value {
            Value::Token(expiry) => Revocation::Token {
                identifier: name,
                expiry,
            },
            Value::App(moment) => Revocation::App {
                consumer_key: name,
                revoked_at: moment.revoked_at,
                disbelieved: moment.disbelieved,
            },
            Value::Subject(moment, entity_type) => Revocation::Subject {
                entity_id: name,
                entity_type: entity_type.into(),
                revoked_at: moment.revoked_at,
                disbelieved: moment.disbelieved,
            },
        }
    }
}
