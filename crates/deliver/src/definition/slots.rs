//! Reads `strategy: blue_green`: who is in which slot, who sends traffic to them, and what the idle one
//! passes on.

use std::time::Duration;

use model::deliver::{BlueGreen, JudgeIdle};
use model::time::short;
use model::{Labels, limit};

use super::at::At;
use super::environment::labels;
use super::map::Map;

/// The keys only this strategy has.
pub(super) const KEYS: [&str; 4] = ["slots", "router", "judge", "keep_warm"];
const KEEP_WARM: Duration = Duration::from_secs(60 * 60);

pub(super) fn blue_green(map: &mut Map) -> Option<BlueGreen> {
    let slots = match map.get("slots") {
        Some(at) => slots(&at),
        None => Some((slot("blue"), slot("green"))),
    };
    let router = map.required("router", "{ role: router }", |at| some_labels(&at));
    let judge = map.or("judge", JudgeIdle::default(), |at| {
        let words = [("proof", JudgeIdle::Proof), ("traffic", JudgeIdle::Traffic)];
        at.choice(&words, &[])
    });
    let keep_warm = map.or("keep_warm", KEEP_WARM, keep_warm);
    let (blue, green) = slots?;
    Some(BlueGreen {
        blue,
        green,
        router: router?,
        keep_warm: keep_warm?,
        judge: judge?,
    })
}

fn slot(name: &str) -> Labels {
    Labels::new([("slot", name)]).expect("the label is written here and is one")
}

fn slots(at: &At) -> Option<(Labels, Labels)> {
    let mut map = Map::of(at)?;
    let blue = map.required("blue", "{ slot: blue }", |at| some_labels(&at));
    let green = map.required("green", "{ slot: green }", |at| some_labels(&at));
    map.finish(&[]);
    let (blue, green) = (blue?, green?);
    if blue.contains_all(&green) || green.contains_all(&blue) {
        at.fault(
            "a host of one slot is in the other as well",
            "tell them apart by the value of a label: { slot: blue } and { slot: green }",
        );
        return None;
    }
    Some((blue, green))
}

/// Reads labels of which there is at least one: without any, everybody would be meant.
fn some_labels(at: &At) -> Option<Labels> {
    let labels = labels(at)?;
    if labels.is_empty() {
        at.fault("no label is named", "name the labels its hosts carry");
        return None;
    }
    Some(labels)
}

fn keep_warm(at: At) -> Option<Duration> {
    let keep_warm = at.clone().duration()?;
    if keep_warm > limit::KEEP_WARM {
        let what = format!("`{}` is too long", at.written());
        let most = short(limit::KEEP_WARM);
        at.fault(
            what,
            format!("write at most {most}, or 0s to stop it at once"),
        );
        return None;
    }
    Some(keep_warm)
}
