//! The log that is being written, and its change to a new image.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use rescind_revocation::{Entry, RevokedSet, packed};
use thiserror::Error;
use tracing::{info, warn};

use super::{
    Restored, State,
    directory::{self, Directory},
    image,
    load::{self, Found},
    record::{self, FileHeader, Kind, RECORD_HEADER},
};

/// In the place of the length of marks: they are what they were.
pub(super) const NO_MARKS: u32 = u32::MAX;

/// A log is not changed for an image before it has this many bytes: 200 000 entries, read in a tenth of a second.
const LEAST_LOG: u64 = 4 * 1024 * 1024;

/// A folder with a log and an image in it, for one process.
#[derive(Debug)]
pub struct Journal {
    directory: Directory,
    boot: u128,
    log: Option<Log>,
    buffer: Vec<u8>,
    /// The newest marks, for the next image.
    marks: Vec<u8>,
    #[cfg(test)]
    pub(super) least_log: u64,
}

#[derive(Debug)]
struct Log {
    file: File,
    bytes: u64,
    records: u32,
    image_bytes: u64,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another process uses it.
    #[error("{} is used by another process", .0.display())]
    Taken(PathBuf),
    /// It cannot be made or locked.
    #[error("cannot use {}: {source}", .path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Journal {
    /// Takes the folder, and reads what an earlier process left. `boot` tells whether the machine was started since.
    ///
    /// What is damaged is named in a warning and deleted. No log is open yet where there was none, or one of another boot:
    /// [`Self::begin`] opens it.
    pub fn open(path: &Path, boot: u128) -> Result<(Self, Option<Restored>), JournalError> {
        let directory = Directory::take(path)?;
        let mut journal = Self {
            directory,
            boot,
            log: None,
            buffer: Vec::new(),
            marks: Vec::new(),
            #[cfg(test)]
            least_log: LEAST_LOG,
        };
        let found = match load::load(&journal.directory, boot) {
            Ok(found) => found,
            Err(reason) => {
                warn!(directory = %path.display(), %reason, "The log is damaged and not used");
                None
            }
        };
        let image = found.as_ref().map(|found| found.image);
        if let Err(error) = journal.directory.tidy(image) {
            warn!(directory = %path.display(), %error, "Old files cannot be removed");
        }
        Ok(match found {
            Some(found) => {
                journal.marks = found.restored.marks.clone();
                if found.restored.same_boot {
                    journal.log = journal.reopen(&found);
                }
                (journal, Some(found.restored))
            }
            None => (journal, None),
        })
    }

    /// The good log goes on where it ended.
    fn reopen(&self, found: &Found) -> Option<Log> {
        let open = || {
            let mut file = directory::create(&self.directory.log())?;
            file.set_len(found.log_bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let opened: io::Result<File> = open();
        match opened {
            Ok(file) => Some(Log {
                file,
                bytes: found.log_bytes,
                records: found.records,
                image_bytes: found.image_bytes,
            }),
            Err(error) => {
                warn!(%error, "The log cannot be opened for writing");
                None
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether there is a log to append to.
    pub fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// The length of the log; 0 where none is open.
    pub fn bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.bytes)
    }

    /// Appends `state` and the entries that brought it; `marks` where they have changed. When it returns, the kernel has it.
    ///
    /// After an error the log is not to be used any more: see [`Self::abandon`].
    pub fn append(
        &mut self,
        entries: &[Entry],
        state: &State,
        marks: Option<&[u8]>,
    ) -> io::Result<()> {
        let Some(log) = &mut self.log else {
            return Err(io::Error::other("there is no log"));
        };
        body(&mut self.buffer, state, marks, &packed::encode(entries));
        record::seal(&mut self.buffer, Kind::Batch, log.records)?;
        log.file.write_all(&self.buffer)?;
        log.bytes += self.buffer.len() as u64;
        log.records += 1;
        if let Some(marks) = marks {
            self.marks = marks.to_vec();
        }
        // One huge update need not be paid for ever.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Whether the log has outgrown its image.
    pub fn wants_image(&self) -> bool {
        #[cfg(test)]
        let least = self.least_log;
        #[cfg(not(test))]
        let least = LEAST_LOG;
        self.log
            .as_ref()
            .is_some_and(|log| log.bytes > least.max(log.image_bytes))
    }

    /// Writes an image of `set` and begins an empty log upon it. Until the last step the old log holds.
    pub fn begin(&mut self, set: &RevokedSet, state: &State) -> io::Result<()> {
        let image = FileHeader {
            // Not 0, which says that there is no image.
            image: rand::random::<u128>().max(1),
            boot: self.boot,
        };
        let path = self.directory.image(image.image);
        let written = image::write(&path, image, set, state, &self.marks)
            .and_then(|image_bytes| Ok((image_bytes, self.new_log(image)?)));
        match written {
            Ok((image_bytes, (file, bytes))) => {
                self.log = Some(Log {
                    file,
                    bytes,
                    records: 0,
                    image_bytes,
                });
                info!(bytes = image_bytes, "Image of the revoked set written");
                self.directory.tidy(Some(image.image))
            }
            Err(error) => {
                // What is left of the attempt may fill the disk.
                let _ = directory::remove(&path);
                Err(error)
            }
        }
    }

    /// From now on the disk is full.
    #[cfg(test)]
    pub(super) fn fill_disk(&mut self) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        self.log.as_mut().unwrap().file = full;
    }

    fn new_log(&self, header: FileHeader) -> io::Result<(File, u64)> {
        let path = self.directory.new_log();
        let mut file = directory::replace(&path)?;
        let header = header.encode(record::LOG);
        file.write_all(&header)?;
        fs::rename(&path, self.directory.log())?;
        Ok((file, header.len() as u64))
    }

    /// Makes sure that nobody reads the log again: it lacks what could not be written.
    pub fn abandon(&mut self) -> io::Result<()> {
        let path = self.directory.log();
        // Where a folder is read-only, a file in it may still be cut to nothing.
        let emptied = self.log.as_ref().map(|log| log.file.set_len(0));
        match (directory::remove(&path), emptied) {
            (Err(error), None | Some(Err(_))) => return Err(error),
            _ => self.log = None,
        }
        // Without its log an image is nothing; it goes so that there is room.
        let _ = self.directory.tidy(None);
        Ok(())
    }
}

/// Puts the body of a batch into `buffer`, behind room for the record's header.
pub(super) fn body(buffer: &mut Vec<u8>, state: &State, marks: Option<&[u8]>, entries: &[u8]) {
    buffer.clear();
    buffer.resize(RECORD_HEADER, 0);
    state.encode(buffer);
    let length = marks.map_or(NO_MARKS, |marks| marks.len() as u32);
    buffer.extend(length.to_be_bytes());
    buffer.extend(marks.unwrap_or_default());
    buffer.extend(entries);
}
