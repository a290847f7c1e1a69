//! The checksum of a group: CRC-64/XZ (ECMA-182, reflected), over its key and its bytes.
//!
//! It finds what a disk or a copy does to a file, any burst of up to 64 bits for certain; it is no defence against someone
//! who writes the file on purpose.

const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

static TABLE: [u64; 256] = table();

/// The checksum of `parts`, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u64 {
    let crc = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(u64::MAX, |crc, byte| {
            TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
        });
    !crc
}

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_crc_64_xz() {
        // The catalogue's check value.
        assert_eq!(checksum(&[b"123456789"]), 0x995D_C9BB_DF19_39FA);
        assert_eq!(checksum(&[b"1234", b"", b"56789"]), 0x995D_C9BB_DF19_39FA);
    }

    #[test]
    fn every_single_flipped_bit_shows() {
        let bytes = *b"a group of entries";
        let whole = checksum(&[&bytes]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&[&flipped]), whole, "bit {bit}");
        }
    }
}
