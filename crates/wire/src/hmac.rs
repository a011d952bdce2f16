//! HMAC-SHA256 (RFC 2104) and a comparison that takes as long for a wrong guess as for a right one.

use model::digest::Hasher;

/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// Returns the code of `message` under `key`; a key of any length will do.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(hash(&[key]).as_slice());
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let (inner, outer) = (block.map(|b| b ^ 0x36), block.map(|b| b ^ 0x5c));
    hash(&[&outer, &hash(&[&inner, message])])
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finish().as_bytes()
}

/// Tells whether two texts are equal. How long it takes depends on their lengths alone: not their bytes
/// are compared but their hashes, every byte of them.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (hash(&[a]), hash(&[b]));
    let differing = a.iter().zip(&b).fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 1, 2 and 6.
    #[test]
    fn the_codes_are_those_of_the_standard() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, code) in cases {
            assert_eq!(model::digest::hex(&hmac_sha256(key, message)), code);
        }
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same(b"", b"") && same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secreT") && !same(b"secret", b"secret "));
        assert!(!same(b"", b"secret"));
    }
}
