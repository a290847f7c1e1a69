//! All of a set in one file, written aside and read back before anybody relies on it.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
};

use rescind_revocation::{Entry, RevokedSet, packed};

use super::{
    State, directory,
    record::{self, FileHeader, Kind, ReadError, Reader},
};

/// Entries in one record: 320 kB. Large enough to read fast, small enough to hold.
const ENTRIES: usize = 16 * 1024;

/// Writes `state` and everything in `set` to a new file at `path`, reads it back, and returns its length.
///
/// The set takes no batch meanwhile; its readers go on.
pub(super) fn write(
    path: &Path,
    header: FileHeader,
    set: &RevokedSet,
    state: &State,
    marks: &[u8],
) -> io::Result<u64> {
    let mut file = directory::replace(path)?;
    file.write_all(&header.encode(record::IMAGE))?;
    let mut writer = Writer {
        file: &mut file,
        state,
        buffer: Vec::new(),
        held: Vec::with_capacity(ENTRIES),
        index: 0,
        failed: None,
    };
    writer.flush(Some(marks))?;
    set.for_each(|entry| writer.add(entry));
    writer.finish()?;
    verify(path)
}

struct Writer<'a> {
    file: &'a mut File,
    state: &'a State,
    buffer: Vec<u8>,
    held: Vec<Entry>,
    index: u32,
    failed: Option<io::Error>,
}

impl Writer<'_> {
    fn add(&mut self, entry: Entry) {
        if self.failed.is_some() || expired(&entry, self.state) {
            return;
        }
        self.held.push(entry);
        if self.held.len() == ENTRIES
            && let Err(error) = self.flush(None)
        {
            self.failed = Some(error);
        }
    }

    fn flush(&mut self, marks: Option<&[u8]>) -> io::Result<()> {
        super::log::body(
            &mut self.buffer,
            self.state,
            marks,
            &packed::encode(&self.held),
        );
        self.held.clear();
        self.write(Kind::Batch)
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.held.is_empty() {
            self.flush(None)?;
        }
        self.buffer.clear();
        self.buffer.resize(record::RECORD_HEADER, 0);
        self.buffer.extend(self.index.to_be_bytes());
        self.write(Kind::End)
    }

    fn write(&mut self, kind: Kind) -> io::Result<()> {
        record::seal(&mut self.buffer, kind, self.index)?;
        self.file.write_all(&self.buffer)?;
        self.index += 1;
        Ok(())
    }
}

/// What the adapter has dropped is not needed after a restart.
fn expired(entry: &Entry, state: &State) -> bool {
    use rescind_revocation::Expiry::Known;
    matches!(entry, Entry::Token { expiry: Known(at), .. } if *at < state.horizon)
}

/// Reads an image through to its end.
fn verify(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let file = BufReader::with_capacity(1 << 16, file);
    let read = Reader::open(file, length, record::IMAGE)
        .and_then(|(mut reader, _)| read_all(&mut reader, |_| Ok(())));
    match read {
        Ok(()) => Ok(length),
        Err(ReadError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(format!("the image as written: {error}"))),
    }
}

/// Visits the batches of an image, which must end with its end.
pub(super) fn read_all<R: io::Read>(
    reader: &mut Reader<R>,
    mut visit: impl FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    loop {
        let before = reader.records();
        match reader.next()? {
            Some((Kind::Batch, body)) => visit(body)?,
            Some((Kind::End, body)) if body == before.to_be_bytes() => break,
            Some((Kind::End, _)) => return Err(ReadError::Damaged(before)),
            None => return Err(ReadError::Unfinished),
        }
    }
    match reader.next()? {
        None => Ok(()),
        Some(_) => Err(ReadError::Damaged(reader.records())),
    }
}
