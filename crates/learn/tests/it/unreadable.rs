//! Entries that are not as this program writes them.

use learn::sentence::of;
use model::{Entry, Fact, Kind, Timestamp};
use serde_json::json;

use crate::facts::told;
use crate::fixture::{entry, name};

fn unreadable(body: serde_json::Value) -> Entry {
    Entry {
        body,
        ..entry(
            1,
            0,
            Kind::Signal,
            "sleepwell",
            &[],
            &Fact::HostEnrolled { host: name(1) },
        )
    }
}

#[test]
fn an_entry_of_a_newer_program_is_told_as_such() {
    let told = of(&unreadable(
        json!({ "fact": "flag_flipped", "flag": "pay" }),
    ));
    assert_eq!(told.event, "flag_flipped");
    assert_eq!(
        told.text,
        "Something this version cannot read happened: `flag_flipped`."
    );
    assert_eq!(told.detail.len(), 1);
}

#[test]
fn a_damaged_entry_is_told_as_such() {
    for body in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "fact": 7 }),
        json!({}),
    ] {
        let told = of(&unreadable(body));
        assert_eq!(told.event, "unknown");
        assert_eq!(told.text, "An entry this version cannot read.");
        assert_eq!(told.detail.len(), 1);
    }
}

#[test]
fn text_from_outside_cannot_break_a_line_or_colour_a_terminal() {
    let told = told(&Fact::HostExit {
        host: name(1),
        service: "shop".parse().unwrap(),
        exits: 1,
        why: "panic:\n\u{1b}[31mboom.".to_owned(),
    });
    assert_eq!(
        told.text,
        "shop ended on web-1 without being asked, 1 time so far: panic: [31mboom."
    );
}

#[test]
fn a_moment_far_in_the_future_is_no_problem() {
    let entry = Entry {
        at: Timestamp::from_micros(i64::MAX),
        ..entry(
            1,
            0,
            Kind::Signal,
            "x",
            &[],
            &Fact::HostSilent {
                host: name(1),
                since: Timestamp::from_micros(i64::MIN),
            },
        )
    };
    assert!(!of(&entry).text.is_empty());
}
