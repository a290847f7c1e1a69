//! Texts: a length and UTF-8, or 16 bytes where the text is a canonical UUID.

use std::str;

use rescind_revocation::Identifier;

use super::{CodecError, Name, get_varint, put_varint};

const UUID_CHARS: usize = 36;

/// Writes an identifier; whether it went as a UUID.
pub(super) fn put_identifier(bytes: &mut Vec<u8>, identifier: &Identifier) -> bool {
    let text = identifier.as_str();
    if text.len() == UUID_CHARS {
        // The bits of a canonical UUID are the UUID; those of any other text print as another text.
        let bits = identifier.id().as_u128();
        if uuid_text(bits) == text {
            bytes.extend(bits.to_be_bytes());
            return true;
        }
    }
    put_text(bytes, text);
    false
}

pub(super) fn get_name<'a>(bytes: &mut &'a [u8], uuid: bool) -> Result<Name<'a>, CodecError> {
    if uuid {
        let (bits, rest) = bytes.split_first_chunk().ok_or(CodecError::Truncated)?;
        *bytes = rest;
        return Ok(Name::Uuid(u128::from_be_bytes(*bits)));
    }
    let text = get_text(bytes)?;
    if text.is_empty() || text.len() > Identifier::MAX_BYTES {
        return Err(CodecError::Text);
    }
    Ok(Name::Text(text))
}

pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_varint(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

pub(super) fn get_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, CodecError> {
    let length = usize::try_from(get_varint(bytes)?).map_err(|_| CodecError::Truncated)?;
    let (text, rest) = bytes
        .split_at_checked(length)
        .ok_or(CodecError::Truncated)?;
    *bytes = rest;
    str::from_utf8(text).map_err(|_| CodecError::Text)
}

/// `8-4-4-4-12` lower-case hexadecimal digits.
pub(super) fn uuid_text(bits: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for nibble in 0..32 {
        if matches!(nibble, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let digit = (bits >> (124 - 4 * nibble)) as usize & 0xf;
        text.push(char::from(DIGITS[digit]));
    }
    text
}
