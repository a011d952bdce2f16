//! Archives that are fine, and those somebody made on purpose.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Writes one header and its bytes as they are, so that also names `tar` would refuse get in.
fn entry(kind: u8, name: &[u8], link: &[u8], mode: u32, size: u64, body: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name);
    let octal = |field: &mut [u8], value: u64| {
        let text = format!("{value:0width$o}\0", width = field.len() - 1);
        field.copy_from_slice(text.as_bytes());
    };
    octal(&mut header[100..108], u64::from(mode));
    octal(&mut header[124..136], size);
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u64 = header.iter().map(|&b| u64::from(b)).sum();
    octal(&mut header[148..155], sum);
    let mut bytes = header.to_vec();
    bytes.extend(body);
    bytes.resize(512 + body.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, body: &[u8]) -> Vec<u8> {
    entry(b'0', name.as_bytes(), b"", 0o644, body.len() as u64, body)
}

fn link(name: &str, target: &str) -> Vec<u8> {
    entry(b'2', name.as_bytes(), target.as_bytes(), 0o777, 0, b"")
}

fn gz(tar: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(tar).unwrap();
    gz.write_all(&[0; 1_024]).unwrap();
    gz.finish().unwrap()
}

fn run(stored: &[u8], format: ArtifactFormat) -> (tempfile::TempDir, Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("blob");
    fs::write(&archive, stored).unwrap();
    let into = dir.path().join("into");
    fs::create_dir(&into).unwrap();
    let outcome = unpack(File::open(&archive).unwrap(), format, &into);
    (dir, outcome)
}

fn run_gz(entries: &[Vec<u8>]) -> (tempfile::TempDir, Result<()>) {
    run(&gz(&entries.concat()), ArtifactFormat::TarGz)
}

fn refusal(entries: &[Vec<u8>]) -> String {
    let (dir, outcome) = run_gz(entries);
    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 2, "nothing is written outside");
    let error = outcome.unwrap_err();
    assert!(matches!(error, UnpackError::Refused(_)), "{error:?}");
    error.to_string()
}

#[test]
fn a_tree_is_unpacked_with_our_modes_and_its_links() {
    let (dir, outcome) = run_gz(&[
        entry(b'5', b"bin/", b"", 0o2777, 0, b""),
        entry(b'0', b"./bin/shop", b"", 0o711, 2, b"hi"),
        file("lib/a.txt", b"a"),
        link("bin/a", "../lib/a.txt"),
        entry(b'1', b"b", b"lib/a.txt", 0o644, 0, b""),
    ]);
    outcome.unwrap();
    let into = dir.path().join("into");
    assert_eq!(fs::read(into.join("bin/shop")).unwrap(), b"hi");
    let mode = |name| fs::metadata(into.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/shop"), mode("lib/a.txt")), (0o755, 0o644));
    assert_eq!(mode("bin") & 0o2000, 0);
    assert_eq!(fs::read(into.join("bin/a")).unwrap(), b"a");
    assert_eq!(fs::read(into.join("b")).unwrap(), b"a");
}

#[test]
fn entries_that_lead_out_are_refused_by_name() {
    for (entries, why) in [
        (
            vec![file("../x", b"")],
            "archive: `../x` leads out of the archive (`..`)",
        ),
        (vec![file("a/../../x", b"")], "leads out"),
        (
            vec![file("/etc/x", b"")],
            "archive: `/etc/x` has an absolute path",
        ),
        (
            vec![link("x", "/etc/passwd")],
            "is a link to an absolute path",
        ),
        (vec![link("a/x", "../../y")], "is a link out of the archive"),
        (
            vec![link("d", "."), link("e", "d/d/../..")],
            "`..` after a name",
        ),
        (vec![link("d", "."), file("d/x", b"")], "is not a folder"),
        (vec![entry(b'1', b"x", b"../y", 0o644, 0, b"")], "leads out"),
        (
            vec![entry(b'1', b"x", b"y", 0o644, 0, b"")],
            "a file that is not there",
        ),
        (
            vec![
                file("y", b""),
                link("l", "y"),
                entry(b'1', b"x", b"l", 0o644, 0, b""),
            ],
            "symbolic",
        ),
        (
            vec![entry(b'3', b"null", b"", 0o666, 0, b"")],
            "is a device or a pipe",
        ),
        (
            vec![entry(b'6', b"pipe", b"", 0o666, 0, b"")],
            "is a device or a pipe",
        ),
        (
            vec![entry(b'0', b"su", b"", 0o4755, 0, b"")],
            "`su` is setuid or setgid",
        ),
        (vec![file("x", b"1"), file("x", b"2")], "`x` appears twice"),
        (vec![file("x", b"1"), link("x", "y")], "`x` appears twice"),
        (vec![], "is empty"),
    ] {
        let error = refusal(&entries);
        assert!(error.contains(why), "{error} should say {why}");
    }
}

#[test]
fn a_bomb_is_refused_long_before_its_end() {
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(&entry(b'0', b"zeros", b"", 0o644, 1 << 30, b""))
        .unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..128 {
        gz.write_all(&zeros).unwrap();
    }
    // The stream goes on for a gigabyte by its header; it is refused where it is, at 64 MiB.
    let (dir, outcome) = run(&gz.finish().unwrap(), ArtifactFormat::TarGz);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("times its"), "{error}");
    let written = fs::metadata(dir.path().join("into/zeros")).unwrap().len();
    assert!(written <= limit::UNPACK_RATIO_FLOOR_BYTES, "{written}");
}

#[test]
fn a_file_that_is_one_large_hole_is_a_bomb_too() {
    // A sparse file of 1 GiB with no data at all: offset and length of its only, empty, piece.
    let mut bytes = entry(b'S', b"hole", b"", 0o644, 0, b"");
    bytes[257..265].copy_from_slice(b"ustar  \0");
    bytes[386..398].copy_from_slice(b"10000000000\0");
    bytes[398..410].copy_from_slice(b"00000000000\0");
    bytes[483..495].copy_from_slice(b"10000000000\0");
    bytes[148..156].copy_from_slice(b"        ");
    let sum: u32 = bytes[..512].iter().map(|&b| u32::from(b)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let error = refusal(&[bytes]);
    assert!(error.contains("times its"), "{error}");
}

#[test]
fn a_truncated_archive_is_refused() {
    let whole = gz(&file("x", &[7; 100_000]));
    let (_dir, outcome) = run(&whole[..whole.len() / 2], ArtifactFormat::TarGz);
    assert!(outcome.unwrap_err().to_string().contains("cannot be read"));
    let mut short = entry(b'0', b"x", b"", 0o644, 9_999, b"");
    short.extend([1; 100]);
    let mut stored = GzEncoder::new(Vec::new(), Compression::fast());
    stored.write_all(&short).unwrap();
    let (_dir, outcome) = run(&stored.finish().unwrap(), ArtifactFormat::TarGz);
    assert!(matches!(outcome.unwrap_err(), UnpackError::Refused(_)));
}

#[test]
fn zstd_frames_are_read_one_after_another() {
    let tar = [file("x", &[7; 3_000]), vec![0; 1_024]].concat();
    let (one, two) = tar.split_at(1_000);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let stored: Vec<u8> = [one, two]
        .iter()
        .flat_map(|part| ruzstd::encoding::compress_to_vec(*part, level))
        .collect();
    let (dir, outcome) = run(&stored, ArtifactFormat::TarZst);
    outcome.unwrap();
    assert_eq!(fs::read(dir.path().join("into/x")).unwrap(), [7; 3_000]);
}

#[test]
fn other_bytes_are_refused() {
    for format in [ArtifactFormat::TarGz, ArtifactFormat::TarZst] {
        let (_dir, outcome) = run(b"#!/bin/sh\necho not an archive\n", format);
        assert!(matches!(outcome.unwrap_err(), UnpackError::Refused(_)));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn no_name_and_no_link_gets_out(
        names in proptest::collection::vec(("[a./]{1,8}", "[a./]{1,8}", 0u8..4), 1..8)
    ) {
        let entries: Vec<_> = names.iter().map(|(name, target, kind)| match kind {
            0 => link(name, target),
            1 => entry(b'1', name.as_bytes(), target.as_bytes(), 0o644, 0, b""),
            2 => entry(b'5', name.as_bytes(), b"", 0o755, 0, b""),
            _ => file(name, b"x"),
        }).collect();
        let (dir, _) = run_gz(&entries);
        let into = dir.path().join("into").canonicalize().unwrap();
        proptest::prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        for (name, _, _) in &names {
            if let Ok(clean) = inside(Path::new(name)) && let Ok(real) = into.join(clean).canonicalize() {
                proptest::prop_assert!(real.starts_with(&into), "{:?}", real);
            }
        }
    }

    #[test]
    fn any_bytes_are_unpacked_or_refused(bytes: Vec<u8>) {
        let (_dir, outcome) = run(&gz(&bytes), ArtifactFormat::TarGz);
        let ours = matches!(outcome, Err(UnpackError::Io { .. }));
        proptest::prop_assert!(!ours);
    }
}
