//! What a release can live with: the schema of its data, the versions of interfaces, old clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::range::{ClientVersion, Range};
use crate::time::millis;
use crate::{ApiVersion, ClientName, ServiceName};

/// Is what one release says of it; a release that says nothing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Compatibility {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaNeeds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The clients it serves, each named once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Clients>,
    /// Clients that were served and are to be served no longer, each named once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops_clients: Vec<Clients>,
}

impl Compatibility {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the versions one of which it needs of another service; none where it calls it not.
    pub fn calls(&self, service: &ServiceName) -> Option<&BTreeSet<ApiVersion>> {
        self.api.as_ref()?.calls.get(service)
    }

    /// Returns the versions of its own interface; none where it says nothing of them.
    pub fn serves(&self) -> Option<&BTreeSet<ApiVersion>> {
        self.api.as_ref()?.serves.as_ref()
    }
}

/// Is how a release stands to the schema of its service's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SchemaNeeds {
    /// The versions it works with.
    pub needs: Range<u64>,
    /// The version its migrations lead to; one of those it works with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provides: Option<u64>,
    /// How long a release that needs the old shape no longer must have been live before the old shape may go.
    #[serde(rename = "soak_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub soak: Duration,
}

/// Is the interface of a release to other services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Api {
    /// None: it says nothing about its own interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<BTreeSet<ApiVersion>>,
    /// By service, the versions of which one is enough; never empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<ServiceName, BTreeSet<ApiVersion>>,
}

/// Is a kind of client with a range of its versions: `ios>=4.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    pub name: ClientName,
    pub versions: Range<ClientVersion>,
}

impl FromStr for Clients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sign = text.find(['<', '>', '=']).ok_or_else(|| {
            format!(
                "`{}` names no versions; write a client and a range, such as \"ios>=4.2\"",
                text.escape_debug()
            )
        })?;
        let (name, versions) = text.split_at(sign);
        Ok(Self {
            name: name.trim().parse()?,
            versions: versions.parse()?,
        })
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.versions)
    }
}

impl Serialize for Clients {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}
