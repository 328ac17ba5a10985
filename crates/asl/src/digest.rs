//! The hashes that expressions may ask for.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

/// The hash of a text by the name that States.Hash and `$hash` know it by, in lower-case hexadecimal; nothing for another name.
pub(crate) fn hash(text: &str, algorithm: &str) -> Option<String> {
    Some(match algorithm {
        "MD5" => hexadecimal(&Md5::digest(text)),
        "SHA-1" => hexadecimal(&Sha1::digest(text)),
        "SHA-256" => hexadecimal(&Sha256::digest(text)),
        "SHA-384" => hexadecimal(&Sha384::digest(text)),
        "SHA-512" => hexadecimal(&Sha512::digest(text)),
        _ => return None,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// The examples of RFC 1321, RFC 3174 and FIPS 180.
    #[test]
    fn every_algorithm_gives_the_published_hash_of_abc() {
        assert_eq!(hash("abc", "MD5").as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(hash("abc", "SHA-1").as_deref(), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!(hash("abc", "SHA-256").as_deref(), Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert!(hash("abc", "SHA-384").is_some_and(|hash| hash.starts_with("cb00753f45a35e8b") && hash.len() == 96));
        assert!(hash("abc", "SHA-512").is_some_and(|hash| hash.starts_with("ddaf35a193617aba") && hash.len() == 128));
        assert_eq!(hash("abc", "sha-256"), None);
    }
}
