//! Small files: written whole or not at all, and private.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, Result};

/// Makes a folder, and those above it, that only this user can enter.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Puts `content` at `path` in one rename: a reader sees the old file or the new one. Only this user can read it.
pub(crate) fn replace(path: &Path, content: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    write_private(&fresh, content)
        .and_then(|()| fs::rename(&fresh, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a log to add to, and keeps what an earlier run left as `<name>.old`.
pub(crate) fn fresh_log(path: &Path) -> Result<()> {
    if path.exists() {
        fs::rename(path, path.with_extension("log.old"))
            .with_context(|| format!("cannot put {} aside", path.display()))?;
    }
    append(path).map(drop)
}

/// Opens a file to add to; made where it is missing.
pub(crate) fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn write_private(path: &Path, content: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())
}
