//! As much of JSON Schema (2020-12) as the schemas of CDEvents use, for tests. A keyword it does not know
//! makes it panic, so that nothing passes because it was not looked at.

use serde_json::Value;

use super::{VERSIONS, examples};
use crate::test_files;

/// Returns the schema for a type of event, by the words of its name.
pub(super) fn for_event(version: &str, event_type: &str) -> Option<Value> {
    let schemas = test_files(&format!("delivery/{version}/schemas"));
    let standard = schemas.into_values().map(|bytes| parse(&bytes));
    let custom = || {
        let files = test_files(&format!("delivery/{version}/custom"));
        files.into_iter().find(|(name, _)| name == "schema.json")
    };
    if event_type.starts_with("dev.cdeventsx.") {
        return custom().map(|(_, bytes)| parse(&bytes));
    }
    let types = "/properties/context/properties/type/enum/0";
    standard
        .into_iter()
        .find(|schema| schema.pointer(types).and_then(Value::as_str) == Some(event_type))
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("a schema is JSON")
}

/// Lists what is wrong with a value, each with its place; nothing when it is as the schema says.
pub(super) fn faults(version: &str, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(version, schema, value, "", &mut faults);
    faults
}

fn check(version: &str, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in schema {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "default" | "description" | "example" | "contentEncoding" => true,
            "properties" => {
                for (name, schema) in rule.as_object().expect("properties are an object") {
                    if let Some(value) = value.get(name) {
                        check(version, schema, value, &format!("{at}/{name}"), faults);
                    }
                }
                true
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(version, rule, item, &format!("{at}/{n}"), faults);
                }
                true
            }
            "$ref" => {
                check(version, &linked(version, rule), value, at, faults);
                true
            }
            "additionalProperties" => additional(rule, schema.get("properties"), value),
            "required" => strings(rule).all(|name| value.get(name).is_some()),
            "enum" => rule
                .as_array()
                .is_some_and(|allowed| allowed.contains(value)),
            "type" => is_type(rule.as_str().expect("a type is a word"), value),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
            "format" => value
                .as_str()
                .is_none_or(|text| is_format(rule.as_str().unwrap(), text)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| fits(rule.as_str().unwrap(), text)),
            "oneOf" | "anyOf" => {
                let options = rule.as_array().expect("options are a list").iter();
                let fitting =
                    options.filter(|option| self::faults(version, option, value).is_empty());
                let fitting = fitting.count();
                if keyword == "oneOf" {
                    fitting == 1
                } else {
                    fitting > 0
                }
            }
            unknown => panic!("the keyword `{unknown}` is not looked at"),
        };
        if !holds {
            faults.push(format!("{at}: {keyword} {rule}"));
        }
    }
}

fn linked(version: &str, name: &Value) -> Value {
    let name = name.as_str().expect("a reference is a text");
    let name = name.strip_prefix("links/").unwrap_or(name);
    let links = test_files(&format!("delivery/{version}/schemas/links"));
    let file = format!("{name}.json");
    let found = links.into_iter().find(|(known, _)| *known == file);
    parse(&found.unwrap_or_else(|| panic!("no schema {file}")).1)
}

fn additional(rule: &Value, properties: Option<&Value>, value: &Value) -> bool {
    let known = |name: &String| properties.is_some_and(|p| p.get(name).is_some());
    *rule != Value::Bool(false) || value.as_object().is_none_or(|map| map.keys().all(known))
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        unknown => panic!("the type `{unknown}` is not known"),
    }
}

fn is_format(name: &str, text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !br#"<>"{}|\^`"#.contains(&byte));
    match name {
        "date-time" => text.parse::<model::Timestamp>().is_ok(),
        "uri-reference" => plain,
        "uri" => {
            plain
                && text
                    .split_once(':')
                    .is_some_and(|(scheme, _)| !scheme.contains('/'))
        }
        unknown => panic!("the format `{unknown}` is not known"),
    }
}

/// There are two patterns: the type of a tool's own event, and its subject.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern {
        r"^dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.[0-9]\.[0-9]\.[0-9]$" => {
            let parts: Vec<&str> = text.split('.').collect();
            let ["dev", "cdeventsx", subject, predicate, version @ ..] = parts.as_slice() else {
                return false;
            };
            let digit = |n: &&str| n.len() == 1 && n.as_bytes()[0].is_ascii_digit();
            let numbered = version.len() == 3 && version.iter().all(digit);
            is_own_subject(subject) && letters(predicate) && numbered
        }
        "^[a-zA-Z0-9]+-[a-zA-Z]+$" => is_own_subject(text),
        unknown => panic!("the pattern `{unknown}` is not known"),
    }
}

fn is_own_subject(text: &str) -> bool {
    let (tool, name) = text.split_once('-').unwrap_or_default();
    !tool.is_empty() && tool.bytes().all(|b| b.is_ascii_alphanumeric()) && letters(name)
}

fn letters(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic())
}

#[test]
fn the_examples_are_as_their_schemas_say_and_broken_ones_are_not() {
    for version in VERSIONS {
        for (name, example) in examples(version) {
            let event_type = example["context"]["type"].as_str().unwrap();
            let schema = for_event(version, event_type).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                faults(version, &schema, &example),
                [""; 0],
                "{version} {name}"
            );
            for key in ["id", "source", "type", "timestamp"] {
                let mut broken = example.clone();
                broken["context"].as_object_mut().unwrap().remove(key);
                assert!(
                    !faults(version, &schema, &broken).is_empty(),
                    "{name} without {key}"
                );
            }
            let mut broken = example.clone();
            broken["subject"]["more"] = Value::Null;
            assert!(
                !faults(version, &schema, &broken).is_empty(),
                "{name} with more"
            );
            let mut broken = example.clone();
            broken["context"]["links"][0]["linkType"] = Value::from("KNOT");
            assert!(
                !faults(version, &schema, &broken).is_empty(),
                "{name} with a knot"
            );
        }
    }
}
