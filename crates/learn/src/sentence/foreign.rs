//! What other tools told, in words; their texts are shown as harmless lines.

use model::deliver::{DeliveryOutcome, GitEvent, GitEventKind, GitHost};
use model::words::line;

/// Characters of a commit that people compare.
const COMMIT: usize = 12;

/// Tells a git host's webhook.
pub(super) fn hook(host: GitHost, event: &GitEvent, outcome: DeliveryOutcome) -> String {
    let repo = match &event.repo {
        Some(repo) => line(repo),
        None => "a repository it does not name".to_owned(),
    };
    let by = match &event.actor {
        Some(actor) => format!(" by {}", line(actor)),
        None => String::new(),
    };
    if outcome == DeliveryOutcome::NotUnderstood {
        let kind = line(event.kind.as_str());
        return format!("{host} sent `{kind}` about {repo}, which is kept and not understood.");
    }
    match event.kind {
        GitEventKind::Ping => format!("{host} tried whether its webhooks arrive; they do."),
        _ => format!("{host} told of {} in {repo}{by}.", happened(event)),
    }
}

fn happened(event: &GitEvent) -> String {
    let at = |sha: &Option<String>| match sha {
        Some(sha) => format!(" at {}", sha.chars().take(COMMIT).collect::<String>()),
        None => String::new(),
    };
    let named = |name: &Option<String>| match name {
        Some(name) => format!(" {}", line(name)),
        None => String::new(),
    };
    let action = event.action.as_deref().unwrap_or("touched");
    match &event.kind {
        GitEventKind::Push | GitEventKind::Tag if event.deleted == Some(true) => {
            format!("the end of{}", named(&event.reference))
        }
        GitEventKind::Push => {
            let forced = if event.forced {
                "a forced push"
            } else {
                "a push"
            };
            let to = named(&event.reference);
            format!("{forced} to{to}{}", at(&event.sha))
        }
        GitEventKind::Tag => format!("the tag{}{}", named(&event.reference), at(&event.sha)),
        GitEventKind::BranchCreated => {
            format!("the new branch{}", named(&event.reference))
        }
        GitEventKind::PullRequest => {
            let number = event.number.map_or(String::new(), |n| format!(" {n}"));
            let sha = at(&event.head_sha);
            format!("pull request{number}{sha}, {}", line(action))
        }
        GitEventKind::Release => format!("release{}, {}", named(&event.tag), line(action)),
        GitEventKind::Deployment | GitEventKind::DeploymentStatus => {
            let state = event.state.as_deref().unwrap_or("begun");
            let to = named(&event.environment);
            format!("a deployment to{to}{}, {}", at(&event.sha), line(state))
        }
        GitEventKind::CommitStatus => {
            let state = event.state.as_deref().unwrap_or("unknown");
            format!("a check{}, {}", at(&event.sha), line(state))
        }
        GitEventKind::WorkflowRun => {
            let ended = event.conclusion.as_deref().unwrap_or(action);
            format!("a workflow{}, {}", at(&event.sha), line(ended))
        }
        GitEventKind::Ping | GitEventKind::Other(_) => {
            format!("`{}`", line(event.kind.as_str()))
        }
    }
}

/// Is what an event of another tool says, as the fact keeps it.
pub(super) struct Cdevent<'a> {
    pub(super) source: &'a str,
    pub(super) event_type: &'a str,
    pub(super) about: Option<&'a str>,
    pub(super) environment: Option<&'a str>,
    pub(super) artifact: Option<&'a str>,
    pub(super) outcome: DeliveryOutcome,
}

/// Tells another tool's event.
pub(super) fn cdevent(event: &Cdevent<'_>) -> String {
    let (source, kind) = (line(event.source), line(event.event_type));
    let about = event.about.map_or_else(|| "something".to_owned(), line);
    let place = match event.environment {
        Some(environment) => format!(" in {}", line(environment)),
        None => String::new(),
    };
    match event.outcome {
        DeliveryOutcome::Deployment => match event.artifact {
            Some(artifact) => {
                let artifact = line(artifact);
                format!("{source} told that {about} runs {artifact}{place} (`{kind}`).")
            }
            None => format!("{source} told of {about}{place} (`{kind}`)."),
        },
        DeliveryOutcome::Artifact | DeliveryOutcome::Recorded => {
            format!("{source} told of {about}{place} (`{kind}`).")
        }
        DeliveryOutcome::NotUnderstood => {
            format!("{source} sent `{kind}`, which is kept and not understood.")
        }
    }
}
