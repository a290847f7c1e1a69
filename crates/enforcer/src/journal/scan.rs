//! Reading files of records by several threads: first where the records are, then what is in them.

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::record::{self, FILE_HEADER, FileHeader, Kind, RECORD_HEADER, ReadError};

/// Records are read together until they have so many bytes: one call for many small ones, and little to hold.
const BLOCK: u64 = 1 << 20;

/// A file whose records are known by their headers. What is in them is not read yet.
#[derive(Debug)]
pub(super) struct Scanned {
    file: File,
    pub(super) header: FileHeader,
    blocks: Vec<Block>,
    /// The number of records, and where the last of them ends.
    pub(super) records: u32,
    pub(super) good_bytes: u64,
    /// Bytes behind that: of a record that was never finished.
    pub(super) torn_bytes: u64,
    /// The last record says that nothing follows.
    ended: bool,
}

/// Records that follow each other.
#[derive(Debug, Clone, Copy)]
struct Block {
    offset: u64,
    bytes: u64,
    first: u32,
}

/// Reads the headers of the file at `path`.
pub(super) fn scan(path: &Path, magic: &[u8; 8]) -> Result<Scanned, ReadError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < FILE_HEADER as u64 {
        return Err(ReadError::Header);
    }
    let mut reader = BufReader::with_capacity(1 << 16, &file);
    let mut bytes = [0; FILE_HEADER];
    reader.read_exact(&mut bytes)?;
    let header = FileHeader::decode(&bytes, magic).ok_or(ReadError::Header)?;
    let mut blocks: Vec<Block> = Vec::new();
    let (mut at, mut records, mut ended) = (FILE_HEADER as u64, 0, false);
    loop {
        let left = length - at;
        if left < RECORD_HEADER as u64 {
            break;
        }
        if ended {
            return Err(ReadError::Damaged(records));
        }
        let mut bytes = [0; RECORD_HEADER];
        reader.read_exact(&mut bytes)?;
        let header = record::Header::decode(&bytes, records).ok_or(ReadError::Damaged(records))?;
        let body = u64::from(header.length);
        if left - (RECORD_HEADER as u64) < body {
            break;
        }
        // Within what is buffered this is no call.
        reader.seek_relative(header.length.into())?;
        let bytes = RECORD_HEADER as u64 + body;
        match blocks.last_mut() {
            Some(block) if block.bytes < BLOCK => block.bytes += bytes,
            _ => blocks.push(Block {
                offset: at,
                bytes,
                first: records,
            }),
        }
        ended = header.kind == Kind::End;
        at += bytes;
        records += 1;
    }
    drop(reader);
    Ok(Scanned {
        file,
        header,
        blocks,
        records,
        good_bytes: at,
        torn_bytes: length - at,
        ended,
    })
}

impl Scanned {
    /// Whether it is an image to its end, and nothing more.
    pub(super) fn is_whole(&self) -> bool {
        self.ended && self.torn_bytes == 0
    }

    /// Whether it is a log, which has no end.
    pub(super) fn is_open(&self) -> bool {
        !self.ended
    }

    /// Reads all records, by as many threads as there are processors. Each calls `visit` with the records of a block, in
    /// their order; what `visit` makes of each block comes back in the order of blocks.
    pub(super) fn read<T: Send>(
        &self,
        visit: impl Fn(&mut Records<'_>) -> Result<T, ReadError> + Sync,
    ) -> Result<Vec<T>, ReadError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let shares = Shares::of(self.blocks.len(), threads);
        let run = |thread| {
            let (mut buffer, mut made) = (Vec::new(), Vec::new());
            while let Some(at) = shares.next(thread) {
                let visited = self
                    .block(self.blocks[at], &mut buffer)
                    .map_err(ReadError::from)
                    .and_then(|mut records| {
                        let made = visit(&mut records)?;
                        records.finish().map(|()| made)
                    });
                match visited {
                    Ok(of) => made.push((at, of)),
                    Err(error) => {
                        shares.give_up();
                        return Err(error);
                    }
                }
            }
            Ok(made)
        };
        let made: Result<Vec<_>, ReadError> = thread::scope(|scope| {
            let run = &run;
            // A thread that cannot be had leaves its share to the others.
            let more: Vec<_> = (1..shares.0.len())
                .filter_map(|share| {
                    let named = thread::Builder::new().name("load".to_owned());
                    named.spawn_scoped(scope, move || run(share)).ok()
                })
                .collect();
            let mut made = run(0);
            for thread in more {
                let of = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                made = made.and_then(|mut made| {
                    made.extend(of?);
                    Ok(made)
                });
            }
            made
        });
        let mut made = made?;
        made.sort_by_key(|(at, _)| *at);
        Ok(made.into_iter().map(|(_, made)| made).collect())
    }

    /// Checks all records, on this thread: there is time. Asks `go_on` before each block.
    pub(super) fn read_alone(&self, go_on: impl Fn() -> io::Result<()>) -> Result<(), ReadError> {
        let mut buffer = Vec::new();
        for block in &self.blocks {
            go_on()?;
            self.block(*block, &mut buffer)?.finish()?;
        }
        Ok(())
    }

    fn block<'a>(&self, block: Block, buffer: &'a mut Vec<u8>) -> io::Result<Records<'a>> {
        let bytes = usize::try_from(block.bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        buffer.resize(bytes, 0);
        self.file.read_exact_at(buffer, block.offset)?;
        Ok(Records {
            bytes: buffer,
            index: block.first,
        })
    }
}

/// What each thread reads: neighbours, since they go to one place in the set, where two threads would wait for each other.
/// Who has finished takes from the others' shares.
struct Shares(Vec<Share>);

struct Share {
    next: AtomicUsize,
    end: usize,
}

impl Shares {
    fn of(count: usize, threads: usize) -> Self {
        let threads = threads.clamp(1, count.max(1));
        let begin = |thread| count * thread / threads;
        let share = |thread| Share {
            next: AtomicUsize::new(begin(thread)),
            end: begin(thread + 1),
        };
        Self((0..threads).map(share).collect())
    }

    fn next(&self, thread: usize) -> Option<usize> {
        let (before, from) = self.0.split_at(thread);
        from.iter().chain(before).find_map(|share| {
            let at = share.next.fetch_add(1, Ordering::Relaxed);
            (at < share.end).then_some(at)
        })
    }

    /// Nobody goes on for nothing.
    fn give_up(&self) {
        for share in &self.0 {
            share.next.store(share.end, Ordering::Relaxed);
        }
    }
}

/// The records of a block, one after the other, each checked.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    index: u32,
}

impl<'a> Records<'a> {
    pub(super) fn next(&mut self) -> Result<Option<(Kind, &'a [u8])>, ReadError> {
        let Some((header, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let damaged = ReadError::Damaged(self.index);
        let Some(header) = record::Header::decode(header, self.index) else {
            return Err(damaged);
        };
        match rest.split_at_checked(header.length as usize) {
            Some((body, rest)) if header.fits(body) => {
                (self.bytes, self.index) = (rest, self.index + 1);
                Ok(Some((header.kind, body)))
            }
            _ => Err(damaged),
        }
    }

    /// How many records were before the next one, from the file's first on.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Checks what was not visited.
    fn finish(mut self) -> Result<(), ReadError> {
        while self.next()?.is_some() {}
        Ok(())
    }
}
