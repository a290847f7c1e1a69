//! One stack for each state folder: the second is refused and told the first one's pid.
//!
//! The kernel holds the lock and lets go of it when its holder ends, however that ends; the file only says who it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

/// The state folder is ours while this lives.
#[derive(Debug)]
pub(crate) struct StateLock {
    path: PathBuf,
    _file: Flock<File>,
}

impl StateLock {
    /// Takes the lock of `state`, or says who has it.
    pub(crate) fn take(state: &Path) -> Result<Self> {
        let path = path(state);
        loop {
            let mut file = match Flock::lock(open(&path)?, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err(_) => bail!(
                    "a stack runs here already, pid {}; end it first (its state is in {})",
                    holder(state).map_or("unknown".to_owned(), |pid| pid.to_string()),
                    state.display()
                ),
            };
            // Between our open and our lock the holder may have removed the file: then we hold one that nobody sees.
            if !is_at(&file, &path) {
                continue;
            }
            file.set_len(0)
                .and_then(|()| writeln!(file, "{}", std::process::id()))
                .with_context(|| format!("cannot write {}", path.display()))?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The pid of the stack that holds the lock of `state`, if one does.
pub(crate) fn holder(state: &Path) -> Option<i32> {
    let mut file = File::open(path(state)).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let free = Flock::lock(file, FlockArg::LockSharedNonblock).is_ok();
    (!free).then(|| text.trim().parse().ok())?
}

fn path(state: &Path) -> PathBuf {
    state.join("lock")
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!(
        (file.metadata(), fs::metadata(path)),
        (Ok(held), Ok(seen)) if identity(held.clone()) == identity(seen.clone())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_with_the_pid_of_the_first() {
        let state = tempfile::tempdir().unwrap();
        let first = StateLock::take(state.path()).unwrap();
        assert_eq!(holder(state.path()), Some(std::process::id() as i32));
        let error = StateLock::take(state.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );

        drop(first);
        assert_eq!(holder(state.path()), None);
        assert!(!path(state.path()).exists());
        StateLock::take(state.path()).unwrap();
    }

    #[test]
    fn a_lock_that_a_dead_stack_left_is_taken_over() {
        let state = tempfile::tempdir().unwrap();
        fs::write(path(state.path()), "1\n").unwrap();
        assert_eq!(holder(state.path()), None);
        StateLock::take(state.path()).unwrap();
    }
}
