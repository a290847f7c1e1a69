//! The twin of an ECDSA signature.
//!
//! Of a signature `(r, s)` everybody can make `(r, n - s)`, which verifies as well, `n` being the order of the curve's group
//! (SEC 1 section 4.1.4). A token that is named by its signature has two names for that reason.

/// FIPS 186-4, D.1.2.3.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// FIPS 186-4, D.1.2.4.
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// The twin, for a signature as long as those of a curve (RFC 7518 section 3.4). What another algorithm made and is as long
/// gets one too, which names nothing.
pub(super) fn twin(signature: &[u8]) -> Option<Vec<u8>> {
    let order = match signature.len() {
        64 => &P256_ORDER[..],
        96 => &P384_ORDER[..],
        _ => return None,
    };
    let (r, s) = signature.split_at(order.len());
    Some([r, &minus(order, s)].concat())
}

/// `a - b` of two numbers of one length, big-endian; wraps where `b` is the greater.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut difference = vec![0; a.len()];
    let mut borrow = false;
    for at in (0..a.len()).rev() {
        let (byte, first) = a[at].overflowing_sub(b[at]);
        let (byte, second) = byte.overflowing_sub(borrow.into());
        difference[at] = byte;
        borrow = first || second;
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_of_a_twin_is_the_signature() {
        for length in [64, 96] {
            let mut signature = vec![0x5a; length];
            signature[length - 1] = 0xff;
            let other = twin(&signature).unwrap();
            assert_ne!(other, signature);
            assert_eq!(other[..length / 2], signature[..length / 2]);
            assert_eq!(twin(&other), Some(signature));
        }
    }

    #[test]
    fn it_subtracts_over_all_bytes() {
        assert_eq!(minus(&[2, 0, 0], &[0, 0, 1]), [1, 0xff, 0xff]);
        assert_eq!(minus(&[1, 0], &[0, 0xff]), [0, 1]);
        assert_eq!(minus(&[0, 0], &[0, 1]), [0xff, 0xff]);
    }

    #[test]
    fn signatures_of_other_lengths_have_none() {
        for length in [0, 63, 65, 256] {
            assert_eq!(twin(&vec![1; length]), None);
        }
    }
}
