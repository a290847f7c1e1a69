//! libfaketime: a library that shows a program another time, for the tests of wrong clocks.

use std::{fs, path::PathBuf};

use anyhow::Result;

use super::apt;

const LIBRARY: &str = "faketime/libfaketime.so.1";

pub(super) async fn ensure(say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    match find() {
        Some(_) => Ok(()),
        None => apt::install("libfaketime", "libfaketime", say).await,
    }
}

/// Where the distribution has put it: the folder is named after the machine.
pub(super) fn find() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join(LIBRARY)))
        .find(|library| library.is_file())
}
