//! The compatibility gate: what may stand side by side, forward, back, and while a schema is migrated.

use std::collections::{BTreeMap, BTreeSet};

use deliver::gate::{History, MigrationRefusal, Wish, back, begin, forward, set};
use deliver::rollout::{Refusal, Wanted, fits, refuse_incompatible, rehearse};
use model::deliver::{
    Candidate, Command, Compatibility, GateFacts, HeldReason, MigrationKind, ReleaseNumber,
    ReleaseRef, Running, Schema, Surroundings,
};
use model::judge::{Reason, VerdictState};
use model::{Digest, EntryId, HostId};
use proptest::prelude::*;

use crate::fleet::*;

fn reference(number: u64) -> ReleaseRef {
    let version = format!("1.{number}");
    ReleaseRef {
        number: ReleaseNumber(number),
        digest: Digest::of(version.as_bytes()),
        version: version.parse().unwrap(),
        redeploy: None,
    }
}

/// Reads what a release says from the keys of its file, as JSON of the model.
fn says(json: serde_json::Value) -> Compatibility {
    serde_json::from_value(json).unwrap()
}

fn needs(range: &str) -> Compatibility {
    says(serde_json::json!({ "schema": { "needs": range, "soak_ms": 60_000 } }))
}

fn leads_to(range: &str, provides: u64) -> Compatibility {
    says(serde_json::json!({
        "schema": { "needs": range, "provides": provides, "soak_ms": 60_000 }
    }))
}

fn candidate(number: u64, compatibility: Compatibility) -> Candidate {
    Candidate {
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: reference(number),
        compatibility,
    }
}

fn running(number: u64, hosts: &[usize], compatibility: Compatibility) -> Running {
    let name = |n: &usize| (host_id(*n), format!("web-{n}").parse().unwrap());
    Running {
        release: reference(number),
        compatibility,
        hosts: hosts.iter().map(name).collect(),
    }
}

fn schema(version: u64) -> Schema {
    Schema {
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        version,
        becoming: None,
        point_of_no_return: None,
        by: "mira".into(),
        at: t0(),
        entry: EntryId::new(t0(), 1),
    }
}

fn wish(to: u64, kind: MigrationKind) -> Wish {
    Wish {
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        to,
        kind: Some(kind),
        by: "ci".into(),
        now: t0(),
        entry: EntryId::new(t0(), 2),
    }
}

fn around(version: Option<u64>, runs: Vec<Running>) -> Surroundings {
    Surroundings {
        schema: version.map(schema),
        runs,
        neighbours: BTreeMap::new(),
    }
}

fn everywhere() -> BTreeSet<HostId> {
    (1..=9).map(host_id).collect()
}

/// Returns the sentence that speaks against 1.2, which says `new`.
fn against(new: Compatibility, around: &Surroundings) -> Option<String> {
    forward(&candidate(2, new), around, &everywhere()).map(|objection| objection.to_string())
}

fn sentence(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_release_that_says_nothing_passes_where_nothing_is_known_and_nowhere_else() {
    assert_eq!(
        against(Compatibility::default(), &around(None, vec![])),
        None
    );
    assert_eq!(
        against(Compatibility::default(), &around(Some(14), vec![])),
        sentence("the schema of shop in production is 14, and 1.2 does not say which it needs")
    );
    assert_eq!(
        against(needs(">=12 <15"), &around(None, vec![])),
        sentence("1.2 needs schema >=12 <15, and the schema of shop in production is not known")
    );
}

#[test]
fn both_ends_of_a_migration_must_lie_in_what_a_release_needs() {
    let mut here = around(Some(14), vec![]);
    assert_eq!(against(needs(">=12 <15"), &here), None);
    assert_eq!(
        against(needs(">=15"), &here),
        sentence("1.2 needs schema >=15, and that of shop in production is 14")
    );
    let current = here.schema.as_ref();
    let history = History {
        releases: vec![(reference(1), leads_to(">=12", 15))],
        ..History::default()
    };
    let expand = wish(15, MigrationKind::Expand);
    here.schema = Some(begin(current, &expand, &around(None, vec![]), &history).unwrap());
    assert_eq!(
        against(needs(">=12 <15"), &here),
        sentence("1.2 needs schema >=12 <15, and that of shop in production is becoming 15")
    );
    assert!(against(needs(">=15"), &here).is_some());
    assert_eq!(against(needs(">=14 <16"), &here), None);
}

#[test]
fn a_release_out_of_reach_keeps_the_rollout_back_and_one_that_is_replaced_does_not() {
    let here = around(Some(14), vec![running(1, &[3, 4], needs("<14"))]);
    let new = candidate(2, needs(">=14"));
    assert_eq!(forward(&new, &here, &everywhere()), None, "it mends them");
    let reached: BTreeSet<HostId> = [host_id(3)].into();
    assert_eq!(
        forward(&new, &here, &reached).unwrap().to_string(),
        "web-4 still counts as running 1.1, which needs schema <14, and the schema is 14"
    );
}

#[test]
fn a_caller_and_a_callee_share_a_version_or_are_not_brought_together() {
    let calls =
        |version: &str| says(serde_json::json!({ "api": { "calls": { "billing": [version] } } }));
    let serves = |versions: &[&str]| says(serde_json::json!({ "api": { "serves": versions } }));
    let mut here = around(None, vec![]);
    assert_eq!(
        against(calls("v1"), &here),
        sentence("shop 1.2 calls billing, which was never shipped to production")
    );
    let billing = |said: Compatibility| running(7, &[5], said);
    let mut with = |said: Vec<Compatibility>| {
        let runs = said.into_iter().map(billing).collect();
        here.neighbours = [("billing".parse().unwrap(), runs)].into();
        here.clone()
    };
    assert_eq!(
        against(calls("v1"), &with(vec![serves(&["v1", "v2"])])),
        None
    );
    assert_eq!(
        against(calls("v1"), &with(vec![Compatibility::default()])),
        sentence("shop 1.2 calls billing with v1, and billing 1.7 does not say what it serves")
    );
    assert_eq!(
        against(
            calls("v1"),
            &with(vec![serves(&["v1"]), serves(&["v2", "v3"])])
        ),
        sentence("shop 1.2 calls billing with v1, and billing 1.7 serves v2 and v3"),
        "each that runs counts"
    );
    // The other way round: billing calls shop.
    let calls_shop = says(serde_json::json!({ "api": { "calls": { "shop": ["v2", "v3"] } } }));
    let here = with(vec![calls_shop]);
    assert_eq!(against(serves(&["v3"]), &here), None);
    assert_eq!(
        against(serves(&["v4"]), &here),
        sentence("billing 1.7 calls shop with v2 or v3, and shop 1.2 serves v4")
    );
    assert_eq!(
        against(Compatibility::default(), &here),
        sentence("billing 1.7 calls shop with v2 or v3, and shop 1.2 does not say what it serves")
    );
}

#[test]
fn a_client_that_is_served_stays_served_or_is_dropped_by_name() {
    let clients = |serves: &[&str], drops: &[&str]| {
        says(serde_json::json!({ "clients": serves, "drops_clients": drops }))
    };
    let here = around(None, vec![running(1, &[1], clients(&["ios>=4"], &[]))]);
    assert_eq!(against(clients(&["ios>=3.1"], &[]), &here), None);
    assert_eq!(
        against(clients(&["ios>=4.2"], &[]), &here),
        sentence("1.2 does not serve ios>=4, which 1.1 serves now")
    );
    assert_eq!(against(clients(&["ios>=4.2"], &["ios<4.2"]), &here), None);
    assert_eq!(
        against(clients(&["ios>=4.3"], &["ios<4.2"]), &here),
        sentence("1.2 does not serve ios>=4.2, which 1.1 serves now")
    );
    assert_eq!(against(clients(&[], &["ios>=0"]), &here), None);
    assert!(against(Compatibility::default(), &here).is_some());
}

fn facts(new: Compatibility, previous: Compatibility, around: Surroundings) -> GateFacts {
    GateFacts {
        new: candidate(2, new),
        previous: Some(candidate(1, previous)),
        surroundings: around,
        parts: Vec::new(),
        live: vec![
            (reference(1), needs("<14")),
            (reference(2), needs(">=13 <15")),
        ],
    }
}

#[test]
fn there_is_no_way_back_past_a_point_of_no_return_and_the_step_is_named() {
    let mut here = around(Some(14), vec![]);
    let said = |here: &Surroundings, previous: Compatibility| {
        let refusal = back(&facts(needs(">=13 <15"), previous, here.clone()));
        refusal.map(|refusal| format!("{refusal}; {}", refusal.hint()))
    };
    assert_eq!(said(&here, needs(">=12 <15")), None);
    assert_eq!(
        said(&here, Compatibility::default()),
        None,
        "nothing was taken away"
    );
    assert_eq!(
        said(&here, needs("<14")),
        sentence(
            "there is no way back to 1.1: it needs schema <14, and the schema is 14; the oldest safe release is 1.2; go forward: mend it and ship a new version, or ship the oldest safe one: `sleepwell ship shop 1.2`"
        )
    );
    let current = schema(13);
    let runs = around(None, vec![]);
    let history = History {
        releases: vec![(reference(2), leads_to(">=13 <15", 14))],
        ..History::default()
    };
    let contract = wish(14, MigrationKind::Contract);
    here.schema = Some(begin(Some(&current), &contract, &runs, &history).unwrap());
    let step = "since the step from 13 to 14 (contract, by ci), a point of no return";
    for previous in [needs("<14"), Compatibility::default()] {
        let said = said(&here, previous).unwrap();
        assert!(said.contains(step), "{said}");
    }
}

#[test]
fn a_caller_that_came_meanwhile_keeps_the_release_it_calls() {
    let serves = |version: &str| says(serde_json::json!({ "api": { "serves": [version] } }));
    let mut here = around(None, vec![]);
    let calls = says(serde_json::json!({ "api": { "calls": { "shop": ["v2"] } } }));
    here.neighbours = [("till".parse().unwrap(), vec![running(3, &[6], calls)])].into();
    let mut facts = facts(serves("v2"), serves("v1"), here);
    let refusal = back(&facts).unwrap();
    assert_eq!(
        refusal.to_string(),
        "there is no way back to 1.1: till 1.3 calls shop with v2, and shop 1.1 serves v1"
    );
    assert!(
        refusal.hint().contains("take till back first"),
        "{}",
        refusal.hint()
    );
    facts.parts = vec![("till".parse().unwrap(), "1.3".parse().unwrap())];
    assert_eq!(back(&facts), None, "it goes back as well, and first");
}

#[test]
fn a_migration_begins_only_where_everything_that_runs_works_with_it() {
    let history = History {
        releases: vec![
            (reference(1), leads_to(">=12 <14", 13)),
            (reference(2), leads_to(">=13 <15", 14)),
        ],
        ..History::default()
    };
    let here = around(None, vec![running(1, &[4], needs(">=12 <14"))]);
    let expand = |from: u64, to: u64| {
        begin(
            Some(&schema(from)),
            &wish(to, MigrationKind::Expand),
            &here,
            &history,
        )
        .map_err(|refusal| refusal.to_string())
    };
    let known = begin(None, &wish(13, MigrationKind::Expand), &here, &history);
    assert!(matches!(known, Err(MigrationRefusal::Unknown { .. })));
    assert_eq!(
        expand(12, 13).unwrap().versions().collect::<Vec<_>>(),
        [12, 13]
    );
    assert_eq!(
        expand(13, 14).unwrap_err(),
        "1.1 needs schema >=12 <14, and counts as running on web-4"
    );
    assert_eq!(
        expand(13, 15).unwrap_err(),
        "no release of shop leads to schema 15; known: 13, 14"
    );
    assert_eq!(
        expand(13, 13).unwrap_err(),
        "the schema of shop in production is 13 already"
    );
    assert!(expand(13, 12).is_ok(), "an expand can be taken back");
    let coming = History {
        under_way: Some((model::ChangeId(9), reference(2))),
        ..history.clone()
    };
    let refused = begin(
        Some(&schema(13)),
        &wish(12, MigrationKind::Expand),
        &here,
        &coming,
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "chg-9 brings 1.2, which needs schema >=13 <15"
    );
}

#[test]
fn a_contract_waits_for_everybody_and_for_its_soak() {
    let contract = |runs: Vec<Running>, done: &[u64], after: u64| {
        let releases = vec![
            (reference(1), leads_to(">=12 <14", 13)),
            (reference(2), leads_to(">=13 <15", 14)),
            (reference(3), leads_to(">=13 <15", 14)),
        ];
        let when = |number: &u64| (reference(*number), t0() + secs(*number));
        let history = History {
            releases,
            done: done.iter().map(when).collect(),
            under_way: None,
        };
        let wish = Wish {
            now: t0() + secs(after),
            ..wish(14, MigrationKind::Contract)
        };
        begin(Some(&schema(13)), &wish, &around(None, runs), &history)
            .map_err(|refusal| refusal.to_string())
    };
    let new = || running(3, &[1, 2], needs(">=13 <15"));
    let owed = || running(1, &[4], needs(">=12 <14"));
    let silent = || running(1, &[4], Compatibility::default());
    assert_eq!(
        contract(vec![owed(), new()], &[3, 2, 1], 900).unwrap_err(),
        "1.1 needs schema >=12 <14, and counts as running on web-4"
    );
    assert_eq!(
        contract(vec![silent(), new()], &[3, 2, 1], 900).unwrap_err(),
        "1.1 does not say which schema it needs, and counts as running on web-4"
    );
    assert_eq!(
        contract(vec![new()], &[1], 900).unwrap_err(),
        "no release that works with schema 14 is live there"
    );
    // The soak of a minute counts from 1.2, behind which nothing needed the old shape.
    let refused = contract(vec![new()], &[3, 2, 1], 61).unwrap_err();
    assert!(refused.contains("1m after 1.2 went live"), "{refused}");
    let begun = contract(vec![new()], &[3, 2, 1], 62).unwrap();
    // It is a point of no return for good once it is done, and none when it was given up.
    let say = |to| {
        let wish = wish(to, MigrationKind::Contract);
        let (around, history) = (around(None, vec![]), History::default());
        set(Some(&begun), &wish, false, &around, &history)
            .unwrap()
            .0
    };
    let points = [say(14), say(13)].map(|said| said.point_of_no_return.map(|step| step.to));
    assert_eq!(points, [Some(14), None]);
}

#[test]
fn what_a_migration_came_to_is_said_and_anything_else_is_checked() {
    let history = History {
        releases: vec![(reference(1), leads_to(">=12 <14", 13))],
        ..History::default()
    };
    let here = around(None, vec![running(1, &[4], needs(">=12 <14"))]);
    let say = |current: Option<&Schema>, to: u64, kind: Option<MigrationKind>, anyway: bool| {
        let wish = Wish {
            kind,
            ..wish(to, MigrationKind::Expand)
        };
        set(current, &wish, anyway, &here, &history).map_err(|refusal| refusal.to_string())
    };
    let (known, kind) = say(None, 12, None, false).unwrap();
    assert_eq!((known.version, kind), (12, None));
    assert!(
        say(None, 14, None, false).is_err(),
        "1.1 does not work with it"
    );
    assert_eq!(say(None, 14, None, true).unwrap().0.version, 14);
    let begun = begin(
        Some(&known),
        &wish(13, MigrationKind::Migrate),
        &here,
        &history,
    );
    let begun = begun.unwrap();
    let done = say(Some(&begun), 13, None, false).unwrap();
    assert_eq!((done.0.version, done.1), (13, Some(MigrationKind::Migrate)));
    assert_eq!(done.0.becoming, None);
    let given_up = say(Some(&begun), 12, None, false).unwrap();
    assert_eq!((given_up.0.version, given_up.0.becoming), (12, None));
    assert!(
        say(Some(&begun), 11, None, false)
            .unwrap_err()
            .contains("is becoming 13")
    );
    // Said again it changes nothing; a step at once is checked as one that begins.
    assert_eq!(say(Some(&known), 12, None, false).unwrap().0, known);
    assert!(
        say(Some(&known), 13, None, false)
            .unwrap_err()
            .contains("what kind of step")
    );
    let at_once = say(Some(&known), 13, Some(MigrationKind::Expand), false).unwrap();
    assert_eq!(at_once.1, Some(MigrationKind::Expand));
}

/// Returns a world between 1.1 and 1.2 with a schema.
fn gated(previous: &str, new: &str, version: u64) -> World {
    gated_of(&Setup::default(), previous, new, version)
}

fn gated_of(setup: &Setup, previous: &str, new: &str, version: u64) -> World {
    let mut world = World::new(setup);
    world.gate = Some(facts(
        needs(new),
        needs(previous),
        around(Some(version), vec![]),
    ));
    look_around(&mut world);
    world
}

/// Reads what counts as running from the hosts, as the store does.
fn look_around(world: &mut World) {
    let Some(gate) = &mut world.gate else {
        return;
    };
    let said = |number: u64| match number {
        1 => gate.previous.as_ref().unwrap().compatibility.clone(),
        _ => gate.new.compatibility.clone(),
    };
    let mut found: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for n in 1..=world.hosts.len() {
        let host = &world.hosts[&host_id(n)];
        let (Some(desired), false) = (&host.desired, host.retired) else {
            continue;
        };
        found.entry(desired.release.0).or_default().push(n);
        let is_there = host
            .reported
            .as_ref()
            .is_some_and(|said| said.generation_applied == desired.generation);
        if !is_there {
            found.entry(3 - desired.release.0).or_default().push(n);
        }
    }
    gate.surroundings.runs = found
        .iter()
        .map(|(number, hosts)| running(*number, hosts, said(*number)))
        .collect();
}

fn set_schema(world: &mut World, version: u64) {
    world.gate.as_mut().unwrap().surroundings.schema = Some(schema(version));
}

#[test]
fn a_rollout_is_held_in_front_of_a_ring_and_goes_on_by_itself() {
    let mut world = gated("<14", ">=13 <15", 13);
    assert_eq!(asked(&world.turn()), [1]);
    world.proves(1);
    set_schema(&mut world, 15);
    // The ring that was asked goes on to be watched.
    let plan = world.bake_and_pass();
    assert!(world.rollout.rings[0].passed_at.is_some());
    assert_eq!(asked(&plan), NOBODY);
    let why = "1.2 needs schema >=13 <15, and that of shop in production is 15".to_owned();
    assert_eq!(world.held(), Some(&HeldReason::Incompatible { why }));
    let plan = world.order(Command::Go);
    assert_eq!(asked(&plan), NOBODY, "no word makes it fit");
    set_schema(&mut world, 14);
    let plan = world.turn();
    assert_eq!(asked(&plan), [2]);
    assert_eq!(told(&plan), ["ring_started", "rollout_resumed"]);
}

#[test]
fn a_host_out_of_reach_that_needs_the_old_shape_holds_the_second_ring() {
    let mut world = gated("<14", ">=13 <15", 13);
    world.turn();
    world.proves(1);
    world.goes_silent(4);
    set_schema(&mut world, 14);
    look_around(&mut world);
    let plan = world.bake_and_pass();
    assert_eq!(asked(&plan), NOBODY);
    let why = "web-4 still counts as running 1.1, which needs schema <14, and the schema is 14";
    let why = why.to_owned();
    assert_eq!(world.held(), Some(&HeldReason::Incompatible { why }));
    let plan = world.is_back(4);
    assert_eq!(asked(&plan), [2], "the rollout itself is what mends it now");
}

#[test]
fn an_undo_that_would_leave_what_a_release_needs_is_not_begun_and_the_failure_stays_held() {
    let mut world = gated("<14", ">=13 <15", 13);
    world.turn();
    world.proves(1);
    set_schema(&mut world, 14);
    world.judge(VerdictState::Fail, Reason::Harm);
    world.turn();
    assert_eq!(world.held(), None, "the order is on its way");
    let plan = world.order(Command::Undo);
    assert_eq!(told(&plan), ["undo_refused", "rollout_held"]);
    assert_eq!(asked(&plan), NOBODY);
    assert!(
        matches!(world.held(), Some(HeldReason::NoWayBack { why }) if why.contains("no way back to 1.1"))
    );
    assert!(world.rollout.no_way_back.is_some());
    // Once the schema is taken back a person may undo it.
    set_schema(&mut world, 13);
    world.turn();
    assert!(matches!(world.held(), Some(HeldReason::Verdict { .. })));
    let plan = world.order(Command::Undo);
    assert_eq!(asked(&plan), [1]);
    assert_eq!(world.rollout.no_way_back, None);
}

#[test]
fn an_idle_slot_is_stopped_whatever_the_schema_has_become_and_routers_turn_only_to_what_fits() {
    let slots = Setup {
        hosts: 5,
        max_unavailable: 5,
        slots: true,
        ..Setup::default()
    };
    let begun = || {
        let mut world = gated_of(&slots, "<14", "<15", 13);
        world.turn();
        world.proves(1);
        world.proves(4);
        world
    };
    let mut before = begun();
    set_schema(&mut before, 14);
    assert_eq!(asked(&before.order(Command::Undo)), [1, 4]);

    let mut swapped = begun();
    swapped.bake_and_pass();
    swapped.proves(2);
    assert!(swapped.is_done());
    set_schema(&mut swapped, 14);
    let plan = swapped.order(Command::Undo);
    assert_eq!(told(&plan), ["undo_refused"]);
    assert_eq!(asked(&plan), NOBODY);
}

#[test]
fn an_undo_under_way_asks_nobody_for_what_does_not_fit_any_more() {
    let mut world = gated("<14", ">=13 <15", 13);
    world.turn();
    world.proves(1);
    // Nothing is known of the host while the undo begins, so it is asked later.
    let facts = world.hosts.remove(&host_id(1)).unwrap();
    assert_eq!(asked(&world.order(Command::Undo)), NOBODY);
    set_schema(&mut world, 14);
    world.hosts.insert(host_id(1), facts);
    assert_eq!(asked(&world.turn()), NOBODY);
    set_schema(&mut world, 13);
    assert_eq!(asked(&world.turn()), [1]);
}

#[test]
fn a_person_goes_past_a_failure_that_cannot_go_back() {
    let mut world = gated("<14", ">=13 <15", 13);
    world.turn();
    world.proves(1);
    set_schema(&mut world, 14);
    world.judge(VerdictState::Fail, Reason::Harm);
    world.order(Command::Undo);
    let plan = world.order(Command::Go);
    assert!(
        world.rollout.rings[0].passed_at.is_some(),
        "{:?}",
        world.rollout.state
    );
    assert_eq!(asked(&plan), [2]);
}

#[test]
fn a_finished_rollout_stays_done_when_there_is_no_way_back() {
    let mut world = gated("<14", ">=13 <15", 13);
    while !world.is_done() {
        world.settle();
        if !world.is_done() {
            world.bake_and_pass();
        }
    }
    set_schema(&mut world, 14);
    let plan = world.order(Command::Undo);
    assert!(world.is_done());
    assert_eq!(told(&plan), ["undo_refused"]);
    assert_eq!(asked(&plan), NOBODY);
}

#[test]
fn a_rollout_that_would_be_held_at_once_is_refused_and_a_rehearsal_says_why() {
    let world = gated("<14", ">=13 <15", 12);
    let gate = world.gate.as_ref().unwrap();
    let refused = refuse_incompatible(&world.rollout, &world.hosts, gate).unwrap_err();
    assert!(matches!(refused, Refusal::Incompatible(_)));
    assert!(
        refused
            .hint()
            .contains("sleepwell schema begin shop production"),
        "{}",
        refused.hint()
    );
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    assert!(matches!(
        rehearsed.held,
        Some(HeldReason::Incompatible { .. })
    ));
    assert_eq!(rehearsed.asks, []);
    let world = gated("<14", ">=13 <15", 13);
    let gate = world.gate.as_ref().unwrap();
    assert_eq!(
        refuse_incompatible(&world.rollout, &world.hosts, gate),
        Ok(())
    );
}

#[test]
fn a_host_that_joins_late_is_not_given_what_does_not_fit() {
    let fitting = |version| {
        let gate = facts(
            needs(">=13 <15"),
            needs("<14"),
            around(Some(version), vec![]),
        );
        fits(Some(&gate))
    };
    assert_eq!((fitting(14), fitting(15), fits(None)), (true, false, true));
}

/// Is something that happens to a world with a gate.
#[derive(Clone, Debug)]
enum Event {
    Schema(u64),
    Silent(usize),
    Back(usize),
    Proves(usize),
    Fails,
    Passes,
    Says(Command),
    Exclude(usize),
    Later,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (11u64..17).prop_map(Event::Schema),
        2 => (1usize..=4).prop_map(Event::Silent),
        2 => (1usize..=4).prop_map(Event::Back),
        6 => (1usize..=4).prop_map(Event::Proves),
        1 => Just(Event::Fails),
        4 => Just(Event::Passes),
        2 => prop_oneof![Just(Command::Undo), Just(Command::Go), Just(Command::Hold)].prop_map(Event::Says),
        1 => (1usize..=4).prop_map(Event::Exclude),
        2 => Just(Event::Later),
    ]
}

fn happen(world: &mut World, event: &Event) -> deliver::rollout::Plan {
    match event {
        Event::Schema(version) => set_schema(world, *version),
        Event::Silent(n) => world.get(*n).unknown_since = Some(t0()),
        Event::Back(n) => world.get(*n).unknown_since = None,
        Event::Proves(n) => world.obey(*n),
        Event::Fails => world.judge(VerdictState::Fail, Reason::Harm),
        Event::Passes => {
            world.now = world.now + BAKE;
            world.judge(VerdictState::Pass, Reason::Cleared);
        }
        Event::Exclude(n) => drop(world.exclude(*n)),
        Event::Later => world.now = world.now + secs(90),
        Event::Says(command) => {
            look_around(world);
            return world.order(*command);
        }
    }
    look_around(world);
    world.turn()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Written down a second time, by hand: the ranges of both releases, and the schema at that moment.
    #[test]
    fn no_host_is_asked_for_a_release_outside_the_gate_whatever_happens(
        events in prop::collection::vec(event(), 1..60),
        begins_at in 12u64..16,
    ) {
        let mut world = gated(">=12 <14", ">=13 <15", begins_at);
        for event in &events {
            let plan = happen(&mut world, event);
            let now = world.gate.as_ref().unwrap().surroundings.schema.as_ref().unwrap().version;
            for ask in &plan.ask {
                let Wanted::Release(release) = &ask.what else {
                    panic!("asked for nothing at all");
                };
                let lies = match release.number.0 {
                    1 => (12..14).contains(&now),
                    _ => (13..15).contains(&now),
                };
                prop_assert!(lies, "{} asked while the schema is {now}", release.version);
            }
        }
    }
}
