//! Holds every answer of these tests to the description of the API.
//!
//! It knows the words of JSON Schema that the description uses, and refuses others.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Map, Value};
use web::openapi::document;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Returns what is wrong with an answer of a call that succeeded; a path that is not described may answer as it
/// likes.
pub(crate) fn fault(method: &Method, path: &str, answer: &Value) -> Option<String> {
    let path = path.split('?').next().unwrap_or(path);
    let paths = DOCUMENT["paths"].as_object()?;
    // Where a word may stand, another path may have a parameter: the one with the word is meant.
    let mut fitting: Vec<_> = paths
        .iter()
        .filter(|(template, _)| fits(template, path))
        .collect();
    fitting.sort_by_key(|(template, _)| template.matches('{').count());
    let operation = &fitting.first()?.1[method.as_str().to_ascii_lowercase()];
    let schema = operation.pointer("/responses/2XX/content/application~1json/schema")?;
    check(schema, answer).err()
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && std::iter::zip(template, path).all(|(t, p)| t.starts_with('{') || t == p)
}

fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(schema) => schema,
        other => return Err(format!("{other} is no schema")),
    };
    for (word, rule) in schema {
        obeys(word, rule, schema, value).map_err(|why| {
            if why.contains(" in ") {
                why
            } else {
                format!("{why} in {value}")
            }
        })?;
    }
    Ok(())
}

fn obeys(
    word: &str,
    rule: &Value,
    schema: &Map<String, Value>,
    value: &Value,
) -> Result<(), String> {
    let rules = || rule.as_array().into_iter().flatten();
    let wrong = |what: &str| Err(format!("{what}: {rule}"));
    match word {
        "$ref" => {
            let pointer = rule.as_str().and_then(|r| r.strip_prefix('#'));
            let schema = pointer.and_then(|pointer| DOCUMENT.pointer(pointer));
            check(schema.ok_or("a reference leads nowhere")?, value)
        }
        "type" => {
            let types: Vec<&str> = match rule {
                Value::String(one) => vec![one],
                _ => rules().filter_map(Value::as_str).collect(),
            };
            if types.iter().any(|name| is(name, value)) {
                Ok(())
            } else {
                wrong("another type")
            }
        }
        "required" => {
            let missing = rules()
                .find(|name| value.is_object() && value.get(name.as_str().unwrap_or("")).is_none());
            missing.map_or(Ok(()), |name| Err(format!("{name} is missing")))
        }
        "properties" => {
            for (name, schema) in rule.as_object().into_iter().flatten() {
                if let Some(value) = value.get(name) {
                    check(schema, value).map_err(|why| format!("{name}: {why}"))?;
                }
            }
            Ok(())
        }
        "additionalProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            for (name, value) in value.as_object().into_iter().flatten() {
                if known.is_some_and(|known| known.contains_key(name)) {
                    continue;
                }
                if rule == &Value::Bool(false) {
                    return Err(format!("`{name}` is not described"));
                }
                check(rule, value)?;
            }
            Ok(())
        }
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .try_for_each(|item| check(rule, item)),
        "prefixItems" => std::iter::zip(rules(), value.as_array().into_iter().flatten())
            .try_for_each(|(schema, item)| check(schema, item)),
        "anyOf" => {
            let faults: Vec<String> = rules()
                .filter_map(|schema| check(schema, value).err())
                .collect();
            if faults.len() < rules().count() {
                Ok(())
            } else {
                Err(faults.join(", or "))
            }
        }
        "oneOf" => match rules()
            .filter(|schema| check(schema, value).is_ok())
            .count()
        {
            1 => Ok(()),
            0 => {
                let faults = rules().filter_map(|schema| check(schema, value).err());
                Err(faults.collect::<Vec<_>>().join(", or "))
            }
            several => Err(format!("{several} descriptions fit")),
        },
        "allOf" => rules().try_for_each(|schema| check(schema, value)),
        "enum" => {
            if rules().any(|one| one == value) {
                Ok(())
            } else {
                wrong("none of")
            }
        }
        "const" => {
            if rule == value {
                Ok(())
            } else {
                wrong("not")
            }
        }
        "minimum" => {
            if value.as_f64().is_none_or(|v| Some(v) >= rule.as_f64()) {
                Ok(())
            } else {
                wrong("below")
            }
        }
        "maximum" => {
            if value.as_f64().is_none_or(|v| Some(v) <= rule.as_f64()) {
                Ok(())
            } else {
                wrong("above")
            }
        }
        "maxLength" | "maxProperties" | "minItems" | "maxItems" | "uniqueItems" | "pattern"
        | "format" | "description" | "title" | "default" => Ok(()),
        other => Err(format!("this test does not know the word `{other}`")),
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
