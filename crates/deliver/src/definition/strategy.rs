//! Reads how a release goes through an environment, and resolves it into rings.
//!
//! `all`, `rolling` and `canary` are short ways to write rings: `all` is one ring with everybody in it,
//! asked at once; `rolling` is the same ring within a budget; `canary` is a first ring in front of it.
//! They become rings here, where the file is read, so that behind this place there is one way through
//! an environment, with one planner, one judge and one undo. `blue_green` is two rings as well: the idle
//! slot, and the routers behind it; which slot is idle is known when a rollout begins.

use std::str::FromStr;
use std::time::Duration;

use model::RingName;
use model::deliver::{AtDeadline, BlueGreen, RingSize, RingSpec};

use super::at::At;
use super::environment::{rings, size};
use super::map::Map;
use super::slots::{self, blue_green};

const BAKE: Duration = Duration::from_secs(5 * 60);
const DEADLINE: Duration = Duration::from_secs(60 * 60);
/// Hosts that may be away at once where nobody says how many.
const ONE: Option<u32> = Some(1);

/// Is what an environment's strategy comes to.
pub(super) struct Way {
    pub(super) rings: Vec<RingSpec>,
    /// None: everybody at once.
    pub(super) max_unavailable: Option<u32>,
    pub(super) blue_green: Option<BlueGreen>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    All,
    Rolling,
    Canary,
    Rings,
    BlueGreen,
}

const STRATEGIES: [(&str, Strategy); 5] = [
    ("all", Strategy::All),
    ("blue_green", Strategy::BlueGreen),
    ("canary", Strategy::Canary),
    ("rings", Strategy::Rings),
    ("rolling", Strategy::Rolling),
];

impl Strategy {
    fn word(self) -> &'static str {
        match self {
            Strategy::All => "all",
            Strategy::Rolling => "rolling",
            Strategy::Canary => "canary",
            Strategy::Rings => "rings",
            Strategy::BlueGreen => "blue_green",
        }
    }
}

/// Reads `strategy` and the keys it gives a meaning to; the others it refuses.
pub(super) fn way(map: &mut Map) -> Option<Way> {
    let strategy = map.required("strategy", "rings", |at| at.choice(&STRATEGIES, &[]));
    if strategy.is_none() && map.has("strategy") {
        // Another strategy has other keys: it alone is worth a word.
        know_all_keys(map);
        return None;
    }
    let named = strategy.is_some();
    let strategy = strategy.unwrap_or_else(|| meant(map));
    let max_unavailable = match strategy {
        // The idle slot serves nobody.
        Strategy::All | Strategy::BlueGreen => map.optional("max_unavailable", |at| at.count(1)),
        Strategy::Rolling | Strategy::Canary | Strategy::Rings => {
            map.or("max_unavailable", ONE, |at| at.count(1).map(Some))
        }
    };
    let blue_green = match strategy {
        Strategy::BlueGreen => blue_green(map).map(Some),
        Strategy::All | Strategy::Rolling | Strategy::Canary | Strategy::Rings => Some(None),
    };
    let rings = rings_of(strategy, map);
    refuse_keys_of_others(strategy, map);
    let (mut rings, blue_green) = (rings?, blue_green?);
    rings.extend(blue_green.as_ref().map(swap));
    Some(Way {
        rings,
        max_unavailable: max_unavailable?,
        blue_green,
    })
    .filter(|_| named)
}

fn know_all_keys(map: &mut Map) {
    for key in ["max_unavailable", "rings", "canary"] {
        drop(map.get(key));
    }
    for key in WATCH_KEYS.into_iter().chain(slots::KEYS) {
        drop(map.get(key));
    }
}

/// Guesses a strategy that was left out, so that the other keys are read as they were meant.
fn meant(map: &Map) -> Strategy {
    if map.has("canary") && !map.has("rings") {
        Strategy::Canary
    } else if map.has("router") || map.has("slots") {
        Strategy::BlueGreen
    } else if WATCH_KEYS.iter().any(|key| map.has(key)) && !map.has("rings") {
        Strategy::Rolling
    } else {
        Strategy::Rings
    }
}

fn rings_of(strategy: Strategy, map: &mut Map) -> Option<Vec<RingSpec>> {
    if strategy == Strategy::Rings {
        return map.required("rings", "[{ name: everyone, hosts: rest }]", rings);
    }
    let canary = match strategy {
        Strategy::Canary => map.required("canary", "1", canary_size).map(Some),
        Strategy::All | Strategy::Rolling | Strategy::Rings | Strategy::BlueGreen => Some(None),
    };
    let watched = watched(map);
    let (canary, watched) = (canary?, watched?);
    if strategy == Strategy::BlueGreen {
        return Some(vec![watched.ring("idle", RingSize::Rest)]);
    }
    let first = canary.map(|hosts| watched.ring("canary", hosts));
    let last = watched.ring("everyone", RingSize::Rest);
    Some(first.into_iter().chain([last]).collect())
}

/// Is the ring of the routers: it is watched behind the rollout, as every last ring is.
fn swap(slots: &BlueGreen) -> RingSpec {
    let watched = Watched {
        bake: Duration::ZERO,
        deadline: Duration::ZERO,
        at_deadline: AtDeadline::default(),
    };
    watched.ring("swap", RingSize::Match(slots.router.clone()))
}

/// Reads whom the canary takes; everybody is no canary.
fn canary_size(at: At) -> Option<RingSize> {
    let canary = size(at.clone())?;
    if matches!(canary, RingSize::Rest | RingSize::Percent(100)) {
        at.fault(
            format!(
                "`{}` leaves no host to compare the canary with",
                at.written()
            ),
            "write a number of hosts, a share below 100%, or labels; or `strategy: all` without it",
        );
        return None;
    }
    Some(canary)
}

/// Is how long and how strictly a ring is watched.
pub(super) struct Watched {
    bake: Duration,
    deadline: Duration,
    at_deadline: AtDeadline,
}

impl Watched {
    fn ring(&self, name: &str, hosts: RingSize) -> RingSpec {
        let name = RingName::from_str(name).expect("the name is written here and is one");
        self.spec(name, hosts)
    }

    pub(super) fn spec(&self, name: RingName, hosts: RingSize) -> RingSpec {
        RingSpec {
            name,
            hosts,
            bake: self.bake,
            deadline: self.deadline,
            at_deadline: self.at_deadline,
        }
    }
}

const WATCH_KEYS: [&str; 3] = ["bake", "deadline", "at_deadline"];

/// Reads the keys of a ring that say how it is watched.
pub(super) fn watched(map: &mut Map) -> Option<Watched> {
    let bake = map.or("bake", BAKE, At::duration);
    let (deadline_at, deadline) = match map.get("deadline") {
        Some(at) => (at.clone(), at.duration()),
        None => (map.at().clone(), Some(DEADLINE)),
    };
    let at_deadline = map.or("at_deadline", AtDeadline::default(), |at| {
        at.choice(&[("go", AtDeadline::Go), ("hold", AtDeadline::Hold)], &[])
    });
    let (bake, deadline) = (bake?, deadline?);
    if deadline < bake {
        let short = model::time::short;
        let what = format!(
            "the deadline {} comes before the bake of {} ends",
            short(deadline),
            short(bake)
        );
        deadline_at.fault(
            what,
            "both count from the same start: make `deadline` the longer one",
        );
        return None;
    }
    Some(Watched {
        bake,
        deadline,
        at_deadline: at_deadline?,
    })
}

fn refuse_keys_of_others(strategy: Strategy, map: &mut Map) {
    let word = strategy.word();
    let says_nothing = |key: &str| format!("`{key}` says nothing with `strategy: {word}`");
    match strategy {
        Strategy::Rings => {
            for key in WATCH_KEYS {
                let remedy = "each ring has its own: write it there".to_owned();
                map.refused(key, says_nothing(key), remedy);
            }
            let remedy = "remove it: the first ring is the canary, or write `strategy: canary`";
            map.refused("canary", says_nothing("canary"), remedy.to_owned());
        }
        Strategy::Canary => refuse_rings(map, says_nothing("rings")),
        Strategy::All | Strategy::Rolling | Strategy::BlueGreen => {
            refuse_rings(map, says_nothing("rings"));
            let remedy = "remove it, or write `strategy: canary`".to_owned();
            map.refused("canary", says_nothing("canary"), remedy);
        }
    }
    if strategy != Strategy::BlueGreen {
        for key in slots::KEYS {
            let remedy = "remove it, or write `strategy: blue_green`".to_owned();
            map.refused(key, says_nothing(key), remedy);
        }
    }
}

fn refuse_rings(map: &mut Map, what: String) {
    let remedy = "remove it, or write `strategy: rings`".to_owned();
    map.refused("rings", what, remedy);
}
