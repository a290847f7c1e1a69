//! Reading what an earlier process left.

use std::{io, path::Path};

use rescind_revocation::{Loader, RevokedSet, UnixSeconds, packed};

use super::{
    State,
    directory::Directory,
    record::{self, Kind, ReadError},
    scan::{Records, Scanned, scan},
};

/// What an earlier process held.
#[derive(Debug)]
pub struct Restored {
    /// The set, with the newest cursor as its version.
    pub set: RevokedSet,
    /// What was known of it. Nothing of its being whole where the machine has started anew since.
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
///
/// The set is a union, so it does not matter which thread reads what first; of the state the last record counts.
pub(super) fn load(directory: &Directory, boot: u128) -> Result<Option<Found>, ReadError> {
    let log = match scan(&directory.log(), record::LOG) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        scanned => scanned?,
    };
    if !log.is_open() {
        return Err(ReadError::Damaged(log.records));
    }
    let image = match log.header.image {
        0 => None,
        id => Some(image(&directory.image(id), id)?),
    };
    let loader = Loader::new(
        image.as_ref().map_or(0, tokens),
        image.as_ref().unwrap_or(&log).header.placement,
    );
    let mut told = Told::default();
    for scanned in image.iter().chain([&log]) {
        for newer in scanned.read(|records| fill(&loader, records))? {
            told.then(newer);
        }
    }
    let mut state = told.state.unwrap_or_default();
    let same_boot = log.header.boot == boot;
    let set = loader.finish(state.newest_cursor());
    if !same_boot {
        state.forget_boot();
    }
    Ok(Some(Found {
        restored: Restored {
            set,
            state,
            marks: told.marks.unwrap_or_default(),
            same_boot,
            torn_bytes: log.torn_bytes,
        },
        log_bytes: log.good_bytes,
        records: log.records,
        image: log.header.image,
        image_bytes: image.map_or(0, |image| image.good_bytes),
    }))
}

fn image(path: &Path, id: u128) -> Result<Scanned, ReadError> {
    let image = scan(path, record::IMAGE)?;
    if image.header.image != id {
        return Err(ReadError::Header);
    }
    match image.is_whole() {
        true => Ok(image),
        false => Err(ReadError::Unfinished),
    }
}

/// About how many tokens an image holds.
fn tokens(image: &Scanned) -> usize {
    (image.good_bytes / 20) as usize
}

/// What records say beside their entries; the last one counts.
#[derive(Debug, Default)]
struct Told {
    state: Option<State>,
    marks: Option<Vec<u8>>,
}

impl Told {
    fn then(&mut self, newer: Self) {
        self.state = newer.state.or(self.state.take());
        self.marks = newer.marks.or(self.marks.take());
    }
}

/// Puts the entries of a block into the set.
fn fill(loader: &Loader, records: &mut Records<'_>) -> Result<Told, ReadError> {
    let mut told = Told::default();
    loop {
        let before = records.index();
        match records.next()? {
            Some((Kind::Batch, body)) => {
                // The checksum was right, so this is what was written; a newer version may have written more than is known.
                let newer = batch(loader, body).ok_or(ReadError::Header)?;
                told.then(newer);
            }
            Some((Kind::End, body)) if body == before.to_be_bytes() => {}
            Some((Kind::End, _)) => return Err(ReadError::Damaged(before)),
            None => return Ok(told),
        }
    }
}

fn batch(loader: &Loader, mut body: &[u8]) -> Option<Told> {
    let state = State::decode(&mut body)?;
    let (length, rest) = body.split_first_chunk()?;
    let (marks, entries) = match u32::from_be_bytes(*length) {
        super::log::NO_MARKS => (None, rest),
        length => {
            let (marks, rest) = rest.split_at_checked(length as usize)?;
            (Some(marks.to_vec()), rest)
        }
    };
    let entries = packed::Packed::parse(entries, UnixSeconds(0)).ok()?;
    loader.add(entries.iter());
    Some(Told {
        state: Some(state),
        marks,
    })
}
