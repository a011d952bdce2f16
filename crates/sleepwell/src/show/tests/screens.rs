//! Each screen whole, as it stands on a terminal.

use insta::assert_snapshot;
use model::api::change::{ChangeView, Why};
use model::deliver::Proof;
use model::observe::ChangeState;

use super::alert_fixture;
use super::fixture::{self, ASCII, NARROW, WIDE};
use crate::show::{
    Style, alerts, changes, exit, freezes, hosts, pages, rehearsal, schemas, tree, why,
};

/// Returns the frozen frame with the result under it and the code the command ends with.
fn session(view: &ChangeView, style: Style) -> String {
    let url = "http://127.0.0.1:7700/c/2";
    let result = tree::result(view, style, "sleepwell why chg-2", url);
    let code = exit::code(view);
    format!("{}\n{result}$ echo $?\n{code}\n", tree::frame(view, style))
}

fn story() -> Why {
    let mut chain = fixture::undone().timeline;
    chain[2].detail = vec![
        "failed payments: 61 of 610 on the canary, 14 of 1420 on the other hosts".to_owned(),
        "odds 4.1 to 9.8 times those of the control at 99 % confidence".to_owned(),
    ];
    let first = chain[0].id;
    chain[4].causes.insert(0, first);
    for item in &mut chain[5..] {
        item.at = item.at + std::time::Duration::from_secs(36_000);
    }
    Why {
        subject: "chg-2".to_owned(),
        sentence: fixture::undone().sentence,
        chain,
    }
}

#[test]
fn a_canary_is_judged() {
    assert_snapshot!("judging_wide", tree::frame(&fixture::judging(), WIDE));
    assert_snapshot!("judging_narrow", tree::frame(&fixture::judging(), NARROW));
    assert_snapshot!("judging_ascii", tree::frame(&fixture::judging(), ASCII));
}

#[test]
fn a_slot_that_is_stopped_again_is_back_where_it_was() {
    let mut view = fixture::undone();
    let host = &mut view.rings[0].hosts[1];
    (host.proof, host.running) = (Proof::Stopped, None);
    let said = session(&view, WIDE);
    let back = "2 of 2 hosts are back where they were: 1 on 1.0, 1 stopped, checked by digest.";
    assert!(said.contains(back), "{said}");
    assert!(!said.contains("no release it can prove"), "{said}");
}

#[test]
fn what_was_shipped_together_stands_above_the_rings_in_order() {
    assert_snapshot!("together_wide", tree::frame(&fixture::together(), WIDE));
    assert_snapshot!("together_narrow", tree::frame(&fixture::together(), NARROW));
    assert_snapshot!("together_ascii", tree::frame(&fixture::together(), ASCII));
    assert_snapshot!(
        "undone_together",
        session(&fixture::undone_together(), WIDE)
    );
}

#[test]
fn a_host_with_a_full_disk_is_named() {
    assert_snapshot!("proving_wide", tree::frame(&fixture::proving(), WIDE));
    assert_snapshot!("proving_narrow", tree::frame(&fixture::proving(), NARROW));
}

#[test]
fn a_bad_canary_undoes_itself() {
    assert_snapshot!("undone_wide", session(&fixture::undone(), WIDE));
    assert_snapshot!("undone_narrow", session(&fixture::undone(), NARROW));
    assert_snapshot!("undone_ascii", session(&fixture::undone(), ASCII));
}

#[test]
fn an_undo_of_a_person_names_the_person() {
    assert_snapshot!(
        "undone_by_a_person",
        session(&fixture::undone_by_a_person(), WIDE)
    );
}

#[test]
fn a_first_release_is_undone_by_stopping_it() {
    let mut view = fixture::undone();
    view.previous = None;
    for host in &mut view.rings[0].hosts {
        host.running = None;
        host.digest = None;
        host.proof = model::deliver::Proof::Stopped;
    }
    assert_snapshot!("undone_first_release", session(&view, WIDE));
}

#[test]
fn an_undo_that_does_not_reach_a_host_is_stuck() {
    assert_snapshot!("stuck_wide", session(&fixture::stuck(), WIDE));
}

#[test]
fn the_eighth_server_holds_the_change() {
    assert_snapshot!("held_wide", session(&fixture::held(), WIDE));
    assert_snapshot!("held_narrow", session(&fixture::held(), NARROW));
    assert_snapshot!("held_ascii", session(&fixture::held(), ASCII));
}

#[test]
fn a_change_that_went_through_names_the_hosts_that_are_not_on_it() {
    assert_snapshot!("done_wide", session(&fixture::done(), WIDE));
    assert_snapshot!("drift_wide", session(&fixture::done_with_drift(), WIDE));
    assert_snapshot!("drift_narrow", session(&fixture::done_with_drift(), NARROW));
}

#[test]
fn colour_is_added_to_the_same_words() {
    let view = fixture::undone();
    let colored = tree::frame(
        &view,
        Style {
            color: true,
            ..WIDE
        },
    );
    assert_snapshot!("undone_color", colored.replace('\x1b', "ESC"));
    let mut bare = colored;
    for code in [0, 1, 2, 31, 32, 33, 35] {
        bare = bare.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(bare, tree::frame(&view, WIDE));
}

#[test]
fn a_change_that_is_done_says_how_long_it_stays_watched() {
    let mut view = fixture::done();
    view.watched_until = Some(view.now + std::time::Duration::from_secs(3_480));
    let shown = session(&view, WIDE);
    assert!(shown.contains("It stays watched for 58m."), "{shown}");
}

#[test]
fn a_ring_of_many_hosts_shows_those_in_trouble() {
    let mut view = fixture::held();
    let spare = view.rings[1].hosts[0].clone();
    for n in 10..40 {
        let host = format!("web-{n}").parse().unwrap();
        let host = model::api::change::HostLine {
            host,
            ..spare.clone()
        };
        view.rings[1].hosts.insert(0, host);
    }
    let frame = tree::frame(&view, WIDE);
    assert!(
        frame.contains("web-8   1.0? ? silent for 10m53s"),
        "{frame}"
    );
    assert!(frame.contains("│  └ … and 29 hosts more"), "{frame}");
}

#[test]
fn a_chain_of_causes_reads_from_the_top() {
    assert_snapshot!("why_wide", why::text(&story(), WIDE));
    assert_snapshot!("why_narrow", why::text(&story(), NARROW));
    assert_snapshot!("why_ascii", why::text(&story(), ASCII));
}

#[test]
fn changes_are_listed() {
    let now = fixture::at("14:12:00");
    assert_snapshot!(
        "changes_wide",
        changes::table(&fixture::changes(), now, WIDE)
    );
    assert_snapshot!(
        "changes_narrow",
        changes::table(&fixture::changes(), now, NARROW)
    );
    assert!(changes::table(&[], now, WIDE).contains("sleepwell ship"));
}

#[test]
fn hosts_show_what_they_really_run() {
    let now = fixture::at("14:12:00");
    assert_snapshot!("hosts_wide", hosts::table(&fixture::hosts(), now, WIDE));
    assert_snapshot!("hosts_narrow", hosts::table(&fixture::hosts(), now, NARROW));
    assert_snapshot!("hosts_ascii", hosts::table(&fixture::hosts(), now, ASCII));
    assert!(hosts::table(&[], now, WIDE).contains("sleepwell agent join"));
}

#[test]
fn agents_are_told_apart_while_a_fleet_is_brought_to_another_version() {
    let now = fixture::at("14:12:00");
    let mut hosts = fixture::hosts();
    hosts[1].agent_version = "0.5.0".to_owned();
    let shown = hosts::table(&hosts, now, WIDE);
    let line = |host: &str| shown.lines().find(|line| line.starts_with(host)).unwrap();
    assert!(line("host").starts_with("host   agent  service"), "{shown}");
    assert!(line("web-1").starts_with("web-1  0.4.1  shop"), "{shown}");
    assert!(line("web-2").starts_with("web-2  0.5.0  shop"), "{shown}");
    let narrow = hosts::table(&hosts, now, NARROW);
    assert!(
        !narrow.contains("0.5.0"),
        "it is the first to leave:\n{narrow}"
    );
}

#[test]
fn agents_of_one_version_are_told_apart_by_their_digests_and_by_what_they_become() {
    let now = fixture::at("14:12:00");
    let mut hosts = fixture::hosts();
    for (host, program) in hosts.iter_mut().zip(fixture::programs()) {
        host.program = program;
    }
    assert_snapshot!("hosts_updated_wide", hosts::table(&hosts, now, WIDE));
    hosts.truncate(1);
    let one = hosts::table(&hosts, now, WIDE);
    assert!(!one.contains("0.4.1"), "all are the same:\n{one}");
    hosts[0].program = fixture::programs().remove(1);
    let one = hosts::table(&hosts, now, WIDE);
    assert!(one.contains("updating"), "{one}");
}

#[test]
fn what_is_wrong_with_a_host_itself_stands_below_the_table() {
    let now = fixture::at("14:12:00");
    let hosts = fixture::troubled_hosts();
    assert_snapshot!("hosts_troubled_wide", hosts::table(&hosts, now, WIDE));
    assert_snapshot!("hosts_troubled_narrow", hosts::table(&hosts, now, NARROW));
}

#[test]
fn alerts_say_whether_anybody_knows() {
    let (alerts, now) = (alert_fixture::alerts(), fixture::at("14:12:00"));
    assert_snapshot!("alerts_wide", alerts::table(&alerts, now, WIDE));
    assert_snapshot!("alerts_narrow", alerts::table(&alerts, now, NARROW));
    assert_snapshot!("alerts_ascii", alerts::table(&alerts, now, ASCII));
    assert!(alerts::table(&[], now, WIDE).contains("sleepwell alerts --all"));
}

#[test]
fn pages_say_whether_they_arrived() {
    let (pages, now) = (alert_fixture::pages(), fixture::at("14:12:00"));
    assert_snapshot!("pages_wide", pages::table(&pages, now, WIDE));
    assert_snapshot!("pages_narrow", pages::table(&pages, now, NARROW));
    assert_snapshot!("pages_ascii", pages::table(&pages, now, ASCII));
    assert!(pages::table(&[], now, WIDE).contains("Nobody was told"));
}

#[test]
fn each_end_has_its_exit_code() {
    let code = |view: ChangeView| exit::code(&view);
    assert_eq!(code(fixture::done()), 0);
    assert_eq!(code(fixture::done_with_drift()), 11);
    assert_eq!(code(fixture::undone()), 10);
    assert_eq!(code(fixture::undone_by_a_person()), 1);
    assert_eq!(code(fixture::stuck()), 1);
    assert_eq!(code(fixture::held()), 12);
    assert_eq!(code(fixture::judging()), 3);
    let mut superseded = fixture::done();
    superseded.change.state = ChangeState::Superseded;
    assert_eq!(code(superseded), 1);
    assert_snapshot!("exit_codes", exit::help());
}

#[test]
fn a_refused_command_has_the_code_of_its_reason() {
    let code = |status| exit::of_problem(&model::api::Problem::new(status, "x", "x"));
    assert_eq!([401, 403, 404, 409, 500].map(code), [4, 4, 5, 1, 1]);
}

#[test]
fn a_host_that_fell_silent_after_the_end_makes_it_drift() {
    let mut view = fixture::done();
    view.rings[1].hosts[0].unknown_since = Some(fixture::at("14:09:00"));
    assert_eq!(exit::code(&view), 11);
}

#[test]
fn a_rehearsal_names_hosts_and_obstacles() {
    let rehearsal = fixture::rehearsal();
    assert_snapshot!("rehearsal_wide", rehearsal::screen(&rehearsal, WIDE));
    assert_snapshot!("rehearsal_narrow", rehearsal::screen(&rehearsal, NARROW));
    assert_snapshot!("rehearsal_ascii", rehearsal::screen(&rehearsal, ASCII));
    assert_eq!(rehearsal::code(&rehearsal), 12);
    let mut free = rehearsal;
    free.obstacles.clear();
    assert_eq!(rehearsal::code(&free), 0);
}

#[test]
fn freezes_say_whether_they_are_in_force() {
    let (list, now) = (fixture::freezes(), fixture::at("14:03:31"));
    assert_snapshot!("freezes_wide", freezes::table(&list, now, WIDE));
    assert_snapshot!("freezes_narrow", freezes::table(&list, now, NARROW));
    assert_snapshot!("freezes_none", freezes::table(&[], now, WIDE));
}

#[test]
fn schemas_say_what_runs_on_them_and_what_does_not_fit() {
    let (list, now) = (fixture::schemas(), fixture::at("14:03:31"));
    assert_snapshot!("schemas_wide", schemas::table(&list, now, WIDE));
    assert_snapshot!("schemas_narrow", schemas::table(&list, now, NARROW));
    assert_snapshot!("schemas_ascii", schemas::table(&list, now, ASCII));
    assert_snapshot!("schemas_none", schemas::table(&[], now, WIDE));
    let said: Vec<String> = list.iter().map(schemas::said).collect();
    assert_snapshot!("schemas_said", said.join("\n"));
}

#[test]
fn the_way_back_says_where_it_leads_or_why_there_is_none() {
    let change = "chg-7".parse().unwrap();
    let ways: Vec<String> = fixture::ways_back()
        .iter()
        .map(|way| schemas::way_back(change, way))
        .collect();
    assert_snapshot!("ways_back", ways.join("\n"));
}
