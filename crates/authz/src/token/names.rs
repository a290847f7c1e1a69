//! What may name a token in a revocation.
//!
//! A control plane of today sends the `jti`, and where there is none the signature. Older ones sent the signature, or all of
//! the text, of tokens with a `jti` too. Such a text names the token however it is spelt: base64 can be padded or not, in
//! either alphabet, with strange characters in between and anything in the bits that fill no byte. The holder of a token can
//! change all that in its signature, which nothing protects. So every text is asked for in the forms in which a control
//! plane may have stored it: as it was sent, and bare and padded in either alphabet.

use std::borrow::Cow;

use rescind_revocation::{Identifier, TokenId};

use super::ecdsa;
use crate::encoding::{canonical, decode_lenient, encode, padding, standard};

/// Digits of a signature on P-256 and on P-384 (RFC 7518 section 3.4).
const ECDSA_DIGITS: [usize; 2] = [86, 128];

/// The names of a token with these segments.
pub(super) fn of(jti: Option<&str>, [header, payload, signature]: [&str; 3]) -> Vec<TokenId> {
    let header = Text::new(header);
    let payload = Text::new(payload);
    let signature = Text::new(signature);
    let twin = twin(&signature.bare);
    let twin = twin.as_deref().map(Text::new);
    let [header, payload] = [&header, &payload].map(Text::spellings);
    let signatures = [Some(&signature), twin.as_ref()].map(|text| text.map(Text::spellings));
    let signatures = signatures.iter().flatten();

    let mut names = Names(Vec::new());
    if let Some(jti) = jti.filter(|jti| !jti.is_empty()) {
        names.0.push(TokenId::of(jti));
    }
    let all = signatures.clone().flat_map(Spellings::all);
    names.add(all.map(|signature| [signature]));
    // Header and payload are signed as they are, so a token that is good was issued with them. That all of it was stored in
    // one spelling, whatever it was issued in, is the other case.
    let issued = signatures.clone().flat_map(Spellings::issued);
    let issued = issued.map(|signature| [header.sent, payload.sent, signature]);
    let stored = signatures.flat_map(|signature| {
        let all = header.usual.into_iter().zip(payload.usual);
        let all = all.zip(signature.usual);
        all.map(|((header, payload), signature)| [header, payload, signature])
    });
    names.add(issued.chain(stored));
    names.0
}

/// The other signature that everybody can make of one on a curve, bare.
fn twin(bare: &str) -> Option<String> {
    let is_ecdsa = ECDSA_DIGITS.contains(&bare.len());
    let twin = is_ecdsa.then(|| ecdsa::twin(&decode_lenient(bare)))?;
    twin.map(|twin| encode(&twin))
}

/// A segment: a text and the padding behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Segment<'a>(&'a str, &'static str);

/// A segment as it was sent, and what it is in each alphabet.
struct Text<'a> {
    sent: &'a str,
    bare: Cow<'a, str>,
    standard: Cow<'a, str>,
}

impl<'a> Text<'a> {
    fn new(sent: &'a str) -> Self {
        let bare = canonical(sent);
        let standard = match &bare {
            Cow::Borrowed(bare) => standard(bare),
            Cow::Owned(bare) => Cow::Owned(standard(bare).into_owned()),
        };
        Self {
            sent,
            bare,
            standard,
        }
    }

    fn spellings(&self) -> Spellings<'_> {
        let (bare, standard) = (&*self.bare, &*self.standard);
        let padding = padding(bare);
        Spellings {
            sent: match self.sent.strip_prefix(bare) {
                Some(rest) if rest == padding => Segment(bare, padding),
                _ => Segment(self.sent, ""),
            },
            usual: [
                Segment(bare, ""),
                Segment(bare, padding),
                Segment(standard, ""),
                Segment(standard, padding),
            ],
        }
    }
}

/// How a segment was sent, and how it is usually spelt: bare and padded, in the one alphabet and in the other.
struct Spellings<'a> {
    sent: Segment<'a>,
    usual: [Segment<'a>; 4],
}

impl<'a> Spellings<'a> {
    fn all(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        [self.sent].into_iter().chain(self.usual)
    }

    /// As a token may have been issued: RFC 7515 has one alphabet.
    fn issued(&self) -> [Segment<'a>; 3] {
        [self.sent, self.usual[0], self.usual[1]]
    }
}

struct Names(Vec<TokenId>);

impl Names {
    /// Adds the texts that these segments are, with dots between them, each once. What is too long for an identifier names
    /// nothing.
    fn add<'a, const N: usize>(&mut self, forms: impl Iterator<Item = [Segment<'a>; N]>) {
        let mut seen: Vec<[Segment<'a>; N]> = Vec::with_capacity(8);
        for form in forms {
            if seen.contains(&form) {
                continue;
            }
            seen.push(form);
            let pieces = form.iter();
            let pieces = pieces.flat_map(|Segment(text, padding)| [".", *text, *padding]);
            let pieces: Vec<&str> = pieces.skip(1).collect();
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            if length <= Identifier::MAX_BYTES {
                self.0.push(TokenId::of_pieces(&pieces));
            }
        }
    }
}
