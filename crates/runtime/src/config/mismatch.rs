//! What keeps a value from being what its reader wants, in words for operators instead of serde's for programmers.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::path;
use super::tree::{Node, Origin, Value};
use super::words::{in_plain_words, one_of, quote, unknown_key, userinfo};

/// An error of deserialisation, and once it has passed the value concerned, its place.
#[derive(Debug)]
pub(super) struct Mismatch {
    reason: Box<Reason>,
    hidden: bool,
    site: Option<Box<Site>>,
}

/// The value concerned.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) path: String,
    pub(super) origin: Origin,
    /// Its text, where it is one.
    text: Option<String>,
    /// Whether the text came through `$env{NAME}`, as secrets do.
    substituted: bool,
}

#[derive(Debug)]
enum Reason {
    Found {
        found: Found,
        expected: String,
    },
    Variant {
        found: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    Said(String),
}

#[derive(Debug)]
enum Found {
    Text(String),
    Scalar(&'static str, String),
    Kind(&'static str),
}

impl Mismatch {
    /// Places it at `site` unless it has been placed deeper before.
    pub(super) fn at(mut self, site: impl FnOnce() -> Site) -> Self {
        self.site.get_or_insert_with(|| Box::new(site()));
        self
    }

    /// The value concerned must not be repeated.
    pub(super) fn hide(mut self) -> Self {
        self.hidden |= self.site.is_none();
        self
    }

    /// The key concerned, its origin, and whether it is missing.
    pub(super) fn place(&self) -> (String, Origin, bool) {
        let (path, origin) = match &self.site {
            Some(site) => (site.path.as_str(), site.origin.clone()),
            None => ("", Origin::Line(1)),
        };
        match &*self.reason {
            Reason::Missing(key) => (path::child(path, key), origin, true),
            Reason::UnknownKey { key, .. } => (path::child(path, key), origin, false),
            _ => (path.to_owned(), origin, false),
        }
    }

    /// What is wrong and what would be right.
    pub(super) fn text(&self) -> String {
        let secret = |site: &Site| site.substituted || path::names_a_secret(&site.path);
        let hidden = self.hidden || self.site.as_ref().is_some_and(|site| secret(site));
        match &*self.reason {
            Reason::Found { found, expected } => {
                format!(
                    "expected {}, found {}",
                    in_plain_words(expected),
                    found.show(hidden)
                )
            }
            Reason::Variant { found, known } => {
                let found = Found::Text(found.clone()).show(hidden);
                format!("expected {}, found {found}", one_of(known))
            }
            Reason::Missing(_) => "missing, and it has no default".to_owned(),
            Reason::UnknownKey { key, known } => unknown_key(key, known),
            Reason::Said(message) if self.repeats_a_secret(message, hidden) => {
                "not accepted (the value is secret and not shown)".to_owned()
            }
            Reason::Said(message) => message.clone(),
        }
    }

    /// Whether a message from elsewhere holds a piece of the value that must not be seen.
    fn repeats_a_secret(&self, message: &str, hidden: bool) -> bool {
        let text = self.site.as_ref().and_then(|site| site.text.as_deref());
        let secret = match (text, hidden) {
            (None, _) => return false,
            (Some(text), true) => text,
            (Some(text), false) => match userinfo(text) {
                Some(range) => &text[range],
                None => return false,
            },
        };
        let characters: Vec<char> = secret.chars().collect();
        let piece = characters.len().clamp(1, 4);
        characters
            .windows(piece)
            .any(|piece| message.contains(&String::from_iter(piece)))
    }
}

impl Site {
    pub(super) fn of(path: &str, node: &Node) -> Self {
        let text = match &node.value {
            Value::Text(text) | Value::Variable(text) => Some(text.clone()),
            _ => None,
        };
        Self {
            path: path.to_owned(),
            origin: node.origin.clone(),
            text,
            substituted: false,
        }
    }

    /// The same place with the text that was put in for variables.
    pub(super) fn with_text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self.substituted = true;
        self
    }
}

impl Found {
    fn of(unexpected: Unexpected<'_>) -> Self {
        match unexpected {
            Unexpected::Str(text) => Self::Text(text.to_owned()),
            Unexpected::Char(character) => Self::Text(character.into()),
            Unexpected::Unsigned(number) => Self::Scalar("a number", number.to_string()),
            Unexpected::Signed(number) => Self::Scalar("a number", number.to_string()),
            Unexpected::Float(number) => Self::Scalar("a number", number.to_string()),
            Unexpected::Bool(value) => Self::Scalar("a boolean", value.to_string()),
            Unexpected::Seq => Self::Kind("an array"),
            Unexpected::Map => Self::Kind("a table"),
            _ => Self::Kind("something else"),
        }
    }

    fn show(&self, hidden: bool) -> String {
        match self {
            Self::Text(_) if hidden => "a text (not shown)".to_owned(),
            Self::Text(text) => quote(text),
            Self::Scalar(kind, _) if hidden => (*kind).to_owned(),
            Self::Scalar(_, shown) => shown.clone(),
            Self::Kind(kind) => (*kind).to_owned(),
        }
    }
}

impl Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Reason::Said(message.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Reason::Found {
            found: Found::of(unexpected),
            expected: expected.to_string(),
        }
        .into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Reason::Said(format!("expected {expected}, found {length} elements")).into()
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Reason::Variant {
            found: variant.to_owned(),
            known,
        }
        .into()
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Reason::UnknownKey {
            key: key.to_owned(),
            known,
        }
        .into()
    }

    fn missing_field(key: &'static str) -> Self {
        Reason::Missing(key).into()
    }

    fn duplicate_field(key: &'static str) -> Self {
        Reason::Said(format!("{key} is given twice, under two of its names")).into()
    }
}

impl From<Reason> for Mismatch {
    fn from(reason: Reason) -> Self {
        Self {
            reason: Box::new(reason),
            hidden: false,
            site: None,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Mismatch {}
