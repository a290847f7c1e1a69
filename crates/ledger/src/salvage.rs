//! After damage: what is whole goes into a fresh file, the damaged one is kept aside. A union is always safe, and the
//! ledger is not complete until the next catch-up.
//!
//! ```text
//! salvaging.db  being written; worth nothing after a crash
//! salvaged.db   whole, and read back; takes the ledger's place, also when only the next opening gets to it
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
    store::{Contents, Store, verify},
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
    read_back(&fresh, contents)?;
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
    let kept = database.exists() || companions(&aside).iter().any(|path| path.exists());
    if database.exists() {
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

/// Only what is read from the fresh file itself counts: the damaged one is given up for it.
fn read_back(path: &Path, contents: &Contents) -> Result<(), LedgerError> {
    let (entries, end) = verify(path).map_err(|source| LedgerError::Sqlite {
        doing: "read back",
        path: path.to_owned(),
        source,
    })?;
    let written = contents.log.len();
    if entries == written && end == contents.head {
        return Ok(());
    }
    Err(LedgerError::Lost {
        path: path.to_owned(),
        entries,
        written,
    })
}

/// Makes a new ledger: under another name until it is whole, so that an empty file in its place is known for damage.
pub(crate) fn create(directory: &Directory) -> Result<(), LedgerError> {
    let fresh = directory.beside("creating.db");
    remove(&fresh)?;
    for companion in companions(&fresh) {
        remove(&companion)?;
    }
    let closed = Store::open(&fresh)?.close();
    closed.map_err(|source| LedgerError::Sqlite {
        doing: "write to",
        path: fresh.clone(),
        source,
    })?;
    rename(&fresh, &directory.database())?;
    directory.sync()
}

fn free_name(directory: &Directory) -> PathBuf {
    (1..)
        .map(|number| directory.beside(&format!("damaged-{number}.db")))
        .find(|path| {
            let [log, shared] = companions(path);
            ![path, &log, &shared].iter().any(|path| path.exists())
        })
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
