//! How bytes stand in a file: a header that names the file, then records that cannot be taken for others.
//!
//! ```text
//! file   = magic:8  version:u32  image:16  boot:16  crc:u32          48 bytes
//! record = length:u32  kind:u8  0:3  index:u32  crc of body:u32  crc of these 16:u32  body
//! ```
//!
//! The header of a record has a checksum of its own: only what is certainly cut short counts as torn. A flipped bit in a
//! length would otherwise cut away what was ACKed.

use std::io::{self, Read};

/// The first bytes of a log.
pub(super) const LOG: &[u8; 8] = b"rescnlog";
/// The first bytes of an image.
pub(super) const IMAGE: &[u8; 8] = b"rescnimg";

const VERSION: u32 = 1;
const FILE_HEADER: usize = 48;
pub(super) const RECORD_HEADER: usize = 20;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// Which image this is, or which one the log continues; 0 for none.
    pub(super) image: u128,
    /// The boot in which it was begun.
    pub(super) boot: u128,
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
    #[error("record {0} is cut short")]
    Torn(u32),
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
        let crc = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; FILE_HEADER], magic: &[u8; 8]) -> Option<Self> {
        let (known, crc) = bytes.split_at(44);
        let (head, rest) = known.split_at(12);
        let (image, boot) = rest.split_at(16);
        let sound = head[..8] == *magic
            && head[8..] == VERSION.to_be_bytes()
            && crc == crc32fast::hash(known).to_be_bytes();
        let number = |bytes: &[u8]| Some(u128::from_be_bytes(bytes.try_into().ok()?));
        match sound {
            true => Some(Self {
                image: number(image)?,
                boot: number(boot)?,
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

/// Reads a file record by record.
#[derive(Debug)]
pub(super) struct Reader<R> {
    file: R,
    left: u64,
    at: u64,
    index: u32,
    body: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header of `file`, which is `length` bytes long.
    pub(super) fn open(
        mut file: R,
        length: u64,
        magic: &[u8; 8],
    ) -> Result<(Self, FileHeader), ReadError> {
        let mut bytes = [0; FILE_HEADER];
        if length < FILE_HEADER as u64 {
            return Err(ReadError::Header);
        }
        file.read_exact(&mut bytes)?;
        let header = FileHeader::decode(&bytes, magic).ok_or(ReadError::Header)?;
        let reader = Self {
            file,
            left: length - FILE_HEADER as u64,
            at: FILE_HEADER as u64,
            index: 0,
            body: Vec::new(),
        };
        Ok((reader, header))
    }

    /// The next record; `None` at the end of the file. After [`ReadError::Torn`] what was read before it is good.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, &[u8])>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut header = [0; RECORD_HEADER];
        let length = match self.left.checked_sub(RECORD_HEADER as u64) {
            Some(left) => {
                self.file.read_exact(&mut header)?;
                let length = self.length(&header).ok_or(ReadError::Damaged(self.index))?;
                (u64::from(length) <= left).then_some(length)
            }
            None => None,
        };
        let length = length.ok_or(ReadError::Torn(self.index))?;
        self.body.resize(length as usize, 0);
        self.file.read_exact(&mut self.body)?;
        let kind = match header[4] {
            1 => Kind::Batch,
            2 => Kind::End,
            _ => return Err(ReadError::Damaged(self.index)),
        };
        if crc32fast::hash(&self.body).to_be_bytes() != header[12..16] {
            return Err(ReadError::Damaged(self.index));
        }
        let read = RECORD_HEADER as u64 + u64::from(length);
        self.left -= read;
        self.at += read;
        self.index += 1;
        Ok(Some((kind, &self.body)))
    }

    /// The length of the body, if the header is one and stands in its place.
    fn length(&self, header: &[u8; RECORD_HEADER]) -> Option<u32> {
        let sound = header[16..] == crc32fast::hash(&header[..16]).to_be_bytes()
            && header[8..12] == self.index.to_be_bytes();
        let length = header.first_chunk::<4>()?;
        sound.then_some(u32::from_be_bytes(*length))
    }

    /// How many records were read.
    pub(super) fn records(&self) -> u32 {
        self.index
    }

    /// Where the last good record ends.
    pub(super) fn good_bytes(&self) -> u64 {
        self.at
    }
}
