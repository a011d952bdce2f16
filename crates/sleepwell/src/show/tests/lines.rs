//! The piped form of the stories.

use model::EntryId;
use model::api::change::TimelineItem;

use super::fixture;
use crate::show::lines;

fn piped(timeline: &[TimelineItem]) -> String {
    let lines: Vec<String> = timeline.iter().filter_map(lines::of).collect();
    lines.join("\n")
}

#[test]
fn an_undone_story_is_told_line_by_line() {
    insta::assert_snapshot!("piped_undone", piped(&fixture::undone().timeline));
    insta::assert_snapshot!("piped_held", piped(&fixture::held().timeline));
}

#[test]
fn an_event_of_a_newer_server_keeps_its_words() {
    let mut item = fixture::undone().timeline.remove(0);
    item.event = "moon_phase".to_owned();
    item.body = serde_json::json!({"fact": "moon_phase", "phase": "full"});
    item.text = "the moon is full".to_owned();
    assert_eq!(
        lines::of(&item).unwrap(),
        "14:03:12 moon_phase text=\"the moon is full\""
    );
}

#[test]
fn what_a_watcher_need_not_know_is_left_out() {
    let mut item = fixture::undone().timeline.remove(0);
    item.id = EntryId::new(item.at, 99);
    item.body = serde_json::json!({"fact": "token_revoked", "name": "ci"});
    assert_eq!(lines::of(&item), None);
}

#[test]
fn a_verdict_says_why_and_how_soon() {
    let verdict = |reason: serde_json::Value| {
        let mut item = fixture::undone().timeline.remove(0);
        item.event = "verdict_given".to_owned();
        item.body = serde_json::json!({"fact": "verdict_given", "verdict": {
            "id": "ver_00000000000000000000000001", "change": "chg-2", "ring": 0,
            "state": "fail", "reason": reason, "at": "2026-11-19T14:04:02Z",
            "evidence": {
                "started": "2026-11-19T14:03:31Z", "looks": 31, "alpha": 0.01, "rule": "global",
                "log_e": 5.1, "needed": 4.6, "metrics": [], "control": {"kind": "none"},
                "excluded": [], "unattributed": 0, "judge_version": "1",
                "definition": format!("sha256:{}", "0".repeat(64)),
                "inputs_digest": format!("sha256:{}", "0".repeat(64)),
            },
        }});
        lines::of(&item).unwrap()
    };
    assert_eq!(
        verdict(serde_json::json!({"name": "harm"})),
        "14:03:12 verdict_given state=fail reason=harm after=31s"
    );
    assert_eq!(
        verdict(serde_json::json!({"name": "crashing", "host": "web-1", "exits": 3})),
        "14:03:12 verdict_given state=fail reason=crashing host=web-1 exits=3 after=31s"
    );
}
