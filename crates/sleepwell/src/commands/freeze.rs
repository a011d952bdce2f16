//! `sleepwell freeze`: when nothing new is released, and going past it.

use anyhow::Result;
use model::api::Problem;
use model::api::freeze::{NewFreeze, NewOverride};
use model::deliver::FreezeRule;
use model::deliver::freeze::Window;
use runtime::Clock;

use super::connect::connect;
use super::{Failed, print, print_json, style};
use crate::args::{Freeze, FreezeCommand, FreezeLift, FreezeOverride, FreezeSet, Global};
use crate::show;

pub(crate) fn run(global: &Global, args: &Freeze) -> Result<u8> {
    match &args.command {
        None => list(global),
        Some(FreezeCommand::Set(set)) => self::set(global, set),
        Some(FreezeCommand::Lift(lift)) => self::lift(global, lift),
        Some(FreezeCommand::Override(word)) => go_past(global, word),
    }
}

fn list(global: &Global) -> Result<u8> {
    let freezes = connect(global)?.freezes()?;
    if global.json.is_some() {
        print_json(&freezes)?;
    } else {
        let now = Clock::System.now();
        print(&show::freezes::table(&freezes, now, style(global)))?;
    }
    Ok(0)
}

fn set(global: &Global, set: &FreezeSet) -> Result<u8> {
    let window = Window::read(&set.from, &set.to).map_err(|error| Failed {
        problem: Problem::new(422, "bad_freeze", error),
        code: 2,
    })?;
    let freeze = NewFreeze {
        rule: FreezeRule {
            name: set.name.clone(),
            zone: set.zone.clone(),
            window,
        },
        environment: global.env.clone(),
        service: set.service.clone(),
        reason: set.because.reason.clone(),
    };
    let view = connect(global)?.set_freeze(&freeze)?;
    if global.json.is_some() {
        print_json(&view)?;
    } else {
        print(&format!(
            "{} is set: {}, {}\n",
            view.rule.name, view.rule.window, view.rule.zone
        ))?;
    }
    Ok(0)
}

fn lift(global: &Global, lift: &FreezeLift) -> Result<u8> {
    connect(global)?.lift_freeze(&lift.name, &lift.because.reason)?;
    print(&format!("{} is lifted\n", lift.name))?;
    Ok(0)
}

fn go_past(global: &Global, word: &FreezeOverride) -> Result<u8> {
    let new = NewOverride {
        reason: word.reason.clone(),
        for_ms: u64::try_from(word.span.as_millis()).unwrap_or(u64::MAX),
    };
    let taken = connect(global)?.override_freeze(word.change, &new)?;
    if global.json.is_some() {
        print_json(&taken)?;
    } else {
        print(&format!(
            "{} goes on in spite of freezes until {}\n",
            word.change, taken.until
        ))?;
    }
    Ok(0)
}
