//! One typed id per noun, so that mixing two up does not compile. The list is alphabetical.
//!
//! Generated ids are ULIDs (48 bits of milliseconds, 80 bits of randomness, Crockford's base 32) behind
//! a prefix that says what they name: `ent_01JD2K…`. They sort by time of creation. The random bits are
//! an argument: `runtime` draws them from the system, `lab` from a seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Is an id without its noun: what the ids of all nouns are counted up in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ulid(u128);

impl Ulid {
    /// Makes one from the time, to the millisecond, and 80 random bits (the low ones of `random`).
    pub fn new(at: Timestamp, random: u128) -> Self {
        let millis = u128::try_from(at.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
        Self(millis << 80 | random & ((1 << 80) - 1))
    }

    /// Returns a later one: of the same millisecond, or of the next when that has no room left.
    pub fn plus(self, step: u128) -> Self {
        Self(self.0.saturating_add(step))
    }

    /// Returns the millisecond it was made in.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

fn encode(value: u128) -> String {
    (0..26)
        .rev()
        .map(|i| char::from(ALPHABET[(value >> (5 * i) & 31) as usize]))
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&c| c == byte)?;
        Some(value << 5 | digit as u128)
    })
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id from the time and 80 random bits (the low ones of `random`).
            pub fn new(at: Timestamp, random: u128) -> Self {
                Ulid::new(at, random).into()
            }

            pub fn ulid(self) -> Ulid {
                Ulid(self.0)
            }
        }

        impl From<Ulid> for $name {
            fn from(ulid: Ulid) -> Self {
                Self(ulid.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($prefix, "_{}"), encode(self.0)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                s.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or_else(|| {
                    format!(concat!("`{}` is not an id of the form ", $prefix, "_01JD…"), s)
                })
            }
        }

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

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::text(concat!("^", $prefix, "_[0-9A-HJKMNP-TV-Z]{26}$"))
            }
        }
    )*};
}

typed_ids! {
    /// Names one thing a procedure or a person had done.
    ActionId = "act";
    /// Names one journal entry.
    EntryId = "ent";
    /// Names one enrolled host for good, whatever it is called.
    HostId = "host";
    /// Names one message to one receiver; every attempt to send it carries this id.
    PageId = "page";
    /// Names one token (not the secret itself).
    TokenId = "tok";
    /// Names one judgement.
    VerdictId = "ver";
}

macro_rules! numbered_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $help:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                s.strip_prefix(concat!($prefix, "-"))
                    .unwrap_or(s)
                    .parse()
                    .ok()
                    .filter(|n| (1..=i64::MAX as u64).contains(n))
                    .map(Self)
                    .ok_or_else(|| format!(concat!("`{}` is not ", $help), s))
            }
        }

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

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::text(concat!("^", $prefix, "-[1-9][0-9]*$"))
            }
        }
    )*};
}

// Numbers count up from 1 and are never used twice; people say them, with or without what stands in front.
numbered_ids! {
    /// Names an alert: `alt-12`.
    AlertId = "alt", "an alert; alerts are written alt-12";
    /// Names a change, as people say it: `chg-4181`.
    ChangeId = "chg", "a change; changes are written chg-12";
    /// Names an incident: `inc-3`.
    IncidentId = "inc", "an incident; incidents are written inc-12";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_time() {
        let early = EntryId::new(Timestamp::from_millis(1_700_000_000_000), u128::MAX);
        let late = EntryId::new(Timestamp::from_millis(1_700_000_000_001), 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<EntryId>().unwrap(), early);
    }

    #[test]
    fn an_id_of_another_noun_is_refused() {
        let host = HostId::new(Timestamp::UNIX_EPOCH, 7).to_string();
        assert!(host.parse::<EntryId>().unwrap_err().contains("ent_"));
        assert!("ent_IIIIIIIIIIIIIIIIIIIIIIIIII".parse::<EntryId>().is_err());
    }

    #[test]
    fn changes_may_be_named_by_number_alone() {
        assert_eq!("chg-7".parse::<ChangeId>().unwrap(), ChangeId(7));
        assert_eq!("7".parse::<ChangeId>().unwrap(), ChangeId(7));
        for bad in ["chg-0", "chg-", "chg--1", "x", "99999999999999999999"] {
            assert!(bad.parse::<ChangeId>().is_err(), "{bad}");
        }
    }
}
