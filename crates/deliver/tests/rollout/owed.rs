//! Hosts that join after a release went live.

use deliver::rollout::{Wanted, owed};
use model::Labels;
use model::deliver::{Host, RolloutState};

use crate::fleet::*;

fn asks(state: RolloutState, hosts: &[Host], with_wish: &[usize]) -> Vec<(model::HostId, Wanted)> {
    let mut rollout = Setup::default().rollout();
    rollout.state = state;
    let has_wish = |id| with_wish.iter().any(|n| host_id(*n) == id);
    owed(&rollout, hosts, has_wish)
        .into_iter()
        .map(|ask| (ask.host, ask.what))
        .collect()
}

#[test]
fn a_late_host_is_owed_what_went_live() {
    let hosts: Vec<Host> = (1..=6).map(host).collect();
    let release = Wanted::Release(Setup::default().rollout().release);
    let done = RolloutState::Done { at: t0() };
    let late = [(host_id(5), release.clone()), (host_id(6), release)];
    assert_eq!(asks(done.clone(), &hosts, &[1, 2, 3, 4]), late);
    assert_eq!(
        asks(done, &hosts, &[1, 2, 3, 4, 5]),
        late[1..],
        "it was asked already"
    );
}

#[test]
fn nobody_is_owed_what_is_not_live_or_not_for_them() {
    let mut hosts: Vec<Host> = (1..=6).map(host).collect();
    assert_eq!(asks(RolloutState::Undoing { since: t0() }, &hosts, &[]), []);
    hosts[4].labels = Labels::new([("role", "db")]).unwrap();
    hosts[5].retired_at = Some(t0());
    assert_eq!(asks(RolloutState::Done { at: t0() }, &hosts, &[]), []);
}
