//! What names a revoked thing: the text that the control plane sends, and the 128 bits that stand for it.

use std::fmt;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use thiserror::Error;

/// The text that names a token, an application or a subject: never empty, bounded, and masked wherever it is printed,
/// since an opaque token *is* the secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier(Box<str>);

/// Why a text cannot name anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentifierError {
    /// An empty identifier would match every credential that lacks one.
    #[error("identifier is empty")]
    Empty,
    /// Longer than [`Identifier::MAX_BYTES`].
    #[error("identifier has {0} bytes, more than {max}", max = Identifier::MAX_BYTES)]
    TooLong(usize),
}

impl Identifier {
    /// The longest identifier that is taken. A whole opaque token fits.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Takes a text that is neither empty nor too long.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdentifierError> {
        let text = text.into();
        match text.len() {
            0 => Err(IdentifierError::Empty),
            length if length > Self::MAX_BYTES => Err(IdentifierError::TooLong(length)),
            _ => Ok(Self(text)),
        }
    }

    /// The text itself, for the wire and for storage. Do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 128 bits that stand for it in every set.
    pub fn id(&self) -> TokenId {
        TokenId::of(&self.0)
    }
}

/// Ten asterisks and the last four characters, as Choreo Connect's debug log has it; a text too short to hide behind its
/// own end shows nothing.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("**********")?;
        if self.0.len() >= 16 {
            let start = self.0.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
            f.write_str(&self.0[start..])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({self})")
    }
}

/// The 128 bits that stand for an identifier.
///
/// A canonical lower-case UUID is itself, so for the usual `jti` the set is exact. Any other text is the first 16 bytes of
/// its SHA-256; a UUID in another spelling is another text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(u128);

impl TokenId {
    /// The bits that stand for `identifier`.
    pub fn of(identifier: &str) -> Self {
        let bytes = identifier.as_bytes();
        Self(canonical_uuid(bytes).unwrap_or_else(|| first_128_bits(digest(&SHA256, bytes))))
    }

    /// The bits that stand for the identifier that these pieces are, one behind the other. None of them is copied.
    pub fn of_pieces(pieces: &[&str]) -> Self {
        // Only what is as long as a UUID can be one.
        if pieces.iter().map(|piece| piece.len()).sum::<usize>() == UUID_LENGTH {
            return Self::of(&pieces.concat());
        }
        let mut context = Context::new(&SHA256);
        for piece in pieces {
            context.update(piece.as_bytes());
        }
        Self(first_128_bits(context.finish()))
    }

    /// The identifier that these bits are, as a set or a packed range holds them.
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId(..{:04x})", self.0 & 0xffff)
    }
}

fn first_128_bits(digest: Digest) -> u128 {
    digest.as_ref()[..16]
        .iter()
        .fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// `8-4-4-4-12`.
const UUID_LENGTH: usize = 36;

/// Where the pairs of digits of a UUID stand.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The value of each lower-case hexadecimal digit, and this for any other byte.
const NO_DIGIT: u8 = 0xff;

static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads `8-4-4-4-12` lower-case hexadecimal digits and nothing else.
///
/// Each request comes by here. Digits are random, so nothing branches on one: errors are gathered and looked at once.
fn canonical_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; UUID_LENGTH] = text.try_into().ok()?;
    let mut seen = 0;
    let bytes = PAIRS.map(|at| {
        let [high, low] = [at, at + 1].map(|at| DIGITS[usize::from(text[at])]);
        seen |= high | low;
        high << 4 | low
    });
    let has_dashes = [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    (seen < 16 && has_dashes).then(|| u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

    #[test]
    fn an_identifier_is_neither_empty_nor_endless() {
        assert_eq!(Identifier::new(""), Err(IdentifierError::Empty));
        assert!(Identifier::new("x".repeat(8 * 1024)).is_ok());
        assert_eq!(
            Identifier::new("x".repeat(8 * 1024 + 1)),
            Err(IdentifierError::TooLong(8 * 1024 + 1))
        );
    }

    #[test]
    fn an_identifier_is_masked_when_printed() {
        let identifier = Identifier::new(UUID).unwrap();
        assert_eq!(identifier.to_string(), "**********521a");
        assert_eq!(format!("{identifier:?}"), "Identifier(**********521a)");
        assert_eq!(Identifier::new("short").unwrap().to_string(), "**********");
        assert_eq!(
            Identifier::new("ééééééééééé").unwrap().to_string(),
            "**********éééé"
        );
    }

    #[test]
    fn a_canonical_uuid_is_itself() {
        assert_eq!(
            TokenId::of(UUID).as_u128(),
            0x4e330dbd_75c6_4ab5_a749_b9497aa3521a
        );
    }

    #[test]
    fn a_uuid_in_another_spelling_is_another_text() {
        let spellings = [
            UUID.to_uppercase(),
            UUID.replace('-', ""),
            format!("{{{UUID}}}"),
            format!("{UUID} "),
            UUID.replacen('-', "_", 1),
            "4e330dbd-75c6-4ab5-a749-b9497aa3521g".to_owned(),
        ];
        for spelling in spellings {
            assert_ne!(TokenId::of(&spelling), TokenId::of(UUID), "{spelling}");
        }
    }

    #[test]
    fn any_other_text_is_the_first_half_of_its_sha_256() {
        // FIPS 180-4's example "abc": ba7816bf 8f01cfea 414140de 5dae2223 ...
        assert_eq!(
            TokenId::of("abc").as_u128(),
            0xba7816bf_8f01cfea_414140de_5dae2223
        );
    }

    #[test]
    fn any_byte_but_the_right_one_makes_it_another_text() {
        let uuid = TokenId::of(UUID);
        for at in 0..UUID.len() {
            for byte in 0..128 {
                let mut text = UUID.as_bytes().to_vec();
                text[at] = byte;
                let is_digit =
                    matches!(byte, b'0'..=b'9' | b'a'..=b'f') && UUID.as_bytes()[at] != b'-';
                let is_same = byte == UUID.as_bytes()[at];
                assert_eq!(
                    canonical_uuid(&text).is_some(),
                    is_digit || is_same,
                    "{text:?}"
                );
                let text = String::from_utf8(text).unwrap();
                assert_eq!(TokenId::of(&text) == uuid, is_same, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_uuid_is_read_as_its_bits(bits: u128) {
            let text = uuid::Uuid::from_u128(bits).to_string();
            prop_assert_eq!(TokenId::of(&text).as_u128(), bits);
        }

        #[test]
        fn any_text_has_bits_and_hides(text in "\\PC{1,64}") {
            let identifier = Identifier::new(text.as_str()).unwrap();
            prop_assert_eq!(identifier.id(), TokenId::of(&text));
            prop_assert!(identifier.to_string().chars().count() <= 14);
        }

        #[test]
        fn an_identifier_is_the_same_in_pieces(pieces in proptest::collection::vec("\\PC{0,20}", 0..5), bits: u128, at in 0..=36_usize) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(TokenId::of_pieces(&pieces), TokenId::of(&pieces.concat()));
            let uuid = uuid::Uuid::from_u128(bits).to_string();
            let (front, back) = uuid.split_at(at);
            prop_assert_eq!(TokenId::of_pieces(&[front, back]).as_u128(), bits);
        }
    }
}
