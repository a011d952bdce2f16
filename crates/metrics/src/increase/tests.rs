use proptest::prelude::*;

use super::*;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1_000)
}

fn samples(values: &[(i64, f64)]) -> Vec<Sample> {
    let sample = |&(s, value): &(i64, f64)| Sample { at: at(s), value };
    values.iter().map(sample).collect()
}

/// Is a counted series with all its samples in the window.
fn new_series(labels: &[(&str, &str)], values: &[(i64, f64)]) -> Track {
    Track {
        labels: Labels::new(labels.iter().copied()).unwrap(),
        counted: true,
        from_birth: true,
        before: None,
        samples: samples(values),
    }
}

/// Is a counted series whose first value came before the window.
fn known_series(labels: &[(&str, &str)], values: &[(i64, f64)]) -> Track {
    let mut track = new_series(labels, values);
    track.before = Some(track.samples.remove(0));
    track
}

fn witness(mut track: Track) -> Track {
    track.counted = false;
    track
}

/// Returns points and resets of the only host, in seconds.
fn only_host(tracks: Vec<Track>) -> (Vec<(i64, f64)>, Vec<i64>) {
    let [host] = increases(tracks).try_into().unwrap();
    let s = |t: Timestamp| t.as_millis() / 1_000;
    let points = host.points.iter().map(|(t, by)| (s(*t), *by)).collect();
    (points, host.resets.into_iter().map(s).collect())
}

const PAID: [(&str, &str); 2] = [("host", "web-1"), ("result", "paid")];
const FAILED: [(&str, &str); 2] = [("host", "web-1"), ("result", "failed")];

#[test]
fn growth_is_summed_over_the_series_of_a_host_at_one_scrape() {
    let tracks = vec![
        known_series(&PAID, &[(0, 10.0), (1, 15.0), (2, 15.0), (3, 18.0)]),
        known_series(&FAILED, &[(0, 1.0), (1, 1.0), (2, 3.0), (3, 3.0)]),
    ];
    assert_eq!(
        only_host(tracks),
        (vec![(1, 5.0), (2, 2.0), (3, 3.0)], vec![])
    );
}

#[test]
fn hosts_are_told_apart_and_come_by_name() {
    let of = |host| new_series(&[("host", host)], &[(1, 1.0), (2, 2.0)]);
    let got = increases(vec![of("b"), of("a"), of("a")]);
    let hosts: Vec<_> = got
        .iter()
        .map(|h| (h.host.as_str(), h.points.len()))
        .collect();
    assert_eq!(hosts, [("a", 1), ("b", 1)]);
}

#[test]
fn the_first_scrape_of_a_host_says_nothing() {
    let tracks = vec![new_series(&PAID, &[(1, 1_000_000.0), (2, 1_000_001.0)])];
    assert_eq!(only_host(tracks), (vec![(2, 1.0)], vec![]));
}

#[test]
fn a_new_label_combination_counts_from_zero_when_the_host_was_scraped_before() {
    let before = vec![
        witness(known_series(&PAID, &[(0, 9.0), (1, 9.0), (2, 9.0)])),
        new_series(&FAILED, &[(2, 3.0)]),
    ];
    assert_eq!(only_host(before), (vec![(1, 0.0), (2, 3.0)], vec![]));
    let together = vec![
        witness(new_series(&PAID, &[(2, 9.0), (3, 9.0)])),
        new_series(&FAILED, &[(2, 3.0), (3, 4.0)]),
    ];
    assert_eq!(only_host(together), (vec![(3, 1.0)], vec![]));
}

#[test]
fn a_scrape_with_a_series_that_may_be_older_than_what_we_kept_is_left_out() {
    let mut failed = new_series(&FAILED, &[(2, 300.0), (3, 301.0)]);
    failed.from_birth = false;
    let paid = known_series(&PAID, &[(0, 9.0), (1, 10.0), (2, 11.0), (3, 12.0)]);
    assert_eq!(
        only_host(vec![paid, failed]),
        (vec![(1, 1.0), (3, 2.0)], vec![])
    );
}

#[test]
fn a_host_that_moves_to_another_ring_keeps_its_counts() {
    let everyone = [("host", "web-1"), ("ring", "everyone")];
    let canary = [("host", "web-1"), ("ring", "canary")];
    let moved = vec![
        known_series(&everyone, &[(0, 5_000.0), (1, 5_004.0)]),
        new_series(&canary, &[(2, 5_007.0), (3, 5_009.0)]),
    ];
    assert_eq!(
        only_host(moved),
        (vec![(1, 4.0), (2, 3.0), (3, 2.0)], vec![])
    );
}

#[test]
fn a_new_process_under_a_new_release_label_counts_from_zero() {
    let old = [("host", "web-1"), ("release", "1.0")];
    let new = [("host", "web-1"), ("release", "1.1")];
    let replaced = vec![
        known_series(&old, &[(0, 5_000.0), (1, 5_004.0)]),
        new_series(&new, &[(2, 7.0)]),
    ];
    assert_eq!(only_host(replaced), (vec![(1, 4.0), (2, 7.0)], vec![]));
    let side_by_side = vec![
        known_series(&old, &[(0, 2.0), (1, 2.0), (2, 2.0)]),
        new_series(&new, &[(2, 7.0)]),
    ];
    assert_eq!(only_host(side_by_side), (vec![(1, 0.0), (2, 7.0)], vec![]));
}

#[test]
fn a_reset_leaves_its_scrape_out_and_is_named() {
    let tracks = vec![
        known_series(&PAID, &[(0, 50.0), (1, 51.0), (2, 4.0), (3, 6.0)]),
        known_series(&FAILED, &[(0, 2.0), (1, 2.0), (2, 2.0), (3, 3.0)]),
    ];
    assert_eq!(only_host(tracks), (vec![(1, 1.0), (3, 3.0)], vec![2]));
}

#[test]
fn a_gap_counts_at_its_end_and_a_vanished_series_not_at_all() {
    let tracks = vec![
        witness(known_series(
            &PAID,
            &[(0, 1.0), (1, 1.0), (2, 1.0), (60, 1.0)],
        )),
        known_series(&FAILED, &[(0, 2.0), (60, 9.0)]),
    ];
    assert_eq!(
        only_host(tracks),
        (vec![(1, 0.0), (2, 0.0), (60, 7.0)], vec![])
    );
}

#[test]
fn a_host_without_a_scrape_in_the_window_is_left_out() {
    assert_eq!(increases(vec![known_series(&PAID, &[(0, 1.0)])]), []);
    assert_eq!(increases(vec![]), []);
}

/// Returns what a process that never restarts exposes: per step the growth of two counters, the second
/// of which shows only after its first event.
fn exposed(steps: &[(u32, u32)]) -> [Vec<(i64, f64)>; 2] {
    let (mut paid, mut failed) = (0.0, 0.0);
    let (mut paid_at, mut failed_at) = (Vec::new(), Vec::new());
    for (second, step) in (0..).zip(steps) {
        paid += f64::from(step.0);
        failed += f64::from(step.1);
        paid_at.push((second, paid));
        if failed > 0.0 {
            failed_at.push((second, failed));
        }
    }
    [paid_at, failed_at]
}

/// Cuts a series to what a window sees of it.
fn window(labels: &[(&str, &str)], all: &[(i64, f64)], after: i64, until: i64) -> Track {
    let inside = |s: i64| s > after && s <= until;
    let part: Vec<_> = all.iter().copied().filter(|(s, _)| inside(*s)).collect();
    let mut track = new_series(labels, &part);
    let before = all.iter().copied().rfind(|(s, _)| *s <= after);
    track.before = before.map(|(s, value)| Sample { at: at(s), value });
    track
}

fn points_of(steps: &[(u32, u32)], after: i64, until: i64) -> Vec<(Timestamp, f64)> {
    let [paid, failed] = exposed(steps);
    let tracks = vec![
        window(&PAID, &paid, after, until),
        window(&FAILED, &failed, after, until),
    ];
    let [host] = increases(tracks).try_into().unwrap();
    assert_eq!(host.resets, []);
    host.points
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn growth_of_counters_that_never_reset_is_last_minus_first(
        steps in prop::collection::vec((0..1_000_000_u32, 0..3_u32), 2..30),
    ) {
        let last = i64::try_from(steps.len()).unwrap() - 1;
        let sum: f64 = points_of(&steps, 0, last).iter().map(|(_, by)| by).sum();
        let expected: u32 = steps[1..].iter().map(|(paid, failed)| paid + failed).sum();
        prop_assert_eq!(sum, f64::from(expected));
    }

    #[test]
    fn two_windows_say_what_one_window_over_both_says(
        steps in prop::collection::vec((0..9_u32, 0..2_u32), 4..30),
        middle in any::<prop::sample::Index>(),
    ) {
        let last = i64::try_from(steps.len()).unwrap() - 1;
        let middle = i64::try_from(middle.index(steps.len() - 3)).unwrap() + 1;
        let mut parts = points_of(&steps, 0, middle);
        parts.extend(points_of(&steps, middle, last));
        prop_assert_eq!(parts, points_of(&steps, 0, last));
    }

    #[test]
    fn growth_is_never_negative_and_no_scrape_is_told_twice(
        values in prop::collection::vec(prop::collection::vec(0..9_u8, 0..12), 1..4),
    ) {
        let tracks = values.iter().zip(["a", "b", "c", "d"]).map(|(values, code)| {
            let values: Vec<_> = (0..).zip(values).map(|(s, v)| (s, f64::from(*v))).collect();
            new_series(&[("host", "h"), ("code", code)], &values)
        });
        for host in increases(tracks.collect()) {
            prop_assert!(host.points.iter().all(|(_, by)| *by >= 0.0));
            let mut told: Vec<_> = host.points.iter().map(|(at, _)| *at).collect();
            told.extend(&host.resets);
            told.sort();
            prop_assert!(told.windows(2).all(|two| two[0] < two[1]));
        }
    }
}
