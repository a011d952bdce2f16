//! The name of a set of labels.

use model::Labels;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Stands in no label, so that no two sets have the same bytes.
const END: u8 = 0xff;

/// Returns the fingerprint Prometheus and Alertmanager give a set of labels: FNV-1a of 64 bits over the
/// sorted names and values, each with a byte 0xff behind it, in 16 hex digits.
pub fn fingerprint(labels: &Labels) -> String {
    let mut hash = OFFSET;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    for (name, value) in labels.iter() {
        for text in [name, value] {
            text.bytes().for_each(&mut add);
            add(END);
        }
    }
    format!("{hash:016x}")
}
