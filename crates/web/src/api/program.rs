//! `POST /api/v1/deliver/hosts/{id}/agent`: a person wants a host's agent to be another program.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::deliver::{AgentAsked, UpdateAgent};
use model::deliver::{Artifact, Host, ProgramOrder, ProgramOutcome, ProgramUpdate, ProgramWish};
use model::{Fact, HostId, Subject, limit};
use store::Tx;

use super::fleet::refuse_while_behind;
use super::hosts::{Word, expected};
use super::{Body, Path};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Asks a host's agent to become a program that was uploaded: 202, durable. Asked once more for what it could not
/// become, it tries again.
pub(crate) async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<HostId>,
    Body(order): Body<UpdateAgent>,
) -> Result<(StatusCode, Json<AgentAsked>)> {
    check(&order)?;
    let held = app.blobs.size(order.digest).await?;
    let word = Word::new(&app, &caller, order.reason);
    let (digest, version) = (order.digest, order.version);
    let number = app
        .store
        .write(move |tx| {
            let artifact = store::release::artifact(tx, digest)?;
            let artifact = artifact.filter(|artifact| held == Some(artifact.size_bytes));
            let artifact = artifact.ok_or_else(|| {
                unknown(
                    "artifact",
                    digest,
                    "upload the program first; `sleepwell agent update` does",
                )
            })?;
            ask(tx, id, (&artifact, version), &word)
        })
        .await?;
    app.wakes.journal.nudge();
    app.wakes.desired.nudge();
    Ok((StatusCode::ACCEPTED, Json(AgentAsked { number })))
}

fn check(order: &UpdateAgent) -> Result<()> {
    let version = &order.version;
    if version.len() <= limit::NAME_BYTES && !version.contains(char::is_control) {
        return Ok(());
    }
    let title = format!(
        "`version` has at most {} bytes and no control characters",
        limit::NAME_BYTES
    );
    Err(Problem::new(422, "bad_version", title)
        .at("version")
        .hint("it is for people to read; the digest decides")
        .into())
}

fn ask(
    tx: &mut Tx<'_>,
    id: HostId,
    (artifact, version): (&Artifact, String),
    word: &Word,
) -> std::result::Result<u64, Failure> {
    refuse_while_behind(tx)?;
    let mut host = expected(tx, id)?;
    refuse_unable(&host)?;
    refuse_known(&host, artifact)?;
    let fact = Fact::AgentAsked {
        host: host.name.clone(),
        digest: artifact.digest,
        version: version.clone(),
        reason: word.reason.clone(),
    };
    let entry = word.entry(Subject::Host(host.name.clone()), vec![], &fact);
    store::journal::append(tx, &entry)?;
    let wish = ProgramWish {
        number: host.program.next_number(),
        digest: artifact.digest,
        size_bytes: artifact.size_bytes,
        version,
    };
    let number = wish.number;
    host.program.order = Some(ProgramOrder {
        wish,
        asked_at: entry.at,
        entry: entry.id,
        outcome: ProgramOutcome::Pending,
    });
    store::host::ask(tx, &host)?;
    Ok(number)
}

/// Refuses an agent that says it cannot, or says nothing of itself: the wish would wait for ever.
fn refuse_unable(host: &Host) -> std::result::Result<(), Failure> {
    let why = match &host.program.reported {
        None => {
            "its agent does not say what program it is: it is older than this, or has not reported yet"
        }
        Some(said) => match &said.update {
            ProgramUpdate::Unable { why } => why,
            ProgramUpdate::Settled
            | ProgramUpdate::Preparing { .. }
            | ProgramUpdate::Trying
            | ProgramUpdate::Failed { .. } => return Ok(()),
        },
    };
    let title = format!(
        "the agent of `{}` cannot be updated from here: {why}",
        host.name
    );
    Err(Problem::new(409, "cannot_update", title)
        .hint("replace its program by hand, and start it again; services do not notice")
        .into())
}

fn refuse_known(host: &Host, artifact: &Artifact) -> std::result::Result<(), Failure> {
    let said = host.program.reported.as_ref();
    let runs_it = said.is_some_and(|said| said.digest == Some(artifact.digest));
    if !runs_it || host.program.pending().is_some() {
        return Ok(());
    }
    let title = format!(
        "the agent of `{}` is {} already",
        host.name, artifact.digest
    );
    Err(Problem::new(409, "nothing_to_update", title)
        .hint("`sleepwell hosts` shows which agents differ")
        .into())
}
