//! GitLab's dialect.

use model::deliver::{GitEvent, GitEventKind};
use serde_json::Value;

use super::{at, commit, count, is_no_commit, number, other, pushed, text};

pub(super) fn read(name: &str, body: &Value) -> GitEvent {
    let event = match name {
        "Push Hook" | "Tag Push Hook" => push(body),
        "Merge Request Hook" => merge_request(body),
        "Release Hook" => GitEvent {
            tag: text(body, &["tag"]),
            action: text(body, &["action"]),
            ..GitEvent::of(GitEventKind::Release)
        },
        name => GitEvent::of(other(name)),
    };
    let actor = || text(body, &["user", "username"]);
    GitEvent {
        repo: text(body, &["project", "path_with_namespace"]),
        default_branch: text(body, &["project", "default_branch"]),
        actor: text(body, &["user_username"]).or_else(actor),
        ..event
    }
}

/// Of a tag, `after` is the tag itself and `checkout_sha` the commit it names; that is the one to build.
fn push(body: &Value) -> GitEvent {
    let reference = text(body, &["ref"]);
    let after = text(body, &["after"]);
    let deleted = after.as_deref().is_some_and(is_no_commit);
    let kind = pushed(reference.as_deref());
    let sha = match kind {
        // Without `checkout_sha` nobody says which commit an annotated tag names.
        GitEventKind::Tag => commit(body, &["checkout_sha"]),
        _ => commit(body, &["checkout_sha"]).or_else(|| after.clone()),
    };
    GitEvent {
        reference,
        before: text(body, &["before"]),
        sha: sha.filter(|_| !deleted),
        after,
        deleted: Some(deleted),
        commits: count(body, "commits"),
        commits_total: number(body, &["total_commits_count"]),
        ..GitEvent::of(kind)
    }
}

fn merge_request(body: &Value) -> GitEvent {
    let of = |key| text(body, &["object_attributes", key]);
    let project = |key| at(body, &["object_attributes", key]).and_then(Value::as_u64);
    GitEvent {
        number: number(body, &["object_attributes", "iid"]),
        action: of("action"),
        head_sha: text(body, &["object_attributes", "last_commit", "id"]),
        base_ref: of("target_branch"),
        head_ref: of("source_branch"),
        from_fork: project("source_project_id") != project("target_project_id"),
        ..GitEvent::of(GitEventKind::PullRequest)
    }
}
