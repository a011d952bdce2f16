//! Reads how a service reaches its environments: `environments`, their hosts and rings.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use model::deliver::{EnvironmentPlan, IfRunning, RedeployRule, RingSize, RingSpec, Within};
use model::time::{WeekTime, Zone};
use model::{EnvironmentName, Labels, RingName, limit};

use super::at::At;
use super::freeze::freezes;
use super::map::{Map, named};
use super::scalar::Kind;
use super::strategy::{watched, way};

const WARMUP: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(60 * 60);

pub(super) fn environments(at: At) -> Option<BTreeMap<EnvironmentName, EnvironmentPlan>> {
    let name = |at: &At, name: &str| {
        EnvironmentName::from_str(name)
            .map_err(|error| at.sentence(&error))
            .ok()
    };
    let environments = named(&at, name, environment)?;
    if environments.is_empty() {
        at.fault(
            "no environment is named",
            "add one, such as `production: { … }`",
        );
        return None;
    }
    Some(environments)
}

fn environment(at: At) -> Option<EnvironmentPlan> {
    let mut map = Map::of(&at)?;
    let hosts = map.required("hosts", "{ role: shop }", |at| labels(&at));
    let expected = map.optional("expected", |at| at.count(1));
    let way = way(&mut map);
    let warmup = map.or("warmup", WARMUP, At::duration);
    let watch = map.or("watch", WATCH, watch);
    let freeze = map.or("freeze", Vec::new(), freezes);
    let if_running = map.or("if_running", IfRunning::default(), |at| {
        let words = [
            ("queue", IfRunning::Queue),
            ("supersede", IfRunning::Supersede),
        ];
        at.choice(&words, &[])
    });
    let redeploy = map.optional("redeploy", redeploy);
    map.finish(&["promotes_from"]);
    let way = way?;
    Some(EnvironmentPlan {
        hosts: hosts?,
        expected: expected?,
        max_unavailable: way.max_unavailable,
        rings: way.rings,
        warmup: warmup?,
        watch: watch?,
        freeze: freeze?,
        if_running: if_running?,
        redeploy: redeploy?,
        blue_green: way.blue_green,
    })
}

/// Reads how often every host is set up anew, and when.
fn redeploy(at: At) -> Option<RedeployRule> {
    let mut map = Map::of(&at)?;
    let every = map.required("every", "30d", every);
    let within = map.optional("within", within);
    map.finish(&[]);
    Some(RedeployRule {
        every: every?,
        within: within?,
    })
}

fn every(at: At) -> Option<Duration> {
    let every = at.clone().duration()?;
    let (least, most) = limit::REDEPLOY_EVERY;
    if every < least || every > most {
        let (least, most) = (model::time::short(least), model::time::short(most));
        at.fault(
            format!("`{}` is no pace to set hosts up anew", at.written()),
            format!("write {least} to {most}"),
        );
        return None;
    }
    Some(every)
}

fn within(at: At) -> Option<Within> {
    let mut map = Map::of(&at)?;
    let from = map.required("from", "tue 09:00", At::parsed);
    let to = map.required("to", "tue 16:00", At::parsed);
    let zone = map.or("zone", Zone::utc(), At::parsed);
    map.finish(&[]);
    let (from, to, zone): (WeekTime, _, _) = (from?, to?, zone?);
    if from == to {
        at.fault(
            format!("from `{from}` to `{to}` is no time at all"),
            "end it later",
        );
        return None;
    }
    Some(Within { from, to, zone })
}

/// Reads how long a finished rollout stays watched. Behind some days a release is what is usual, and what
/// goes wrong then is an alert's matter.
fn watch(at: At) -> Option<Duration> {
    let watch = at.clone().duration()?;
    if watch > limit::WATCH {
        let most = model::time::short(limit::WATCH);
        at.fault(
            format!("`{}` is too long to be about this release", at.written()),
            format!("write at most {most}, or 0s for no watch"),
        );
        return None;
    }
    Some(watch)
}

pub(super) fn labels(at: &At) -> Option<Labels> {
    let pairs = named(at, |_, name| Some(name.to_owned()), label_value)?;
    Labels::new(pairs).map_err(|error| at.sentence(&error)).ok()
}

/// Reads a label's value; an empty one would mean "any host without it", which nobody means.
fn label_value<'a>(at: At<'a>) -> Option<&'a str> {
    let value = at.word()?;
    if value.is_empty() {
        at.fault(
            "the label is empty",
            "write the value hosts carry, or remove the label",
        );
        return None;
    }
    Some(value)
}

pub(super) fn rings(at: At) -> Option<Vec<RingSpec>> {
    let rings: Vec<(At, RingSpec)> = at.list(|at| Some((at.clone(), ring(at)?)))?;
    if rings.is_empty() {
        at.fault(
            "there is no ring",
            "add at least `{ name: everyone, hosts: rest }`",
        );
        return None;
    }
    if rings.len() > limit::RINGS {
        let what = format!("{} rings are too many", rings.len());
        at.fault(what, format!("use at most {}", limit::RINGS));
        return None;
    }
    names_are_unique(&rings)?;
    rest_is_last(&rings)?;
    Some(rings.into_iter().map(|(_, ring)| ring).collect())
}

fn names_are_unique(rings: &[(At, RingSpec)]) -> Option<()> {
    let mut names: BTreeSet<&RingName> = BTreeSet::new();
    let (at, ring) = match rings.iter().find(|(_, ring)| !names.insert(&ring.name)) {
        None => return Some(()),
        Some(found) => found,
    };
    at.fault(
        format!("a ring `{}` stands here already", ring.name),
        "give each ring its own name",
    );
    None
}

fn rest_is_last(rings: &[(At, RingSpec)]) -> Option<()> {
    let (_, before) = rings.split_last()?;
    let (at, ring) = match before.iter().find(|(_, ring)| ring.hosts == RingSize::Rest) {
        None => return Some(()),
        Some(found) => found,
    };
    let what = format!(
        "ring `{}` takes all hosts that are left, and rings follow it",
        ring.name
    );
    at.fault(
        what,
        "put the ring with `hosts: rest` last, and have only one",
    );
    None
}

fn ring(at: At) -> Option<RingSpec> {
    let mut map = Map::of(&at)?;
    let name = map.required("name", "canary", At::parsed);
    let hosts = map.required("hosts", "1", size);
    let watched = watched(&mut map);
    map.finish(&[]);
    let (name, hosts) = (name?, hosts?);
    Some(watched?.spec(name, hosts))
}

pub(super) fn size(at: At) -> Option<RingSize> {
    if at.is_map() {
        let labels = labels(&at)?;
        if labels.is_empty() {
            at.fault(
                "no label is named",
                "write `hosts: rest` for every host that is left",
            );
            return None;
        }
        return Some(RingSize::Match(labels));
    }
    match at.kind() {
        Some(Kind::Number) => return at.count(1).map(RingSize::Count),
        Some(Kind::Text) => {}
        _ => return at.wrong("hosts", SIZES),
    }
    let text = at.text()?;
    match text.strip_suffix('%').map(str::parse::<u8>) {
        _ if text == "rest" => Some(RingSize::Rest),
        Some(Ok(percent @ 1..=100)) => Some(RingSize::Percent(percent)),
        Some(_) => {
            at.fault(
                format!("`{}` is no share of hosts", at.written()),
                "write 1% to 100%, whole",
            );
            None
        }
        None => {
            at.fault(format!("`{}` names no hosts", at.written()), SIZES);
            None
        }
    }
}

const SIZES: &str = "write a number, \"25%\", labels such as { zone: a }, or rest";
