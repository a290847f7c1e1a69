//! The two binary forms of a JMS map: what APIM 3.x and some second publishers of 4.x send, and Qpid's newer encoding.
//!
//! Entries come in hash order, and each has a type of its own. Only what is wanted is turned into text; the rest is
//! stepped over by its length. What follows the last entry is ignored.

use super::{DecodeError, Fields, Scalar};

/// `jms/map-message`: an int32 count, then for each entry a NUL-terminated key, a type byte and the value.
pub(super) fn jms(body: &[u8]) -> Result<Fields, DecodeError> {
    let mut reader = Reader(body);
    let count = reader.unsigned(4)?;
    let mut fields = Fields::default();
    for _ in 0..count {
        let key = reader.until_nul()?;
        let value = match reader.unsigned(1)? {
            1 => Value::skipped(reader.take(1)?),
            2 => Value::Integer(reader.signed(1)?),
            3 => reader.java_bytes()?,
            4 => Value::Integer(reader.signed(2)?),
            5 => Value::skipped(reader.take(2)?),
            6 => Value::Integer(reader.signed(4)?),
            7 => Value::Integer(reader.signed(8)?),
            8 => Value::skipped(reader.take(4)?),
            9 => Value::Double(f64::from_bits(reader.unsigned(8)?)),
            10 => Value::Text(reader.until_nul()?),
            11 => Value::Null,
            _ => return Err(DecodeError::Map("unknown type")),
        };
        set(&mut fields, key, value)?;
    }
    Ok(fields)
}

/// `amqp/map` (the map of AMQP 0-10): a uint32 size of the rest, a uint32 count, then for each entry a key with its length
/// in one byte, a type byte and the value. The high half of the type says how wide the value is, so types without meaning
/// here can be stepped over.
pub(super) fn amqp(body: &[u8]) -> Result<Fields, DecodeError> {
    let mut reader = Reader(body);
    let size = reader.unsigned(4)?;
    let mut reader = Reader(reader.take(size)?);
    let count = reader.unsigned(4)?;
    let mut fields = Fields::default();
    for _ in 0..count {
        let length = reader.unsigned(1)?;
        let key = reader.take(length)?;
        let code = reader.unsigned(1)?;
        let value = match code {
            0x01 | 0x11 | 0x21 | 0x31 => Value::Integer(reader.signed(1 << (code >> 4))?),
            0x02 | 0x12 | 0x22 => Value::Integer(reader.unsigned(1 << (code >> 4))?.cast_signed()),
            0x33 => Value::Double(f64::from_bits(reader.unsigned(8)?)),
            0x85 => Value::Text(reader.prefixed(1)?),
            0x95 => Value::Text(reader.prefixed(2)?),
            0x00..=0x7f => Value::skipped(reader.take(1 << (code >> 4))?),
            0x80..=0x8f => Value::skipped(reader.prefixed(1)?),
            0x90..=0x9f => Value::skipped(reader.prefixed(2)?),
            0xa0..=0xaf => Value::skipped(reader.prefixed(4)?),
            0xc0..=0xcf => Value::skipped(reader.take(5)?),
            0xd0..=0xdf => Value::skipped(reader.take(9)?),
            0xf0 => Value::Null,
            0xf1..=0xff => Value::Other,
            _ => return Err(DecodeError::Map("unknown type")),
        };
        set(&mut fields, key, value)?;
    }
    Ok(fields)
}

/// One value, not yet known to be text.
enum Value<'a> {
    Null,
    Integer(i64),
    Double(f64),
    Text(&'a [u8]),
    Other,
}

impl Value<'_> {
    fn skipped(_: &[u8]) -> Self {
        Self::Other
    }
}

fn set(fields: &mut Fields, key: &[u8], value: Value<'_>) -> Result<(), DecodeError> {
    // A key that is not UTF-8 is none of ours, and what it holds need not be text.
    let Some(name) = std::str::from_utf8(key)
        .ok()
        .filter(|name| Fields::has(name))
    else {
        return Ok(());
    };
    let value = match value {
        Value::Null => Scalar::Absent,
        Value::Integer(number) => Scalar::Integer(number),
        Value::Double(number) => number.into(),
        Value::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
            Scalar::Text(text.into())
        }
        Value::Other => Scalar::Other,
    };
    fields.set(name, value);
    Ok(())
}

/// The bytes that are still to be read, big-endian.
struct Reader<'a>(&'a [u8]);

const CUT_SHORT: DecodeError = DecodeError::Map("cut short");

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| CUT_SHORT)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of `width` bytes, at most eight.
    fn unsigned(&mut self, width: u64) -> Result<u64, DecodeError> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, width: u64) -> Result<i64, DecodeError> {
        let unused = 64 - 8 * width;
        Ok((self.unsigned(width)? << unused).cast_signed() >> unused)
    }

    fn until_nul(&mut self) -> Result<&'a [u8], DecodeError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(CUT_SHORT)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// Bytes behind their length, which is a number of `width` bytes.
    fn prefixed(&mut self, width: u64) -> Result<&'a [u8], DecodeError> {
        let length = self.unsigned(width)?;
        self.take(length)
    }

    /// Bytes behind an int32 length, of which -1 is null.
    fn java_bytes(&mut self) -> Result<Value<'a>, DecodeError> {
        match self.signed(4)? {
            -1 => Ok(Value::Null),
            length => {
                let length = u64::try_from(length).map_err(|_| CUT_SHORT)?;
                Ok(Value::skipped(self.take(length)?))
            }
        }
    }
}
