//! `/api/v1/openapi.json`: the description of the API, made from the table of routes and the signatures of
//! its handlers.

use std::sync::LazyLock;

use axum::Json;
use axum::http::Method;
use model::api::Problem;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::describe::{Content, Shape};
use crate::routes::{self, Route};

/// What a call is for, in a few words; a test finds rows that are missing or of no use.
const SUMMARIES: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/deliver/services", "List services"),
    (
        "GET",
        "/api/v1/deliver/releases",
        "List releases, newest first",
    ),
    (
        "POST",
        "/api/v1/deliver/releases",
        "Make a release of an uploaded artifact",
    ),
    (
        "POST",
        "/api/v1/deliver/rollouts",
        "Ship: begin a rollout, which is a change",
    ),
    (
        "POST",
        "/api/v1/deliver/rehearsals",
        "Say how a rollout would go; nothing is stored",
    ),
    (
        "POST",
        "/api/v1/deliver/redeploys",
        "Have every host set up anew with what runs there",
    ),
    (
        "POST",
        "/api/v1/deliver/redeploys/rehearsals",
        "Say how a redeploy would go; nothing is stored",
    ),
    (
        "GET",
        "/api/v1/deliver/freezes",
        "When nothing new is released, whoever declared it",
    ),
    (
        "POST",
        "/api/v1/deliver/freezes",
        "Keep releases back by a rule of the server",
    ),
    (
        "DELETE",
        "/api/v1/deliver/freezes/{name}",
        "Take a rule of the server back for good",
    ),
    (
        "GET",
        "/api/v1/deliver/schemas",
        "The schema of each service's data, with what runs on it",
    ),
    (
        "POST",
        "/api/v1/deliver/schemas",
        "Let a migration begin, or say what the schema is now",
    ),
    (
        "GET",
        "/api/v1/act/changes/{id}/way-back",
        "Where an undo would go, and whether it may",
    ),
    (
        "POST",
        "/api/v1/act/changes/{id}/override",
        "Let one rollout go on in spite of freezes, for a while",
    ),
    (
        "GET",
        "/api/v1/deliver/rollouts/{id}",
        "The rollout behind a change, as it is stored",
    ),
    (
        "GET",
        "/api/v1/deliver/hosts",
        "What each expected host really runs",
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/exclude",
        "Let rollouts under way go on without a host",
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/fix",
        "Have a host try again what it could not do",
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/retire",
        "Say that a host is gone for good",
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/agent",
        "Have the agent of a host become another program",
    ),
    (
        "GET",
        "/api/v1/deliver/fleet",
        "Which hosts have seen newer orders than the server knows of",
    ),
    (
        "POST",
        "/api/v1/deliver/fleet/adopt",
        "Say how to go on with a fleet that is ahead of the server",
    ),
    (
        "GET",
        "/api/v1/deliver/inventory",
        "The expected hosts as an inventory for Ansible",
    ),
    (
        "POST",
        "/api/v1/deliver/join-tokens",
        "Make a token with which one host may enrol; with a name that host alone",
    ),
    (
        "GET",
        "/api/v1/deliver/schema/sleepwell.json",
        "JSON Schema of sleepwell.yaml",
    ),
    (
        "HEAD",
        "/api/v1/deliver/artifacts/{digest}",
        "Whether an artifact is stored, and its size",
    ),
    (
        "PUT",
        "/api/v1/deliver/artifacts/{digest}",
        "Upload an artifact",
    ),
    (
        "POST",
        "/api/v1/deliver/cdevents",
        "Take CDEvents of another tool",
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/github",
        "Take a webhook of GitHub",
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/gitlab",
        "Take a webhook of GitLab",
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/gitea",
        "Take a webhook of Gitea",
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/forgejo",
        "Take a webhook of Forgejo",
    ),
    (
        "GET",
        "/api/v1/observe/changes",
        "List changes, newest first",
    ),
    (
        "GET",
        "/api/v1/observe/changes/{id}",
        "One change with its rings, signals and timeline",
    ),
    (
        "GET",
        "/api/v1/judge/verdicts",
        "List the verdicts of a change",
    ),
    (
        "GET",
        "/api/v1/judge/verdicts/{id}",
        "One verdict with its evidence",
    ),
    (
        "POST",
        "/api/v1/act/changes/{id}/{command}",
        "Give an order for a change: undo, hold or go",
    ),
    (
        "GET",
        "/api/v1/learn/why/{id}",
        "The chain of causes of a change, an alert, an incident or a page",
    ),
    ("GET", "/api/v1/judge/alerts", "List alerts, newest first"),
    (
        "GET",
        "/api/v1/judge/alerts/{id}",
        "One alert with what was done about it",
    ),
    (
        "GET",
        "/api/v1/act/incidents",
        "List incidents, newest first",
    ),
    (
        "GET",
        "/api/v1/act/incidents/{id}",
        "One incident with its alerts",
    ),
    (
        "GET",
        "/api/v1/act/pages",
        "List messages to people and what became of them",
    ),
    (
        "GET",
        "/api/v1/learn/journal",
        "Entries of the journal, in order",
    ),
    (
        "GET",
        "/api/v1/learn/journal/check",
        "Walk the journal's chain of hashes",
    ),
    (
        "GET",
        "/api/v1/events",
        "Entries of the journal as they come, as server-sent events",
    ),
    ("GET", "/api/v1/openapi.json", "This description"),
    ("GET", "/api/v1/me", "Whose token this is"),
    ("GET", "/api/v1/tokens", "List tokens"),
    (
        "POST",
        "/api/v1/tokens",
        "Make a token; its secret is shown once",
    ),
    ("DELETE", "/api/v1/tokens/{id}", "Revoke a token"),
    (
        "GET",
        "/artifacts/{digest}",
        "Download an artifact, or a part of it by Range",
    ),
    ("POST", "/agent/v1/enrol", "Enrol a host with a join token"),
    (
        "POST",
        "/agent/v1/sync",
        "Report, and wait for what is wanted",
    ),
    (
        "POST",
        "/agent/v1/events",
        "Hand in what happened on a host",
    ),
    (
        "POST",
        "/agent/v1/samples",
        "Hand in samples, as remote write 1.0",
    ),
    ("GET", "/-/healthy", "Whether the process answers"),
    (
        "GET",
        "/-/ready",
        "Whether the store can be written and the loops turn",
    ),
];

/// Answers with the whole description; it does not change while the program runs.
pub(crate) async fn show() -> Json<Value> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
    Json(DOCUMENT.clone())
}

/// Returns the `OpenAPI` 3.1 document of every call of our own.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all().iter().filter(|route| is_api(route)) {
        let shape = (route.describe)(&mut generator);
        let operation = operation(route, shape);
        let path = paths
            .entry(route.path)
            .or_insert_with(|| Value::Object(Map::new()));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let problem = generator.subschema_for::<Problem>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sleepwell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are RFC 3339 in UTC; durations carry their unit in their name. A call that is refused answers with a problem document (RFC 9457) whose `code` is what to branch on.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "Why it was refused, and what would help",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of the role each call names; `sleepwell api` and agents send it by themselves." },
            },
        },
    })
}

/// Tells whether a route is ours and for programs: pages are for people, and foreign protocols are described
/// elsewhere.
fn is_api(route: &Route) -> bool {
    let ours = ["/api/v1/", "/agent/v1/", "/artifacts/", "/-/"];
    ours.iter().any(|begin| route.path.starts_with(begin))
}

fn operation(route: &Route, shape: Shape) -> Value {
    let mut operation = json!({
        "operationId": operation_id(&route.method, route.path),
        "tags": [tag(route.path)],
        "responses": { "default": { "$ref": "#/components/responses/Problem" } },
    });
    if let Some(summary) = summary(&route.method, route.path) {
        operation["summary"] = summary.into();
    }
    let answer = match &shape.answer {
        Some(content) => json!({ "description": "It was done", "content": of(content) }),
        None => json!({ "description": "It was done" }),
    };
    operation["responses"]["2XX"] = answer;
    let parameters = parameters(route.path, &shape);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(content) = &shape.body {
        operation["requestBody"] = json!({ "required": true, "content": of(content) });
    }
    let (security, role) = access(route.access);
    operation["security"] = security;
    if let Some(role) = role {
        operation["x-sleepwell-role"] = role.into();
    }
    operation
}

fn of(content: &Content) -> Value {
    match content {
        Content::Json(schema) => json!({ "application/json": { "schema": schema } }),
        Content::Bytes => json!({ "*/*": {} }),
        Content::Html => json!({ "text/html": {} }),
    }
}

fn parameters(path: &str, shape: &Shape) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    let any = Schema::default();
    let of_path = names.enumerate().map(|(i, name)| {
        let schema = shape.path.get(i).unwrap_or(&any);
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let mut parameters: Vec<Value> = of_path.collect();
    let Some(query) = &shape.query else {
        return parameters;
    };
    let required = query.get("required").and_then(Value::as_array);
    let properties = query.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let is_required = required.is_some_and(|names| names.contains(&json!(name)));
        parameters.push(
            json!({ "name": name, "in": "query", "required": is_required, "schema": schema }),
        );
    }
    parameters
}

/// Returns who may call: what has to be shown, and the role in words.
fn access(access: Access) -> (Value, Option<String>) {
    let token = json!([{ "token": [] }]);
    match access {
        Access::Open => (json!([]), None),
        Access::Role(role) => (token, Some(role.to_string())),
        Access::Either(one, other) => (token, Some(format!("{one} or {other}"))),
        Access::ViewerOrLocal => (json!([{ "token": [] }, {}]), Some("viewer".to_owned())),
        Access::Hook(host) => (json!([]), Some(format!("signed by {host}"))),
    }
}

/// Returns `get_deliver_hosts` for `GET /api/v1/deliver/hosts`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1").split(['/', '.', '-']);
    let words = words.map(|word| word.trim_matches(['{', '}']));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!(
        "{}_{}",
        method.as_str().to_ascii_lowercase(),
        words.join("_")
    )
}

/// Returns the stage a path belongs to.
fn tag(path: &str) -> &str {
    let rest = path.strip_prefix("/api/v1/").unwrap_or(&path[1..]);
    match rest.split('/').next().unwrap_or(rest) {
        stage @ ("deliver" | "observe" | "judge" | "act" | "learn" | "agent") => stage,
        "artifacts" => "agent",
        "-" => "health",
        _ => "server",
    }
}

fn summary(method: &Method, path: &str) -> Option<&'static str> {
    let row = |(m, p, _): &&(&str, &str, &str)| *m == method.as_str() && *p == path;
    SUMMARIES.iter().find(row).map(|(_, _, summary)| *summary)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_says_what_it_is_for_and_no_row_is_left_over() {
        let routes = routes::all();
        let calls = routes.iter().filter(|route| is_api(route));
        let calls: BTreeSet<(&str, &str)> = calls.map(|r| (r.method.as_str(), r.path)).collect();
        let rows: BTreeSet<(&str, &str)> = SUMMARIES.iter().map(|(m, p, _)| (*m, *p)).collect();
        assert_eq!(rows, calls);
        assert_eq!(rows.len(), SUMMARIES.len(), "a call stands there twice");
    }

    /// Returns all references in a document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn whatever_is_referred_to_is_there_and_every_id_is_used_once() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let operations = document["paths"].as_object().unwrap().values();
        let operations = operations.flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<&Value> = operations
            .map(|operation| &operation["operationId"])
            .collect();
        let unique: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(unique.len(), ids.len());
    }

    #[test]
    fn a_call_says_what_its_handler_takes_and_answers() {
        let document = document();
        let ship = &document["paths"]["/api/v1/deliver/rollouts"]["post"];
        let body = &ship["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["$ref"], "#/components/schemas/NewRollout");
        assert_eq!(ship["x-sleepwell-role"], "operator");
        let order = &document["paths"]["/api/v1/act/changes/{id}/{command}"]["post"];
        let names: Vec<&Value> = order["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["name"])
            .collect();
        assert_eq!(names, ["id", "command"]);
        let hosts = &document["paths"]["/api/v1/deliver/hosts"]["get"]["parameters"];
        assert_eq!(hosts[0]["in"], "query");
        assert_eq!(hosts[0]["required"], false);
    }
}
