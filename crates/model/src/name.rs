//! Names people give: services, environments, hosts, rings, versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limit;

fn check(what: &str, text: &str, more: &[char]) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || more.contains(&c);
    let first = text.chars().next();
    if text.is_empty() || text.len() > limit::NAME_BYTES {
        return Err(format!("{what} has 1 to {} characters", limit::NAME_BYTES));
    }
    if !first.is_some_and(|c| c.is_ascii_alphanumeric()) || !text.chars().all(allowed) {
        let more: String = more.iter().map(|c| format!(", `{c}`")).collect();
        return Err(format!(
            "`{}` is not {what}; it starts with a letter or digit and holds only letters, digits, `-`{more}",
            text.escape_debug()
        ));
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $what:literal, more: $more:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                check($what, s, $more).map(|()| Self(s.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
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
                crate::schema::name($more)
            }
        }
    )*};
}

names! {
    /// Names a version of an interface between services: `v2`.
    ApiVersion: "a version of an interface", more: &['_', '.'];
    /// Names a kind of client that is not shipped here: `ios`.
    ClientName: "a client's name", more: &['_'];
    /// Names a place releases go to: `production`.
    EnvironmentName: "an environment name", more: &['_'];
    /// Names a rule that keeps releases back: `weekend`.
    FreezeName: "a freeze name", more: &['_'];
    /// Names a machine, as its owner calls it: `web-08`, `db1.internal`.
    HostName: "a host name", more: &['_', '.'];
    /// Names one circle of hosts of a rollout: `staff`, `canary`.
    RingName: "a ring name", more: &['_'];
    /// Names something that is shipped and watched: `shop`.
    ServiceName: "a service name", more: &['_'];
    /// Is what people call a release: `4.12.0`, `2026-11-19.3`.
    Version: "a version", more: &['_', '.', '+'];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_may_hold() {
        assert_eq!("shop".parse::<ServiceName>().unwrap().as_str(), "shop");
        assert_eq!(
            "1.0.0+x_1".parse::<Version>().unwrap().as_str(),
            "1.0.0+x_1"
        );
        let error = "../etc".parse::<Version>().unwrap_err();
        assert!(error.contains("`../etc` is not a version"), "{error}");
        for bad in [
            "",
            "-x",
            "a b",
            "a/b",
            "ä",
            &"x".repeat(limit::NAME_BYTES + 1),
        ] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
    }
}
