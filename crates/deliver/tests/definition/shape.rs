//! The schema for editors and the reader know the same keys.

use std::collections::{BTreeMap, BTreeSet};

use deliver::definition::{Fault, parse, schema};
use serde_json::Value;

use crate::{FULL, changed};

/// Is one object of an example that has fixed keys.
struct Object {
    /// Where it stands in the example, as a JSON pointer.
    pointer: String,
    properties: BTreeSet<String>,
    required: BTreeSet<String>,
}

fn example() -> Value {
    serde_saphyr::from_str(FULL).unwrap()
}

fn faults(value: &Value) -> Vec<Fault> {
    parse(&value.to_string()).err().unwrap_or_default()
}

/// Returns the alternatives a schema offers, references followed.
fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return alternatives(
            root,
            root.pointer(&reference[1..])
                .expect("a reference leads somewhere"),
        );
    }
    let of = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|key| schema[key].as_array())
        .flatten();
    let mut found: Vec<&Value> = of.flat_map(|schema| alternatives(root, schema)).collect();
    found.push(schema);
    found
}

/// Tells whether a schema may describe a value: what says of `kind` or `strategy` that it is another word
/// does not.
fn may_be(schema: &Value, value: &Value) -> bool {
    ["kind", "strategy"].iter().all(|key| {
        let word = &schema["properties"][key]["const"];
        word.is_null() || *word == value[key]
    })
}

fn names(schemas: &[&Value], of: impl Fn(&Value) -> Vec<String>) -> BTreeSet<String> {
    schemas.iter().flat_map(|schema| of(schema)).collect()
}

fn walk(root: &Value, schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Object>) {
    let mut schemas = alternatives(root, schema);
    schemas.retain(|schema| may_be(schema, value));
    let keys = |schema: &Value| -> Vec<String> {
        schema["properties"]
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    let required = |schema: &Value| -> Vec<String> {
        let names = schema["required"].as_array().into_iter().flatten();
        names
            .filter(|_| schema["properties"].is_object())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let properties = names(&schemas, keys);
    if let (Value::Object(_), false) = (value, properties.is_empty()) {
        let with_keys = schemas.iter().filter(|s| s["properties"].is_object());
        let is_one_of = schemas.iter().any(|s| s["oneOf"].is_array());
        let required = if with_keys.count() == 1 && !is_one_of {
            names(&schemas, required)
        } else {
            BTreeSet::new()
        };
        found.push(Object {
            pointer: pointer.to_owned(),
            properties,
            required,
        });
    }
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        for schema in &schemas {
            for of in [
                &schema["properties"][&key],
                &schema["additionalProperties"],
                &schema["items"],
            ] {
                if of.is_object() {
                    walk(root, of, child, &format!("{pointer}/{key}"), found);
                }
            }
        }
    }
}

fn objects() -> Vec<Object> {
    let mut found = Vec::new();
    walk(&schema(), &schema(), &example(), "", &mut found);
    found
}

fn within_backticks(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_of_the_reader_is_in_the_schema_and_the_other_way_round() {
    let objects = objects();
    assert!(objects.len() >= 20, "the example is walked");
    for object in objects {
        let mut value = example();
        value.pointer_mut(&object.pointer).unwrap()["zzzzzzzz"] = Value::Bool(true);
        let faults = faults(&value);
        let [fault] = faults.as_slice() else {
            panic!("{}: {faults:?}", object.pointer)
        };
        assert_eq!(
            within_backticks(&fault.remedy),
            object.properties,
            "{}",
            object.pointer
        );
    }
}

#[test]
fn the_schema_requires_what_the_reader_requires() {
    for object in objects() {
        for key in &object.properties {
            let mut value = example();
            value
                .pointer_mut(&object.pointer)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(key);
            let missing = faults(&value)
                .iter()
                .any(|fault| fault.what == format!("`{key}` is missing"));
            assert_eq!(
                missing,
                object.required.contains(key),
                "{}/{key}",
                object.pointer
            );
        }
    }
}

#[test]
fn the_example_has_every_object_of_the_schema() {
    let schema = schema();
    let mut in_schema: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, of) in schema["$defs"].as_object().unwrap() {
        let keys = of["properties"]
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys);
        in_schema.insert(name.clone(), keys.cloned().collect());
    }
    let seen: Vec<BTreeSet<String>> = objects()
        .into_iter()
        .map(|object| object.properties)
        .collect();
    for (name, keys) in in_schema {
        assert!(keys.is_empty() || seen.contains(&keys), "{name}");
    }
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    let defs = schema["$defs"].as_object().unwrap().values();
    for of in defs.chain([&schema]) {
        assert_eq!(
            of["properties"].is_object(),
            of["additionalProperties"] == false,
            "{of}"
        );
        for (key, property) in of["properties"].as_object().into_iter().flatten() {
            let described = |schema: &Value| schema["description"].is_string();
            assert!(
                alternatives(&schema, property).into_iter().any(described) || described(property),
                "{key}"
            );
        }
    }
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(!schema.to_string().contains("null"), "nothing may be null");
}

#[test]
fn the_other_two_checks_are_in_the_schema_too() {
    for check in ["tcp: PORT", "tcp: \"${PORT}\"", "exec: [./check, 8080]"] {
        let text = changed(FULL, &[("http: /healthz", check)]);
        assert!(parse(&text).is_ok(), "{check}");
    }
}
