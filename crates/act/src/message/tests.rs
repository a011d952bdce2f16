//! Messages, word for word.

use super::*;
use crate::fixture::{JUDGED_AT, verdict};

const BECAUSE: &str =
    "payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %)";

/// Writes the message about shop 1.1 as one text, title first.
fn told(event: &Event<'_>) -> String {
    told_of(event, Some("1.0"))
}

fn told_of(event: &Event<'_>, previous: Option<&str>) -> String {
    let message = message(event, previous);
    format!("{}\n\n{}", message.title, message.text.join("\n"))
}

fn message(event: &Event<'_>, previous: Option<&str>) -> Message {
    message_of(event, previous, None)
}

fn message_of(event: &Event<'_>, previous: Option<&str>, swap: Option<&Swap>) -> Message {
    let previous: Option<Version> = previous.map(|v| v.parse().unwrap());
    let about = About {
        change: ChangeId(7),
        service: &"shop".parse().unwrap(),
        environment: &"production".parse().unwrap(),
        version: &"1.1".parse().unwrap(),
        previous: previous.as_ref(),
        swap,
        by: "jonas",
        started_at: JUDGED_AT - Duration::from_secs(90),
        command: "sleepwell",
        page: "http://127.0.0.1:7700/c/7",
    };
    write(&about, event, event.urgency(), JUDGED_AT)
}

fn hosts(names: &[&str]) -> Vec<HostName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_bad_release_that_is_being_undone() {
    let event = Event::Judged {
        verdict: &verdict(),
        because: BECAUSE,
        answer: Answer::Undoing { hosts: 1 },
    };
    assert_eq!(
        told(&event),
        "shop 1.1 is being undone: payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %)

shop 1.1 is bad in production.
Why: payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %).
Shipped at 14:02:01 UTC by jonas; judged at 14:03:31 UTC after 31 looks.
Done about it: 1 host goes back to 1.0. You will be told when every host is back, and woken if one is not.
What to do: nothing now; no person is needed for the undo.
Read more: http://127.0.0.1:7700/c/7
The chain of causes: sleepwell why chg-7"
    );
}

#[test]
fn a_bad_release_that_nothing_undoes_says_how() {
    let event = Event::Judged {
        verdict: &verdict(),
        because: BECAUSE,
        answer: Answer::Nothing,
    };
    let text = told(&event);
    assert!(
        text.starts_with("shop 1.1 is bad and still runs: payment errors"),
        "{text}"
    );
    assert!(text.contains("Done about it: nothing.\n"), "{text}");
    assert!(
        text.contains("To take it back: sleepwell undo chg-7\n"),
        "{text}"
    );
}

#[test]
fn other_verdicts_are_named_for_what_they_are() {
    let title = |state, answer| {
        let verdict = Verdict { state, ..verdict() };
        let because = "it is so";
        message(
            &Event::Judged {
                verdict: &verdict,
                because,
                answer,
            },
            None,
        )
        .title
    };
    assert_eq!(
        [
            title(VerdictState::Marginal, Answer::Held),
            title(VerdictState::Marginal, Answer::Nothing),
            title(VerdictState::Undecided, Answer::Nothing),
            title(VerdictState::Pass, Answer::Nothing),
        ],
        [
            "shop 1.1 is held: it is so",
            "shop 1.1 may be bad: it is so",
            "shop 1.1 cannot be judged: it is so",
            "shop 1.1 shows no harm so far: it is so",
        ]
    );
}

#[test]
fn an_undone_release_is_told_with_its_proof() {
    let event = Event::Undone {
        hosts: 1,
        of: 1,
        after: Duration::from_millis(12_300),
        because: "payment errors were 3.8 times as likely on the canary",
    };
    assert_eq!(
        told(&event),
        "shop 1.1 was undone after 12 s

shop 1.1 was undone after 12 s; 1 of 1 host is back on 1.0, checked by digest.
Why: payment errors were 3.8 times as likely on the canary.
Shipped at 14:02:01 UTC by jonas.
Done about it: it was undone on every host that had it.
What to do: repair it and ship it under a new version.
Read more: http://127.0.0.1:7700/c/7
The chain of causes: sleepwell why chg-7"
    );
    assert!(told_of(&event, None).contains("1 of 1 host is stopped, checked by digest."));
}

#[test]
fn a_held_release_names_what_it_waits_for_and_the_command() {
    let reason = HeldReason::WaitingFor {
        hosts: hosts(&["web-8"]),
        proved: 7,
        of: 8,
    };
    let event = Event::Held {
        reason: &reason,
        because: "7 of 8 hosts proved; waiting for web-8",
    };
    assert_eq!(
        told(&event),
        "shop 1.1 is held: 7 of 8 hosts proved; waiting for web-8

shop 1.1 is held on its way to production.
Why: 7 of 8 hosts proved; waiting for web-8.
Shipped at 14:02:01 UTC by jonas.
Done about it: hosts that have 1.1 keep it, the others keep 1.0.
What to do: bring the missing hosts back (sleepwell hosts shop); it goes on by itself as soon as they prove it.
To go on: sleepwell go chg-7
To take it back: sleepwell undo chg-7
Read more: http://127.0.0.1:7700/c/7
The chain of causes: sleepwell why chg-7"
    );
}

#[test]
fn a_stuck_undo_wakes_somebody_and_names_the_hosts() {
    let named = hosts(&["web-7", "web-8"]);
    let event = Event::Stuck { hosts: &named };
    assert_eq!(event.urgency(), Urgency::High);
    assert_eq!(
        told(&event),
        "shop 1.1 is not undone on web-7 and web-8

shop 1.1 is being undone, but web-7 and web-8 did not go back in time and may still run it.
Shipped at 14:02:01 UTC by jonas.
Done about it: they are asked again and again until they are back.
What to do: keep the named hosts out of traffic and look at what each one says: sleepwell hosts shop
Read more: http://127.0.0.1:7700/c/7
The chain of causes: sleepwell why chg-7"
    );
}

#[test]
fn a_finished_release_is_told_not_woken() {
    let event = Event::Done {
        hosts: 8,
        after: Duration::from_secs(242),
    };
    assert_eq!(event.urgency(), Urgency::Low);
    let text = told(&event);
    assert!(
        text.starts_with("shop 1.1 is live on 8 of 8 hosts\n"),
        "{text}"
    );
    assert!(
        text.contains("on 8 of 8 hosts after 4 min 2 s, each proved from its running process."),
        "{text}"
    );
}

#[test]
fn programs_get_the_same_facts_as_people() {
    let event = Event::Judged {
        verdict: &verdict(),
        because: BECAUSE,
        answer: Answer::Undoing { hosts: 1 },
    };
    let data = message(&event, Some("1.0")).data;
    assert_eq!(data["event"], "judged");
    assert_eq!(data["change"], "chg-7");
    assert_eq!(data["previous"], "1.0");
    assert_eq!(data["detail"]["answer"], "undoing");
    assert_eq!(data["detail"]["verdict"]["evidence"]["looks"], 31);
}

#[test]
fn a_clause_with_line_breaks_cannot_add_lines_to_a_mail() {
    let event = Event::Held {
        reason: &HeldReason::Blocked {
            host: "web-3".parse().unwrap(),
            why: String::new(),
        },
        because: "web-3 cannot run it: disk full\r\nBcc: x@example.org",
    };
    let message = message(&event, None);
    assert_eq!(
        message.title,
        "shop 1.1 is held: web-3 cannot run it: disk full Bcc: x@example.org"
    );
    assert!(
        message
            .text
            .iter()
            .any(|p| p.contains("remove what blocks web-3"))
    );
}

#[test]
fn every_contact_of_the_owner_is_told() {
    let owner = Owner {
        team: Some("pay".to_owned()),
        mail: Some("pay@example.org".to_owned()),
        webhook: Some("https://example.org/hook".to_owned()),
    };
    assert_eq!(
        recipients(&owner),
        [
            Destination::Mail("pay@example.org".to_owned()),
            Destination::Webhook("https://example.org/hook".to_owned())
        ]
    );
    assert_eq!(recipients(&Owner::default()), []);
}

/// Writes the line of a message about two slots that holds `part`.
fn line_of(event: &Event<'_>, swap: &Swap, part: &str) -> String {
    let previous = swap.from.map(|_| "1.0");
    let message = message_of(event, previous, Some(swap));
    let line = message.text.iter().find(|line| line.contains(part));
    line.cloned()
        .unwrap_or_else(|| panic!("{:?}", message.text))
}

#[test]
fn where_two_slots_take_turns_it_says_where_everything_goes() {
    use model::deliver::Slot::{Blue, Green};
    let swap = |from, is_back| Swap {
        to: Green,
        from,
        live: Vec::new(),
        warm: None,
        is_back,
    };
    let undone = Event::Undone {
        hosts: 3,
        of: 3,
        after: Duration::from_secs(2),
        because: BECAUSE,
    };
    let said = |from, is_back| line_of(&undone, &swap(from, is_back), "was undone after");
    assert_eq!(
        said(Some(Blue), true),
        "shop 1.1 was undone after 2 s; everything goes to blue again, which runs 1.0, and green is stopped, checked by digest."
    );
    assert_eq!(
        said(Some(Blue), false),
        "shop 1.1 was undone after 2 s; everything went to blue all the time, which runs 1.0, and green is stopped, checked by digest."
    );
    assert_eq!(
        said(None, true),
        "shop 1.1 was undone after 2 s; nothing goes to any slot, and green is stopped, checked by digest."
    );
    let judged = Event::Judged {
        verdict: &verdict(),
        because: BECAUSE,
        answer: Answer::Undoing { hosts: 3 },
    };
    let answer = line_of(&judged, &swap(Some(Blue), false), "Done about it");
    assert!(
        answer.starts_with("Done about it: everything goes to blue, then green stops. You will"),
        "{answer}"
    );
}
