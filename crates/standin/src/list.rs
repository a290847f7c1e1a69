//! The list of everything that is revoked: what API Manager keeps in three tables of its database.
//!
//! A revocation is in the list once it is on disk, and never leaves it: expired rows linger, as they do there.

mod file;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::access_token::AccessTokenClaims;
use crate::config::ListForm;

use file::RowFile;
use tables::Tables;

/// A row of one of the three tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "table", rename_all = "snake_case", deny_unknown_fields)]
pub enum Row {
    /// A token or an API key.
    Jwt(JwtRow),
    /// Everything issued to a subject before a moment.
    Subject(SubjectRow),
    /// Everything issued to an application before a moment.
    ConsumerKey(ConsumerKeyRow),
}

/// Names a token by its `jti`, whatever the field is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtRow {
    /// The `jti`.
    pub jwt_signature: String,
    /// As in the event: milliseconds for a token, seconds for an API key.
    pub expiry_time: i64,
}

/// Names a user or an application that speaks for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRow {
    /// The user's UUID or the consumer key.
    pub entity_id: String,
    /// `USER_ID` or `CLIENT_ID`.
    pub entity_type: String,
    /// Milliseconds.
    pub revocation_time: i64,
    /// The tenant domain.
    pub organization: String,
}

/// Names an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerKeyRow {
    /// The consumer key.
    pub consumer_key: String,
    /// Milliseconds.
    pub revocation_time: i64,
    /// The tenant domain.
    pub organization: String,
}

/// Why the list cannot be read or written.
#[derive(Debug, Error)]
pub enum ListError {
    /// The file system refuses.
    #[error("{path}: {action} failed")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another stand-in uses the same directory.
    #[error("{0}: in use by another process")]
    Locked(PathBuf),
    /// A whole line that is no row. What follows it may be a revocation, so it is not skipped.
    #[error("{path}:{line}: not a row of the list")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// The list, in memory and on disk.
#[derive(Debug)]
pub struct RevokedList {
    tables: Tables,
    file: RowFile,
}

impl RevokedList {
    /// Reads the list that `directory` holds, or begins one. A last line without an end was never answered for: it is cut.
    pub fn open(directory: &Path) -> Result<Self, ListError> {
        let (file, rows) = RowFile::open(directory)?;
        let mut tables = Tables::default();
        for row in rows {
            tables.merge(row);
        }
        Ok(Self { tables, file })
    }

    /// Writes rows to disk, then takes them into the list. On an error the list is what it was.
    pub fn add(&mut self, rows: Vec<Row>) -> Result<(), ListError> {
        let new: Vec<_> = rows
            .into_iter()
            .filter(|row| !self.tables.holds(row))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.file.append(&new)?;
        for row in new {
            self.tables.merge(row);
        }
        Ok(())
    }

    /// Whether a token is revoked: itself, through its application, or through its subject.
    pub fn refuses(&self, claims: &AccessTokenClaims) -> bool {
        self.tables.refuses(claims)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether nothing is revoked yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer of `GET /internal/data/v1/revokedjwt`.
    pub fn json(&self, form: ListForm) -> serde_json::Result<Vec<u8>> {
        match form {
            ListForm::Object => serde_json::to_vec(&self.tables),
            ListForm::Array => serde_json::to_vec(self.tables.tokens()),
        }
    }

    /// Makes every write fail from now on.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&mut self) {
        self.file.refuse_writes();
    }
}
