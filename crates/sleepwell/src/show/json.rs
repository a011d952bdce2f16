//! What programs read: one event per line, or one document.

use model::api::change::TimelineItem;
use model::{ChangeId, EntryId, Kind, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

/// Is the shape of `--json=lines`; a field that changes its meaning gets another number.
const FORMAT: u8 = 1;

/// The fields in front of the fact's own, in the order they are written.
#[derive(Serialize)]
struct Event<'a> {
    v: u8,
    t: Timestamp,
    change: ChangeId,
    event: &'a str,
    id: EntryId,
    kind: Kind,
    actor: &'a str,
    text: &'a str,
    causes: &'a [EntryId],
    #[serde(flatten)]
    fact: Map<String, Value>,
}

/// Names that a fact's own fields cannot take; `fact` repeats `event`.
const TAKEN: [&str; 10] = [
    "v", "t", "change", "event", "id", "kind", "actor", "text", "causes", "fact",
];

/// Returns an event as one line: `{"v":1,"t":"…","change":"chg-2","event":"ring_started",…}`.
///
/// The fields of the journal entry's body stand beside the common ones.
pub(crate) fn line(change: ChangeId, item: &TimelineItem) -> String {
    let mut fact = item.body.as_object().cloned().unwrap_or_default();
    fact.retain(|name, _| !TAKEN.contains(&name.as_str()));
    let event = Event {
        v: FORMAT,
        t: item.at,
        change,
        event: &item.event,
        id: item.id,
        kind: item.kind,
        actor: &item.actor,
        text: &item.text,
        causes: &item.causes,
        fact,
    };
    escaped(&serde_json::to_string(&event).expect("an event has only string keys"))
}

/// Returns a whole answer for `--json`, indented, with a line feed at its end.
///
/// # Errors
/// A value that JSON cannot hold, such as a map whose keys are no strings.
pub(crate) fn document(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(text.lines().map(|line| escaped(line) + "\n").collect())
}

/// Escapes the control characters JSON allows inside strings (DEL and 0x80 to 0x9f): some terminals
/// take them for the beginning of a command.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            out += &format!("\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(body: Value) -> TimelineItem {
        TimelineItem {
            id: EntryId::new(Timestamp::UNIX_EPOCH, 1),
            at: "2026-11-19T14:04:02Z".parse().unwrap(),
            kind: Kind::Outcome,
            actor: "sleepwell".into(),
            event: "rollout_undone".into(),
            text: "undone".into(),
            detail: vec![],
            causes: vec![],
            depth: 0,
            body,
        }
    }

    #[test]
    fn the_facts_fields_stand_beside_the_common_ones() {
        let item = item(json!({"fact": "rollout_undone", "to": "1.0", "hosts": 2, "after_ms": 38}));
        assert_eq!(
            line(ChangeId(2), &item),
            concat!(
                r#"{"v":1,"t":"2026-11-19T14:04:02Z","change":"chg-2","event":"rollout_undone","#,
                r#""id":"ent_00000000000000000000000001","kind":"Outcome","actor":"sleepwell","#,
                r#""text":"undone","causes":[],"after_ms":38,"hosts":2,"to":"1.0"}"#
            )
        );
    }

    #[test]
    fn a_fact_cannot_replace_a_common_field() {
        let item = item(json!({"v": 9, "change": "chg-9", "event": "x"}));
        let line: Value = serde_json::from_str(&line(ChangeId(2), &item)).unwrap();
        assert_eq!((&line["v"], &line["change"]), (&json!(1), &json!("chg-2")));
    }

    #[test]
    fn control_characters_are_escaped_and_come_back() {
        let mut item = item(json!({}));
        item.text = "a\u{9b}2J\x7f\x1b\n".into();
        let line = line(ChangeId(2), &item);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], json!(item.text));
    }

    #[test]
    fn a_document_is_indented_and_reads_back() {
        let value = json!({"why": "\u{9b}", "hosts": [1, 2]});
        let text = document(&value).unwrap();
        assert!(text.ends_with("}\n") && text.contains("\\u009b"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
