//! Real captures, the rules one by one, and anything at all.

use model::{Labels, Timestamp, limit};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn of(alerts: &Value) -> Vec<Result<model::judge::Posted, String>> {
    read(alerts.to_string().as_bytes()).unwrap()
}

fn fault(alert: Value) -> String {
    of(&json!([alert])).remove(0).unwrap_err()
}

fn refused(body: &str) -> String {
    read(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn prometheus_is_understood() {
    let Some(body) = crate::test_data("metrics/wire/prometheus-alerts.json") else {
        return;
    };
    let alerts = read(&body).unwrap();
    let [Ok(alert)] = &alerts[..] else {
        panic!("{alerts:?}");
    };
    assert_eq!(alert.service.as_str(), "unassigned");
    assert_eq!(alert.labels.get("alertname"), "Down");
    assert_eq!(alert.annotations["summary"], "127.0.0.1:19499 is down (0)");
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(alert.starts_at, time("2026-11-21T02:44:32.424Z"));
    assert_eq!(alert.ends_at, time("2026-11-21T02:48:32.424Z"));
    assert!(
        alert
            .generator_url
            .as_ref()
            .unwrap()
            .starts_with("http://demo:19490/graph")
    );
}

/// Its bodies have the key `alertname` twice in one object.
#[test]
fn vmalert_is_understood() {
    let Some(body) = crate::test_data("metrics/wire/vmalert-alerts.json") else {
        return;
    };
    assert_eq!(
        String::from_utf8_lossy(&body)
            .matches("\"alertname\"")
            .count(),
        2
    );
    let alerts = read(&body).unwrap();
    let [Ok(alert)] = &alerts[..] else {
        panic!("{alerts:?}");
    };
    assert_eq!(alert.labels.get("alertname"), "Down");
    assert_eq!(alert.labels.iter().count(), 5);
}

/// Alertmanager answered with the fingerprints of what Prometheus had posted.
#[test]
fn the_fingerprint_is_alertmanagers() {
    let Some(answer) = crate::test_data("metrics/wire/alertmanager-get-alerts.json") else {
        return;
    };
    let answer: Vec<Value> = serde_json::from_slice(&answer).unwrap();
    assert!(!answer.is_empty());
    for alert in answer {
        let labels: Labels = serde_json::from_value(alert["labels"].clone()).unwrap();
        assert_eq!(fingerprint(&labels), alert["fingerprint"].as_str().unwrap());
    }
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let body = r#"[{"labels":{"a":"old"},"labels":{"a":"1","b":"x","a":"2"}}]"#;
    let alert = read(body.as_bytes()).unwrap().remove(0).unwrap();
    assert_eq!(alert.labels, Labels::new([("a", "2"), ("b", "x")]).unwrap());
}

#[test]
fn the_label_service_says_whose_it_is() {
    for (label, service) in [
        ("shop", "shop"),
        ("", "unassigned"),
        ("no name", "unassigned"),
    ] {
        let alert = json!([{ "labels": { "alertname": "Down", "service": label } }]);
        assert_eq!(of(&alert)[0].as_ref().unwrap().service.as_str(), service);
    }
}

#[test]
fn one_that_is_not_valid_is_named_and_harms_no_other() {
    let end_first = ("2026-01-02T00:00:01Z", "2026-01-02T00:00:00Z");
    let alerts = of(&json!([
        { "labels": { "empty": "" }, "startsAt": end_first.0, "endsAt": end_first.1 },
        { "labels": { "a": "1" }, "startsAt": end_first.0, "endsAt": end_first.0 },
    ]));
    let both = "at least one label pair required; start time must be before end time";
    assert_eq!(alerts[0].as_ref().unwrap_err(), both);
    assert!(alerts[1].is_ok(), "an alert may end when it begins");
    let bad_name = fault(json!({ "labels": { "a-b": "1" } }));
    assert!(
        bad_name.starts_with("invalid label set: `a-b` is not"),
        "{bad_name}"
    );
    let bad_note = fault(json!({ "labels": { "a": "1" }, "annotations": { "a b": "1" } }));
    assert!(
        bad_note.starts_with("invalid annotations: `a b`"),
        "{bad_note}"
    );
}

#[test]
fn times_that_are_not_said_are_none() {
    for none in [json!(null), json!(""), json!("0001-01-01T00:00:00Z")] {
        let alert = json!([{ "labels": { "a": "1" }, "startsAt": none, "endsAt": none }]);
        let alert = of(&alert).remove(0).unwrap();
        assert_eq!((alert.starts_at, alert.ends_at), (None, None), "{none}");
    }
}

#[test]
fn a_body_of_another_shape_is_refused_with_the_place() {
    for (body, why) in [
        (
            "",
            "the body is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        ("{}", "the body is not an array of alerts"),
        ("[1]", "[0] is not an alert"),
        (
            r#"[{"labels":{"a":"1"}},{"labels":{"a":1}}]"#,
            "[1].labels.a is not a string",
        ),
        (
            r#"[{"labels":[]}]"#,
            "[0].labels is not an object of strings",
        ),
        (
            r#"[{"annotations":{"x":{}}}]"#,
            "[0].annotations.x is not a string",
        ),
        (
            r#"[{"startsAt":"yesterday"}]"#,
            "[0].startsAt is not a time of RFC 3339",
        ),
        (r#"[{"endsAt":7}]"#, "[0].endsAt is not a string"),
        (
            r#"[{"generatorURL":[]}]"#,
            "[0].generatorURL is not a string",
        ),
    ] {
        assert_eq!(refused(body), why, "{body}");
    }
    let deep = format!("[{}", "[".repeat(100_000));
    assert!(
        refused(&deep).contains("recursion limit exceeded"),
        "{}",
        refused(&deep)
    );
}

#[test]
fn there_is_a_limit_to_everything() {
    let alert = || json!({ "labels": { "a": "1" } });
    let many: Vec<Value> = (0..=limit::ALERTS).map(|_| alert()).collect();
    let why = refused(&Value::from(many.clone()).to_string());
    assert_eq!(why, "1001 alerts in one request; at most 1000 are taken");
    assert_eq!(of(&Value::from(many[1..].to_vec())).len(), limit::ALERTS);
    assert_eq!(read(b"[]").unwrap(), []);

    let long = "ä".repeat(limit::SUMMARY_CHARS + 1);
    let alert = json!([{ "labels": { "a": "1" }, "annotations": { "summary": long } }]);
    let summary = of(&alert).remove(0).unwrap().annotations["summary"].clone();
    assert_eq!(summary.chars().count(), limit::SUMMARY_CHARS);
    assert!(summary.ends_with("ä…"));
    let fits = "ä".repeat(limit::SUMMARY_CHARS);
    let alert = json!([{ "labels": { "a": "1" }, "annotations": { "summary": fits } }]);
    assert_eq!(of(&alert).remove(0).unwrap().annotations["summary"], fits);

    let large = "x".repeat(limit::ANNOTATIONS_BYTES);
    let why = fault(json!({ "labels": { "a": "1" }, "annotations": { "text": large } }));
    assert!(why.starts_with("annotations of 65540 bytes"), "{why}");
    let value = "x".repeat(limit::LABEL_VALUE_BYTES + 1);
    let why = fault(json!({ "labels": { "a": value } }));
    assert!(
        why.contains("the value of label `a` is over 2048 bytes"),
        "{why}"
    );
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        ".{0,12}".prop_map(|text| Value::from(text).to_string()),
        Just("\"2026-01-02T00:00:00Z\"".to_owned()),
        Just("1e999".to_owned()),
    ];
    let key = prop_oneof![
        Just("labels"),
        Just("annotations"),
        Just("startsAt"),
        Just("endsAt"),
        Just("generatorURL"),
        Just("alertname"),
        Just("service"),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        let pair =
            (key.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            // The same key may well come twice.
            prop::collection::vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_end_in_alerts_or_a_sentence(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_json_ends_in_valid_alerts_or_a_sentence(items in prop::collection::vec(json_text(), 0..4)) {
        let body = format!("[{}]", items.join(","));
        match read(body.as_bytes()) {
            Err(why) => prop_assert!(!why.to_string().is_empty()),
            Ok(alerts) => {
                prop_assert_eq!(alerts.len(), items.len());
                for alert in alerts {
                    match alert {
                        Err(why) => prop_assert!(!why.is_empty()),
                        Ok(alert) => {
                            prop_assert!(!alert.labels.is_empty());
                            prop_assert_eq!(alert.dedup_key, fingerprint(&alert.labels));
                            let ordered = alert.starts_at.zip(alert.ends_at).is_none_or(|(a, b)| a <= b);
                            prop_assert!(ordered);
                        }
                    }
                }
            }
        }
    }
}
