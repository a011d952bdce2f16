//! The examples of cdevents/spec, tags v0.4.1 and v0.5.1, its JSON Schemas, and noise.

mod schema;
mod telling;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::test_files;

const VERSIONS: [&str; 2] = ["cdevents-v0.4.1", "cdevents-v0.5.1"];

/// Returns the examples of a version by file name, its custom event among them; none where the test
/// data is absent.
fn examples(version: &str) -> BTreeMap<String, Value> {
    let mut files = test_files(&format!("delivery/{version}/conformance"));
    if files.is_empty() {
        return BTreeMap::new();
    }
    assert_eq!(files.len(), 45, "{version}");
    let custom = test_files(&format!("delivery/{version}/custom"));
    files.extend(custom.into_iter().filter(|(name, _)| name != "schema.json"));
    let json = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
    files
        .into_iter()
        .map(|(name, bytes)| (name, json(bytes)))
        .collect()
}

#[test]
fn every_example_is_written_back_as_it_was_read() {
    for version in VERSIONS {
        for (name, example) in examples(version) {
            let event = Event::from_json(&example).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(event.to_json(), example, "{version} {name}");
            // The custom example of 0.4.1 calls itself `0.5.0-draft`.
            let number = version.strip_prefix("cdevents-v");
            let odd = name == "conformance.json";
            assert!(odd || event.spec_version() == number, "{name}");
        }
    }
}

#[test]
fn every_example_is_understood_and_services_and_artifacts_are_looked_into() {
    for version in VERSIONS {
        for (name, example) in examples(version) {
            let said = read(&Event::from_json(&example).unwrap()).unwrap();
            match name.split('_').next().unwrap() {
                "service" => {
                    let Said::Service {
                        environment,
                        artifact,
                    } = said
                    else {
                        panic!("{name}: {said:?}");
                    };
                    assert_eq!(environment.as_deref(), Some("test123"), "{name}");
                    let runs = !matches!(
                        name.as_str(),
                        "service_removed.json" | "service_published.json"
                    );
                    assert_eq!(artifact.is_some(), runs, "{name}");
                }
                "artifact" => assert_eq!(said, Said::Artifact, "{name}"),
                _ => assert_eq!(said, Said::Other, "{name}"),
            }
        }
    }
}

fn deployed() -> Value {
    json!({
        "context": {
            "specversion": "0.5.1", "id": "1", "source": "/ci", "timestamp": "2026-01-02T03:04:05Z",
            "type": "dev.cdevents.service.deployed.0.3.0",
        },
        "subject": { "id": "shop", "content": {
            "environment": { "id": "prod" }, "artifactId": "pkg:oci/shop@sha256%3A00",
        } },
    })
}

/// Changes one value of the event that is named by a JSON pointer; nothing takes it away.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut event = deployed();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.remove(key),
    };
    event
}

#[test]
fn what_every_event_has_is_demanded() {
    assert!(Event::from_json(&deployed()).is_ok());
    for pointer in [
        "/context",
        "/context/id",
        "/context/source",
        "/context/type",
        "/context/timestamp",
        "/context/specversion",
        "/subject",
        "/subject/id",
        "/subject/content",
    ] {
        for value in [None, Some(json!("")), Some(json!(7))] {
            let event = Event::from_json(&with(pointer, value.clone()));
            // An empty version is one we do not know, which is told elsewhere.
            let odd = pointer.ends_with("specversion") && value == Some(json!(""));
            assert_eq!(event.is_ok(), odd, "{pointer} {value:?}");
        }
    }
}

#[test]
fn a_deployment_has_to_name_what_runs_where() {
    for pointer in [
        "/subject/content/environment",
        "/subject/content/artifactId",
    ] {
        for value in [None, Some(json!("")), Some(json!(7))] {
            let event = Event::from_json(&with(pointer, value)).unwrap();
            let error = read(&event).unwrap_err().to_string();
            assert!(error.contains("subject.content."), "{error}");
        }
    }
}

#[test]
fn an_unknown_kind_or_version_is_not_understood() {
    for (pointer, value) in [
        ("/context/type", "dev.cdevents.service.teleported.0.1.0"),
        ("/context/type", "dev.cdevents.moon.deployed.0.1.0"),
        ("/context/type", "com.example.thing"),
        ("/context/specversion", "0.3.0"),
        ("/context/specversion", "1.0.0"),
    ] {
        let event = Event::from_json(&with(pointer, Some(json!(value)))).unwrap();
        assert_eq!(read(&event), Ok(Said::NotUnderstood), "{value}");
    }
    let own = Event::from_json(&with(
        "/context/type",
        Some(json!("dev.cdeventsx.x-y.z.0.1.0")),
    ));
    assert_eq!(read(&own.unwrap()), Ok(Said::Other));
}

fn sent(data: Value) -> CloudEvent {
    CloudEvent {
        id: "1".into(),
        source: "/ci".into(),
        event_type: "dev.cdevents.service.deployed.0.3.0".into(),
        data,
    }
}

#[test]
fn only_what_says_it_is_a_cdevent_has_to_be_one() {
    let look_at = |event_type: &str, data| {
        look(&CloudEvent {
            event_type: event_type.into(),
            ..sent(data)
        })
    };
    let not_understood = Ok(Look {
        about: None,
        said: Said::NotUnderstood,
    });
    assert_eq!(look_at("com.example.thing", json!([1])), not_understood);
    let newer = json!({ "context": { "specversion": "2.0" }, "thing": {} });
    assert_eq!(
        look_at("dev.cdevents.thing.done.9.0.0", newer),
        not_understood
    );
    assert!(look_at("dev.cdevents.thing.done.9.0.0", json!({})).is_err());
    let look = look(&sent(deployed())).unwrap();
    assert_eq!(look.about.as_deref(), Some("shop"));
}

#[test]
fn an_event_is_the_one_its_attributes_name() {
    for pointer in ["/context/id", "/context/source", "/context/type"] {
        let error = look(&sent(with(pointer, Some(json!("/other"))))).unwrap_err();
        assert_eq!(format!("/{}", error.at.replace('.', "/")), pointer);
    }
}

#[test]
fn a_name_that_would_not_fit_the_journal_is_refused() {
    for odd in [
        "x".repeat(model::limit::FOREIGN_NAME_BYTES + 1),
        "a\u{1b}b".into(),
    ] {
        for pointer in ["/subject/id", "/subject/content/artifactId"] {
            let error = look(&sent(with(pointer, Some(json!(odd))))).unwrap_err();
            assert!(error.why.contains("too long"), "{error}");
        }
    }
}

fn headers<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<&'a str> {
    move |name| {
        pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

#[test]
fn the_three_forms_bring_the_same_event() {
    let data = deployed();
    let event = CloudEvent {
        id: "1".into(),
        source: "/ci other".into(),
        event_type: "dev.cdevents.service.deployed.0.3.0".into(),
        data: data.clone(),
    };
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/ci%20other"),
        ("ce-type", "dev.cdevents.service.deployed.0.3.0"),
    ];
    let body = data.to_string();
    let received = receive(&headers(&binary), body.as_bytes());
    assert_eq!(received, Ok(Received::One(event.clone())));

    let whole = json!({
        "specversion": "1.0", "id": "1", "source": "/ci other",
        "type": "dev.cdevents.service.deployed.0.3.0", "data": data,
    });
    let structured = [(
        "content-type",
        "application/cloudevents+json; charset=utf-8",
    )];
    let received = receive(&headers(&structured), whole.to_string().as_bytes());
    assert_eq!(received, Ok(Received::One(event.clone())));

    let batch = [("content-type", "Application/CloudEvents-Batch+JSON")];
    let body = json!([whole, 7, { "specversion": "0.3" }]).to_string();
    let received = receive(&headers(&batch), body.as_bytes());
    let bad = |why| Err::<CloudEvent, _>(why);
    let expected = vec![
        Ok(event),
        bad(Malformed::NoObject),
        bad(Malformed::Version("0.3".into())),
    ];
    assert_eq!(received, Ok(Received::Batch(expected)));
}

#[test]
fn what_is_no_event_is_refused_with_its_place() {
    let binary = |missing: &str| {
        let all = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/ci"),
            ("ce-type", "x"),
        ];
        let kept: Vec<_> = all
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        receive(&headers(&kept), b"{}")
    };
    assert!(binary("").is_ok());
    for name in ["specversion", "id", "source", "type"] {
        assert_eq!(
            binary(&format!("ce-{name}")),
            Err(Malformed::Attribute(name))
        );
    }
    let batch = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(receive(&headers(&batch), b"{}"), Err(Malformed::NoList));
    let many = Value::Array(vec![Value::Null; model::limit::CDEVENTS + 1]).to_string();
    let refused = receive(&headers(&batch), many.as_bytes());
    assert_eq!(refused, Err(Malformed::TooMany(model::limit::CDEVENTS + 1)));
    assert!(matches!(
        receive(&headers(&batch), b"["),
        Err(Malformed::Json(_))
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![
            "application/json", "application/cloudevents+json", "application/cloudevents-batch+json",
        ]),
        value in ".{0,20}",
    ) {
        let header = |name: &str| match name {
            "content-type" => Some(kind),
            "ce-specversion" => Some("1.0"),
            _ => Some(value.as_str()),
        };
        let _ = receive(&header, &body);
    }

    #[test]
    fn one_wrong_value_anywhere_is_read_or_refused(
        pointer in prop::sample::select(vec![
            "/context/id", "/context/specversion", "/context/type", "/context/timestamp",
            "/context/chainId", "/context/links", "/subject/id", "/subject/type", "/subject/source",
            "/subject/content/environment", "/subject/content/artifactId", "/customData",
        ]),
        value in prop_oneof![
            Just(Value::Null), Just(json!([])), Just(json!({})), any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ],
    ) {
        let changed = with(pointer, Some(value));
        if let Ok(event) = Event::from_json(&changed) {
            let _ = read(&event);
            // A null where a text may stand is as good as nothing.
            let kept = changed.pointer(pointer) != Some(&Value::Null);
            if kept {
                prop_assert_eq!(event.to_json(), changed);
            }
        }
    }
}
