//! Archives nobody's tools would make.

use std::io::Write;

/// Returns a `.tar.gz` with one file of that name, however improper the name.
pub(crate) fn tar_gz(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = header(name, content.len());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512) + 1_024, 0);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed
        .write_all(&tar)
        .and_then(|()| packed.finish())
        .expect("writing to memory does not fail")
}

fn header(name: &str, size: usize) -> Vec<u8> {
    let mut header = vec![0; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        "); // the checksum counts as spaces
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}
