//! The list on disk: one JSON object a line, appended and synced before anybody hears of it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{ListError, Row};

const NAME: &str = "revoked.jsonl";

/// The open file, locked against a second stand-in.
#[derive(Debug)]
pub(super) struct RowFile {
    path: PathBuf,
    file: File,
    /// Where the next row goes: the end of the last whole line.
    end: u64,
}

impl RowFile {
    /// Opens the file and reads its rows; makes file and directory where there are none.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Row>), ListError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed(directory, "creating the directory"))?;
        let path = directory.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path, "opening"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ListError::Locked(path)),
            Err(TryLockError::Error(source)) => return Err(failed(&path, "locking")(source)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(failed(&path, "reading"))?;
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        text.truncate(end);
        let rows = parse(&path, &text)?;
        let mut this = Self {
            path,
            file,
            end: end as u64,
        };
        this.cut().map_err(failed(&this.path, "cutting"))?;
        sync(directory).map_err(failed(directory, "syncing"))?;
        Ok((this, rows))
    }

    /// Appends rows and waits until they are on disk. After an error the file is as it was.
    pub(super) fn append(&mut self, rows: &[Row]) -> Result<(), ListError> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row).expect("a row is strings and numbers");
            text.push(b'\n');
        }
        match self.write(&text) {
            Ok(()) => {
                self.end += text.len() as u64;
                Ok(())
            }
            Err(source) => {
                // What was written of it must not become the beginning of the next row. The next append, which seeks to
                // the same place, cuts again should this fail too.
                let _ = self.cut();
                Err(failed(&self.path, "writing")(source))
            }
        }
    }

    #[cfg(test)]
    pub(super) fn refuse_writes(&mut self) {
        self.file = File::open(&self.path).expect("the file is there");
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.cut()?;
        self.file.write_all(text)?;
        self.file.sync_data()
    }

    fn cut(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() != self.end {
            self.file.set_len(self.end)?;
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Vec<Row>, ListError> {
    text.split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_slice(line).map_err(|source| ListError::Damaged {
                path: path.to_owned(),
                line: at + 1,
                source,
            })
        })
        .collect()
}

fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

fn failed<'a>(path: &'a Path, action: &'static str) -> impl FnOnce(io::Error) -> ListError + 'a {
    move |source| ListError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}
