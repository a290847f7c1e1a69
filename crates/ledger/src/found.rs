//! What stands in a ledger's directory: opened and read, and salvaged where it is damaged.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Damage, LedgerError,
    directory::{self, Directory, companions},
    salvage,
    store::{Contents, Store, cannot_write, is_damage, read_unwritable},
};

/// What an opening found.
pub(crate) struct Found {
    /// `None` where there is none that can be written to.
    pub(crate) store: Option<Store>,
    pub(crate) contents: Contents,
    pub(crate) damage: Vec<Damage>,
    /// Where the damaged file is now.
    pub(crate) aside: Option<PathBuf>,
    pub(crate) unwritable: Option<String>,
    /// The file is damaged and could not be salvaged: it is where it was, and what is whole of it is in the contents.
    pub(crate) is_damaged: bool,
}

impl Found {
    /// Opens and reads the file, or makes it.
    pub(crate) fn in_directory(directory: &Directory) -> Result<Self, LedgerError> {
        let aside = salvage::finish(directory)?;
        let Read {
            store,
            contents,
            unwritable,
        } = read(directory)?;
        let found = Self {
            store,
            contents,
            damage: Vec::new(),
            aside,
            unwritable,
            is_damaged: false,
        };
        if found.contents.damage.is_empty() {
            directory.sync()?;
            return Ok(found);
        }
        found.salvaged(directory)
    }

    fn salvaged(mut self, directory: &Directory) -> Result<Self, LedgerError> {
        self.store = None;
        self.contents.read_pages(&directory.database())?;
        self.damage = std::mem::take(&mut self.contents.damage);
        match salvage::salvage(directory, &self.contents) {
            Ok(kept) => {
                self.aside = kept.or(self.aside);
                // The fresh file has rows of its own.
                let fresh = read(directory)?;
                (self.store, self.contents) = (fresh.store, fresh.contents);
                self.unwritable = fresh.unwritable;
                directory.sync()?;
            }
            Err(error) => {
                self.contents.complete = false;
                self.unwritable = Some(error.reason());
                self.is_damaged = true;
            }
        }
        Ok(self)
    }
}

/// Salvages a file for which there was no room when it was opened.
pub(crate) fn salvage(directory: &Directory) -> Result<(), LedgerError> {
    let Read {
        store,
        mut contents,
        ..
    } = read(directory)?;
    drop(store);
    if !contents.damage.is_empty() {
        contents.read_pages(&directory.database())?;
        salvage::salvage(directory, &contents)?;
    }
    Ok(())
}

struct Read {
    store: Option<Store>,
    contents: Contents,
    unwritable: Option<String>,
}

/// Opens and reads the file, as it is where SQLite cannot take it for a database or where it cannot be written to.
fn read(directory: &Directory) -> Result<Read, LedgerError> {
    let path = directory.database();
    if let Some(reason) = cut(&path)? {
        return Ok(Read {
            store: None,
            contents: Contents::unreadable(&path, reason.to_owned())?,
            unwritable: None,
        });
    }
    if !path.exists() {
        salvage::create(directory)?;
    }
    let (contents, unwritable) = match Store::open(&path) {
        Ok(store) => {
            let contents = store.load().map_err(|source| LedgerError::Sqlite {
                doing: "read",
                path,
                source,
            })?;
            return Ok(Read {
                store: Some(store),
                contents,
                unwritable: None,
            });
        }
        Err(LedgerError::Sqlite { source, .. }) if is_damage(&source) => {
            (Contents::unreadable(&path, source.to_string())?, None)
        }
        Err(error) if cannot_write(&error) && path.exists() => {
            let contents = match read_unwritable(&path) {
                Err(LedgerError::Sqlite { source, .. }) if is_damage(&source) => {
                    Contents::unreadable(&path, source.to_string())?
                }
                read => read?,
            };
            (contents, Some(error.reason()))
        }
        Err(error) => return Err(error),
    };
    Ok(Read {
        store: None,
        contents,
        unwritable,
    })
}

/// Why a file is none that SQLite may open, which takes an empty one for a new one and deletes the log beside it.
pub(crate) fn cut(path: &Path) -> Result<Option<&'static str>, LedgerError> {
    let length = |path: &Path| match fs::metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(directory::error("read", path, source)),
        Ok(file) => Ok(Some(file.len())),
    };
    let [log, _] = companions(path);
    Ok(match (length(path)?, length(&log)?) {
        (Some(0), _) => Some("it is empty"),
        (None, Some(1..)) => Some("it is gone, and its log is there"),
        _ => None,
    })
}
