//! All of a set in one file, written aside and read back before anybody relies on it.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use rescind_revocation::{Entry, RevokedSet, packed};

use super::{
    State, directory,
    record::{self, FileHeader, Kind, ReadError},
    scan::scan,
    steps::{Step, Steps},
};

/// Entries in one record: 320 kB. Large enough to read fast, small enough to hold.
const ENTRIES: usize = 16 * 1024;

/// Writes `state` and everything in `set` to a new file at `path`, reads it back, and returns its length.
///
/// The set is visited part by part, and takes batches in between. So the image holds everything that was in the set when
/// this began, and some of what came since: with the log of what came since it is the whole of both. What has expired
/// before the state's horizon is left out. After an error there is no file: it may be what fills the disk.
pub(super) fn write(
    path: &Path,
    header: FileHeader,
    set: &RevokedSet,
    state: &State,
    marks: &[u8],
    steps: &Steps,
) -> io::Result<u64> {
    let written = write_all(path, header, set, state, marks, steps);
    if written.is_err() {
        let _ = directory::remove(path);
    }
    written
}

fn write_all(
    path: &Path,
    header: FileHeader,
    set: &RevokedSet,
    state: &State,
    marks: &[u8],
    steps: &Steps,
) -> io::Result<u64> {
    let mut file = directory::replace(path)?;
    file.write_all(&header.encode(record::IMAGE))?;
    let mut writer = Writer {
        file: &mut file,
        state,
        buffer: Vec::new(),
        held: Vec::with_capacity(ENTRIES),
        index: 0,
    };
    writer.batch(Some(marks), &[])?;
    for part in 0..RevokedSet::PARTS {
        steps.at(Step::Part(part))?;
        writer.part(set, part)?;
    }
    writer.finish()?;
    steps.at(Step::Written)?;
    let length = verify(path, steps)?;
    steps.at(Step::Verified)?;
    Ok(length)
}

struct Writer<'a> {
    file: &'a mut File,
    state: &'a State,
    buffer: Vec<u8>,
    held: Vec<Entry>,
    index: u32,
}

impl Writer<'_> {
    /// The set is held for as long as it takes to copy one part of it.
    fn part(&mut self, set: &RevokedSet, part: usize) -> io::Result<()> {
        let (held, state) = (&mut self.held, self.state);
        set.visit_part(part, |entry, _| {
            if !expired(&entry, state) {
                held.push(entry);
            }
        });
        match self.held.len() < ENTRIES {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        for entries in held.chunks(ENTRIES) {
            self.batch(None, entries)?;
        }
        self.held = held;
        self.held.clear();
        Ok(())
    }

    fn batch(&mut self, marks: Option<&[u8]>, entries: &[Entry]) -> io::Result<()> {
        let entries = packed::encode(entries);
        super::log::body(&mut self.buffer, self.state, marks, &entries);
        self.write(Kind::Batch)
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
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

fn expired(entry: &Entry, state: &State) -> bool {
    use rescind_revocation::Expiry::Known;
    matches!(entry, Entry::Token { expiry: Known(at), .. } if *at < state.horizon)
}

/// Reads an image through to its end, or until nobody wants it any more.
pub(super) fn verify(path: &Path, steps: &Steps) -> io::Result<u64> {
    let read = scan(path, record::IMAGE).and_then(|image| {
        image.read_alone(|| steps.go_on(Step::Verified))?;
        match image.is_whole() {
            true => Ok(image.good_bytes),
            false => Err(ReadError::Unfinished),
        }
    });
    read.map_err(|error| match error {
        ReadError::Io(error) => error,
        error => io::Error::other(format!("the image as written: {error}")),
    })
}
