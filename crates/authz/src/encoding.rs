//! base64url as the original's JOSE library reads it, and as the rest of the world writes it.
//!
//! The lenient reading is wanted: API keys come with padded segments, and what the original accepts is accepted here. The
//! strict writing is wanted too: a text that is read leniently must not give one token two names.

use std::borrow::Cow;

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of each byte as a digit of either alphabet; [`NONE`] for every other.
const DIGITS: [u8; 256] = digits();

/// Not a digit: its upper bits are set in no digit.
const NONE: u8 = 0xff;

/// Decodes base64 of either alphabet, with or without padding. Characters outside both alphabets are skipped, and bits
/// that do not fill a byte are dropped.
pub(crate) fn decode_lenient(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut quads = text.as_bytes().chunks_exact(4);
    // Most texts are digits to their end.
    let mut strange: &[u8] = &[];
    for quad in quads.by_ref() {
        let digits = [0, 1, 2, 3].map(|at| DIGITS[usize::from(quad[at])]);
        if digits.iter().fold(0, |all, digit| all | digit) == NONE {
            strange = quad;
            break;
        }
        let bits = digits
            .iter()
            .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    let rest = quads
        .flat_map(<[u8]>::iter)
        .chain(text.as_bytes().chunks_exact(4).remainder());
    decode_rest(strange.iter().chain(rest), &mut bytes);
    bytes
}

/// Digit by digit.
fn decode_rest<'a>(text: impl Iterator<Item = &'a u8>, bytes: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u32, 0u32);
    let digits = text.map(|byte| DIGITS[usize::from(*byte)]);
    for digit in digits.filter(|digit| *digit != NONE) {
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
}

/// Whether anything is decoded of `text`: two digits make a byte.
pub(crate) fn is_something(text: &str) -> bool {
    let digits = text.bytes().map(|byte| DIGITS[usize::from(byte)]);
    digits.filter(|digit| *digit != NONE).nth(1).is_some()
}

/// Encodes as RFC 7515 wants it: the URL-safe alphabet, no padding, spare bits zero.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .zip([16, 8, 0])
            .fold(0u32, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        for at in 0..=group.len() {
            text.push(char::from(URL_SAFE[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// The text that [`encode`] makes of what `text` is read as. Most texts are that already, or are it and its padding.
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    let bare = text.trim_end_matches('=');
    let spare = match bare.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b0011,
        // A single digit is no byte.
        _ => return Cow::Owned(encode(&decode_lenient(text))),
    };
    let last = bare.bytes().last().unwrap_or(URL_SAFE[0]);
    match bare.bytes().all(is_url_safe) && DIGITS[usize::from(last)] & spare == 0 {
        true => Cow::Borrowed(bare),
        false => Cow::Owned(encode(&decode_lenient(text))),
    }
}

/// A canonical text in the alphabet that is not safe in a URL.
pub(crate) fn standard(canonical: &str) -> Cow<'_, str> {
    match canonical.contains(['-', '_']) {
        true => Cow::Owned(canonical.replace('-', "+").replace('_', "/")),
        false => Cow::Borrowed(canonical),
    }
}

fn is_url_safe(byte: u8) -> bool {
    DIGITS[usize::from(byte)] != NONE && byte != b'+' && byte != b'/'
}

/// The padding that some encoders write behind `bare`.
pub(crate) fn padding(bare: &str) -> &'static str {
    match bare.len() % 4 {
        2 => "==",
        3 => "=",
        _ => "",
    }
}

const fn digits() -> [u8; 256] {
    let mut digits = [NONE; 256];
    let mut value = 0;
    while value < URL_SAFE.len() {
        digits[URL_SAFE[value] as usize] = value as u8;
        value += 1;
    }
    digits[b'+' as usize] = 62;
    digits[b'/' as usize] = 63;
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::pad;

    #[test]
    fn the_vectors_of_rfc_4648_are_read_and_written() {
        for (plain, unpadded, padded) in [
            ("", "", ""),
            ("f", "Zg", "Zg=="),
            ("fo", "Zm8", "Zm8="),
            ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg", "Zm9vYg=="),
            ("fooba", "Zm9vYmE", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), unpadded);
            assert_eq!(pad(encode(plain.as_bytes())), padded);
            assert_eq!(decode_lenient(unpadded), plain.as_bytes());
            assert_eq!(decode_lenient(padded), plain.as_bytes());
        }
    }

    #[test]
    fn both_alphabets_stray_characters_and_spare_bits_read_alike() {
        for text in ["-_-_", "+/+/", "+_-/", "-_\n-_", "-,_-_==", "é-_-_"] {
            assert_eq!(decode_lenient(text), [0xfb, 0xff, 0xbf], "{text}");
        }
        assert_eq!(decode_lenient("Zh"), b"f");
        assert_eq!(decode_lenient("Zm9vY"), b"foo");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode_lenient(&encode(&bytes)), bytes.clone());
            prop_assert_eq!(decode_lenient(&pad(encode(&bytes))), bytes);
        }

        #[test]
        fn what_is_strange_is_skipped_wherever_it_stands(bytes: Vec<u8>, strange in "[^A-Za-z0-9+/_-]{1,3}", at: prop::sample::Index) {
            let mut text = encode(&bytes);
            text.insert_str(at.index(text.len() + 1), &strange);
            prop_assert_eq!(decode_lenient(&text), bytes.clone());
            prop_assert_eq!(is_something(&text), !bytes.is_empty());
        }

        #[test]
        fn any_text_is_read_and_has_one_canonical_form(text: String) {
            let bytes = decode_lenient(&text);
            prop_assert_eq!(canonical(&text), encode(&bytes));
            prop_assert_eq!(decode_lenient(&encode(&bytes)), bytes);
        }

        #[test]
        fn a_text_that_is_nearly_canonical_is_told_from_one_that_is(text in "[A-Za-z0-9_-]{0,9}[A-Za-z0-9+/_=-]{0,3}") {
            prop_assert_eq!(canonical(&text), encode(&decode_lenient(&text)));
        }
    }
}
