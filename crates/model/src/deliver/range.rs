//! Ranges of versions, as a release writes them: `>=12 <15`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Holds every version from `from` on that is below `below`; never empty, and never without both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range<T> {
    from: Option<T>,
    below: Option<T>,
}

impl<T: Ord + Clone> Range<T> {
    /// Makes a range; none when nothing lies in it, or everything does.
    pub fn new(from: Option<T>, below: Option<T>) -> Option<Self> {
        let is_something = match (&from, &below) {
            (None, None) => false,
            (Some(from), Some(below)) => from < below,
            (Some(_), None) | (None, Some(_)) => true,
        };
        is_something.then_some(Self { from, below })
    }

    pub fn contains(&self, version: &T) -> bool {
        self.from.as_ref().is_none_or(|from| from <= version)
            && self.below.as_ref().is_none_or(|below| version < below)
    }

    /// Tells whether everything in `other` lies in this range.
    pub fn covers(&self, other: &Self) -> bool {
        let from = match (&self.from, &other.from) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(other)) => mine <= other,
        };
        let below = match (&self.below, &other.below) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(other)) => other <= mine,
        };
        from && below
    }

    /// Returns what is left of the range without one end of it; the whole when `end` is no end of it, and
    /// none when nothing is left.
    pub fn without(&self, end: &Self) -> Option<Self> {
        if end.covers(self) {
            return None;
        }
        let begins_before = match (&end.from, &self.from) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(end), Some(from)) => end <= from,
        };
        let ends_behind = match (&end.below, &self.below) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(end), Some(below)) => end >= below,
        };
        let left = match (begins_before, ends_behind) {
            (true, _) if end.below > self.from => Self {
                from: end.below.clone(),
                below: self.below.clone(),
            },
            (_, true) if self.below.is_none() || end.from < self.below => Self {
                from: self.from.clone(),
                below: end.from.clone(),
            },
            _ => self.clone(),
        };
        Some(left)
    }
}

impl<T: fmt::Display + PartialEq> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.below) {
            (Some(from), Some(below)) => f.pad(&format!(">={from} <{below}")),
            (Some(from), None) => f.pad(&format!(">={from}")),
            (None, Some(below)) => f.pad(&format!("<{below}")),
            (None, None) => f.pad("any"),
        }
    }
}

/// Is one comparison: its sign and what stands behind it.
type Comparison<'a> = (&'a str, &'a str);

/// Splits `>=12 <15` into its comparisons; a version without a sign has the empty one.
fn comparisons(text: &str) -> Option<Vec<Comparison<'_>>> {
    const SIGNS: [char; 3] = ['<', '>', '='];
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let version_at = rest.find(|c| !SIGNS.contains(&c))?;
        let (sign, behind) = rest.split_at(version_at);
        let behind = behind.trim_start();
        let end = behind
            .find(|c: char| c.is_whitespace() || SIGNS.contains(&c))
            .unwrap_or(behind.len());
        let (version, after) = behind.split_at(end);
        if version.is_empty() {
            return None;
        }
        found.push((sign, version));
        rest = after.trim_start();
    }
    (!found.is_empty()).then_some(found)
}

/// Keeps the narrower of two lower ends.
fn raise<T: Ord>(end: &mut Option<T>, to: T) {
    if end.as_ref().is_none_or(|end| *end < to) {
        *end = Some(to);
    }
}

/// Keeps the narrower of two upper ends.
fn lower<T: Ord>(end: &mut Option<T>, to: T) {
    if end.as_ref().is_none_or(|end| to < *end) {
        *end = Some(to);
    }
}

/// Reads whole numbers: `>=12 <15`, `14`, `>11 <=14`.
impl FromStr for Range<u64> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written = text.escape_debug();
        let no_range = || {
            format!("`{written}` is no range of schema versions; write one such as \">=12 <15\"")
        };
        let (mut from, mut below) = (None, None);
        for (sign, version) in comparisons(text).ok_or_else(no_range)? {
            let version: u64 = version.parse().map_err(|_| no_range())?;
            let next = || {
                version
                    .checked_add(1)
                    .ok_or_else(|| format!("`{written}` is too large; write smaller versions"))
            };
            match sign {
                ">=" => raise(&mut from, version),
                ">" => raise(&mut from, next()?),
                "<" => lower(&mut below, version),
                "<=" => lower(&mut below, next()?),
                "" | "=" => {
                    raise(&mut from, version);
                    lower(&mut below, next()?);
                }
                _ => return Err(no_range()),
            }
        }
        Range::new(from, below).ok_or_else(|| {
            format!("no version lies in `{written}`; write one such as \">=12 <15\"")
        })
    }
}

/// Is a client's version: whole numbers with dots between, of which missing ones are 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientVersion(Vec<u64>);

impl FromStr for ClientVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const PARTS: usize = 8;
        let parts: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
        let mut parts = parts
            .ok()
            .filter(|parts| parts.len() <= PARTS)
            .ok_or_else(|| {
                format!(
                    "`{}` is no version of numbers with dots between; write one such as 4.2",
                    text.escape_debug()
                )
            })?;
        while parts.len() > 1 && parts.last() == Some(&0) {
            parts.pop();
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.pad(&parts.join("."))
    }
}

/// Reads versions with dots: `>=4.2`, `>=4.2 <6`. Between two of them there is always a third, so only `>=`
/// and `<` say exactly where a range begins and ends.
impl FromStr for Range<ClientVersion> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written = text.escape_debug();
        let no_range = || {
            format!("`{written}` is no range of client versions; write one such as \">=4.2 <6\"")
        };
        let (mut from, mut below) = (None, None);
        for (sign, version) in comparisons(text).ok_or_else(no_range)? {
            let version: ClientVersion = version.parse()?;
            match sign {
                ">=" => raise(&mut from, version),
                "<" => lower(&mut below, version),
                _ => return Err(no_range()),
            }
        }
        Range::new(from, below).ok_or_else(|| {
            format!("no version lies in `{written}`; write one such as \">=4.2 <6\"")
        })
    }
}

impl<T: fmt::Display + PartialEq> Serialize for Range<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, T> Deserialize<'de> for Range<T>
where
    Range<T>: FromStr<Err = String>,
{
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range<u64> {
        text.parse().unwrap()
    }

    fn clients(text: &str) -> Range<ClientVersion> {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_to_write_a_range_means_its_two_ends() {
        for (text, same) in [
            (">=12 <15", ">=12 <15"),
            ("<15 >=12", ">=12 <15"),
            (">= 12  < 15", ">=12 <15"),
            (">=12<15", ">=12 <15"),
            (">11 <=14", ">=12 <15"),
            ("14", ">=14 <15"),
            ("=14", ">=14 <15"),
            (">=3", ">=3"),
            ("<3", "<3"),
            (">=1 >=12 <20 <15", ">=12 <15"),
        ] {
            assert_eq!(range(text).to_string(), same, "{text}");
        }
        assert_eq!(clients(">=4.2.0 <6").to_string(), ">=4.2 <6");
        assert_eq!(clients("<0.0").to_string(), "<0");
    }

    #[test]
    fn what_is_no_range_is_refused_and_so_is_an_empty_one() {
        for bad in [
            "",
            " ",
            ">=",
            "12..15",
            "~12",
            "=>12",
            "== 12",
            ">=-1",
            "v12",
            "!=3",
            ">=12 ||",
            "1.5",
            ">=12 <12",
            ">13 <14",
            ">=99999999999999999999",
            ">18446744073709551615",
        ] {
            let error = bad.parse::<Range<u64>>().unwrap_err();
            assert!(error.contains("; write "), "{bad}: {error}");
        }
        for bad in [
            "",
            ">4.2",
            "<=4",
            "4.2",
            ">=4.x",
            ">=4..2",
            ">=6 <4.2",
            ">=1.1.1.1.1.1.1.1.1",
        ] {
            let error = bad.parse::<Range<ClientVersion>>().unwrap_err();
            assert!(error.contains("; write "), "{bad}: {error}");
        }
    }

    #[test]
    fn versions_with_dots_are_ordered_by_their_numbers() {
        let range = clients(">=4.2 <4.10");
        for (version, lies) in [
            ("4.2", true),
            ("4.9.9", true),
            ("4.10", false),
            ("4.1.9", false),
        ] {
            assert_eq!(range.contains(&version.parse().unwrap()), lies, "{version}");
        }
    }

    /// Compares with the sets of all versions there are below a small number.
    #[test]
    fn a_range_is_the_set_it_says() {
        let all: Vec<Range<u64>> = (1..6)
            .flat_map(|from| (0..7).map(move |below| (from, below)))
            .flat_map(|(from, below)| {
                [
                    Range::new(Some(from), Some(below)),
                    Range::new(Some(from), None),
                    Range::new(None, Some(below).filter(|below| *below > 0)),
                ]
            })
            .flatten()
            .collect();
        let set = |range: &Range<u64>| -> Vec<u64> {
            (0..9).filter(|version| range.contains(version)).collect()
        };
        for one in &all {
            for other in &all {
                let (a, b) = (set(one), set(other));
                let holds = b.iter().all(|version| a.contains(version));
                if one.covers(other) {
                    assert!(holds, "{one} covers {other}");
                }
                let left: Vec<u64> = a.iter().copied().filter(|v| !b.contains(v)).collect();
                let without = one.without(other);
                let is_hole = left.first() == a.first() && left.last() == a.last();
                if !is_hole {
                    let found = without.as_ref().map(set).unwrap_or_default();
                    assert_eq!(found, left, "{one} without {other}");
                } else if !left.is_empty() {
                    assert_eq!(without.as_ref(), Some(one), "{one} without {other}");
                }
            }
        }
    }
}
