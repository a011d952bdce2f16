//! When a freeze is in force, also where clocks are set.

use std::time::Duration;

use deliver::freeze::{Frozen, current_or_next, in_force, next_begin};
use model::Timestamp;
use model::deliver::FreezeRule;
use model::deliver::freeze::Window;
use model::time::{Doubt, at};
use proptest::prelude::*;

fn rule(name: &str, zone: &str, from: &str, to: &str) -> FreezeRule {
    FreezeRule {
        name: name.parse().unwrap(),
        zone: zone.parse().unwrap(),
        window: Window::read(from, to).unwrap(),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn is_frozen(rule: &FreezeRule, now: &str) -> bool {
    in_force([rule], time(now)).is_some()
}

/// Checks the first and last second of a freeze.
fn assert_spans(rule: &FreezeRule, from: &str, until: &str) {
    let second = Duration::from_secs(1);
    let (from, until) = (time(from), time(until));
    let frozen = |now| in_force([rule], now).map(|f: Frozen| f.until);
    assert_eq!(frozen(from - second), None, "before it begins");
    assert_eq!(frozen(from), Some(until));
    assert_eq!(frozen(until - second), Some(until));
    assert_eq!(frozen(until), None, "its end is not part of it");
    assert_eq!(next_begin([rule], from - second), Some(from));
}

#[test]
fn a_weekend_is_frozen_by_the_clock_of_its_zone() {
    let weekend = rule("weekend", "Europe/Berlin", "fri 16:00", "mon 08:00");
    assert_spans(&weekend, "2026-01-09T15:00:00Z", "2026-01-12T07:00:00Z");
    assert_spans(&weekend, "2026-07-10T14:00:00Z", "2026-07-13T06:00:00Z");
    let new_york = rule("weekend", "America/New_York", "fri 16:00", "mon 08:00");
    assert_spans(&new_york, "2026-01-09T21:00:00Z", "2026-01-12T13:00:00Z");
}

#[test]
fn a_week_with_one_hour_off_is_frozen_around_its_end() {
    let most = rule("most", "UTC", "mon 09:00", "mon 08:00");
    assert_spans(&most, "2026-01-05T09:00:00Z", "2026-01-12T08:00:00Z");
    assert!(!is_frozen(&most, "2026-01-12T08:30:00Z"));
    assert!(is_frozen(&most, "2026-01-12T09:00:00Z"));
}

#[test]
fn a_dated_freeze_comes_once() {
    let year_end = rule("e", "Europe/Berlin", "2026-12-23 12:00", "2027-01-02 08:00");
    assert_spans(&year_end, "2026-12-23T11:00:00Z", "2027-01-02T07:00:00Z");
    assert_eq!(
        current_or_next(&year_end, time("2027-01-02T07:00:00Z")),
        None
    );
    assert_eq!(next_begin([&year_end], time("2027-01-02T07:00:00Z")), None);
}

#[test]
fn the_night_in_which_clocks_are_set_forward_is_an_hour_shorter() {
    let night = rule("n", "Europe/Berlin", "sat 22:00", "sun 06:00");
    assert_spans(&night, "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z");
    assert_spans(&night, "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z");
}

#[test]
fn in_doubt_about_a_clock_that_is_set_the_freeze_is_the_longer_one() {
    // 02:30 is skipped on 29 March and shown twice on 25 October.
    let begins = rule("b", "Europe/Berlin", "sun 02:30", "sun 06:00");
    assert_spans(&begins, "2026-03-29T00:30:00Z", "2026-03-29T04:00:00Z");
    assert_spans(&begins, "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z");
    let ends = rule("e", "Europe/Berlin", "sat 22:00", "sun 02:30");
    assert_spans(&ends, "2026-03-28T21:00:00Z", "2026-03-29T01:30:00Z");
    assert_spans(&ends, "2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z");
}

#[test]
fn of_several_the_one_that_ends_last_is_named() {
    let rules = [
        rule("lunch", "UTC", "tue 10:00", "tue 12:00"),
        rule("day", "UTC", "tue 09:00", "tue 18:00"),
        rule("weekend", "UTC", "fri 16:00", "mon 08:00"),
    ];
    let frozen = in_force(&rules, time("2026-01-06T11:00:00Z")).unwrap();
    assert_eq!(
        (frozen.rule.as_str(), frozen.until),
        ("day", time("2026-01-06T18:00:00Z"))
    );
    assert_eq!(
        next_begin(&rules, time("2026-01-06T11:00:00Z")),
        Some(time("2026-01-09T16:00:00Z"))
    );
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
];

proptest! {
    /// Wherever no clock is set near, a weekly freeze is in force exactly while the clock on the wall is
    /// between its two times.
    #[test]
    fn a_weekly_freeze_follows_the_clock_on_the_wall(
        zone in prop::sample::select(ZONES.to_vec()),
        from in (0usize..7, 0u32..24, 0u32..60),
        to in (0usize..7, 0u32..24, 0u32..60),
        minute in 0i64..2 * 366 * 24 * 60,
    ) {
        prop_assume!(from != to);
        let text = |(day, h, m): (usize, u32, u32)| format!("{} {h:02}:{m:02}", DAYS[day]);
        let rule = rule("r", zone, &text(from), &text(to));
        let now = time("2025-06-01T00:00:00Z") + Duration::from_secs(60 * minute.unsigned_abs());
        let wall = rule.zone.wall(now);
        let day = Duration::from_secs(86_400);
        let set = |at: Timestamp| {
            let earlier = rule.zone.wall(at - 8 * day).plus_days(16);
            earlier != rule.zone.wall(at + 8 * day)
        };
        prop_assume!(!set(now));
        let Window::Weekly { from, to } = rule.window else { unreachable!() };
        let expected = from.latest(wall) > to.latest(wall);
        prop_assert_eq!(in_force([&rule], now).is_some(), expected);
        // And it says the right end: there it is over, a moment before it is not.
        if let Some(frozen) = in_force([&rule], now) {
            prop_assert_eq!(in_force([&rule], frozen.until), None);
            prop_assert!(in_force([&rule], frozen.until - Duration::from_micros(1)).is_some());
        }
    }

    /// Whatever the clocks do, a time of the wall lies between its two readings, and no rule panics.
    #[test]
    fn no_zone_and_no_time_is_too_much(
        zone in prop::sample::select(ZONES.to_vec()),
        micros in -62_000_000_000_000_000i64..253_000_000_000_000_000,
    ) {
        let now = Timestamp::from_micros(micros);
        let rule = rule("r", zone, "sun 02:30", "sun 03:30");
        let wall = rule.zone.wall(now);
        prop_assert!(at(&rule.zone, wall, Doubt::Earlier) <= at(&rule.zone, wall, Doubt::Later));
        if let Some(span) = current_or_next(&rule, now) {
            prop_assert!(span.from < span.until && now < span.until);
        }
    }
}
