//! Time as a clock on a wall shows it, and the zones such clocks stand in.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Timestamp;

/// The zones of the IANA database as they stood when the program was built; those of the machine are not
/// looked at, so that every server reads a rule the same way.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Names a time zone: `Europe/Berlin`, `UTC`.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Returns what a clock there shows, in whole minutes; one that was set back shows some times twice.
    pub fn wall(&self, at: Timestamp) -> WallTime {
        let shown = at.to_jiff().unwrap_or_default().to_zoned(self.0.clone());
        let shown = shown.datetime();
        let seconds = i64::from(shown.second()).seconds();
        let nanos = i64::from(shown.subsec_nanosecond()).nanoseconds();
        WallTime(shown.saturating_sub(seconds).saturating_sub(nanos))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s == "UTC" {
            return Ok(Self::utc());
        }
        ZONES.get(s).map(Self).map_err(|_| {
            format!(
                "`{}` is not a time zone; write one as Europe/Berlin or UTC",
                s.escape_debug()
            )
        })
    }
}

/// Says which of two instants is meant where a clock is set: a time that is shown twice, or one that is
/// skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    Earlier,
    Later,
}

/// Returns when a clock in the zone shows this time.
///
/// A time that is skipped when clocks are set forward is moved by as much as they are set: with
/// [`Doubt::Later`] 02:30 means 03:30, with [`Doubt::Earlier`] 01:30.
pub fn at(zone: &Zone, wall: WallTime, doubt: Doubt) -> Timestamp {
    let ambiguous = zone.0.to_ambiguous_timestamp(wall.0);
    let found = match doubt {
        Doubt::Earlier => ambiguous.earlier(),
        Doubt::Later => ambiguous.later(),
    };
    // Only a time at the very end of the calendar has no instant.
    found.map_or(Timestamp(i64::MAX), |at| Timestamp(at.as_microsecond()))
}

/// Is a moment of the calendar: `2026-12-23 12:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(DateTime);

impl WallTime {
    /// Returns the time so many days later; it stays at the end of the calendar.
    pub fn plus_days(self, days: i32) -> Self {
        let span: Span = i64::from(days).days();
        Self(self.0.saturating_add(span))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date(), self.0.time());
        write!(f, "{date} {:02}:{:02}", time.hour(), time.minute())
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WallTime {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "`{}` is not a date and time such as 2026-12-23 12:00",
                s.escape_debug()
            )
        };
        let (date, time) = s.split_once(' ').ok_or_else(help)?;
        let date: jiff::civil::Date = match date.len() {
            10 => date.parse().map_err(|_| help())?,
            _ => return Err(help()),
        };
        Ok(Self(date.to_datetime(minutes(time).ok_or_else(help)?)))
    }
}

/// Is a moment of every week: `fri 16:00`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WeekTime {
    day: Weekday,
    time: Time,
}

impl WeekTime {
    /// Returns the newest such moment that is not after `wall`.
    pub fn latest(self, wall: WallTime) -> WallTime {
        let days = self.day.until(wall.0.weekday());
        let latest = WallTime(wall.0.date().to_datetime(self.time)).plus_days(-i32::from(days));
        if latest > wall {
            latest.plus_days(-7)
        } else {
            latest
        }
    }

    /// Returns the first such moment after `wall`.
    pub fn next(self, wall: WallTime) -> WallTime {
        self.latest(wall).plus_days(7)
    }
}

impl fmt::Display for WeekTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute) = (self.time.hour(), self.time.minute());
        let day = DAYS[self.day.to_monday_zero_offset().unsigned_abs() as usize];
        write!(f, "{day} {hour:02}:{minute:02}")
    }
}

impl fmt::Debug for WeekTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for WeekTime {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "`{}` is not a day and time such as fri 16:00",
                s.escape_debug()
            )
        };
        let (day, time) = s.split_once(' ').ok_or_else(help)?;
        let day = (0i8..).zip(DAYS).find(|(_, name)| *name == day);
        let (offset, _) = day.ok_or_else(help)?;
        Ok(Self {
            day: Weekday::from_monday_zero_offset(offset).map_err(|_| help())?,
            time: minutes(time).ok_or_else(help)?,
        })
    }
}

/// Reads `16:00`.
fn minutes(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| match digits.as_bytes() {
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => digits.parse::<i8>().ok(),
        _ => None,
    };
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(Zone WallTime WeekTime);

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(zone: &str, wall: &str, doubt: Doubt) -> String {
        at(&zone.parse().unwrap(), wall.parse().unwrap(), doubt).to_string()
    }

    #[test]
    fn a_time_of_the_wall_is_an_instant_of_its_zone() {
        let noon = |zone| instant(zone, "2026-01-07 12:00", Doubt::Earlier);
        assert_eq!(noon("UTC"), "2026-01-07T12:00:00Z");
        assert_eq!(noon("Europe/Berlin"), "2026-01-07T11:00:00Z");
        assert_eq!(noon("America/New_York"), "2026-01-07T17:00:00Z");
        assert_eq!(noon("Asia/Kathmandu"), "2026-01-07T06:15:00Z");
    }

    #[test]
    fn a_skipped_time_is_moved_by_what_the_clocks_are_set() {
        let skipped = |doubt| instant("Europe/Berlin", "2026-03-29 02:30", doubt);
        assert_eq!(skipped(Doubt::Earlier), "2026-03-29T00:30:00Z", "01:30");
        assert_eq!(skipped(Doubt::Later), "2026-03-29T01:30:00Z", "03:30");
    }

    #[test]
    fn a_time_shown_twice_is_two_instants() {
        let twice = |doubt| instant("Europe/Berlin", "2026-10-25 02:30", doubt);
        assert_eq!(twice(Doubt::Earlier), "2026-10-25T00:30:00Z");
        assert_eq!(twice(Doubt::Later), "2026-10-25T01:30:00Z");
    }

    #[test]
    fn a_clock_shows_whole_minutes_of_its_zone() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let wall = |at: &str| berlin.wall(at.parse().unwrap()).to_string();
        assert_eq!(wall("2026-01-07T11:00:59.999999Z"), "2026-01-07 12:00");
        assert_eq!(wall("2026-10-25T00:30:00Z"), "2026-10-25 02:30");
        assert_eq!(wall("2026-10-25T01:30:00Z"), "2026-10-25 02:30");
    }

    #[test]
    fn the_newest_moment_of_the_week_is_never_after_the_time_asked_about() {
        let friday: WeekTime = "fri 16:00".parse().unwrap();
        let around = |wall: &str| {
            let wall: WallTime = wall.parse().unwrap();
            (
                friday.latest(wall).to_string(),
                friday.next(wall).to_string(),
            )
        };
        let week = ("2026-01-02 16:00".to_owned(), "2026-01-09 16:00".to_owned());
        for wall in ["2026-01-02 16:00", "2026-01-05 00:00", "2026-01-09 15:59"] {
            assert_eq!(around(wall), week, "{wall}");
        }
        assert_eq!(around("2026-01-09 16:00").0, "2026-01-09 16:00");
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        for bad in [
            "",
            "fri",
            "fri 16",
            "fri 24:00",
            "fri 1:00",
            "Fri 16:00",
            "fri  16:00",
        ] {
            let error = bad.parse::<WeekTime>().unwrap_err();
            assert!(error.ends_with("such as fri 16:00"), "{error}");
        }
        for bad in [
            "2026-02-30 12:00",
            "2026-1-1 12:00",
            "2026-01-01",
            "2026-01-01T12:00",
            "2026-01-01 12:00:00",
        ] {
            let error = bad.parse::<WallTime>().unwrap_err();
            assert!(error.ends_with("such as 2026-12-23 12:00"), "{error}");
        }
        for bad in ["", "Mars/Olympus", "Europe", "../etc/passwd", "+01:00"] {
            let error = bad.parse::<Zone>().unwrap_err();
            assert!(error.contains("write one as Europe/Berlin"), "{error}");
        }
    }
}
