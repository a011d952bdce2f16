//! What is expected.

use std::time::Duration;

use model::api::change::RingState;
use model::deliver::{Command, Slot};
use model::judge::VerdictState;
use model::observe::ChangeState;
use model::{HostName, RingName, ServiceName, Version};

use super::sentence::{Filled, Sentence};
use super::when::{migration, schema};
use super::words::{as_in_json, duration, number, order, releases, state};
use crate::world::{SchemaWord, Which};

/// Is how long an expectation may take to become true.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wait(pub Duration);

#[derive(Debug)]
pub enum Then {
    /// The newest change is done and this many of all hosts prove it.
    DoneOn(ServiceName, usize, usize),
    Is(ChangeState),
    /// The newest change of a release.
    VersionIs(Which, ChangeState),
    /// In no tick of this time.
    NeverIs(ChangeState, Duration),
    Says(Option<Which>, String),
    Ring(RingName, RingState),
    Verdict(VerdictState, Option<String>),
    NoVerdict,
    Runs(HostName, Which),
    RunsNothing(HostName),
    /// So many processes were started there one after the other.
    Started(HostName, usize),
    /// None: to no slot.
    SendsTo(HostName, Option<Slot>),
    /// It shows among the hosts that its clock is wrong, or does not.
    ClockTold(HostName, bool),
    AgentIs(HostName, Version),
    /// Among the troubles of the host, with what it says why.
    AgentStays(HostName, String),
    Told(HostName, Version),
    ToldFirst(HostName, Version),
    RanOnlyOn(Version, Vec<HostName>),
    ShippingRefused(Vec<Which>, String),
    /// In this order.
    RehearsingAsks(Version, Vec<HostName>),
    RehearsingTakes(Version, Duration),
    /// Nothing: the text is not given.
    RehearsingStopped(Version, Option<String>),
    RedeployingRefused(String, ServiceName, String),
    /// In this order.
    RehearsingRedeployAsks(ServiceName, Vec<HostName>),
    RehearsingRedeployStopped(ServiceName, String),
    OrderRefused(String, Command, Option<Which>, String),
    SchemaRefused(String, SchemaWord, String),
    ExcludingRefused(String, HostName, String),
    FixingRefused(String, HostName, String),
    Notes(usize),
    Pages(usize),
    MessageSays(String),
    NoRepeat,
    /// The newest alert of a name fires, or does not.
    AlertFires(String, bool),
    WhyAlertNames(String, String),
    WhyNames(Option<Which>, String),
    /// Every entry is sealed, and the chain of hashes holds.
    JournalWhole,
}

pub(super) const TABLE: &[Sentence<Then>] = &[
    Sentence {
        pattern: "{service} is done on {number} of {number} hosts",
        make: |f| {
            Ok(Then::DoneOn(
                f.read(0)?,
                number(f.get(1))?,
                number(f.get(2))?,
            ))
        },
    },
    Sentence {
        pattern: "the rollout is {state}",
        make: |f| Ok(Then::Is(state(f.get(0))?)),
    },
    Sentence {
        pattern: "the rollout of {version} is {state}",
        make: |f| Ok(Then::VersionIs(f.read(0)?, state(f.get(1))?)),
    },
    Sentence {
        pattern: "it is never {state} within {duration}",
        make: |f| Ok(Then::NeverIs(state(f.get(0))?, duration(f.get(1))?)),
    },
    Sentence {
        pattern: "the rollout says {text}",
        make: |f| Ok(Then::Says(None, f.get(0).to_owned())),
    },
    Sentence {
        pattern: "the rollout of {version} says {text}",
        make: |f| Ok(Then::Says(Some(f.read(0)?), f.get(1).to_owned())),
    },
    Sentence {
        pattern: "ring {ring} is {phase}",
        make: |f| {
            Ok(Then::Ring(
                f.read(0)?,
                as_in_json("phase of a ring", f.get(1))?,
            ))
        },
    },
    Sentence {
        pattern: "the verdict is {verdict}",
        make: |f| Ok(Then::Verdict(as_in_json("verdict", f.get(0))?, None)),
    },
    Sentence {
        pattern: "the verdict is {verdict} because of {reason}",
        make: |f| {
            Ok(Then::Verdict(
                as_in_json("verdict", f.get(0))?,
                Some(f.get(1).to_owned()),
            ))
        },
    },
    Sentence {
        pattern: "there is no verdict",
        make: |_| Ok(Then::NoVerdict),
    },
    Sentence {
        pattern: "{host} sends everything to {slot}",
        make: |f| {
            let slot = as_in_json("slot", f.get(1))?;
            Ok(Then::SendsTo(f.read(0)?, Some(slot)))
        },
    },
    Sentence {
        pattern: "{host} sends nothing anywhere",
        make: |f| Ok(Then::SendsTo(f.read(0)?, None)),
    },
    Sentence {
        pattern: "{host} runs nothing",
        make: |f| Ok(Then::RunsNothing(f.read(0)?)),
    },
    Sentence {
        pattern: "{host} runs {version}",
        make: |f| Ok(Then::Runs(f.read(0)?, f.read(1)?)),
    },
    Sentence {
        pattern: "{host} has started it {number} time(s)",
        make: |f| Ok(Then::Started(f.read(0)?, number(f.get(1))?)),
    },
    Sentence {
        pattern: "the agent of {host} is {version}",
        make: |f| Ok(Then::AgentIs(f.read(0)?, f.read(1)?)),
    },
    Sentence {
        pattern: "the agent of {host} stays what it was because {text}",
        make: |f| Ok(Then::AgentStays(f.read(0)?, f.get(1).to_owned())),
    },
    Sentence {
        pattern: "{host} is told {version}",
        make: |f| Ok(Then::Told(f.read(0)?, f.read(1)?)),
    },
    Sentence {
        pattern: "the first thing {host} is told is {version}",
        make: |f| Ok(Then::ToldFirst(f.read(0)?, f.read(1)?)),
    },
    Sentence {
        pattern: "{version} ran only on {hosts}",
        make: |f| Ok(Then::RanOnlyOn(f.read(0)?, hosts(f.get(1))?)),
    },
    Sentence {
        pattern: "the clock of {host} is told to be wrong",
        make: |f| Ok(Then::ClockTold(f.read(0)?, true)),
    },
    Sentence {
        pattern: "the clock of {host} is fine",
        make: |f| Ok(Then::ClockTold(f.read(0)?, false)),
    },
    Sentence {
        pattern: "{version} ran nowhere",
        make: |f| Ok(Then::RanOnlyOn(f.read(0)?, vec![])),
    },
    Sentence {
        pattern: "shipping {version} is refused with {text}",
        make: |f| Ok(Then::ShippingRefused(vec![f.read(0)?], f.get(1).to_owned())),
    },
    Sentence {
        pattern: "shipping {hosts} together is refused with {text}",
        make: |f| {
            Ok(Then::ShippingRefused(
                releases(f.get(0))?,
                f.get(1).to_owned(),
            ))
        },
    },
    Sentence {
        pattern: "rehearsing {version} asks {hosts}",
        make: |f| Ok(Then::RehearsingAsks(f.read(0)?, hosts(f.get(1))?)),
    },
    Sentence {
        pattern: "rehearsing {version} takes {duration} at least",
        make: |f| Ok(Then::RehearsingTakes(f.read(0)?, duration(f.get(1))?)),
    },
    Sentence {
        pattern: "rehearsing {version} is stopped by nothing",
        make: |f| Ok(Then::RehearsingStopped(f.read(0)?, None)),
    },
    Sentence {
        pattern: "rehearsing {version} is stopped by {text}",
        make: |f| {
            Ok(Then::RehearsingStopped(
                f.read(0)?,
                Some(f.get(1).to_owned()),
            ))
        },
    },
    Sentence {
        pattern: "{person} having {service} redeployed is refused with {text}",
        make: |f| {
            let (person, text) = (f.get(0).to_owned(), f.get(2).to_owned());
            Ok(Then::RedeployingRefused(person, f.read(1)?, text))
        },
    },
    Sentence {
        pattern: "rehearsing a redeploy of {service} asks {hosts}",
        make: |f| Ok(Then::RehearsingRedeployAsks(f.read(0)?, hosts(f.get(1))?)),
    },
    Sentence {
        pattern: "rehearsing a redeploy of {service} is stopped by {text}",
        make: |f| {
            let text = f.get(1).to_owned();
            Ok(Then::RehearsingRedeployStopped(f.read(0)?, text))
        },
    },
    Sentence {
        pattern: "{person} saying {order} is refused with {text}",
        make: |f| refused(f, None, 2),
    },
    Sentence {
        pattern: "{person} saying {order} to {version} is refused with {text}",
        make: |f| refused(f, Some(f.read(2)?), 3),
    },
    Sentence {
        pattern: "{person} setting the schema to {number} is refused with {text}",
        make: |f| {
            let word = schema(f.get(1), None)?;
            Ok(Then::SchemaRefused(
                f.get(0).to_owned(),
                word,
                f.get(2).to_owned(),
            ))
        },
    },
    Sentence {
        pattern: "{person} beginning to {kind} the schema to {number} is refused with {text}",
        make: |f| {
            let word = migration(f.get(1), f.get(2))?;
            Ok(Then::SchemaRefused(
                f.get(0).to_owned(),
                word,
                f.get(3).to_owned(),
            ))
        },
    },
    Sentence {
        pattern: "{person} having {host} try again is refused with {text}",
        make: |f| {
            let (person, text) = (f.get(0).to_owned(), f.get(2).to_owned());
            Ok(Then::FixingRefused(person, f.read(1)?, text))
        },
    },
    Sentence {
        pattern: "{person} excluding {host} is refused with {text}",
        make: |f| {
            let (person, text) = (f.get(0).to_owned(), f.get(2).to_owned());
            Ok(Then::ExcludingRefused(person, f.read(1)?, text))
        },
    },
    Sentence {
        pattern: "the owner got {number} quiet note(s)",
        make: |f| Ok(Then::Notes(number(f.get(0))?)),
    },
    Sentence {
        pattern: "the owner was paged {number} time(s)",
        make: |f| Ok(Then::Pages(number(f.get(0))?)),
    },
    Sentence {
        pattern: "the owner was paged once",
        make: |_| Ok(Then::Pages(1)),
    },
    Sentence {
        pattern: "nobody was paged",
        make: |_| Ok(Then::Pages(0)),
    },
    Sentence {
        pattern: "the newest message says {text}",
        make: |f| Ok(Then::MessageSays(f.get(0).to_owned())),
    },
    Sentence {
        pattern: "no message came twice",
        make: |_| Ok(Then::NoRepeat),
    },
    Sentence {
        pattern: "alert {name} is firing",
        make: |f| Ok(Then::AlertFires(f.get(0).to_owned(), true)),
    },
    Sentence {
        pattern: "alert {name} is resolved",
        make: |f| Ok(Then::AlertFires(f.get(0).to_owned(), false)),
    },
    Sentence {
        pattern: "why of alert {name} names {text}",
        make: |f| {
            let (name, text) = (f.get(0).to_owned(), f.get(1).to_owned());
            Ok(Then::WhyAlertNames(name, text))
        },
    },
    Sentence {
        pattern: "why names {text}",
        make: |f| Ok(Then::WhyNames(None, f.get(0).to_owned())),
    },
    Sentence {
        pattern: "why of {version} names {text}",
        make: |f| Ok(Then::WhyNames(Some(f.read(0)?), f.get(1).to_owned())),
    },
    Sentence {
        pattern: "the journal is sealed and whole",
        make: |_| Ok(Then::JournalWhole),
    },
];

fn refused(f: &Filled, version: Option<Which>, text: usize) -> Result<Then, String> {
    let (person, order) = (f.get(0).to_owned(), order(f.get(1))?);
    Ok(Then::OrderRefused(
        person,
        order,
        version,
        f.get(text).to_owned(),
    ))
}

fn hosts(list: &str) -> Result<Vec<HostName>, String> {
    list.split(',').map(str::parse).collect()
}
