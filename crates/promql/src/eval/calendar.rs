//! Parts of a date in UTC, of seconds since 1970.

/// Is a day of the Gregorian calendar, found by counting days in cycles of 400 years that begin in March.
struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

const DAY_S: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
const CYCLE_DAYS: i64 = 146_097;

fn days(seconds: i64) -> i64 {
    seconds.div_euclid(DAY_S)
}

fn date(seconds: i64) -> Date {
    let since = days(seconds) + EPOCH;
    let (cycle, day) = (since.div_euclid(CYCLE_DAYS), since.rem_euclid(CYCLE_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // March, April, … in steps of 31 and 30 days.
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Date {
        year: cycle * 400 + year + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn year(seconds: i64) -> f64 {
    date(seconds).year as f64
}

pub(crate) fn month(seconds: i64) -> f64 {
    date(seconds).month as f64
}

pub(crate) fn day_of_month(seconds: i64) -> f64 {
    date(seconds).day as f64
}

/// Counts from Sunday, which is 0.
pub(crate) fn day_of_week(seconds: i64) -> f64 {
    (days(seconds) + 4).rem_euclid(7) as f64
}

/// Counts from 1.
pub(crate) fn day_of_year(seconds: i64) -> f64 {
    let date = date(seconds);
    let before: i64 = (1..date.month)
        .map(|month| month_length(date.year, month))
        .sum();
    (before + date.day) as f64
}

pub(crate) fn days_in_month(seconds: i64) -> f64 {
    let date = date(seconds);
    month_length(date.year, date.month) as f64
}

pub(crate) fn hour(seconds: i64) -> f64 {
    (seconds.rem_euclid(DAY_S) / 3_600) as f64
}

pub(crate) fn minute(seconds: i64) -> f64 {
    (seconds.rem_euclid(3_600) / 60) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_are_found() {
        let leap = 1_709_208_000; // Thursday, 29 February 2024, 12:00
        assert_eq!(
            (year(leap), month(leap), day_of_month(leap)),
            (2024.0, 2.0, 29.0)
        );
        assert_eq!(
            (day_of_week(leap), day_of_year(leap), days_in_month(leap)),
            (4.0, 60.0, 29.0)
        );
        assert_eq!((hour(leap), minute(leap)), (12.0, 0.0));
        let before = -1; // 31 December 1969, 23:59:59
        assert_eq!(
            (year(before), month(before), day_of_month(before)),
            (1969.0, 12.0, 31.0)
        );
        assert_eq!(
            (day_of_week(before), hour(before), minute(before)),
            (3.0, 23.0, 59.0)
        );
    }

    #[test]
    fn each_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = (1600, 1, 1);
        for day in -135_140_i64..157_054 {
            let found = date(day * DAY_S);
            assert_eq!((found.year, found.month, found.day), expected);
            expected.2 += 1;
            if expected.2 > month_length(expected.0, expected.1) {
                expected = (expected.0, expected.1 + 1, 1);
            }
            if expected.1 > 12 {
                expected = (expected.0 + 1, 1, 1);
            }
        }
    }
}
