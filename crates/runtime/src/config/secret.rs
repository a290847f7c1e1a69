//! A value that must not be seen.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The name by which the configuration's deserialiser knows that a value is secret and must not be repeated in errors.
pub(super) const NEWTYPE_NAME: &str = "rescind-runtime secret";

/// The longest file that is read as a secret: what is longer is another file, named by mistake.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A password or the like. It does not print and does not serialise (a struct that does must skip it); only [`expose`]
/// gives it out.
///
/// In a file it is a string, or `{ file = "/path" }` for the content of that file without the newline at its end, read once.
///
/// [`expose`]: Secret::expose
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NEWTYPE_NAME, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or { file = \"/path\" }")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut secret = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "file" {
                return Err(A::Error::unknown_field(&key, &["file"]));
            }
            let path: String = map.next_value()?;
            secret = Some(read(Path::new(&path)).map_err(A::Error::custom)?);
        }
        secret.ok_or_else(|| A::Error::missing_field("file"))
    }
}

/// The message names the file, which is no secret, and nothing of its content.
fn read(path: &Path) -> Result<Secret, String> {
    let fail = |reason: &dyn fmt::Display| {
        format!("cannot read the secret's file {}: {reason}", path.display())
    };
    let file = std::fs::File::open(path).map_err(|error| fail(&error))?;
    let mut text = String::new();
    let length = file
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| fail(&error))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(fail(&"it is longer than 64 KiB"));
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(Secret(text))
}
