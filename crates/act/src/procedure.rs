//! Which actions follow a verdict.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use model::ChangeId;
use model::act::{Do, Procedure};
use model::judge::{Verdict, VerdictState};

/// Names one action of one procedure for one change; it is made at most once.
///
/// The ring and the verdict's id are left out on purpose: the judge gives a new verdict at each flip
/// of its reason, and a second bad one must not undo or mail again. Written
/// `chg-7/fail/0/undo-when-bad`, the step being `else` for what follows a failed action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionKey {
    pub change: ChangeId,
    pub state: VerdictState,
    pub step: Step,
    /// The procedure's name; last because it may hold anything.
    pub procedure: String,
}

/// Is the place of an action in its procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// One of its actions, counted from 0.
    Action(usize),
    /// What follows when one of them failed.
    Otherwise,
}

/// Is something to be done now, and the key under which it is recorded as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub key: ActionKey,
    pub what: Do,
}

/// Returns what follows `verdict` and was not made yet: procedures in their order, each one's actions
/// in theirs.
///
/// `done` holds the keys of every action begun for this change, whatever became of it: a failed action
/// is answered by [`otherwise`], not by trying it again.
pub fn due(procedures: &[Procedure], verdict: &Verdict, done: &BTreeSet<ActionKey>) -> Vec<Due> {
    procedures
        .iter()
        .filter(|procedure| procedure.when.verdict == verdict.state)
        .flat_map(|procedure| steps(procedure, verdict))
        .filter(|due| !done.contains(&due.key))
        .collect()
}

fn steps<'a>(
    procedure: &'a Procedure,
    verdict: &'a Verdict,
) -> impl Iterator<Item = Due> + use<'a> {
    procedure.actions.iter().enumerate().map(|(i, what)| Due {
        key: ActionKey {
            change: verdict.change,
            state: verdict.state,
            step: Step::Action(i),
            procedure: procedure.name.clone(),
        },
        what: what.clone(),
    })
}

/// Returns what follows at once because the action `failed` could not be done.
///
/// Nothing when the procedure says nothing, when it was made already (two failed actions of one
/// procedure wake a person once), or when `failed` was itself that way out.
pub fn otherwise(
    procedure: &Procedure,
    failed: &ActionKey,
    done: &BTreeSet<ActionKey>,
) -> Option<Due> {
    let key = ActionKey {
        step: Step::Otherwise,
        ..failed.clone()
    };
    let what = procedure.otherwise.clone()?;
    (failed.step != Step::Otherwise && !done.contains(&key)).then_some(Due { key, what })
}

impl fmt::Display for ActionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.change, self.state)?;
        match self.step {
            Step::Action(i) => write!(f, "{i}")?,
            Step::Otherwise => f.write_str("else")?,
        }
        write!(f, "/{}", self.procedure)
    }
}

/// Is a stored key that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the key of an action such as chg-7/fail/0/undo", .0.escape_debug())]
pub struct BadKey(String);

impl FromStr for ActionKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        parse(s).ok_or_else(|| BadKey(s.to_owned()))
    }
}

fn parse(s: &str) -> Option<ActionKey> {
    use VerdictState::{Fail, Marginal, Pass, Undecided};
    let mut parts = s.splitn(4, '/');
    let change = parts.next()?.parse().ok()?;
    let state = parts.next()?;
    let state = [Pass, Marginal, Fail, Undecided]
        .into_iter()
        .find(|known| known.to_string() == state)?;
    let step = match parts.next()? {
        "else" => Step::Otherwise,
        number => Step::Action(number.parse().ok()?),
    };
    Some(ActionKey {
        change,
        state,
        step,
        procedure: parts.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use model::act::When;
    use model::judge::Reason;
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::verdict;

    fn procedure(name: &str, when: VerdictState, actions: &[Do]) -> Procedure {
        Procedure {
            name: name.to_owned(),
            when: When { verdict: when },
            actions: actions.to_vec(),
            otherwise: Some(Do::PageOwner),
        }
    }

    fn table() -> [Procedure; 2] {
        [
            procedure("undo", VerdictState::Fail, &[Do::Undo, Do::NotifyOwner]),
            procedure("ask", VerdictState::Marginal, &[Do::NotifyOwner]),
        ]
    }

    /// Carries out what is due and returns it as `procedure: action`.
    fn run(verdict: &Verdict, done: &mut BTreeSet<ActionKey>) -> Vec<String> {
        let due = due(&table(), verdict, done);
        done.extend(due.iter().map(|due| due.key.clone()));
        due.iter()
            .map(|due| format!("{}: {}", due.key.procedure, due.what.word()))
            .collect()
    }

    fn of(state: VerdictState) -> Verdict {
        Verdict { state, ..verdict() }
    }

    #[test]
    fn a_bad_verdict_runs_its_procedure_in_order() {
        let mut done = BTreeSet::new();
        assert_eq!(
            run(&of(VerdictState::Fail), &mut done),
            ["undo: undo", "undo: notify"]
        );
    }

    #[test]
    fn a_second_bad_look_of_the_same_change_does_nothing() {
        let mut done = BTreeSet::new();
        run(&of(VerdictState::Fail), &mut done);
        let again = Verdict {
            id: model::VerdictId::new(verdict().at, 99),
            ring: 1,
            reason: Reason::Crashing {
                host: "web-1".parse().unwrap(),
                exits: 2,
            },
            ..of(VerdictState::Fail)
        };
        assert_eq!(run(&again, &mut done), [""; 0]);
    }

    #[test]
    fn a_flip_from_unclear_to_bad_runs_what_belongs_to_bad() {
        let mut done = BTreeSet::new();
        assert_eq!(run(&of(VerdictState::Marginal), &mut done), ["ask: notify"]);
        assert_eq!(
            run(&of(VerdictState::Fail), &mut done),
            ["undo: undo", "undo: notify"]
        );
        assert_eq!(run(&of(VerdictState::Marginal), &mut done), [""; 0]);
        assert_eq!(run(&of(VerdictState::Pass), &mut done), [""; 0]);
    }

    #[test]
    fn another_change_is_another_matter() {
        let mut done = BTreeSet::new();
        run(&of(VerdictState::Fail), &mut done);
        let other = Verdict {
            change: ChangeId(8),
            ..of(VerdictState::Fail)
        };
        assert_eq!(run(&other, &mut done).len(), 2);
    }

    #[test]
    fn after_a_kill_between_two_actions_only_the_second_is_due() {
        let all = due(&table(), &of(VerdictState::Fail), &BTreeSet::new());
        let done = BTreeSet::from([all[0].key.clone()]);
        assert_eq!(due(&table(), &of(VerdictState::Fail), &done), all[1..]);
    }

    #[test]
    fn a_failed_action_wakes_a_person_once() {
        let [undo, _] = table();
        let all = due(&table(), &of(VerdictState::Fail), &BTreeSet::new());
        let mut done: BTreeSet<_> = all.iter().map(|due| due.key.clone()).collect();
        let page = otherwise(&undo, &all[0].key, &done).unwrap();
        assert_eq!(page.what, Do::PageOwner);
        done.insert(page.key.clone());
        assert_eq!(otherwise(&undo, &all[1].key, &done), None);
        assert_eq!(otherwise(&undo, &page.key, &BTreeSet::new()), None);
    }

    #[test]
    fn a_procedure_without_a_way_out_has_none() {
        let [mut undo, _] = table();
        undo.otherwise = None;
        let all = due(&table(), &of(VerdictState::Fail), &BTreeSet::new());
        assert_eq!(otherwise(&undo, &all[0].key, &BTreeSet::new()), None);
    }

    #[test]
    fn keys_are_written_for_people_and_read_back() {
        let key: ActionKey = "chg-7/fail/else/undo / tell".parse().unwrap();
        assert_eq!(key.procedure, "undo / tell");
        assert_eq!(key.step, Step::Otherwise);
        for bad in ["", "chg-7", "chg-7/bad/0/x", "chg-7/fail/-1/x", "7/fail/0"] {
            let error = bad.parse::<ActionKey>().unwrap_err().to_string();
            assert!(error.contains("chg-7/fail/0/undo"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_key_reads_back_as_itself(name in ".*", change in 1u64..1 << 62, i in 0usize..99) {
            let key = ActionKey {
                change: ChangeId(change),
                state: VerdictState::Undecided,
                step: Step::Action(i),
                procedure: name,
            };
            prop_assert_eq!(key.to_string().parse::<ActionKey>(), Ok(key));
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".*") {
            if let Ok(key) = text.parse::<ActionKey>() {
                prop_assert_eq!(key.to_string().parse::<ActionKey>(), Ok(key));
            }
        }
    }
}
