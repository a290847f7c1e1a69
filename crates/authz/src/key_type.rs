//! Which of an API's two endpoints a credential is for, and which of them an API has.

/// A credential's `keytype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyType {
    /// The production endpoint; also of a credential that does not say.
    #[default]
    Production,
    /// The sandbox endpoint.
    Sandbox,
    /// Neither.
    Other,
}

/// The endpoints that an API has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// For keys of production.
    pub production: bool,
    /// For keys of the sandbox.
    pub sandbox: bool,
}

impl KeyType {
    /// By the claim, in any case, as Choreo Connect reads it.
    pub(crate) fn of(claim: Option<&str>) -> Self {
        match claim {
            None => Self::Production,
            Some(text) if text.eq_ignore_ascii_case("PRODUCTION") => Self::Production,
            Some(text) if text.eq_ignore_ascii_case("SANDBOX") => Self::Sandbox,
            Some(_) => Self::Other,
        }
    }
}

impl Endpoints {
    /// Whether there is one for keys of this type.
    pub(crate) fn has(self, key_type: KeyType) -> bool {
        match key_type {
            KeyType::Production => self.production,
            KeyType::Sandbox => self.sandbox,
            KeyType::Other => false,
        }
    }

    /// Whom a request without a credential is for.
    pub(crate) fn of_nobody(self) -> KeyType {
        match self.production {
            true => KeyType::Production,
            false => KeyType::Sandbox,
        }
    }
}
