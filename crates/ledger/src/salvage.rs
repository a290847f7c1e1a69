//! After damage: what is whole goes into a fresh file, the damaged one is kept aside. A union is always safe, and the
//! ledger is not complete until the next catch-up.
//!
//! ```text
//! salvaging.db  being written; worth nothing after a crash
//! salvaged.db   whole; takes the ledger's place, also when only the next opening gets to it
//! ledger.db  -> damaged-<n>.db
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    LedgerError,
    codec::Encoder,
    directory::{Directory, companions, error},
    groups::GROUP,
    store::{Contents, Store},
};

/// Writes what is whole into a fresh file and puts it into the ledger's place. Returns where the damaged file went.
pub(crate) fn salvage(
    directory: &Directory,
    contents: &Contents,
) -> Result<Option<PathBuf>, LedgerError> {
    let fresh = directory.beside("salvaging.db");
    remove(&fresh)?;
    for companion in companions(&fresh) {
        remove(&companion)?;
    }
    write(&fresh, contents)?;
    rename(&fresh, &directory.beside("salvaged.db"))?;
    finish(directory)
}

/// Puts a salvaged file into the ledger's place, if there is one.
pub(crate) fn finish(directory: &Directory) -> Result<Option<PathBuf>, LedgerError> {
    let salvaged = directory.beside("salvaged.db");
    if !salvaged.exists() {
        return Ok(None);
    }
    directory.sync()?;
    let database = directory.database();
    let aside = free_name(directory);
    // The companions first: a log left beside a fresh file would be replayed into it.
    for (from, to) in companions(&database).iter().zip(companions(&aside)) {
        if from.exists() {
            rename(from, &to)?;
        }
    }
    let kept = database.exists();
    if kept {
        rename(&database, &aside)?;
    }
    rename(&salvaged, &database)?;
    directory.sync()?;
    Ok(kept.then_some(aside))
}

fn write(path: &Path, contents: &Contents) -> Result<(), LedgerError> {
    let mut store = Store::open(path)?;
    let mut fill = || {
        store.copy_epochs(&contents.epochs)?;
        store.copy_origins(&contents.origins)?;
        let mut group = Encoder::new(1);
        let (mut first, mut entries) = (1, 0);
        for (sequence, entry) in contents.log.bytes(0, u64::MAX) {
            if entries == GROUP {
                let (bytes, _) = std::mem::replace(&mut group, Encoder::new(sequence)).finish();
                store.append_bytes(None, &(first..=sequence - 1), &bytes)?;
                (first, entries) = (sequence, 0);
            }
            group.push_bytes(sequence, entry);
            entries += 1;
        }
        if first <= contents.head {
            let (bytes, _) = group.finish();
            store.append_bytes(None, &(first..=contents.head), &bytes)?;
        }
        store.set_source(None, false, contents.source_good_at)?;
        store.set_horizon(None, contents.horizon)
    };
    fill()
        .and_then(|()| store.close())
        .map_err(|source| LedgerError::Sqlite {
            doing: "salvage into",
            path: path.to_owned(),
            source,
        })
}

fn free_name(directory: &Directory) -> PathBuf {
    (1..)
        .map(|number| directory.beside(&format!("damaged-{number}.db")))
        .find(|path| !path.exists())
        .expect("the numbers do not end")
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(error("remove", path, source))
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), LedgerError> {
    fs::rename(from, to).map_err(|source| error("rename", from, source))
}
