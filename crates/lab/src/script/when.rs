//! What happens.

use std::time::Duration;

use model::api::schema::SchemaStep;
use model::deliver::freeze::Window;
use model::deliver::{Adoption, Command, FreezeRule, IfRunning};
use model::time::Zone;
use model::{HostName, Labels, ServiceName, Version};

use super::sentence::{Filled, Sentence};
use super::words::{as_in_json, duration, millis, number, order, releases};
use crate::world::{PostedAlert, SchemaWord, Which};

#[derive(Debug)]
pub enum When {
    /// Several are shipped as one.
    Shipped(Vec<Which>, Option<IfRunning>),
    /// Every host is set up anew with what it runs.
    Redeployed(String, ServiceName),
    /// Somebody changed something on it by hand, and what runs there needs it.
    MendedByHand(HostName),
    /// A person's order about the newest change, or about that of a release.
    Says(String, Command, Option<Which>),
    /// A person's word about the rollouts under way.
    Excludes(String, HostName),
    /// A person's consent to another try.
    Fixes(String, HostName),
    Retired(HostName),
    UpdatesAgent(HostName, Version),
    /// The next program of its agent never speaks, or does again.
    ProgramFails(HostName, bool),
    /// As its server may say after it was restored from a backup that old.
    SawMore(HostName, usize),
    Adopted(Adoption),
    /// A person's word about the schema of the service's data.
    Schema(String, SchemaWord),
    /// Every service everywhere, in UTC.
    Freezes(String, FreezeRule),
    /// The newest change, for an hour.
    OverridesFreeze(String, String),
    Unreachable(HostName),
    BackAs(HostName, Option<Version>),
    DiskFull(HostName, bool),
    Late(HostName, Duration),
    Reverts(HostName),
    HookCutShort(HostName),
    Drifts(HostName, bool),
    /// In milliseconds, below zero for behind.
    ClockAhead(HostName, i64),
    Restart,
    Alert(PostedAlert),
    /// The clocks of all machines are set back.
    ClocksBack(Duration),
    MailDown(bool),
    JudgeStill(bool),
    Pass(Duration),
}

/// Reads `{kind}` and `{number}` of a migration that begins.
pub(super) fn migration(kind: &str, to: &str) -> Result<SchemaWord, String> {
    Ok(SchemaWord {
        step: SchemaStep::Begin,
        kind: Some(as_in_json("kind of migration", kind)?),
        ..schema(to, None)?
    })
}

/// Reads `{number}` of what a schema is, and why it is to be taken as it is.
pub(super) fn schema(to: &str, anyway: Option<&str>) -> Result<SchemaWord, String> {
    Ok(SchemaWord {
        to: u64::try_from(number(to)?).map_err(|error| error.to_string())?,
        step: SchemaStep::Set,
        kind: None,
        anyway: anyway.map(str::to_owned),
    })
}

pub(super) const TABLE: &[Sentence<When>] = &[
    Sentence {
        pattern: "{person} begins to {kind} the schema to {number}",
        make: |f| {
            let word = migration(f.get(1), f.get(2))?;
            Ok(When::Schema(f.get(0).to_owned(), word))
        },
    },
    Sentence {
        pattern: "{person} sets the schema to {number}",
        make: |f| {
            let word = schema(f.get(1), None)?;
            Ok(When::Schema(f.get(0).to_owned(), word))
        },
    },
    Sentence {
        pattern: "{person} sets the schema to {number} anyway because of {text}",
        make: |f| {
            let word = schema(f.get(1), Some(f.get(2)))?;
            Ok(When::Schema(f.get(0).to_owned(), word))
        },
    },
    Sentence {
        pattern: "{version} is shipped",
        make: |f| Ok(When::Shipped(vec![f.read(0)?], None)),
    },
    Sentence {
        pattern: "{hosts} are shipped together",
        make: |f| Ok(When::Shipped(releases(f.get(0))?, None)),
    },
    Sentence {
        pattern: "{version} is shipped to wait for its turn",
        make: |f| Ok(When::Shipped(vec![f.read(0)?], Some(IfRunning::Queue))),
    },
    Sentence {
        pattern: "{person} has {service} redeployed",
        make: |f| Ok(When::Redeployed(f.get(0).to_owned(), f.read(1)?)),
    },
    Sentence {
        pattern: "{host} is mended by hand and works only because of that",
        make: |f| Ok(When::MendedByHand(f.read(0)?)),
    },
    Sentence {
        pattern: "{person} sets the freeze {name} from {text} to {text}",
        make: |f| {
            let rule = FreezeRule {
                name: f.read(1)?,
                zone: Zone::utc(),
                window: Window::read(f.get(2), f.get(3))?,
            };
            Ok(When::Freezes(f.get(0).to_owned(), rule))
        },
    },
    Sentence {
        pattern: "{person} overrides the freeze because of {text}",
        make: |f| {
            let (person, reason) = (f.get(0).to_owned(), f.get(1).to_owned());
            Ok(When::OverridesFreeze(person, reason))
        },
    },
    Sentence {
        pattern: "{person} says {order}",
        make: |f| Ok(When::Says(f.get(0).to_owned(), order(f.get(1))?, None)),
    },
    Sentence {
        pattern: "{person} says {order} to {version}",
        make: |f| {
            let version = Some(f.read(2)?);
            Ok(When::Says(f.get(0).to_owned(), order(f.get(1))?, version))
        },
    },
    Sentence {
        pattern: "{person} excludes {host}",
        make: |f| Ok(When::Excludes(f.get(0).to_owned(), f.read(1)?)),
    },
    Sentence {
        pattern: "{person} has {host} try again",
        make: |f| Ok(When::Fixes(f.get(0).to_owned(), f.read(1)?)),
    },
    Sentence {
        pattern: "the next hook of {host} is cut short",
        make: |f| Ok(When::HookCutShort(f.read(0)?)),
    },
    Sentence {
        pattern: "{host} is retired",
        make: |f| Ok(When::Retired(f.read(0)?)),
    },
    Sentence {
        pattern: "the agent of {host} is to become {version}",
        make: |f| Ok(When::UpdatesAgent(f.read(0)?, f.read(1)?)),
    },
    Sentence {
        pattern: "no new agent works on {host}",
        make: |f| Ok(When::ProgramFails(f.read(0)?, true)),
    },
    Sentence {
        pattern: "new agents work on {host} again",
        make: |f| Ok(When::ProgramFails(f.read(0)?, false)),
    },
    Sentence {
        pattern: "{host} has seen {number} more orders",
        make: |f| Ok(When::SawMore(f.read(0)?, number(f.get(1))?)),
    },
    Sentence {
        pattern: "the fleet is adopted and kept",
        make: |_| Ok(When::Adopted(Adoption::Keep)),
    },
    Sentence {
        pattern: "the fleet is adopted and led back",
        make: |_| Ok(When::Adopted(Adoption::Follow)),
    },
    Sentence {
        pattern: "{host} is unreachable",
        make: |f| Ok(When::Unreachable(f.read(0)?)),
    },
    Sentence {
        pattern: "{host} comes back",
        make: |f| Ok(When::BackAs(f.read(0)?, None)),
    },
    Sentence {
        pattern: "{host} comes back with {version}",
        make: |f| Ok(When::BackAs(f.read(0)?, Some(f.read(1)?))),
    },
    Sentence {
        pattern: "the disk of {host} is full",
        make: |f| Ok(When::DiskFull(f.read(0)?, true)),
    },
    Sentence {
        pattern: "the disk of {host} has room again",
        make: |f| Ok(When::DiskFull(f.read(0)?, false)),
    },
    Sentence {
        pattern: "{host} needs {duration} more to start",
        make: |f| Ok(When::Late(f.read(0)?, duration(f.get(1))?)),
    },
    Sentence {
        pattern: "{host} gives up every new release",
        make: |f| Ok(When::Reverts(f.read(0)?)),
    },
    Sentence {
        pattern: "somebody starts something else on {host}",
        make: |f| Ok(When::Drifts(f.read(0)?, true)),
    },
    Sentence {
        pattern: "{host} is put right",
        make: |f| Ok(When::Drifts(f.read(0)?, false)),
    },
    Sentence {
        pattern: "the clock of {host} is {duration} ahead",
        make: |f| Ok(When::ClockAhead(f.read(0)?, millis(f.get(1))?)),
    },
    Sentence {
        pattern: "the clock of {host} is {duration} behind",
        make: |f| Ok(When::ClockAhead(f.read(0)?, -millis(f.get(1))?)),
    },
    Sentence {
        pattern: "the clock of {host} is set right",
        make: |f| Ok(When::ClockAhead(f.read(0)?, 0)),
    },
    Sentence {
        pattern: "the server restarts",
        make: |_| Ok(When::Restart),
    },
    Sentence {
        pattern: "alert {name} of {service} is posted",
        make: |f| Ok(When::Alert(alert(f, "", false)?)),
    },
    Sentence {
        pattern: "alert {name} of {service} is posted as over",
        make: |f| Ok(When::Alert(alert(f, "", true)?)),
    },
    Sentence {
        pattern: "alert {name} of {service} with {label} is posted",
        make: |f| Ok(When::Alert(alert(f, f.get(2), false)?)),
    },
    Sentence {
        pattern: "alert {name} of {service} with {label} is posted as over",
        make: |f| Ok(When::Alert(alert(f, f.get(2), true)?)),
    },
    Sentence {
        pattern: "all clocks are set back by {duration}",
        make: |f| Ok(When::ClocksBack(duration(f.get(0))?)),
    },
    Sentence {
        pattern: "the mail server is down",
        make: |_| Ok(When::MailDown(true)),
    },
    Sentence {
        pattern: "the mail server answers again",
        make: |_| Ok(When::MailDown(false)),
    },
    Sentence {
        pattern: "the judge stands still",
        make: |_| Ok(When::JudgeStill(true)),
    },
    Sentence {
        pattern: "the judge goes on",
        make: |_| Ok(When::JudgeStill(false)),
    },
    Sentence {
        pattern: "{duration} pass",
        make: |f| Ok(When::Pass(duration(f.get(0))?)),
    },
];

fn alert(f: &Filled, label: &str, is_over: bool) -> Result<PostedAlert, String> {
    let mut labels = Labels::new([("alertname", f.get(0)), ("service", f.get(1))])?;
    if !label.is_empty() {
        let pair = label.split_once('=');
        let (name, value) = pair.ok_or_else(|| format!("`{label}` is no label such as a=b"))?;
        labels.insert(name, value)?;
    }
    Ok(PostedAlert { labels, is_over })
}
