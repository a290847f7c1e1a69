//! A place in a ledger, as it travels in `version_info`.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The random id that an opening of a ledger draws. Shown as 8 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// A sequence together with the epoch in which it was given out. A pair is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The sequence; 0 is before everything.
    pub sequence: u64,
    /// The epoch it belongs to.
    pub epoch: Epoch,
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a cursor: expected a sequence, `-` and 8 hexadecimal digits")]
pub struct CursorError;

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 8 || !text.bytes().all(digits) {
            return Err(CursorError);
        }
        u32::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| CursorError)
    }
}

/// `1042-0badcafe`.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.epoch)
    }
}

/// Reads what [`Display`](fmt::Display) writes, and no other spelling of it.
impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (sequence, epoch) = text.split_once('-').ok_or(CursorError)?;
        let canonical = match sequence.as_bytes() {
            b"0" => true,
            [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !canonical {
            return Err(CursorError);
        }
        Ok(Self {
            sequence: sequence.parse().map_err(|_| CursorError)?,
            epoch: epoch.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_a_sequence_and_eight_digits() {
        let cursor = Cursor {
            sequence: 1042,
            epoch: Epoch(0x0bad_cafe),
        };
        assert_eq!(cursor.to_string(), "1042-0badcafe");
        assert_eq!("1042-0badcafe".parse(), Ok(cursor));
    }

    #[test]
    fn another_spelling_is_no_cursor() {
        for text in [
            "",
            "1042",
            "-0badcafe",
            "1042-",
            "1042-badcafe",
            "1042-0BADCAFE",
            "01042-0badcafe",
            "+1042-0badcafe",
            "1042-+badcafe",
            "1042-0badcafe ",
            "99999999999999999999-0badcafe",
            "652374093",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(sequence: u64, epoch: u32) {
            let cursor = Cursor { sequence, epoch: Epoch(epoch) };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
