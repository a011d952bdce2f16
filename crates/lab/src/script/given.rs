//! What a world begins with.

use std::time::Duration;

use model::{HostName, Labels, Version};

use super::sentence::{Filled, Sentence};
use super::words::{duration, number, percent};
use crate::fleet::Traffic;
use crate::world::{RingWish, ServiceSpec, StrategyWish};

#[derive(Debug)]
pub enum Given {
    Hosts(Vec<HostName>, Labels),
    Service(Box<ServiceSpec>),
    Traffic(Traffic),
    /// The share of the traffic an idle slot gets as well.
    Mirrored(f64),
    Fails(Version, f64),
    /// From this long after the start of each of its processes on.
    FailsLater(Version, f64, Duration),
    /// How many times as long its requests take.
    Slower(Version, f64),
    /// How many times as much its payments are worth.
    Earns(Version, f64),
    /// What the bounds of its histogram are multiplied by.
    OtherBuckets(Version, f64),
    Exits(Version, Duration),
    NeverHealthy(Version),
    NoMetrics(Version),
    /// A line of its `sleepwell.yaml` more.
    Says(Version, String),
}

/// Hosts of one story; the real limit of an installation is not what stories are for.
const HOSTS: usize = 100;

pub(super) const TABLE: &[Sentence<Given>] = &[
    Sentence {
        pattern: "{number} hosts {host} .. {host} with {labels}",
        make: |f| Ok(Given::Hosts(hosts(f)?, labels(f.get(3))?)),
    },
    Sentence {
        pattern: "{number} hosts {host} .. {host} with {labels} and {labels}",
        make: |f| {
            let both = [labels(f.get(3))?, labels(f.get(4))?];
            let both = Labels::new(both.iter().flat_map(Labels::iter))?;
            Ok(Given::Hosts(hosts(f)?, both))
        },
    },
    Sentence {
        pattern: "service {service} , {clauses}",
        make: |f| Ok(Given::Service(Box::new(service(f)?))),
    },
    Sentence {
        pattern: "{number} requests a second at each host , {percent} of them failing",
        make: |f| {
            let per_second = f
                .get(0)
                .parse()
                .map_err(|_| format!("`{}` is not a number", f.get(0)))?;
            let failing = percent(f.get(1))?;
            Ok(Given::Traffic(Traffic {
                per_second,
                failing,
                ..Traffic::default()
            }))
        },
    },
    Sentence {
        pattern: "{percent} of the requests mirrored to the idle slot",
        make: |f| Ok(Given::Mirrored(percent(f.get(0))?)),
    },
    Sentence {
        pattern: "{version} fails {percent} of its requests",
        make: |f| Ok(Given::Fails(f.read(0)?, percent(f.get(1))?)),
    },
    Sentence {
        pattern: "{version} fails {percent} of its requests {duration} after each start",
        make: |f| {
            let after = duration(f.get(2))?;
            Ok(Given::FailsLater(f.read(0)?, percent(f.get(1))?, after))
        },
    },
    Sentence {
        pattern: "{version} is slower by {percent}",
        make: |f| Ok(Given::Slower(f.read(0)?, 1.0 + percent(f.get(1))?)),
    },
    Sentence {
        pattern: "{version} earns {percent} less per payment",
        make: |f| Ok(Given::Earns(f.read(0)?, 1.0 - percent(f.get(1))?)),
    },
    Sentence {
        pattern: "{version} counts time in other buckets",
        make: |f| Ok(Given::OtherBuckets(f.read(0)?, 1.5)),
    },
    Sentence {
        pattern: "{version} exits {duration} after each start",
        make: |f| Ok(Given::Exits(f.read(0)?, duration(f.get(1))?)),
    },
    Sentence {
        pattern: "{version} says {text}",
        make: |f| Ok(Given::Says(f.read(0)?, f.get(1).to_owned())),
    },
    Sentence {
        pattern: "{version} never answers its health check",
        make: |f| Ok(Given::NeverHealthy(f.read(0)?)),
    },
    Sentence {
        pattern: "{version} shows no metrics",
        make: |f| Ok(Given::NoMetrics(f.read(0)?)),
    },
];

/// Reads `8 hosts web-1 .. web-8`.
fn hosts(f: &Filled) -> Result<Vec<HostName>, String> {
    let (count, first, last) = (number(f.get(0))?, f.get(1), f.get(2));
    let split = |name: &str| {
        let digits = name
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |i| i + 1);
        let number = name[digits..].parse::<usize>().ok();
        number.map(|number| (name[..digits].to_owned(), number))
    };
    let (Some((stem, from)), Some((other, to))) = (split(first), split(last)) else {
        return Err(format!(
            "`{first} .. {last}` is not a row; write web-1 .. web-8"
        ));
    };
    if stem != other || to < from || to - from + 1 != count || count > HOSTS {
        return Err(format!(
            "`{first} .. {last}` is not a row of {count} hosts (at most {HOSTS})"
        ));
    }
    (from..=to).map(|n| format!("{stem}{n}").parse()).collect()
}

fn labels(word: &str) -> Result<Labels, String> {
    let pair = word
        .split_once('=')
        .ok_or_else(|| format!("`{word}` is not a label; write role=shop"))?;
    Labels::new([pair])
}

/// Reads `rings staff 1, canary 2, everyone rest, max unavailable 2, bake 5s`, in any order; a clause of
/// two words that is nothing else belongs to the rings before it.
fn service(f: &Filled) -> Result<ServiceSpec, String> {
    let mut spec = ServiceSpec {
        name: f.read(0)?,
        ..ServiceSpec::default()
    };
    let mut rings = vec![];
    for clause in f.get(1).split(',') {
        let words: Vec<&str> = clause.split_whitespace().collect();
        match *words.as_slice() {
            ["depends", "on", name] => spec.depends_on.push(name.parse()?),
            ["hosts", "with", pair] => spec.hosts = labels(pair)?,
            ["max", "unavailable", n] => {
                spec.max_unavailable = u32::try_from(number(n)?).map_err(|e| e.to_string())?;
            }
            ["bake", d] => spec.bake = duration(d)?,
            ["deadline", d] => spec.deadline = duration(d)?,
            ["warmup", d] => spec.warmup = duration(d)?,
            ["watch", d] => spec.watch = duration(d)?,
            ["redeployed", "every", every] => spec.redeploy = Some((every.to_owned(), None)),
            [
                "redeployed",
                "every",
                every,
                "between",
                d1,
                t1,
                "and",
                d2,
                t2,
            ] => {
                let within = (format!("{d1} {t1}"), format!("{d2} {t2}"));
                spec.redeploy = Some((every.to_owned(), Some(within)));
            }
            ["slots", "behind", pair] => spec.strategy = StrategyWish::BlueGreen(labels(pair)?),
            ["kept", "warm", d] => spec.keep_warm = duration(d)?,
            ["judged", "by", "proof"] => spec.is_proof_enough = true,
            ["held", "at", "deadline"] => spec.holds_at_deadline = true,
            ["without", "signals"] => spec.is_judged = false,
            ["judged", "by", "latency"] => spec.has_latency = true,
            ["judged", "by", "earnings"] => spec.has_earnings = true,
            ["all", "at", "once"] => spec.strategy = StrategyWish::All,
            ["one", "after", "another"] => spec.strategy = StrategyWish::Rolling,
            ["canary", "first", size] => spec.strategy = StrategyWish::Canary(size.to_owned()),
            ["rings", name, size] => rings.push(ring(name, size)?),
            [name, size] if !rings.is_empty() => rings.push(ring(name, size)?),
            _ => {
                return Err(format!(
                    "no clause of a service reads `{}`; known: rings NAME SIZE [, NAME SIZE …], canary first SIZE, one after another, all at once, hosts with LABEL, depends on SERVICE, max unavailable N, bake D, deadline D, warmup D, watch D, redeployed every D, redeployed every D between DAY HH:MM and DAY HH:MM, held at deadline, without signals, judged by latency, judged by earnings, slots behind LABEL, kept warm D, judged by proof",
                    clause.trim()
                ));
            }
        }
    }
    if !rings.is_empty() {
        spec.strategy = StrategyWish::Rings(rings);
    }
    Ok(spec)
}

fn ring(name: &str, size: &str) -> Result<RingWish, String> {
    let digits = size.strip_suffix('%').unwrap_or(size);
    if size != "rest" && digits.parse::<u32>().is_err() {
        return Err(format!(
            "`{size}` is not the size of a ring; write 2, 25% or rest"
        ));
    }
    Ok(RingWish {
        name: name.parse()?,
        size: size.to_owned(),
    })
}
