//! Reading a file where nothing can be written: a directory that was made read-only, a file system that went so.
//!
//! SQLite needs to write beside a database in WAL mode even to read it. After a clean end there is no log, and the file can
//! be read as one that nobody changes; else file and log are read as copies elsewhere.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{ffi::OsStrExt as _, fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Contents, Store, identify, no_table};
use crate::{
    LedgerError,
    directory::{companions, error},
};

/// Whether an error says that nothing can be written here, whatever it is.
pub(crate) fn cannot_write(error: &LedgerError) -> bool {
    match error {
        LedgerError::Directory { source, .. } => matches!(
            source.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        ),
        LedgerError::Sqlite { source, .. } => {
            source.sqlite_error_code() == Some(ErrorCode::ReadOnly)
        }
        _ => false,
    }
}

/// Reads a file that cannot be written to.
pub(crate) fn read_unwritable(path: &Path) -> Result<Contents, LedgerError> {
    let [log, _] = companions(path);
    let logged = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    if logged {
        let copy = Copy::make(path, &log)?;
        let store = Store::open(&copy.database())?;
        return load(path, &store);
    }
    let refused = |source| LedgerError::Sqlite {
        doing: "open",
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable(path), flags).map_err(refused)?;
    let found = identify(&connection).and_then(|found| found.ok_or_else(no_table));
    let store = Store::of(path, connection, found.map_err(refused)?)?;
    load(path, &store)
}

fn load(path: &Path, store: &Store) -> Result<Contents, LedgerError> {
    store.load().map_err(|source| LedgerError::Sqlite {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

/// The URI that says that nobody changes the file.
pub(super) fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// A database and its log in a directory of its own, for as long as they are read.
struct Copy(PathBuf);

impl Copy {
    fn make(path: &Path, log: &Path) -> Result<Self, LedgerError> {
        let name = format!("rescind-{:016x}", rand::random::<u64>());
        let directory = std::env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|source| error("create", &directory, source))?;
        let copy = Self(directory);
        let [copied_log, _] = companions(&copy.database());
        for (from, to) in [(path, copy.database()), (log, copied_log)] {
            // Not the mode with it: the copy is written to.
            let copied = fs::read(from).and_then(|bytes| fs::write(to, bytes));
            copied.map_err(|source| error("copy", from, source))?;
        }
        Ok(copy)
    }

    fn database(&self) -> PathBuf {
        self.0.join("ledger.db")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What is left behind is readable to its owner alone.
        let _ = fs::remove_dir_all(&self.0);
    }
}
