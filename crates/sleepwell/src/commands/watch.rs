//! `sleepwell watch [CHANGE]`.

use anyhow::Result;
use model::ChangeId;
use model::api::Problem;

use super::Failed;
use super::connect::connect;
use super::follow::Follow;
use crate::args::Global;
use crate::data::Data;

pub(crate) fn run(global: &Global, change: Option<ChangeId>) -> Result<u8> {
    let client = connect(global)?;
    let change = change.map_or_else(|| newest(&client), Ok)?;
    Follow {
        client: &client,
        global,
        command: Data::new(global)?.command(),
    }
    .run(change)
}

fn newest(client: &client::Client) -> Result<ChangeId> {
    let changes = client.changes(&[("limit", "1")])?;
    changes.first().map(|change| change.id).ok_or_else(|| {
        let problem = Problem::new(404, "no_change", "nothing was shipped yet")
            .hint("sleepwell ship SERVICE VERSION");
        Failed { problem, code: 5 }.into()
    })
}
