//! CRC-64 with the polynomial of RDB files.

use crc_fast::{CrcAlgorithm, Digest};

/// Continues the CRC-64 `crc` over `data`; the initial value is 0. The polynomial is Jones's, reflected, with no final
/// inversion, as in RDB files and DUMP payloads.
pub fn crc64(crc: u64, data: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
    digest.update(data);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::crc64;

    #[test]
    fn check_values() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn crc64_may_be_taken_in_pieces() {
        let data: Vec<u8> = (0..5000).map(|i| (i * 31 % 251) as u8).collect();
        let whole = crc64(0, &data);
        for cut in [0, 1, 7, 8, 15, 16, 255, 256, 257, 1024, 4999, 5000] {
            assert_eq!(crc64(crc64(0, &data[..cut]), &data[cut..]), whole, "{cut}");
        }
    }
}
