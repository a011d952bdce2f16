use model::observe::{Sample, Series};
use model::{Labels, Timestamp, limit};
use proptest::prelude::*;

use super::*;
use crate::test_data;

/// `up{instance="a:1"} 0` at 1,000 ms, written by hand from the specification: the value is absent, and
/// the labels come unsorted, one of them empty.
const UP_0: &[&[u8]] = &[
    b"\x0a\x2d", // timeseries
    b"\x0a\x0f\x0a\x08instance\x12\x03a:1",
    b"\x0a\x0e\x0a\x08__name__\x12\x02up",
    b"\x0a\x05\x0a\x03job",
    b"\x12\x03\x10\xe8\x07", // one sample, time only
];

fn body(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
    let sample = |&(ms, value): &(i64, f64)| Sample {
        at: Timestamp::from_millis(ms),
        value,
    };
    Series {
        labels: Labels::new(labels.iter().copied()).unwrap(),
        samples: samples.iter().map(sample).collect(),
    }
}

/// Wraps fewer than 2^14 bytes into one field of wire type 2.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    match u8::try_from(bytes.len()) {
        Ok(length @ 0..0x80) => out.push(length),
        _ => out.extend([bytes.len() as u8 | 0x80, (bytes.len() >> 7) as u8]),
    }
    out.extend_from_slice(bytes);
    out
}

fn label(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name), field(2, value)].concat())
}

fn malformed(message: &[u8]) -> Malformed {
    match decode(&body(message)) {
        Err(DecodeError::Malformed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn zeros_are_absent_labels_are_sorted_and_empty_ones_removed() {
    let got = decode(&body(&UP_0.concat())).unwrap();
    let up = series(&[("__name__", "up"), ("instance", "a:1")], &[(1_000, 0.0)]);
    assert_eq!(got, [up]);
}

#[test]
fn encoded_bytes_are_those_of_the_specification() {
    let up = series(&[("__name__", "up")], &[(0, 0.0), (1_000, 1.0)]);
    let message = snap::raw::Decoder::new()
        .decompress_vec(&encode(&[up]))
        .unwrap();
    let expected: &[&[u8]] = &[
        b"\x0a\x20",
        b"\x0a\x0e\x0a\x08__name__\x12\x02up",
        b"\x12\x00",
        b"\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x07",
    ];
    assert_eq!(message, expected.concat());
}

#[test]
fn a_small_body_that_declares_gigabytes_is_refused_before_it_is_unpacked() {
    let declares_4_gib = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let error = decode(&declares_4_gib).unwrap_err();
    assert_eq!(
        error,
        DecodeError::TooLarge {
            declared_bytes: u32::MAX as usize
        }
    );
    assert!(error.to_string().contains("send smaller batches"));
    let zeros = body(&vec![0; limit::SAMPLES_BYTES + 1]);
    assert!(matches!(decode(&zeros), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(decode(b""), Err(DecodeError::Snappy(_))));
}

#[test]
fn broken_messages_name_the_byte() {
    let fault = |message: &[u8]| {
        let why = malformed(message);
        (why.offset, why.fault)
    };
    let long_varint = [&[0x38][..], &[0xff; 10]].concat();
    assert_eq!(fault(&long_varint), (1, Fault::VarintOverflow));
    assert_eq!(fault(b"\x38\xff"), (2, Fault::Truncated));
    assert_eq!(fault(b"\x0a\x05\x0a"), (1, Fault::Truncated));
    assert_eq!(fault(b"\x0a\x04\x0a\x02\x0a\x05"), (5, Fault::Truncated));
    assert_eq!(fault(b"\x39\x00"), (1, Fault::Truncated));
    assert_eq!(fault(b"\x00\x00"), (0, Fault::FieldNumber));
    assert_eq!(fault(b"\x0b"), (0, Fault::WireType(3)));
    assert_eq!(fault(b"\x08\x01"), (0, Fault::WireType(0)));
    assert_eq!(fault(b"\x0a\x04\x12\x02\x08\x01"), (4, Fault::WireType(0)));
    assert!(malformed(b"\x0b").to_string().contains("at byte 0"));
}

#[test]
fn the_largest_varint_is_read() {
    let minus_one = [&[0x10][..], &[0xff; 9], &[0x01]].concat();
    let one = [label(b"__name__", b"x"), field(2, &minus_one)].concat();
    let got = decode(&body(&field(1, &one))).unwrap();
    assert_eq!(got[0].samples[0].at, Timestamp::from_millis(-1));
}

#[test]
fn one_bad_series_does_not_harm_its_neighbours() {
    let good = UP_0.concat();
    let named = label(b"__name__", b"x");
    let long = "v".repeat(limit::LABEL_VALUE_BYTES + 1);
    let many = named.repeat(limit::LABELS + 1);
    for (bad, why) in [
        (field(1, &label(b"a", b"1")), "has no `__name__`"),
        (field(1, &label(b"__name__", b"")), "has no `__name__`"),
        (field(1, b""), "has no `__name__`"),
        (
            field(
                1,
                &[named.clone(), label(b"a", b"1"), label(b"a", b"2")].concat(),
            ),
            "label `a` stands there twice",
        ),
        (
            field(1, &[named.clone(), label(b"b", b"\xff")].concat()),
            "is not UTF-8",
        ),
        (
            field(1, &[named.clone(), label(b"1b", b"x")].concat()),
            "is not a label name",
        ),
        (field(1, &many), "more than 64 labels"),
        (
            field(1, &[named, label(b"b", long.as_bytes())].concat()),
            "label `b` is over 2048 bytes",
        ),
    ] {
        let message = [good.clone(), bad, good.clone()].concat();
        let request = decode_request(&body(&message)).unwrap();
        assert_eq!(request.series.len(), 2, "{why}");
        let refused = request.refused.unwrap();
        assert_eq!((refused.series, refused.samples), (1, 0));
        assert!(refused.first.contains(why), "{}", refused.first);
        let error = decode(&body(&message)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn what_nobody_reads_is_skipped_and_counted() {
    let one = [
        label(b"__name__", b"x"),
        field(3, b"\x0a\x00"),
        field(4, b""),
        field(4, b""),
        b"\x78\x05".to_vec(),             // unknown field 15, varint
        b"\x7d\x01\x02\x03\x04".to_vec(), // unknown field 15, 32 bits
    ];
    let message = [
        field(1, &one.concat()),
        field(3, b"\x08\x01"),
        field(4, b"x"),
    ];
    let request = decode_request(&body(&message.concat())).unwrap();
    assert_eq!(request.series, [series(&[("__name__", "x")], &[])]);
    let counts = request.skipped;
    assert_eq!(
        (counts.exemplars, counts.histograms, counts.metadata),
        (1, 2, 1)
    );
}

#[test]
fn requests_of_real_senders_are_read_completely() {
    let (mut series, mut metadata) = (0, 0);
    for name in [
        "prometheus-remote-write-1",
        "prometheus-remote-write-2",
        "prometheus-remote-write-3",
        "prometheus-remote-write-4",
        "vmagent-remote-write",
        "vmalert-remote-write",
    ] {
        let Some(bytes) = test_data(&format!("metrics/wire/{name}.snappy")) else {
            return;
        };
        let request = decode_request(&bytes).unwrap();
        assert_eq!(request.refused, None, "{name}");
        assert_eq!(decode(&encode(&request.series)).unwrap(), request.series);
        series += request.series.len();
        metadata += request.skipped.metadata;
    }
    assert!(
        series > 0 && metadata > 0,
        "{series} series, {metadata} metadata"
    );
}

prop_compose! {
    fn any_series()(
        name in "[a-z:]{1,8}",
        labels in prop::collection::btree_map("[a-z]{1,5}", ".{1,8}", 0..4),
        samples in prop::collection::vec(
            (-4_000_000_000_000_i64..4_000_000_000_000, any::<f64>()), 0..5),
    ) -> Series {
        let mut pairs: Vec<(&str, &str)> =
            labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        pairs.push(("__name__", &name));
        series(&pairs, &samples)
    }
}

/// Compares bits, because a NaN does not equal itself.
fn bits(series: &[Series]) -> Vec<(String, Vec<(i64, u64)>)> {
    let pair = |s: &Sample| (s.at.as_millis(), s.value.to_bits());
    let one = |s: &Series| (s.labels.to_string(), s.samples.iter().map(pair).collect());
    series.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_encoded_is_decoded_bit_by_bit(all in prop::collection::vec(any_series(), 0..6)) {
        let got = decode(&encode(&all)).unwrap();
        prop_assert_eq!(bits(&got), bits(&all));
    }

    #[test]
    fn any_body_ends_in_series_or_an_error(bytes in any::<Vec<u8>>()) {
        let _ = decode_request(&bytes);
        let _ = decode_request(&body(&bytes));
    }

    #[test]
    fn a_damaged_request_ends_in_series_or_an_error(
        all in prop::collection::vec(any_series(), 1..4),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut message = snap::raw::Decoder::new().decompress_vec(&encode(&all)).unwrap();
        let at = at.index(message.len());
        if cut { message.truncate(at) } else { message[at] = with }
        let _ = decode_request(&body(&message));
    }
}
