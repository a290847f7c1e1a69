//! The folder: its rights, its lock, its names.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::JournalError;

const LOCK: &str = "lock";
const LOG: &str = "log";
const NEW: &str = "log.new";
const IMAGE: &str = "image.";

/// A folder that this process alone uses, until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the folder where it is missing (0700), and takes its lock.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::Unusable {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock = create(&path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn log(&self) -> PathBuf {
        log_in(&self.path)
    }

    pub(super) fn new_log(&self) -> PathBuf {
        self.path.join(NEW)
    }

    pub(super) fn image(&self, id: u128) -> PathBuf {
        self.path.join(format!("{IMAGE}{id:032x}"))
    }

    /// Removes every file of ours but the log and the image that it names.
    pub(super) fn tidy(&self, image: Option<u128>) -> io::Result<()> {
        let keep = image.map(|id| self.image(id));
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let ours = name.is_some_and(|name| name.starts_with(IMAGE) || name == NEW);
            if ours && keep.as_ref() != Some(&path) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// The log of a folder, which may be no folder of ours.
pub(super) fn log_in(folder: &Path) -> PathBuf {
    folder.join(LOG)
}

/// Whether there is certainly nothing at `path`.
pub(super) fn is_gone(path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    let found = fs::symlink_metadata(path);
    found.is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// Opens a file for writing, made anew with 0600 where it is missing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// A new, empty file with 0600 in the place of whatever is there.
pub(super) fn replace(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create(path)
}

/// Removes a file; that there is none is just as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Where nothing can be removed, the kernel may not even look whether there is something.
        Err(_) if is_gone(path) => Ok(()),
        removed => removed,
    }
}
