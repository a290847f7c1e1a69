//! What was found broken when a ledger was opened.

use thiserror::Error;

use crate::codec::CodecError;

/// One broken place. What it held is lost to this file until the next catch-up brings it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// A group whose bytes are not those that were written.
    #[error("group {first}-{last}: checksum is {found:016x}, its bytes give {computed:016x}")]
    Checksum {
        /// The group's first sequence, as its key says.
        first: u64,
        /// Its last sequence.
        last: u64,
        /// The checksum beside the bytes.
        found: u64,
        /// The checksum of the bytes.
        computed: u64,
    },
    /// A group whose checksum holds and whose bytes are no group all the same.
    #[error("group {first}-{last}: {reason}")]
    Group {
        /// The group's first sequence.
        first: u64,
        /// Its last sequence.
        last: u64,
        /// What is wrong with it.
        reason: CodecError,
    },
    /// Sequences that no group answers for.
    #[error("sequences {first}-{last} are missing")]
    Missing {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// A row that cannot be read at all, after the last one that could.
    #[error("a row after sequence {after}: {reason}")]
    Row {
        /// The last sequence that was read before it.
        after: u64,
        /// What SQLite says.
        reason: String,
    },
    /// A table whose rows are not those that were written. Nothing of it is believed.
    #[error("{what}: checksum is {}, its rows give {computed:016x}", shown(found))]
    Table {
        /// Which one.
        what: &'static str,
        /// The checksum beside the rows, where there is one.
        found: Option<u64>,
        /// The checksum of the rows.
        computed: u64,
    },
    /// The header does not say that the file is a ledger of its version. What is in it does.
    #[error(
        "the header: application id is {application:08x} and schema version {version}, in a ledger of schema version {known}"
    )]
    Header {
        /// The application id that it has.
        application: i64,
        /// The schema version that it has.
        version: i64,
        /// The one that the file has by what is in it.
        known: i64,
    },
    /// A table or the file itself.
    #[error("{what}: {reason}")]
    File {
        /// Which part.
        what: &'static str,
        /// What SQLite says.
        reason: String,
    },
}

fn shown(checksum: &Option<u64>) -> String {
    checksum.map_or_else(|| "missing".to_owned(), |sum| format!("{sum:016x}"))
}
