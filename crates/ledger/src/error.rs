//! Why a ledger could not be opened or written.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a ledger could not be opened or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The directory, or a file in it, cannot be used.
    #[error("cannot {doing} {}", path.display())]
    Directory {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has this ledger open.
    #[error("ledger directory {} is in use by another process{}", path.display(), holder(pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as the lock file says; empty if it does not say.
        pid: String,
    },
    /// The file was written by a later version.
    #[error("{} has schema version {found}, this version knows up to {known}: it was written by a later version", path.display())]
    Later {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest known one.
        known: i64,
    },
    /// The file is another program's database.
    #[error("{} is a database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("cannot {doing} {}", path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// After a failed commit, the file ends before what had been committed to it. Only a new opening, in a new epoch, can
    /// go on from there.
    #[error("{} ends at sequence {end}, but {head} had been committed", path.display())]
    Behind {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        end: u64,
        /// Where it should.
        head: u64,
    },
    /// What was salvaged is not in the file that it was written to. The damaged file is where it was.
    #[error("{} holds {entries} entries whole of {written} that were salvaged into it", path.display())]
    Lost {
        /// The fresh file.
        path: PathBuf,
        /// How many can be read from it.
        entries: usize,
        /// How many there should be.
        written: usize,
    },
    /// A damaged file could not be salvaged when it was opened, and now it is: the next opening reads the fresh one.
    #[error("{} was damaged; what is whole of it is in a fresh file now", path.display())]
    Salvaged {
        /// The fresh file.
        path: PathBuf,
    },
}

impl LedgerError {
    /// Whether the file is broken, or behind what was committed to it, or another one now: to write again does not help,
    /// and the next opening salvages and reads it.
    pub fn needs_opening(&self) -> bool {
        match self {
            Self::Behind { .. } | Self::Salvaged { .. } => true,
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            _ => false,
        }
    }

    /// The error with its causes, in one line.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn holder(pid: &str) -> String {
    if pid.is_empty() {
        String::new()
    } else {
        format!(" (pid {pid})")
    }
}
