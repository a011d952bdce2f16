use proptest::prelude::*;

use super::*;
use crate::Metrics;

/// Any time will do; this one is 2025-11-21.
const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn store(limits: Limits) -> Metrics {
    Metrics::memory(limits)
}

fn small(series: usize, samples_per_series: usize, samples: usize) -> Limits {
    Limits {
        series,
        samples_per_series,
        samples,
    }
}

fn series(name: &str, labels: &[(&str, &str)], samples: &[(Timestamp, f64)]) -> Series {
    let mut all = vec![("__name__", name)];
    all.extend(labels);
    let sample = |&(at, value): &(Timestamp, f64)| Sample { at, value };
    Series {
        labels: Labels::new(all).unwrap(),
        samples: samples.iter().map(sample).collect(),
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn everything(metrics: &Metrics, text: &str) -> Vec<Series> {
    let ages = secs(100_000);
    metrics.select(&selector(text), &[], NOW - ages, NOW + ages)
}

fn stored(count: u64) -> WriteReport {
    WriteReport {
        stored: count,
        ..WriteReport::default()
    }
}

fn refused(reason: &'static str, count: u64) -> WriteReport {
    WriteReport {
        refused: [(reason, count)].into(),
        ..WriteReport::default()
    }
}

#[test]
fn what_was_written_is_found_by_labels_and_time() {
    let metrics = store(Limits::default());
    let at = |s| NOW + secs(s);
    let of = |host, result, value| {
        let labels = [("host", host), ("result", result)];
        series("pay_total", &labels, &[(at(0), value), (at(1), value)])
    };
    let other = series("up", &[("host", "a")], &[(at(0), 1.0)]);
    let batch = vec![
        of("b", "paid", 1.0),
        of("a", "paid", 2.0),
        of("a", "failed", 3.0),
        other,
    ];
    assert_eq!(metrics.clone().write(batch, NOW), stored(7));

    let found = metrics.select(&selector("pay_total"), &[("host", "a")], at(1), at(9));
    let values: Vec<_> = found
        .iter()
        .map(|s| (s.labels.get("result"), s.samples.len(), s.samples[0].value))
        .collect();
    assert_eq!(values, [("failed", 1, 3.0), ("paid", 1, 2.0)]);
    let paid = everything(&metrics, r#"pay_total{result!="failed"}"#);
    assert_eq!(paid.len(), 2);
    assert!(paid.is_sorted_by(|a, b| a.labels < b.labels));
    let nothing = metrics.select(&selector("pay_total"), &[], at(2), at(9));
    assert_eq!(nothing, []);
    assert_eq!(
        metrics.select(&selector("pay_total"), &[], at(1), at(0)),
        []
    );
}

#[test]
fn samples_out_of_time_are_refused_by_name() {
    let metrics = store(Limits::default());
    let write = |at: Timestamp, value| metrics.write(vec![series("a", &[], &[(at, value)])], NOW);
    let us = Duration::from_micros(1);
    assert_eq!(write(NOW - secs(3_600) - us, 1.0), refused("too_old", 1));
    assert_eq!(
        write(NOW + secs(600) + us, 1.0),
        refused("too_far_ahead", 1)
    );
    assert_eq!(
        everything(&metrics, "a"),
        [],
        "a refused sample makes no series"
    );
    assert_eq!(write(NOW - secs(3_600), 1.0), stored(1));
    assert_eq!(write(NOW, 2.0), stored(1));
    assert_eq!(write(NOW, 3.0), refused("out_of_order", 1));
    assert_eq!(write(NOW - secs(5), 2.0), refused("out_of_order", 1));
    assert_eq!(write(NOW + secs(600), 4.0), stored(1));
}

#[test]
fn a_batch_sent_again_changes_nothing() {
    let metrics = store(Limits::default());
    let nan = f64::from_bits(0x7ff0_0000_0000_0002); // Prometheus' stale marker
    let samples = [(NOW - secs(2), 1.0), (NOW - secs(1), nan), (NOW, -0.0)];
    let batch = vec![series("a", &[], &samples)];
    assert_eq!(metrics.write(batch.clone(), NOW), stored(3));
    let again = metrics.write(batch, NOW);
    assert_eq!((again.stored, again.repeated), (0, 3));
    assert_eq!(again.refused, [].into());
    let zero = metrics.write(vec![series("a", &[], &[(NOW, 0.0)])], NOW);
    assert_eq!(zero, refused("out_of_order", 1), "0 and -0 are two values");
}

#[test]
fn a_series_without_a_proper_name_is_refused() {
    let metrics = store(Limits::default());
    for name in ["", "1a", "a b", "ä"] {
        let report = metrics.write(vec![series(name, &[("host", "h")], &[(NOW, 1.0)])], NOW);
        assert_eq!(report, refused("bad_labels", 1), "{name}");
    }
    assert_eq!(metrics.newest_at("h"), None);
}

#[test]
fn a_series_keeps_its_newest_samples() {
    let metrics = store(small(9, 3, 99));
    let samples: Vec<_> = (0..5).map(|s| (NOW + secs(s), 1.0)).collect();
    assert_eq!(
        metrics.write(vec![series("a", &[], &samples)], NOW),
        stored(5)
    );
    let kept = everything(&metrics, "a").remove(0).samples;
    let times: Vec<_> = kept.iter().map(|s| s.at.since(NOW).as_secs()).collect();
    assert_eq!(times, [2, 3, 4]);
}

#[test]
fn when_all_samples_are_used_up_every_series_still_moves_on() {
    let metrics = store(small(9, 10, 6));
    let samples: Vec<_> = (0..6).map(|s| (NOW + secs(s), 1.0)).collect();
    for name in ["a", "b"] {
        assert_eq!(
            metrics.write(vec![series(name, &[], &samples)], NOW),
            stored(6)
        );
    }
    let kept = |name| everything(&metrics, name).remove(0).samples;
    assert_eq!((kept("a").len(), kept("b").len()), (6, 2));
    assert_eq!(kept("b")[1].at, NOW + secs(5));
}

#[test]
fn at_the_limit_new_series_are_refused_and_known_ones_go_on() {
    let metrics = store(small(1, 9, 99));
    let write = |name, at| metrics.write(vec![series(name, &[], &[(at, 1.0)])], at);
    assert_eq!(write("a", NOW), stored(1));
    assert_eq!(write("b", NOW + secs(1)), refused("series_limit", 1));
    assert_eq!(write("a", NOW + secs(1)), stored(1));
}

#[test]
fn at_the_limit_idle_series_make_room() {
    let metrics = store(small(2, 9, 99));
    let write =
        |name, host, at| metrics.write(vec![series(name, &[("host", host)], &[(at, 1.0)])], at);
    write("idle", "gone", NOW);
    write("busy", "here", NOW);
    let later = NOW + secs(2 * 3_600);
    write("busy", "here", later);
    assert_eq!(write("new", "here", later), refused("series_limit", 1));
    let at = later + secs(11);
    assert_eq!(write("new", "here", at), stored(1));
    assert_eq!(everything(&metrics, "idle"), []);
    assert_eq!(metrics.newest_at("gone"), None);
    assert_eq!(metrics.newest_at("here"), Some(at));
}

#[test]
fn the_newest_sample_of_a_host_is_known() {
    let metrics = store(Limits::default());
    let of = |name, at| series(name, &[("host", "h")], &[(at, 1.0)]);
    metrics.write(vec![of("a", NOW), of("b", NOW - secs(5))], NOW);
    assert_eq!(metrics.newest_at("h"), Some(NOW));
    assert_eq!(metrics.newest_at("other"), None);
}

#[test]
fn growth_is_asked_for_by_selector_and_labels() {
    let metrics = store(Limits::default());
    let stale = f64::NAN;
    let of = |service, result, values: &[f64]| {
        let labels = [("host", "h"), ("result", result), ("service", service)];
        let samples: Vec<_> = (0..)
            .zip(values)
            .map(|(s, v)| (NOW + secs(s), *v))
            .collect();
        series("pay_total", &labels, &samples)
    };
    let batch = vec![
        of("shop", "paid", &[10.0, 12.0, stale, 15.0]),
        of("shop", "failed", &[0.0, 1.0, 1.0, 1.0]),
        of("other", "failed", &[0.0, 50.0, 99.0, 120.0]),
    ];
    metrics.write(batch, NOW);
    let growth = |text: &str, after: u64| {
        let after = NOW + secs(after);
        let of_shop = [("service", "shop")];
        let got = metrics.increases(&selector(text), &of_shop, after, NOW + secs(3));
        let [host] = got.try_into().unwrap();
        let by: Vec<f64> = host.points.iter().map(|(_, by)| *by).collect();
        (host.host, by)
    };
    assert_eq!(
        growth("pay_total", 0),
        ("h".to_owned(), vec![3.0, 0.0, 3.0])
    );
    assert_eq!(
        growth("pay_total", 2).1,
        [3.0],
        "the stale marker is no value"
    );
    assert_eq!(
        growth(r#"pay_total{result="failed"}"#, 0).1,
        [1.0, 0.0, 0.0]
    );
    assert_eq!(growth(r#"pay_total{result="lost"}"#, 0).1, [0.0, 0.0, 0.0]);
    let unknown = metrics.increases(&selector("no_such_total"), &[], NOW, NOW + secs(9));
    assert_eq!(unknown, []);
}

#[test]
fn a_series_that_was_kept_out_does_not_count_from_zero_when_it_comes_in() {
    let metrics = store(small(2, 9, 99));
    let write = |name, result, at, value| {
        let labels = [("host", "h"), ("result", result)];
        metrics.write(vec![series(name, &labels, &[(at, value)])], at)
    };
    write("idle", "", NOW, 1.0);
    let late = NOW + secs(2 * 3_600);
    write("pay_total", "paid", late, 10.0);
    assert_eq!(
        write("pay_total", "failed", late, 500.0),
        refused("series_limit", 1)
    );
    let later = late + secs(11);
    write("pay_total", "paid", later, 11.0);
    assert_eq!(write("pay_total", "failed", later, 501.0), stored(1));
    let failed = selector(r#"pay_total{result="failed"}"#);
    let got = metrics.increases(&failed, &[], late, later);
    assert_eq!(got[0].points, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sample_has_one_outcome_and_no_limit_is_passed(
        batches in prop::collection::vec(
            prop::collection::vec((0..6_u8, 0..8_000_u64, 0..2_u8), 1..12), 1..12),
    ) {
        let limits = small(4, 5, 12);
        let metrics = store(limits);
        for batch in batches {
            let written = batch.len() as u64;
            let batch = batch.into_iter().map(|(id, back, value)| {
                let at = NOW + secs(1_000) - secs(back);
                series("a", &[("id", &id.to_string())], &[(at, f64::from(value))])
            });
            let report = metrics.write(batch.collect(), NOW);
            let told = report.stored + report.repeated + report.refused.values().sum::<u64>();
            prop_assert_eq!(told, written);
            let kept = everything(&metrics, "a");
            prop_assert!(kept.len() <= limits.series);
            let total: usize = kept.iter().map(|s| s.samples.len()).sum();
            prop_assert!(total <= limits.samples + limits.series * LEAST_SAMPLES);
            for one in &kept {
                prop_assert!(one.samples.len() <= limits.samples_per_series);
                prop_assert!(one.samples.is_sorted_by(|a, b| a.at < b.at));
            }
        }
    }
}

#[test]
fn buckets_are_those_that_match_and_are_asked_for() {
    let metrics = store(Limits::default());
    let bucket = |path: &str, le: &str, value: f64| {
        series(
            "pay_seconds_bucket",
            &[("host", "web-1"), ("path", path), ("le", le)],
            &[(NOW - secs(2), 0.0), (NOW - secs(1), value)],
        )
    };
    let batch = vec![
        bucket("/pay", "0.1", 3.0),
        bucket("/pay", "0.5", 5.0),
        bucket("/pay", "+Inf", 6.0),
        bucket("/list", "0.1", 90.0),
        bucket("/list", "0.5", 90.0),
        bucket("/list", "+Inf", 90.0),
    ];
    metrics.write(batch, NOW);
    let ask = |text: &str, within: Option<&[f64]>| {
        let span = (NOW - secs(9), NOW);
        let found = metrics.buckets(&selector(text), &[("host", "web-1")], within, span);
        let point = found[0].points[0].clone();
        (found[0].bounds.clone(), point.at_most, point.total)
    };
    let pay = "pay_seconds_bucket{path=\"/pay\"}";
    assert_eq!(ask(pay, None), (vec![0.1, 0.5], vec![3.0, 5.0], 6.0));
    assert_eq!(ask(pay, Some(&[0.5])), (vec![0.5], vec![5.0], 6.0));
    let (_, at_most, total) = ask("pay_seconds_bucket", None);
    assert_eq!((at_most, total), (vec![93.0, 95.0], 96.0));
}
