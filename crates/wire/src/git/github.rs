//! GitHub's dialect, which Gitea and Forgejo speak too.

use model::deliver::{GitEvent, GitEventKind};
use serde_json::Value;

use super::{at, commit, count, full_reference, is_no_commit, number, other, pushed, text};

pub(super) fn read(name: &str, body: &Value) -> GitEvent {
    let event = match name {
        "push" => push(body),
        "create" => create(body),
        "pull_request" => pull_request(body),
        "release" => GitEvent {
            tag: text(body, &["release", "tag_name"]),
            action: action(body),
            ..GitEvent::of(GitEventKind::Release)
        },
        "deployment" => GitEvent {
            deployment_id: number(body, &["deployment", "id"]),
            ..deployed(GitEventKind::Deployment, body)
        },
        "deployment_status" => GitEvent {
            state: text(body, &["deployment_status", "state"]),
            ..deployed(GitEventKind::DeploymentStatus, body)
        },
        "status" => GitEvent {
            sha: commit(body, &["sha"]),
            state: text(body, &["state"]),
            context: text(body, &["context"]),
            ..GitEvent::of(GitEventKind::CommitStatus)
        },
        "workflow_run" => GitEvent {
            sha: commit(body, &["workflow_run", "head_sha"]),
            conclusion: text(body, &["workflow_run", "conclusion"]),
            action: action(body),
            ..GitEvent::of(GitEventKind::WorkflowRun)
        },
        "ping" => GitEvent::of(GitEventKind::Ping),
        name => GitEvent {
            action: action(body),
            ..GitEvent::of(other(name))
        },
    };
    GitEvent {
        repo: text(body, &["repository", "full_name"]),
        default_branch: text(body, &["repository", "default_branch"]),
        actor: text(body, &["sender", "login"]),
        ..event
    }
}

fn action(body: &Value) -> Option<String> {
    text(body, &["action"])
}

/// A branch or tag that was deleted arrives here too, with a commit of zeros.
fn push(body: &Value) -> GitEvent {
    let reference = text(body, &["ref"]);
    let after = text(body, &["after"]);
    let deleted = at(body, &["deleted"]) == Some(&Value::Bool(true))
        || after.as_deref().is_some_and(is_no_commit);
    let kind = pushed(reference.as_deref());
    GitEvent {
        reference,
        before: text(body, &["before"]),
        sha: after.clone().filter(|_| !deleted),
        after,
        deleted: Some(deleted),
        forced: at(body, &["forced"]) == Some(&Value::Bool(true)),
        commits: count(body, "commits"),
        ..GitEvent::of(kind)
    }
}

/// GitHub repeats with it what a push says and names no commit; Gitea and Forgejo announce a new tag by
/// it alone, with a bare name and the commit.
fn create(body: &Value) -> GitEvent {
    let (kind, folder) = match text(body, &["ref_type"]).as_deref() {
        Some("tag") => (GitEventKind::Tag, "tags"),
        Some("branch") => (GitEventKind::BranchCreated, "heads"),
        _ => return GitEvent::of(other("create")),
    };
    let reference = text(body, &["ref"]).map(|name| full_reference(folder, &name));
    GitEvent {
        sha: commit(body, &["sha"]),
        reference,
        ..GitEvent::of(kind)
    }
}

fn pull_request(body: &Value) -> GitEvent {
    let side = |side| at(body, &["pull_request", side, "repo", "id"]).and_then(Value::as_u64);
    let number_of = |path: &[&str]| number(body, path);
    GitEvent {
        number: number_of(&["number"]).or_else(|| number_of(&["pull_request", "number"])),
        action: action(body),
        head_sha: text(body, &["pull_request", "head", "sha"]),
        base_ref: text(body, &["pull_request", "base", "ref"]),
        head_ref: text(body, &["pull_request", "head", "ref"]),
        // A fork that was deleted meanwhile has no repository any more, and is none of ours either.
        from_fork: side("head") != side("base"),
        ..GitEvent::of(GitEventKind::PullRequest)
    }
}

fn deployed(kind: GitEventKind, body: &Value) -> GitEvent {
    GitEvent {
        sha: commit(body, &["deployment", "sha"]),
        environment: text(body, &["deployment", "environment"]),
        ..GitEvent::of(kind)
    }
}
