//! What agents call: enrol, report and be told, events, samples.

pub(crate) mod enrol;
pub(crate) mod events;
mod presence;
mod program;
pub(crate) mod samples;
pub(crate) mod sync;

use model::api::Problem;
use model::limit;

use crate::error::Result;

/// Refuses an id or version of a host that no host has, before it becomes part of a key.
fn check_id(field: &'static str, text: &str) -> Result<()> {
    if text.len() <= limit::NAME_BYTES && !text.contains(char::is_control) {
        return Ok(());
    }
    let title = format!(
        "`{field}` has at most {} bytes and no control characters",
        limit::NAME_BYTES
    );
    Err(Problem::new(422, "bad_id", title)
        .at(field)
        .hint("send it as the host's system gives it")
        .into())
}

/// Refuses more of something than one call may hold.
fn check_count(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    let title = format!("at most {most} {what} go in one call");
    Err(Problem::new(413, "too_many", title)
        .at(what)
        .hint("send the rest afterwards")
        .into())
}
