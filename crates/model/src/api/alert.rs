//! Alerts, incidents and pages as the API shows them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::act::{Incident, OutboxState, Urgency};
use crate::judge::Alert;
use crate::{AlertId, ChangeId, IncidentId, PageId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AlertView {
    #[serde(flatten)]
    pub alert: Alert,
    pub told: ToldState,
}

/// Is whether anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToldState {
    /// A message is due later, or at the next turn.
    Waiting,
    /// There is nobody to tell.
    Nobody,
    /// A message is on its way.
    Sending,
    /// A receiver took a message.
    Accepted,
    /// No receiver took one, and none is tried any more.
    Failed,
}

impl fmt::Display for ToldState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ToldState::Waiting => "waiting",
            ToldState::Nobody => "nobody",
            ToldState::Sending => "sending",
            ToldState::Accepted => "accepted",
            ToldState::Failed => "failed",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IncidentView {
    #[serde(flatten)]
    pub incident: Incident,
    pub told_state: ToldState,
    /// Newest first.
    pub pages: Vec<PageView>,
}

/// Is a message to one receiver; what it says is the receiver's, and so is the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PageView {
    pub id: PageId,
    /// Without what may be a secret.
    pub to: String,
    pub title: String,
    pub urgency: Urgency,
    pub state: OutboxState,
    /// Attempts begun.
    pub attempt: u32,
    pub created_at: Timestamp,
    /// When it is tried next, or its attempt counts as lost.
    pub due_at: Timestamp,
    pub change: Option<ChangeId>,
    pub incident: Option<IncidentId>,
}

/// Is anything `why` can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Change(ChangeId),
    Alert(AlertId),
    Incident(IncidentId),
    Page(PageId),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Change(id) => id.fmt(f),
            Asked::Alert(id) => id.fmt(f),
            Asked::Incident(id) => id.fmt(f),
            Asked::Page(id) => id.fmt(f),
        }
    }
}

impl FromStr for Asked {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let known = match s.get(..4) {
            Some("alt-") => s.parse().map(Asked::Alert),
            Some("inc-") => s.parse().map(Asked::Incident),
            Some("page") => s.parse().map(Asked::Page),
            _ => s.parse().map(Asked::Change),
        };
        known.map_err(|_| {
            format!(
                "`{s}` is nothing to ask about; write chg-12, alt-12, inc-12 or the id of a page"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_told_by_its_name() {
        for text in ["chg-7", "alt-7", "inc-7", "page_00000000000000000000000007"] {
            assert_eq!(text.parse::<Asked>().unwrap().to_string(), text);
        }
        assert_eq!("7".parse(), Ok(Asked::Change(ChangeId(7))));
        let error = "ent-7".parse::<Asked>().unwrap_err();
        assert!(error.contains("alt-12"), "{error}");
    }
}
