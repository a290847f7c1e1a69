//! The pages of a file as they stand on the disk, with the commits of its `-wal` over them: read without SQLite, which reads
//! nothing of a file that is shorter than its header says, or of which the first page is broken.
//!
//! Nothing is written, and the files stay as they are. The forms are those of SQLite's "Database File Format".

use std::{
    collections::HashMap,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::directory::companions;

/// What SQLite gives a file where nobody asks for another size.
const PAGE: usize = 4096;
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The pages of a database and its log.
pub(super) struct Pages {
    database: Option<File>,
    log: Option<Log>,
    pub(super) size: usize,
    pub(super) count: u32,
}

/// A `-wal`, with the place of each page's last committed copy.
struct Log {
    file: File,
    size: usize,
    frames: HashMap<u32, u64>,
}

impl Pages {
    /// Opens both files; one that is not there has no pages.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let [log, _] = companions(path);
        let database = existing(path)?;
        let log = existing(&log)?.map(Log::read).transpose()?.flatten();
        let size = match (&log, &database) {
            (Some(log), _) => log.size,
            (None, Some(database)) => page_size(database)?,
            (None, None) => PAGE,
        };
        let length = database.as_ref().map_or(Ok(0), length)?;
        let last = log
            .as_ref()
            .and_then(|log| log.frames.keys().max().copied());
        // A last page that is there in part counts.
        let count = u32::try_from(length.div_ceil(size as u64)).unwrap_or(u32::MAX);
        Ok(Self {
            database,
            log,
            size,
            count: count.max(last.unwrap_or(0)),
        })
    }

    /// The page with this number, from 1 on. What is not there of it is zero.
    pub(super) fn read(&self, number: u32) -> io::Result<Vec<u8>> {
        let mut page = vec![0; self.size];
        let frame = self.log.as_ref().and_then(|log| {
            let at = log.frames.get(&number)?;
            Some((&log.file, *at))
        });
        let at = u64::from(number).saturating_sub(1) * self.size as u64;
        match frame.or(self.database.as_ref().map(|file| (file, at))) {
            Some((file, at)) => read_at(file, &mut page, at).map(|_| page),
            None => Ok(page),
        }
    }
}

impl Log {
    /// Reads up to the last commit before the first frame that does not check. `None` where there is none.
    fn read(file: File) -> io::Result<Option<Self>> {
        let mut header = [0; LOG_HEADER];
        let read = read_at(&file, &mut header, 0)?;
        let size = number(&header, 8) as usize;
        let mut sum = Sum::new(number(&header, 0) & 1 == 1);
        sum.add(&header[..24]);
        let known = number(&header, 0) & !1 == 0x377f_0682;
        if read < LOG_HEADER || !known || !is_page_size(size) || !sum.is(&header, 24) {
            return Ok(None);
        }
        let mut frames = HashMap::new();
        let mut uncommitted = Vec::new();
        let mut frame = vec![0; FRAME_HEADER + size];
        let mut at = LOG_HEADER as u64;
        while read_at(&file, &mut frame, at)? == frame.len() {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER..]);
            if frame[8..16] != header[16..24] || !sum.is(&frame, 16) {
                break;
            }
            uncommitted.push((number(&frame, 0), at + FRAME_HEADER as u64));
            if number(&frame, 4) != 0 {
                frames.extend(uncommitted.drain(..));
            }
            at += frame.len() as u64;
        }
        Ok((!frames.is_empty()).then_some(Self { file, size, frames }))
    }
}

/// The running checksum of a log.
struct Sum {
    big_endian: bool,
    sum: [u32; 2],
}

impl Sum {
    fn new(big_endian: bool) -> Self {
        let sum = [0; 2];
        Self { big_endian, sum }
    }

    fn add(&mut self, bytes: &[u8]) {
        let [a, b] = &mut self.sum;
        for word in bytes.chunks_exact(8) {
            let number = |at| {
                let word = number(word, at);
                if self.big_endian {
                    word
                } else {
                    word.swap_bytes()
                }
            };
            *a = a.wrapping_add(number(0)).wrapping_add(*b);
            *b = b.wrapping_add(number(4)).wrapping_add(*a);
        }
    }

    fn is(&self, bytes: &[u8], at: usize) -> bool {
        self.sum == [number(bytes, at), number(bytes, at + 4)]
    }
}

/// The big-endian number at `at`.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    let digits = bytes.get(at..at + 4).unwrap_or_default();
    digits
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn length(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// A size that cannot be one is damage: ours has the usual one.
fn page_size(database: &File) -> io::Result<usize> {
    let mut header = [0; 20];
    read_at(database, &mut header, 0)?;
    let size = match number(&header, 16) >> 16 {
        1 => 65_536,
        size => size as usize,
    };
    Ok(if is_page_size(size) { size } else { PAGE })
}

fn is_page_size(size: usize) -> bool {
    size.is_power_of_two() && (512..=65_536).contains(&size)
}

/// Reads up to the end of the file, and says how much that is.
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<usize> {
    let mut read = 0;
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => break,
            Ok(more) => {
                read += more;
                at += more as u64;
                bytes = &mut bytes[more..];
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
