//! Protocol buffers by hand: a check is read without copying it, and an answer is written without building it first.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// What cannot be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of a message, in the order of its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// The value of a field, by its wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// Any number.
    Number,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                Value::Number
            }
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.skip(4)?,
            // Groups: nothing that is asked here has ever had one.
            _ => return Err(Malformed),
        };
        match key >> 3 {
            0 => Err(Malformed),
            number => Ok((number, value)),
        }
    }

    fn skip(&mut self, length: usize) -> Result<Value<'a>, Malformed> {
        self.take(length).map(|_| Value::Number)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at == 9 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        Err(Malformed)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Value<'a> {
    /// Of a field that is a message or bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number => Err(Malformed),
        }
    }

    /// Of a field that is a text.
    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

/// Writes a number, unless it is 0: that is what a missing one means.
pub(crate) fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        varint(out, u64::from(field << 3));
        varint(out, number);
    }
}

/// Writes a text, an empty one too.
pub(crate) fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes what `write` writes as one message.
pub(crate) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    varint(out, u64::from(field << 3 | 2));
    let at = out.len();
    // Room for the length of a short one; what is longer is moved.
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out[at] = short,
        _ => {
            let mut long = Vec::with_capacity(4);
            varint(&mut long, length as u64);
            out.splice(at..=at, long);
        }
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use rescind_proto::google::protobuf::{Struct, Value as Any, value::Kind};

    use super::*;

    #[test]
    fn what_is_written_is_read_by_others_whatever_its_length() {
        for length in [0, 1, 100, 127, 128, 200, 16_383, 16_384, 70_000] {
            let long = "x".repeat(length);
            let mut out = Vec::new();
            message(&mut out, 1, |entry| {
                text(entry, 1, "key");
                message(entry, 2, |value| text(value, 3, &long));
            });
            let read = Struct::decode(&*out).unwrap();
            let kind = Some(Kind::StringValue(long));
            assert_eq!(read.fields, [("key".to_owned(), Any { kind })].into());
        }
    }

    #[test]
    fn fields_of_every_type_are_read_and_unknown_ones_passed_over() {
        let bytes = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 2, b'h', b'i'],
            &[0x19, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x25, 1, 2, 3, 4],
            &[0xfa, 0xff, 0xff, 0xff, 0x0f, 0],
        ]
        .concat();
        let fields: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        let last = (1 << 29) - 1;
        assert_eq!(
            fields.unwrap(),
            [
                (1, Value::Number),
                (2, Value::Bytes(b"hi")),
                (3, Value::Number),
                (4, Value::Number),
                (last, Value::Bytes(b"")),
            ]
        );
    }

    #[test]
    fn what_is_cut_off_or_impossible_is_malformed() {
        for bytes in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x0a, 2, b'h'],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0x09, 1, 2, 3],
            &[0x0d, 1],
            &[0x0b],
            &[0x0c],
            &[0x0e],
            &[0x00, 1],
            &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0],
        ] {
            assert_eq!(Fields::of(bytes).last(), Some(Err(Malformed)), "{bytes:?}");
        }
    }
}
