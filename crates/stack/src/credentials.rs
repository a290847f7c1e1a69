//! Who is known at the stand-in: its one user, and one application that is made up once and kept.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::files;

/// The stand-in's user and application.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) application_id: String,
}

/// API Manager's own, as in its documentation. The stand-in listens on the loopback interface alone.
pub(crate) const ADMIN_USER: &str = "admin";
pub(crate) const ADMIN_PASSWORD: &str = "admin";

impl Credentials {
    /// Takes those of `file`, or makes new ones.
    pub(crate) fn ensure(file: &Path) -> Result<Self> {
        if let Some(kept) = fs::read_to_string(file).ok().as_deref().and_then(parse) {
            return Ok(kept);
        }
        let made = Self {
            client_id: Uuid::new_v4().simple().to_string(),
            client_secret: Uuid::new_v4().simple().to_string(),
            application_id: Uuid::new_v4().to_string(),
        };
        let text = json!({
            "clientId": made.client_id,
            "clientSecret": made.client_secret,
            "applicationId": made.application_id,
        });
        files::replace(file, &text.to_string())
            .context("cannot keep the stand-in's application")?;
        Ok(made)
    }
}

fn parse(text: &str) -> Option<Credentials> {
    let value: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    Some(Credentials {
        client_id: field("clientId")?,
        client_secret: field("clientSecret")?,
        application_id: field("applicationId")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.json");
        let first = Credentials::ensure(&file).unwrap();
        let second = Credentials::ensure(&file).unwrap();
        assert_eq!(first.client_id, second.client_id);
        assert_eq!(first.application_id, second.application_id);
        assert_ne!(first.client_id, first.client_secret);

        fs::write(&file, "torn").unwrap();
        let third = Credentials::ensure(&file).unwrap();
        assert_ne!(first.client_id, third.client_id);
    }
}
