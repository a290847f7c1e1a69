//! The ledger's directory: made for its owner alone, held by one process.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{LedgerError, store::cannot_write};

const OWNER_ONLY: u32 = 0o600;

/// A directory that this process holds until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The lock goes with the file handle, also when the process is killed. `None` where no file can be made to lock: then
    /// nobody can write here, until [`ensure_locked`](Self::ensure_locked).
    lock: Option<File>,
}

impl Directory {
    /// Makes the directory where it is missing, and takes it.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| error("create the ledger directory", path, source))?;
        let lock = match lock(path) {
            Err(error) if cannot_write(&error) => lock_unwritable(path)?,
            lock => Some(lock?),
        };
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Takes the lock where it could not be taken before.
    pub(crate) fn ensure_locked(&mut self) -> Result<(), LedgerError> {
        if self.lock.is_none() {
            self.lock = Some(lock(&self.path)?);
        }
        Ok(())
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("ledger.db")
    }

    /// A file beside it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes what was created, renamed or removed in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|source| error("sync", &self.path, source))
    }
}

/// Makes a database file for the owner alone, before SQLite opens it: SQLite gives its `-wal` and `-shm` the mode that the
/// database has. An existing file, and what stands beside it, gets that mode too.
pub(crate) fn make_private(database: &Path) -> Result<(), LedgerError> {
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(OWNER_ONLY)
        .open(database);
    let file = opened.map_err(|source| error("open", database, source))?;
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))
        .map_err(|source| error("set the mode of", database, source))?;
    for companion in companions(database) {
        match fs::set_permissions(&companion, Permissions::from_mode(OWNER_ONLY)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(error("set the mode of", &companion, source));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether there is nothing in a file yet.
pub(crate) fn is_empty(file: &Path) -> Result<bool, LedgerError> {
    let found = fs::metadata(file).map_err(|source| error("read", file, source))?;
    Ok(found.len() == 0)
}

/// The files that SQLite keeps beside a database.
pub(crate) fn companions(database: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

pub(crate) fn error(doing: &'static str, path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Directory {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn lock(directory: &Path) -> Result<File, LedgerError> {
    let path = directory.join("lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(OWNER_ONLY)
        .open(&path);
    let mut file = opened.map_err(|source| error("open", &path, source))?;
    take(directory, &path, &mut file)?;
    // Who holds it is a courtesy to the next one who asks; on a full disk the lock holds without it.
    let _ = file
        .set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

/// The lock of a directory that cannot be written to, if it has ever had one.
fn lock_unwritable(directory: &Path) -> Result<Option<File>, LedgerError> {
    let path = directory.join("lock");
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error("open", &path, source)),
    };
    take(directory, &path, &mut file)?;
    Ok(Some(file))
}

/// Takes the lock. A child process that was forked beside a former owner holds it too, until it runs its own program: a few
/// milliseconds are waited for that.
#[allow(
    clippy::disallowed_methods,
    reason = "a ledger is opened on a thread that may block"
)]
fn take(directory: &Path, path: &Path, file: &mut File) -> Result<(), LedgerError> {
    const ATTEMPTS: u32 = 10;
    const PAUSE: Duration = Duration::from_millis(10);
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => return Err(error("lock", path, source)),
        }
    }
    Err(LedgerError::Locked {
        path: directory.to_owned(),
        pid: holder(file),
    })
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(20).read_to_string(&mut text) {
        Ok(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        _ => String::new(),
    }
}
