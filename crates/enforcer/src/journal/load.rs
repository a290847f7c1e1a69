//! Reading what an earlier process left.

use std::{
    fs::File,
    io::{self, BufReader},
};

use rescind_revocation::{Entry, RevokedSet, UnixSeconds, packed};

use super::{
    State,
    directory::Directory,
    image,
    record::{self, Kind, ReadError, Reader},
};

/// What an earlier process held.
#[derive(Debug)]
pub struct Restored {
    /// The set, with the newest cursor as its version.
    pub set: RevokedSet,
    /// What was known of it. `complete` is false where the machine has started anew since: the last records may be missing.
    pub state: State,
    /// What the subscription had put beside it.
    pub marks: Vec<u8>,
    /// Whether it was written since the machine started.
    pub same_boot: bool,
    /// Bytes of a record that was never finished, now cut.
    pub torn_bytes: u64,
}

/// A log as it was found.
pub(super) struct Found {
    pub(super) restored: Restored,
    /// The log's good bytes, the number of its records, and the image it continues.
    pub(super) log_bytes: u64,
    pub(super) records: u32,
    pub(super) image: u128,
    pub(super) image_bytes: u64,
}

/// Reads the log of `directory` and its image. `None` where there is no log.
pub(super) fn load(directory: &Directory, boot: u128) -> Result<Option<Found>, ReadError> {
    let (file, length) = match open(&directory.log()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let (mut log, header) = Reader::open(file, length, record::LOG)?;
    let mut replay = Replay::default();
    let image_bytes = match header.image {
        0 => 0,
        id => {
            let (file, length) = open(&directory.image(id))?;
            replay.room_for(length);
            let (mut image, named) = Reader::open(file, length, record::IMAGE)?;
            if named.image != id {
                return Err(ReadError::Header);
            }
            image::read_all(&mut image, |body| replay.batch(body))?;
            length
        }
    };
    let torn = loop {
        match log.next() {
            Ok(Some((Kind::Batch, body))) => replay.batch(body)?,
            Ok(Some((Kind::End, _))) => return Err(ReadError::Damaged(log.records())),
            Ok(None) => break false,
            Err(ReadError::Torn(_)) => break true,
            Err(error) => return Err(error),
        }
    };
    let good = log.good_bytes();
    Ok(Some(Found {
        restored: replay.finish(header.boot == boot, if torn { length - good } else { 0 }),
        log_bytes: good,
        records: log.records(),
        image: header.image,
        image_bytes,
    }))
}

fn open(path: &std::path::Path) -> io::Result<(BufReader<File>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((BufReader::with_capacity(1 << 16, file), length))
}

#[derive(Default)]
struct Replay {
    set: RevokedSet,
    state: State,
    marks: Vec<u8>,
}

impl Replay {
    /// An image of that length is about to come.
    fn room_for(&mut self, bytes: u64) {
        self.set = RevokedSet::with_capacity((bytes / 20) as usize);
    }

    fn batch(&mut self, mut body: &[u8]) -> Result<(), ReadError> {
        // The checksum was right, so this is what was written; a newer version may have written more than is known here.
        self.read(&mut body).ok_or(ReadError::Header)
    }

    fn read(&mut self, body: &mut &[u8]) -> Option<()> {
        self.state = State::decode(body)?;
        let (length, rest) = body.split_first_chunk()?;
        let (marks, entries) = match u32::from_be_bytes(*length) {
            super::log::NO_MARKS => (None, rest),
            length => {
                let (marks, rest) = rest.split_at_checked(length as usize)?;
                (Some(marks), rest)
            }
        };
        if let Some(marks) = marks {
            self.marks = marks.to_vec();
        }
        let entries: Vec<Entry> = packed::decode(entries, UnixSeconds(0)).ok()?;
        self.set.apply(&entries, self.state.newest_cursor());
        Some(())
    }

    fn finish(mut self, same_boot: bool, torn_bytes: u64) -> Restored {
        self.state.complete &= same_boot;
        Restored {
            set: self.set,
            state: self.state,
            marks: self.marks,
            same_boot,
            torn_bytes,
        }
    }
}
