//! Bodies of real hosts (octokit/webhooks at 3a58428a, woodpecker-ci/woodpecker at a4cb541b8), signed
//! with `fixture-secret`, and what they have to say; then the traps, and noise.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::test_data;

#[derive(Deserialize)]
struct Fixture {
    file: String,
    forge: GitHost,
    headers: BTreeMap<String, String>,
    expected: Value,
}

impl Fixture {
    /// Returns the value of a header by its name in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Returns the fixtures with their bodies; none where the test data is absent.
fn fixtures() -> Vec<(Fixture, Vec<u8>)> {
    let Some(index) = test_data("delivery/webhooks/index.json") else {
        return Vec::new();
    };
    let fixtures: Vec<Fixture> = serde_json::from_slice(&index).unwrap();
    assert_eq!(fixtures.len(), 86);
    let body = |fixture: &Fixture| test_data(&format!("delivery/webhooks/{}", fixture.file));
    fixtures
        .into_iter()
        .map(|fixture| {
            let body = body(&fixture).expect("the index names files that are there");
            (fixture, body)
        })
        .collect()
}

const SECRET: &[u8] = b"fixture-secret";

#[test]
fn every_captured_body_is_genuine_and_no_byte_of_it_may_change() {
    for (fixture, body) in fixtures() {
        let (host, name) = (fixture.forge, &fixture.file);
        let header = |name: &str| fixture.header(name);
        assert!(is_genuine(host, SECRET, &header, &body), "{host} {name}");
        assert!(!is_genuine(host, b"another", &header, &body), "{name}");
        assert!(!is_genuine(host, b"", &header, &body), "{host} {name}");
        let mut changed = body.clone();
        changed[body.len() / 2] ^= 1;
        // GitLab signs nothing.
        let genuine = is_genuine(host, SECRET, &header, &changed);
        assert_eq!(genuine, host == GitHost::Gitlab, "{host} {name}");
    }
}

#[test]
fn every_captured_body_says_what_is_expected_of_it() {
    for (fixture, body) in fixtures() {
        let header = |name: &str| fixture.header(name);
        let event = event_name(fixture.forge, &header).expect("every fixture has a name");
        let read = read(fixture.forge, event, &read_body(&body).unwrap());
        let mut found = serde_json::to_value(&read).unwrap();
        // What we note beyond the table the expectations were written from.
        for key in ["forced", "from_fork"] {
            found.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(
            found, fixture.expected,
            "{} {}",
            fixture.forge, fixture.file
        );
        let recorded_only = fixture.expected["kind"] == "registry_package";
        assert_eq!(is_understood(&read), !recorded_only, "{}", fixture.file);
    }
}

#[test]
fn every_captured_body_is_numbered_by_its_host() {
    for (fixture, body) in fixtures() {
        let header = |name: &str| fixture.header(name);
        let key = delivery_key(fixture.forge, &header, &body);
        assert!(matches!(key, DeliveryKey::Numbered(_)), "{}", fixture.file);
        let key = delivery_key(fixture.forge, &|_| None, &body);
        assert_eq!(key, DeliveryKey::Digest(Digest::of(&body)));
    }
}

const ZEROS: &str = "0000000000000000000000000000000000000000";
const COMMIT: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

#[test]
fn a_deleted_branch_has_no_commit_to_build() {
    let body =
        json!({ "ref": "refs/heads/x", "before": COMMIT, "after": ZEROS, "checkout_sha": null });
    for (host, name) in [
        (GitHost::Github, "push"),
        (GitHost::Gitlab, "Push Hook"),
        (GitHost::Gitea, "push"),
        (GitHost::Forgejo, "push"),
    ] {
        let event = read(host, name, &body);
        assert_eq!((event.deleted, event.sha), (Some(true), None), "{host}");
    }
}

#[test]
fn a_tag_of_gitlab_is_built_at_the_commit_it_names() {
    let tag = "fabed3d94cd03e6c2b7958afa9569c18a24d301f";
    let body =
        json!({ "ref": "refs/tags/v1", "before": ZEROS, "after": tag, "checkout_sha": COMMIT });
    let event = read(GitHost::Gitlab, "Tag Push Hook", &body);
    assert_eq!(event.kind, GitEventKind::Tag);
    assert_eq!(event.sha.as_deref(), Some(COMMIT));
    let body = json!({ "ref": "refs/tags/v1", "before": ZEROS, "after": tag });
    assert_eq!(read(GitHost::Gitlab, "Tag Push Hook", &body).sha, None);
}

#[test]
fn a_bare_name_in_create_becomes_a_whole_reference() {
    for (kind, reference) in [("tag", "refs/tags/v1"), ("branch", "refs/heads/v1")] {
        let body = json!({ "ref_type": kind, "ref": "v1", "sha": COMMIT });
        let event = read(GitHost::Gitea, "create", &body);
        assert_eq!(event.reference.as_deref(), Some(reference));
        assert_eq!(event.sha.as_deref(), Some(COMMIT));
    }
}

#[test]
fn a_forced_push_and_a_fork_are_noted() {
    let body = json!({ "ref": "refs/heads/x", "after": COMMIT, "forced": true });
    assert!(read(GitHost::Github, "push", &body).forced);
    for (head, fork) in [
        (json!({ "id": 1 }), false),
        (json!({ "id": 2 }), true),
        (Value::Null, true),
    ] {
        let sides = json!({ "head": { "repo": head }, "base": { "repo": { "id": 1 } } });
        let body = json!({ "pull_request": sides });
        assert_eq!(read(GitHost::Github, "pull_request", &body).from_fork, fork);
    }
    let sides = json!({ "source_project_id": 2, "target_project_id": 1 });
    let body = json!({ "object_attributes": sides });
    assert!(read(GitHost::Gitlab, "Merge Request Hook", &body).from_fork);
}

#[test]
fn an_empty_secret_makes_nothing_genuine() {
    let code = model::digest::hex(&crate::hmac::hmac_sha256(b"", b"{}"));
    let header = |_: &str| Some(code.as_str());
    assert!(!is_genuine(GitHost::Gitea, b"", &header, b"{}"));
}

#[test]
fn giteas_own_name_of_an_event_goes_before_githubs() {
    let header = |name: &str| match name {
        "x-gitea-event" => Some("create"),
        "x-github-event" => Some("push"),
        _ => None,
    };
    assert_eq!(event_name(GitHost::Gitea, &header), Some("create"));
    assert_eq!(event_name(GitHost::Forgejo, &header), Some("create"));
    assert_eq!(event_name(GitHost::Github, &header), Some("push"));
}

#[test]
fn the_secret_inside_a_body_is_dropped() {
    let body = read_body(br#"{"secret":"hunter2","ref":"refs/heads/main"}"#).unwrap();
    assert_eq!(body, json!({ "ref": "refs/heads/main" }));
}

#[test]
fn a_form_holds_the_same_body() {
    let body = read_body(b"payload=%7B%22ref%22%3A%22a+b%22%7D&more=1").unwrap();
    assert_eq!(body, json!({ "ref": "a b" }));
    for bad in ["", "[]", "payload=", "payload=%7B", "null", "{"] {
        assert!(read_body(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_name_too_long_to_be_one_is_as_good_as_none() {
    let long = "x".repeat(limit::FOREIGN_NAME_BYTES + 1);
    let body = json!({ "ref": long, "repository": { "full_name": long }, "after": COMMIT });
    let event = read(GitHost::Github, "push", &body);
    assert_eq!((&event.reference, &event.repo), (&None, &None));
    assert!(!is_understood(&event));
}

/// Any JSON, with the keys that hosts use wherever they may be looked for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(ZEROS)),
        Just(json!("refs/tags/v1")),
    ];
    let key = prop::sample::select(vec![
        "ref",
        "after",
        "before",
        "checkout_sha",
        "repository",
        "full_name",
        "project",
        "sender",
        "login",
        "pull_request",
        "head",
        "base",
        "repo",
        "id",
        "object_attributes",
        "commits",
        "deployment",
        "release",
        "ref_type",
        "number",
        "last_commit",
        "secret",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_can_be_stored(
        body in any_json(),
        host in prop::sample::select(GitHost::ALL.to_vec()),
        name in prop::sample::select(vec![
            "push", "create", "pull_request", "release", "deployment", "deployment_status", "status",
            "workflow_run", "ping", "", "Push Hook", "Tag Push Hook", "Merge Request Hook",
            "Release Hook", "wiki",
        ]),
    ) {
        let event = read(host, name, &body);
        let written = serde_json::to_value(&event).unwrap();
        prop_assert_eq!(serde_json::from_value::<GitEvent>(written).unwrap(), event.clone());
        prop_assert!(event.sha.is_none_or(|sha| !is_no_commit(&sha)), "zeros are built");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), shown in ".{0,80}") {
        let _ = read_body(&bytes);
        for host in GitHost::ALL {
            prop_assert!(!is_genuine(host, SECRET, &|_| Some(shown.as_str()), &bytes));
        }
    }
}
