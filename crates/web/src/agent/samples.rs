//! `POST /agent/v1/samples`: a remote-write body; the server sets the label `host`.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use deliver::clock;
use metrics::WriteReport;
use model::api::Problem;
use model::observe::Series;
use model::{HostName, Timestamp};
use serde::Deserialize;
use wire::remote_write::{DecodeError, Refused, Request};

use crate::App;
use crate::access::Caller;
use crate::api::{Query, Raw};
use crate::error::{Failure, Result, unknown};

/// Is what an agent says beside the body.
#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct Sent {
    /// The moment of the call on the timeline of the samples.
    #[serde(default)]
    sent_at: Option<Timestamp>,
}

/// Answers 204 when every sample is kept, 400 when some were not; the good ones are kept either way.
///
/// These samples live in memory and are lost with the server; they are no promise, unlike everything
/// else that is answered 2xx.
pub(crate) async fn samples(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(Sent { sent_at }): Query<Sent>,
    Raw(body): Raw,
) -> Result<StatusCode> {
    let id = caller
        .host
        .ok_or_else(|| unknown("host", &caller.name, "enrol again"))?;
    let host = app.store.read(move |tx| store::host::get(tx, id)).await?;
    let host = host.ok_or_else(|| unknown("host", id, "enrol again"))?;
    let mut request = wire::remote_write::decode_request(&body).map_err(undecodable)?;
    let mut series = labelled(&mut request, &host.name);
    let now = app.clock.now();
    if let Some(sent_at) = sent_at {
        put_on_our_clock(&mut series, sent_at, now);
    }
    let report = app.metrics.write(series, now);
    match refusal(&report, request.refused) {
        None => Ok(StatusCode::NO_CONTENT),
        Some(why) => {
            let title = format!("{} samples stored, refused: {why}", report.stored);
            Err(Problem::new(400, "samples_refused", title)
                .at("body")
                .hint("correct the refused ones; the others need not be sent again")
                .into())
        }
    }
}

/// A host whose clock is wrong counts as when it counted, not as when it says.
fn put_on_our_clock(series: &mut [Series], sent_at: Timestamp, now: Timestamp) {
    for sample in series.iter_mut().flat_map(|one| &mut one.samples) {
        sample.at = clock::ours(sample.at, sent_at, now);
    }
}

fn undecodable(error: DecodeError) -> Failure {
    let (status, code, hint) = match error {
        DecodeError::TooLarge { .. } => (413, "too_large", "send smaller batches"),
        _ => (
            400,
            "bad_samples",
            "send remote write 1.0: protobuf in a snappy block",
        ),
    };
    let problem = Problem::new(status, code, error.to_string());
    problem.at("body").hint(hint).into()
}

/// Takes the series out of the request and says of each that it is this host's, whatever it says itself.
fn labelled(request: &mut Request, host: &HostName) -> Vec<Series> {
    let mut series = std::mem::take(&mut request.series);
    series.retain_mut(|one| {
        // Only a series with as many labels as there may be has no room for one more.
        let labelled = one.labels.insert("host", host.as_str());
        if let Err(first) = &labelled {
            let refused = request.refused.get_or_insert_with(|| Refused {
                series: 0,
                samples: 0,
                first: format!("with `host`, it has {first}"),
            });
            refused.series += 1;
            refused.samples += one.samples.len() as u64;
        }
        labelled.is_ok()
    });
    series
}

/// Says what was refused and why, nothing when all was taken.
fn refusal(report: &WriteReport, refused: Option<Refused>) -> Option<String> {
    let series = refused.map(|refused| {
        format!(
            "{} in {} series, the first because {}",
            refused.samples, refused.series, refused.first
        )
    });
    let placed = report.refused.iter().map(|(why, n)| format!("{n} {why}"));
    let all: Vec<String> = series.into_iter().chain(placed).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
