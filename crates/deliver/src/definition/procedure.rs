//! Reads what follows a verdict: `procedures` and `auto_undo`.

use std::collections::BTreeSet;

use model::act::{Do, Procedure, When};
use model::judge::VerdictState;
use model::limit;

use super::at::At;
use super::map::Map;
use super::service::web_address;
use super::signal::plain_name;

/// Reads both keys, and puts the built-in undo first unless the file says otherwise.
pub(super) fn procedures(map: &mut Map) -> Option<Vec<Procedure>> {
    let auto_undo = map.or("auto_undo", true, At::truth);
    let mut procedures = map.or("procedures", Vec::new(), |at| {
        list(&at, auto_undo == Some(false))
    })?;
    if auto_undo? && procedures.iter().all(|procedure| procedure.name != "undo") {
        procedures.insert(0, built_in_undo());
    }
    Some(procedures)
}

fn built_in_undo() -> Procedure {
    Procedure {
        name: "undo".to_owned(),
        when: When {
            verdict: VerdictState::Fail,
        },
        actions: vec![Do::Undo, Do::NotifyOwner],
        otherwise: Some(Do::PageOwner),
    }
}

fn list(at: &At, undo_is_off: bool) -> Option<Vec<Procedure>> {
    let read: Vec<(At, Procedure)> =
        at.list(|at| Some((at.clone(), procedure(at, undo_is_off)?)))?;
    if read.len() > limit::PROCEDURES {
        let what = format!("{} procedures are too many", read.len());
        at.fault(what, format!("use at most {}", limit::PROCEDURES));
        return None;
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    if let Some((at, twice)) = read
        .iter()
        .find(|(_, procedure)| !names.insert(&procedure.name))
    {
        let what = format!("a procedure `{}` stands here already", twice.name);
        at.fault(what, "give each procedure its own name");
        return None;
    }
    Some(read.into_iter().map(|(_, procedure)| procedure).collect())
}

fn procedure(at: At, undo_is_off: bool) -> Option<Procedure> {
    let mut map = Map::of(&at)?;
    let name = map.required("name", "undo", |at| {
        plain_name(&at, at.text()?, "procedure")
    });
    let when = map.required("when", "{ verdict: fail }", when);
    let verdict = when.map(|when| when.verdict);
    let allowed = |at: At| {
        let action = action(&at)?;
        undo_makes_sense(&at, &action, verdict, undo_is_off).then_some(action)
    };
    let actions = map.required("do", "[undo, { notify: owner }]", |at| {
        let actions = at.list(allowed)?;
        if actions.is_empty() {
            at.fault("nothing is done", "name at least one action, such as page");
            return None;
        }
        Some(actions)
    });
    let otherwise = map.optional("else", allowed);
    map.finish(&["guard"]);
    Some(Procedure {
        name: name?,
        when: when?,
        actions: actions?,
        otherwise: otherwise?,
    })
}

fn when(at: At) -> Option<When> {
    let mut map = Map::of(&at)?;
    let verdict = map.required("verdict", "fail", |at| {
        let words = [
            ("pass", VerdictState::Pass),
            ("marginal", VerdictState::Marginal),
            ("fail", VerdictState::Fail),
            ("undecided", VerdictState::Undecided),
        ];
        at.choice(&words, &[])
    });
    map.finish(&["alert", "for", "outside", "signal", "state"]);
    Some(When { verdict: verdict? })
}

const ACTIONS: &str = "write undo, hold, page, { notify: owner } or { webhook: \"https://…\" }";
const ACTIONS_NOT_BUILT: &[&str] = &["flag", "scale", "status_draft"];

fn action(at: &At) -> Option<Do> {
    if at.is_map() {
        return action_with_value(at);
    }
    match at.written().as_str() {
        "undo" => Some(Do::Undo),
        "hold" => Some(Do::Hold),
        "page" => Some(Do::PageOwner),
        word if ACTIONS_NOT_BUILT.contains(&word) => {
            at.fault(format!("`{word}` is not built yet"), ACTIONS);
            None
        }
        _ => at.wrong("an action", ACTIONS),
    }
}

fn action_with_value(at: &At) -> Option<Do> {
    let mut map = Map::of(at)?;
    let notify = map
        .get("notify")
        .map(|at| at.choice(&[("owner", Do::NotifyOwner)], &[]));
    let webhook = map
        .get("webhook")
        .map(|at| web_address(&at).map(Do::Webhook));
    if map.is_empty() {
        map.missing(&[], "no action is named".to_owned(), ACTIONS.to_owned());
    }
    map.finish(ACTIONS_NOT_BUILT);
    match (notify, webhook) {
        (Some(action), None) | (None, Some(action)) => action,
        (None, None) => None,
        (Some(_), Some(_)) => {
            let remedy = "write `- notify: owner` and `- webhook: …` as two";
            at.fault("one action has two names", remedy);
            None
        }
    }
}

fn undo_makes_sense(at: &At, action: &Do, verdict: Option<VerdictState>, is_off: bool) -> bool {
    let fault = match (action, verdict) {
        (Do::Undo, _) if is_off => Some((
            "undo stands here, and `auto_undo` is false",
            "remove one of the two",
        )),
        (Do::Undo, Some(VerdictState::Pass)) => Some((
            "undo on `pass` would undo every good change",
            "write `when: { verdict: fail }`",
        )),
        _ => None,
    };
    if let Some((what, remedy)) = fault {
        at.fault(what, remedy);
    }
    fault.is_none()
}
