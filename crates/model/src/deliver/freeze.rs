//! When nothing new is released: rules of the calendar, in wall-clock time.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{WallTime, WeekTime, Zone};
use crate::{EnvironmentName, FreezeName, ServiceName, Timestamp};

/// Is one rule. In doubt about a clock that is set meanwhile, the freeze is the longer one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FreezeRule {
    pub name: FreezeName,
    #[serde(default = "Zone::utc")]
    pub zone: Zone,
    #[serde(flatten)]
    pub window: Window,
}

/// Is from when until when, `until` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub enum Window {
    /// Every week, for less than one.
    Weekly { from: WeekTime, to: WeekTime },
    /// Once; `to` is after `from`.
    Dated { from: WallTime, to: WallTime },
}

#[derive(Serialize, Deserialize)]
struct Texts {
    from: String,
    to: String,
}

impl Window {
    /// Reads `fri 16:00` and `mon 08:00`, or `2026-12-23 12:00` and `2027-01-02 08:00`.
    ///
    /// # Errors
    /// Texts that are neither, or of two kinds, or a window that is empty.
    pub fn read(from: &str, to: &str) -> Result<Self, String> {
        let window = match (from.parse::<WeekTime>(), to.parse::<WeekTime>()) {
            (Ok(from), Ok(to)) => Window::Weekly { from, to },
            (Ok(_), Err(_)) => {
                let date = to.parse::<WallTime>().is_ok();
                return Err(if date {
                    format!(
                        "`{from}` is a day of every week and `{to}` a date; write two of one kind"
                    )
                } else {
                    both(to)
                });
            }
            (Err(_), _) => Window::Dated {
                from: from.parse().map_err(|_| both(from))?,
                to: to.parse().map_err(|_| match to.parse::<WeekTime>() {
                    Ok(_) => format!(
                        "`{from}` is a date and `{to}` a day of every week; write two of one kind"
                    ),
                    Err(_) => both(to),
                })?,
            },
        };
        match window {
            Window::Weekly { from, to } if from == to => Err(format!(
                "from `{from}` to `{to}` is no time at all; end it later"
            )),
            Window::Dated { from, to } if to <= from => {
                Err(format!("`{to}` is not after `{from}`; end it later"))
            }
            Window::Weekly { .. } | Window::Dated { .. } => Ok(window),
        }
    }

    fn texts(self) -> Texts {
        match self {
            Window::Weekly { from, to } => Texts {
                from: from.to_string(),
                to: to.to_string(),
            },
            Window::Dated { from, to } => Texts {
                from: from.to_string(),
                to: to.to_string(),
            },
        }
    }
}

fn both(text: &str) -> String {
    format!(
        "`{}` is no time such as fri 16:00 (every week) or 2026-12-23 12:00",
        text.escape_debug()
    )
}

impl From<Window> for Texts {
    fn from(window: Window) -> Self {
        window.texts()
    }
}

impl TryFrom<Texts> for Window {
    type Error = String;
    fn try_from(texts: Texts) -> Result<Self, String> {
        Window::read(&texts.from, &texts.to)
    }
}

/// Writes `every week from fri 16:00 to mon 08:00`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Texts { from, to } = self.texts();
        match self {
            Window::Weekly { .. } => write!(f, "every week from {from} to {to}"),
            Window::Dated { .. } => write!(f, "from {from} to {to}"),
        }
    }
}

/// Is a rule of the server, which no service's file can lift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Freeze {
    #[serde(flatten)]
    pub rule: FreezeRule,
    /// Every environment where none is named.
    #[serde(default)]
    pub environment: Option<EnvironmentName>,
    /// Every service where none is named.
    #[serde(default)]
    pub service: Option<ServiceName>,
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

impl Freeze {
    pub fn applies_to(&self, service: &ServiceName, environment: &EnvironmentName) -> bool {
        self.service.as_ref().is_none_or(|s| s == service)
            && self.environment.as_ref().is_none_or(|e| e == environment)
    }
}

/// Is a person's word that one rollout goes on in spite of every freeze, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FreezeOverride {
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
    pub until: Timestamp,
}
