//! How bytes stand in a file: a header that names the file, then records that cannot be taken for others.
//!
//! ```text
//! file   = magic:8  version:u32  image:16  boot:16  placement:40  crc:u32          88 bytes
//! record = length:u32  kind:u8  0:3  index:u32  crc of body:u32  crc of these 16:u32  body
//! ```
//!
//! The header of a record has a checksum of its own: only what is certainly cut short counts as torn. A flipped bit in a
//! length would otherwise cut away what was ACKed.

use std::io;

use rescind_revocation::Placement;

/// The first bytes of a log.
pub(super) const LOG: &[u8; 8] = b"rescnlog";
/// The first bytes of an image.
pub(super) const IMAGE: &[u8; 8] = b"rescnimg";

const VERSION: u32 = 2;
pub(super) const FILE_HEADER: usize = 88;
const CRC: usize = FILE_HEADER - 4;
pub(super) const RECORD_HEADER: usize = 20;

/// What a file says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileHeader {
    /// Which image this is, or which one the log continues; 0 for none.
    pub(super) image: u128,
    /// The boot in which it was begun.
    pub(super) boot: u128,
    /// Of the set that was written: it is read fastest into the same places.
    pub(super) placement: Placement,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The state after an update, and what the update brought.
    Batch = 1,
    /// The last record of an image: how many records were before it.
    End = 2,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not a file of this kind and version")]
    Header,
    #[error("record {0} is damaged")]
    Damaged(u32),
    #[error("it ends before its end")]
    Unfinished,
}

impl FileHeader {
    pub(super) fn encode(self, magic: &[u8; 8]) -> [u8; FILE_HEADER] {
        let mut bytes = [0; FILE_HEADER];
        bytes[..8].copy_from_slice(magic);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..28].copy_from_slice(&self.image.to_be_bytes());
        bytes[28..44].copy_from_slice(&self.boot.to_be_bytes());
        bytes[44..CRC].copy_from_slice(&self.placement.to_bytes());
        let crc = crc32fast::hash(&bytes[..CRC]);
        bytes[CRC..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// `None` where it is not the header of a file of that kind and of this version.
    pub(super) fn decode(bytes: &[u8; FILE_HEADER], magic: &[u8; 8]) -> Option<Self> {
        let (known, crc) = bytes.split_at(CRC);
        let sound = known[..8] == *magic
            && known[8..12] == VERSION.to_be_bytes()
            && crc == crc32fast::hash(known).to_be_bytes();
        let number = |at: usize| Some(u128::from_be_bytes(*known[at..].first_chunk()?));
        match sound {
            true => Some(Self {
                image: number(12)?,
                boot: number(28)?,
                placement: Placement::from_bytes(*known[44..].first_chunk()?),
            }),
            false => None,
        }
    }
}

/// Puts a record around the body that stands in `buffer` behind [`RECORD_HEADER`] bytes.
pub(super) fn seal(buffer: &mut [u8], kind: Kind, index: u32) -> io::Result<()> {
    let (header, body) = buffer.split_at_mut(RECORD_HEADER);
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    header[..4].copy_from_slice(&length.to_be_bytes());
    header[4..8].copy_from_slice(&[kind as u8, 0, 0, 0]);
    header[8..12].copy_from_slice(&index.to_be_bytes());
    header[12..16].copy_from_slice(&crc32fast::hash(body).to_be_bytes());
    let crc = crc32fast::hash(&header[..16]);
    header[16..].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// Puts another index into the header of a sealed record, for another file.
pub(super) fn renumber(record: &mut [u8], index: u32) {
    record[8..12].copy_from_slice(&index.to_be_bytes());
    let crc = crc32fast::hash(&record[..16]);
    record[16..RECORD_HEADER].copy_from_slice(&crc.to_be_bytes());
}

/// The header of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) kind: Kind,
    crc: u32,
}

impl Header {
    /// `None` where it is none, or stands in another place than its own.
    pub(super) fn decode(bytes: &[u8; RECORD_HEADER], index: u32) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes[at..at + 4].first_chunk()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let sound = number(16)? == crc32fast::hash(&bytes[..16]) && number(8)? == index;
        let kind = match bytes[4] {
            1 => Kind::Batch,
            2 => Kind::End,
            _ => return None,
        };
        sound.then_some(Self {
            length: number(0)?,
            kind,
            crc: number(12)?,
        })
    }

    /// Whether `body` is what was written behind it.
    pub(super) fn fits(self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.crc
    }
}
