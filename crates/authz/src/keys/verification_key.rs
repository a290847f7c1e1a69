//! One public key, parsed once for every algorithm that fits it.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};

use super::KeyError;
use crate::Algorithm;

/// A public key that signatures are verified with.
///
/// Its type decides which algorithms it takes; what the token says cannot change that. A clone shares it.
#[derive(Clone)]
pub struct VerificationKey {
    parsed: Arc<[(Algorithm, ParsedPublicKey)]>,
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The key is not one that this algorithm uses.
    Algorithm,
    /// The signature is not this key's.
    Signature,
}

/// RFC 7518 section 3.3: smaller keys must not be used.
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;

/// The longest public exponent that the library verifies with.
const MAX_EXPONENT_BITS: usize = 33;

impl VerificationKey {
    /// An RSA key from its modulus and public exponent, both big-endian. With `only`, for that algorithm alone.
    pub(crate) fn rsa(n: &[u8], e: &[u8], only: Option<Algorithm>) -> Result<Self, KeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = bits(n);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyError::RsaBits(bits));
        }
        if !is_exponent(e) {
            return Err(KeyError::RsaExponent);
        }
        let components = RsaPublicKeyComponents { n, e };
        let parsed = Algorithm::RSA
            .into_iter()
            .filter(|algorithm| only.is_none_or(|only| only == *algorithm))
            .filter_map(|algorithm| Some((algorithm, algorithm.rsa()?)))
            .map(|(algorithm, parameters)| {
                let key = components.to_parsed_public_key(parameters);
                Ok((algorithm, key.map_err(|_| KeyError::Rejected)?))
            })
            .collect::<Result<_, _>>()?;
        Self { parsed }.not_empty()
    }

    /// A key on a curve, in the form that the algorithm wants: an uncompressed point, or 32 bytes for Ed25519.
    pub(crate) fn curve(
        algorithm: Algorithm,
        point: &[u8],
        only: Option<Algorithm>,
    ) -> Result<Self, KeyError> {
        if only.is_some_and(|only| only != algorithm) {
            return Err(KeyError::Algorithm);
        }
        let curve = algorithm.curve().ok_or(KeyError::Algorithm)?;
        let key = ParsedPublicKey::new(curve, point).map_err(|_| KeyError::Rejected)?;
        Ok(Self {
            parsed: Arc::new([(algorithm, key)]),
        })
    }

    /// Verifies `signature` over `message` with `algorithm`.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Rejected> {
        let (_, key) = self
            .parsed
            .iter()
            .find(|(fits, _)| *fits == algorithm)
            .ok_or(Rejected::Algorithm)?;
        key.verify_sig(message, signature)
            .map_err(|_| Rejected::Signature)
    }

    /// Whether this is an RSA key.
    pub(crate) fn is_rsa(&self) -> bool {
        self.algorithms().any(Algorithm::is_rsa)
    }

    /// The algorithms that this key takes.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.parsed.iter().map(|(algorithm, _)| *algorithm)
    }

    fn not_empty(self) -> Result<Self, KeyError> {
        match self.parsed.is_empty() {
            true => Err(KeyError::Algorithm),
            false => Ok(self),
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerificationKey")
            .field(&self.algorithms().collect::<Vec<_>>())
            .finish()
    }
}

/// Whether `e` is odd and at least 3 (RFC 8017 section 3.1), and not too long.
fn is_exponent(e: &[u8]) -> bool {
    let is_odd = e.last().is_some_and(|last| last % 2 == 1);
    is_odd && (2..=MAX_EXPONENT_BITS).contains(&bits(e))
}

/// How many bits a number has that begins with no zero byte.
fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |byte| byte.leading_zeros());
    number.len() * 8 - zeros as usize
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
