//! Decides the next step of one service: a pure function from what was observed to one short action.
//!
//! The order of steps is that of the delivery specification, 2.9. There is no memory here: after a
//! kill the same observation leads to the same step.

use crate::hook::HookName;

/// Is everything the decision stands on.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) now_ms: u64,
    pub(crate) goal: Goal,
    pub(crate) installed: Installed,
    pub(crate) serving: Option<Process>,
    pub(crate) coming: Option<Process>,
    pub(crate) going: Option<Leaving>,
    /// Two ports: the new process starts before the old one stops.
    pub(crate) overlap: bool,
    /// `current` points to the goal's folder.
    pub(crate) switched: bool,
    /// The goal was never proved good: its failure ends it.
    pub(crate) trial: bool,
    /// The goal was proved once, or is what was gone back to: nothing is left to be recorded.
    pub(crate) settled: bool,
    /// Stands before a process of the goal is started.
    pub(crate) pre_start: Gate,
    /// Stands behind the health of the goal's newest process.
    pub(crate) post_start: Gate,
}

/// Is what a hook lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// There is none, or it is done.
    Open,
    Due,
    Running,
    Failed(String),
    /// Nobody knows how it ended, and it may not be run twice.
    Uncertain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Nothing,
    Run,
}

/// Is whether the goal's release is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    Yes,
    Working,
    /// Not, and the next try is at this time.
    No {
        try_at_ms: u64,
    },
    /// It will never be.
    Never,
}

/// Is one process of ours.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// It belongs to the goal's release.
    pub(crate) matches: bool,
    pub(crate) life: Life,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It was decided on and is not started, or not known to be.
    Unborn,
    Alive {
        healthy: bool,
        deadline_ms: u64,
        why: String,
    },
    Dead {
        how: String,
        restart_at_ms: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    pub(crate) gone: bool,
    pub(crate) pre_stop: Gate,
    pub(crate) drain: Gate,
    pub(crate) asked: bool,
    /// When it is ended the hard way.
    pub(crate) kill_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Wait,
    Install,
    Hook(HookName),
    /// Writes the intent to have a process of the goal's release.
    Prepare(Role),
    Start(Role),
    Stop(Role),
    /// Begins to ask the leaving process whether it may stop.
    Drain,
    /// Sends the first, polite signal.
    Ask,
    Kill,
    Forget,
    Switch,
    /// The coming process takes over; the serving one goes.
    Promote,
    /// It is healthy: prove it and record it as good.
    Settle,
    /// The goal failed: go back, or stop.
    GiveUp(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Serving,
    Coming,
}

/// Returns the next action.
pub(crate) fn next(view: &View) -> Action {
    if let Some(going) = &view.going {
        return leave(going, view.now_ms);
    }
    match view.goal {
        Goal::Nothing => end(view),
        Goal::Run => run(view),
    }
}

/// Nothing new is begun while an old process is on its way out: it may hold the port.
fn leave(going: &Leaving, now_ms: u64) -> Action {
    match going {
        Leaving { gone: true, .. } => Action::Forget,
        Leaving {
            asked: false,
            pre_stop,
            drain,
            ..
        } => held_up(pre_stop, HookName::PreStop, false).unwrap_or(match drain {
            Gate::Due => Action::Drain,
            Gate::Running => Action::Wait,
            Gate::Open | Gate::Failed(_) | Gate::Uncertain => Action::Ask,
        }),
        Leaving { kill_at_ms, .. } if now_ms >= *kill_at_ms => Action::Kill,
        Leaving { .. } => Action::Wait,
    }
}

/// Returns what a hook wants first. A release on trial ends with its hook, and waits for a person where
/// nobody knows; what was good before, and what has to go, is not kept by a hook.
fn held_up(gate: &Gate, hook: HookName, trial: bool) -> Option<Action> {
    match gate {
        Gate::Due => Some(Action::Hook(hook)),
        Gate::Running => Some(Action::Wait),
        Gate::Failed(why) if trial => Some(Action::GiveUp(why.clone())),
        Gate::Uncertain if trial => Some(Action::Wait),
        Gate::Open | Gate::Failed(_) | Gate::Uncertain => None,
    }
}

fn end(view: &View) -> Action {
    if view.coming.is_some() {
        Action::Stop(Role::Coming)
    } else if view.serving.is_some() {
        Action::Stop(Role::Serving)
    } else if view.settled {
        Action::Wait
    } else {
        Action::Settle
    }
}

fn run(view: &View) -> Action {
    if view.coming.as_ref().is_some_and(|coming| !coming.matches) {
        return Action::Stop(Role::Coming);
    }
    match &view.serving {
        Some(serving) if serving.matches => match view.coming {
            Some(_) => Action::Stop(Role::Coming),
            None => keep(view, serving),
        },
        _ => match view.installed {
            Installed::Yes => replace(view),
            Installed::No { try_at_ms } if view.now_ms >= try_at_ms => Action::Install,
            Installed::No { .. } | Installed::Working | Installed::Never => mend(view),
        },
    }
}

/// Keeps the old release running while the new one is not on the disk.
fn mend(view: &View) -> Action {
    match view.serving.as_ref().map(|serving| &serving.life) {
        Some(Life::Unborn) => Action::Start(Role::Serving),
        Some(Life::Dead { restart_at_ms, .. }) if view.now_ms >= *restart_at_ms => {
            Action::Start(Role::Serving)
        }
        _ => Action::Wait,
    }
}

fn keep(view: &View, serving: &Process) -> Action {
    match &serving.life {
        Life::Unborn if !view.switched => Action::Switch,
        Life::Unborn => Action::Start(Role::Serving),
        Life::Dead { how, .. } if view.trial => Action::GiveUp(how.clone()),
        Life::Dead { restart_at_ms, .. } if view.now_ms >= *restart_at_ms => {
            Action::Start(Role::Serving)
        }
        Life::Dead { .. } => Action::Wait,
        Life::Alive { .. } if !view.switched => Action::Switch,
        Life::Alive { healthy: true, .. } => {
            let rest = if view.settled {
                Action::Wait
            } else {
                Action::Settle
            };
            held_up(&view.post_start, HookName::PostStart, view.trial).unwrap_or(rest)
        }
        Life::Alive { .. } if view.settled => Action::Wait,
        Life::Alive {
            deadline_ms, why, ..
        } if view.trial && view.now_ms >= *deadline_ms => Action::GiveUp(why.clone()),
        Life::Alive { .. } => Action::Wait,
    }
}

fn replace(view: &View) -> Action {
    let first = held_up(&view.pre_start, HookName::PreStart, view.trial);
    // The old process serves while a new release prepares; one that must go does not wait for that.
    match &first {
        Some(Action::Wait) if view.trial && view.coming.is_none() => return mend(view),
        Some(action) if view.trial && view.coming.is_none() => return action.clone(),
        _ => {}
    }
    let Some(serving) = &view.serving else {
        // A process that came up beside one that has ended meanwhile takes its place.
        return match view.coming {
            Some(_) => Action::Promote,
            None => first.unwrap_or(Action::Prepare(Role::Serving)),
        };
    };
    let alive = matches!(serving.life, Life::Alive { .. });
    if !view.overlap || (!alive && view.coming.is_none()) {
        return Action::Stop(Role::Serving);
    }
    match view.coming.as_ref().map(|coming| &coming.life) {
        None => first.unwrap_or(Action::Prepare(Role::Coming)),
        Some(Life::Unborn) => Action::Start(Role::Coming),
        Some(Life::Dead { how, .. }) if view.trial => Action::GiveUp(how.clone()),
        Some(Life::Dead { restart_at_ms, .. }) if view.now_ms >= *restart_at_ms => {
            Action::Start(Role::Coming)
        }
        Some(Life::Dead { .. }) => Action::Wait,
        Some(Life::Alive { healthy: true, .. }) => {
            held_up(&view.post_start, HookName::PostStart, view.trial).unwrap_or(Action::Promote)
        }
        Some(Life::Alive {
            deadline_ms, why, ..
        }) if view.now_ms >= *deadline_ms => {
            // What must go, goes: an undo does not leave the bad release running because the old
            // one is slow to answer.
            if view.trial {
                Action::GiveUp(why.clone())
            } else {
                Action::Promote
            }
        }
        Some(Life::Alive { .. }) => Action::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(matches: bool, healthy: bool) -> Option<Process> {
        let life = Life::Alive {
            healthy,
            deadline_ms: 100,
            why: "slow".into(),
        };
        Some(Process { matches, life })
    }

    fn dead(matches: bool) -> Option<Process> {
        let life = Life::Dead {
            how: "exited".into(),
            restart_at_ms: 50,
        };
        Some(Process { matches, life })
    }

    fn unborn() -> Option<Process> {
        Some(Process {
            matches: true,
            life: Life::Unborn,
        })
    }

    fn view() -> View {
        View {
            now_ms: 10,
            goal: Goal::Run,
            installed: Installed::Yes,
            serving: None,
            coming: None,
            going: None,
            overlap: false,
            switched: true,
            trial: true,
            settled: false,
            pre_start: Gate::Open,
            post_start: Gate::Open,
        }
    }

    fn on_its_way_out() -> Leaving {
        Leaving {
            gone: false,
            pre_stop: Gate::Open,
            drain: Gate::Open,
            asked: false,
            kill_at_ms: 20,
        }
    }

    #[test]
    fn the_first_release_is_installed_switched_started_and_settled() {
        let mut v = view();
        v.installed = Installed::No { try_at_ms: 0 };
        v.switched = false;
        assert_eq!(next(&v), Action::Install);
        v.installed = Installed::Working;
        assert_eq!(next(&v), Action::Wait);
        v.installed = Installed::Yes;
        assert_eq!(next(&v), Action::Prepare(Role::Serving));
        v.serving = unborn();
        assert_eq!(next(&v), Action::Switch);
        v.switched = true;
        assert_eq!(next(&v), Action::Start(Role::Serving));
        v.serving = alive(true, false);
        assert_eq!(next(&v), Action::Wait);
        v.serving = alive(true, true);
        assert_eq!(next(&v), Action::Settle);
        v.settled = true;
        assert_eq!(next(&v), Action::Wait);
    }

    #[test]
    fn with_one_port_the_old_one_is_gone_before_the_new_one_starts() {
        let mut v = view();
        v.serving = alive(false, true);
        assert_eq!(next(&v), Action::Stop(Role::Serving));
        v.serving = None;
        let mut going = on_its_way_out();
        v.going = Some(going.clone());
        assert_eq!(next(&v), Action::Ask);
        going.asked = true;
        v.going = Some(going.clone());
        assert_eq!(next(&v), Action::Wait);
        v.now_ms = 20;
        assert_eq!(next(&v), Action::Kill);
        going.gone = true;
        v.going = Some(going);
        assert_eq!(next(&v), Action::Forget);
    }

    #[test]
    fn with_two_ports_the_old_one_stays_until_the_new_one_is_healthy() {
        let mut v = view();
        v.overlap = true;
        v.serving = alive(false, true);
        assert_eq!(next(&v), Action::Prepare(Role::Coming));
        v.coming = unborn();
        assert_eq!(next(&v), Action::Start(Role::Coming));
        v.coming = alive(true, false);
        assert_eq!(next(&v), Action::Wait);
        v.coming = alive(true, true);
        assert_eq!(next(&v), Action::Promote);
    }

    #[test]
    fn a_new_release_that_exits_or_never_answers_is_given_up() {
        let mut v = view();
        v.serving = dead(true);
        assert_eq!(next(&v), Action::GiveUp("exited".into()));
        v.serving = alive(true, false);
        v.now_ms = 100;
        assert_eq!(next(&v), Action::GiveUp("slow".into()));
        v.overlap = true;
        v.serving = alive(false, true);
        v.coming = alive(true, false);
        assert_eq!(next(&v), Action::GiveUp("slow".into()));
    }

    #[test]
    fn a_proved_release_is_restarted_after_its_back_off() {
        let mut v = view();
        v.trial = false;
        v.settled = true;
        v.serving = dead(true);
        assert_eq!(next(&v), Action::Wait);
        v.now_ms = 50;
        assert_eq!(next(&v), Action::Start(Role::Serving));
    }

    #[test]
    fn an_undo_takes_the_bad_release_away_even_if_the_old_one_is_slow() {
        let mut v = view();
        v.trial = false;
        v.overlap = true;
        v.serving = alive(false, true);
        v.coming = alive(true, false);
        v.now_ms = 99;
        assert_eq!(next(&v), Action::Wait);
        v.now_ms = 100;
        assert_eq!(next(&v), Action::Promote);
    }

    #[test]
    fn a_blocked_installation_leaves_the_old_release_running() {
        let mut v = view();
        v.installed = Installed::Never;
        v.serving = alive(false, true);
        assert_eq!(next(&v), Action::Wait);
        v.serving = dead(false);
        v.now_ms = 50;
        assert_eq!(next(&v), Action::Start(Role::Serving));
    }

    #[test]
    fn a_changed_mind_stops_what_was_coming() {
        let mut v = view();
        v.overlap = true;
        v.serving = alive(true, true);
        v.coming = alive(false, false);
        assert_eq!(next(&v), Action::Stop(Role::Coming));
        v.goal = Goal::Nothing;
        assert_eq!(next(&v), Action::Stop(Role::Coming));
        v.coming = None;
        assert_eq!(next(&v), Action::Stop(Role::Serving));
        v.serving = None;
        assert_eq!(next(&v), Action::Settle);
    }

    #[test]
    fn a_new_release_waits_for_its_hook_while_the_old_one_serves_and_is_mended() {
        let hook = Action::Hook(HookName::PreStart);
        for overlap in [false, true] {
            let mut v = view();
            (v.overlap, v.serving, v.pre_start) = (overlap, alive(false, true), Gate::Due);
            assert_eq!(next(&v), hook);
            v.pre_start = Gate::Running;
            assert_eq!(next(&v), Action::Wait);
            (v.serving, v.now_ms) = (dead(false), 50);
            assert_eq!(next(&v), Action::Start(Role::Serving));
            (v.serving, v.pre_start) = (alive(false, true), Gate::Uncertain);
            assert_eq!(next(&v), Action::Wait);
            v.pre_start = Gate::Failed("no table".into());
            assert_eq!(next(&v), Action::GiveUp("no table".into()));
        }
    }

    #[test]
    fn a_healthy_release_is_neither_proved_nor_promoted_before_its_hook_is_done() {
        for (overlap, then) in [(false, Action::Settle), (true, Action::Promote)] {
            let mut v = view();
            v.overlap = overlap;
            match overlap {
                false => v.serving = alive(true, true),
                true => (v.serving, v.coming) = (alive(false, true), alive(true, true)),
            }
            for (gate, action) in [
                (Gate::Due, Action::Hook(HookName::PostStart)),
                (Gate::Running, Action::Wait),
                (Gate::Uncertain, Action::Wait),
                (Gate::Failed("cold".into()), Action::GiveUp("cold".into())),
                (Gate::Open, then),
            ] {
                v.post_start = gate;
                assert_eq!(next(&v), action);
            }
        }
    }

    #[test]
    fn an_undo_is_kept_by_no_hook_and_stops_the_bad_release_first() {
        let mut v = view();
        (v.trial, v.serving) = (false, alive(false, true));
        for gate in [Gate::Due, Gate::Running] {
            v.pre_start = gate;
            assert_eq!(next(&v), Action::Stop(Role::Serving));
        }
        v.serving = None;
        v.pre_start = Gate::Due;
        assert_eq!(next(&v), Action::Hook(HookName::PreStart));
        for gate in [Gate::Failed("no".into()), Gate::Uncertain] {
            v.pre_start = gate;
            assert_eq!(next(&v), Action::Prepare(Role::Serving));
        }
        v.serving = alive(true, true);
        for gate in [Gate::Failed("no".into()), Gate::Uncertain] {
            v.post_start = gate;
            assert_eq!(next(&v), Action::Settle);
        }
    }

    #[test]
    fn a_process_is_asked_to_stop_after_its_hook_however_that_ends() {
        let mut v = view();
        for (gate, action) in [
            (Gate::Due, Action::Hook(HookName::PreStop)),
            (Gate::Running, Action::Wait),
            (Gate::Failed("no".into()), Action::Ask),
            (Gate::Uncertain, Action::Ask),
        ] {
            let mut going = on_its_way_out();
            going.pre_stop = gate;
            v.going = Some(going.clone());
            assert_eq!(next(&v), action);
            // Its drain comes between the two.
            if action == Action::Ask {
                for (drain, action) in [
                    (Gate::Due, Action::Drain),
                    (Gate::Running, Action::Wait),
                    (Gate::Failed("busy".into()), Action::Ask),
                ] {
                    going.drain = drain;
                    v.going = Some(going.clone());
                    assert_eq!(next(&v), action);
                }
            }
            // One that ended meanwhile needs no hook.
            going.gone = true;
            v.going = Some(going);
            assert_eq!(next(&v), Action::Forget);
        }
    }

    #[test]
    fn every_path_comes_to_rest() {
        // Each action's effect on the view; from any start the agent must not go round for ever.
        for overlap in [false, true] {
            for serving in [None, alive(false, true), dead(false), dead(true), unborn()] {
                for coming in [None, alive(true, true), alive(false, true), unborn()] {
                    let mut v = view();
                    (v.overlap, v.serving, v.coming) = (overlap, serving.clone(), coming);
                    (v.trial, v.switched, v.now_ms) = (false, false, 60);
                    v.installed = Installed::No { try_at_ms: 0 };
                    (v.pre_start, v.post_start) = (Gate::Due, Gate::Due);
                    settle(&mut v);
                    assert!(
                        v.settled && v.coming.is_none() && v.going.is_none(),
                        "{v:?}"
                    );
                }
            }
        }
    }

    fn settle(v: &mut View) {
        for _ in 0..30 {
            match next(v) {
                Action::Wait => return,
                Action::Install => v.installed = Installed::Yes,
                Action::Hook(HookName::PreStart) => v.pre_start = Gate::Failed("oops".into()),
                Action::Hook(HookName::PostStart) => v.post_start = Gate::Uncertain,
                Action::Hook(HookName::PreStop) => {
                    if let Some(going) = &mut v.going {
                        going.pre_stop = Gate::Failed("oops".into());
                    }
                }
                Action::Prepare(Role::Serving) => v.serving = unborn(),
                Action::Prepare(Role::Coming) => v.coming = unborn(),
                Action::Start(Role::Serving) => v.serving = alive(true, true),
                Action::Start(Role::Coming) => v.coming = alive(true, true),
                Action::Stop(role) => {
                    match role {
                        Role::Serving => v.serving = None,
                        Role::Coming => v.coming = None,
                    }
                    v.going = leaving();
                }
                Action::Promote => {
                    v.going = v.serving.take().and_then(|_| leaving());
                    v.serving = v.coming.take();
                }
                Action::Ask | Action::Kill => {
                    if let Some(going) = &mut v.going {
                        (going.asked, going.gone) = (true, true);
                    }
                }
                Action::Drain => {
                    if let Some(going) = &mut v.going {
                        going.drain = Gate::Failed("busy".into());
                    }
                }
                Action::Forget => v.going = None,
                Action::Switch => v.switched = true,
                Action::Settle => v.settled = true,
                Action::GiveUp(why) => panic!("gave up: {why}"),
            }
        }
        panic!("it goes round: {v:?}");
    }

    fn leaving() -> Option<Leaving> {
        Some(Leaving {
            kill_at_ms: 0,
            pre_stop: Gate::Due,
            drain: Gate::Due,
            ..on_its_way_out()
        })
    }
}
