//! `sleepwell redeploy SERVICE`: has every host set up anew with what it runs, and watches that.

use anyhow::Result;
use client::Client;
use model::api::deliver::NewRedeploy;

use super::connect::connect;
use super::follow::Follow;
use super::{print, print_json, style};
use crate::args::{Global, Redeploy};
use crate::data::Data;
use crate::show;

pub(crate) fn run(global: &Global, args: &Redeploy) -> Result<u8> {
    let client = connect(global)?;
    let new = NewRedeploy {
        service: args.service.clone(),
        environment: global.env.clone(),
    };
    if args.rehearse {
        return rehearse(&client, global, &new);
    }
    let started = client.redeploy(&new)?;
    if args.detach {
        print(&format!("{}\n", started.change))?;
        return Ok(0);
    }
    Follow {
        client: &client,
        global,
        command: Data::new(global)?.command(),
    }
    .run(started.change)
}

/// Says how it would go; nothing begins.
fn rehearse(client: &Client, global: &Global, new: &NewRedeploy) -> Result<u8> {
    let rehearsal = client.rehearse_redeploy(new)?;
    if global.json.is_some() {
        print_json(&rehearsal)?;
    } else {
        print(&show::rehearsal::screen(&rehearsal, style(global)))?;
    }
    Ok(show::rehearsal::code(&rehearsal))
}
