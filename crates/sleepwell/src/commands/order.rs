//! `sleepwell undo | hold | go CHANGE`.

use anyhow::Result;
use model::deliver::Command;
use model::observe::ChangeState;

use super::connect::connect;
use super::follow::Follow;
use super::{print, print_json};
use crate::args::{Global, Order, Undo};
use crate::data::Data;
use crate::show;

pub(crate) fn undo(global: &Global, args: &Undo) -> Result<u8> {
    if !args.forward {
        return run(global, &args.order, Command::Undo);
    }
    let way_back = connect(global)?.way_back(args.order.change)?;
    if global.json.is_some() {
        print_json(&way_back)?;
    } else {
        print(&show::schemas::way_back(args.order.change, &way_back))?;
    }
    Ok(0)
}

pub(crate) fn run(global: &Global, args: &Order, command: Command) -> Result<u8> {
    let client = connect(global)?;
    client.order(args.change, command.word())?;
    let said = match command {
        Command::Undo => "is being undone",
        Command::Hold => "is held; let it go on with `sleepwell go`",
        Command::Go => "goes on",
    };
    if args.detach || command == Command::Hold {
        print(&format!("{} {said}\n", args.change))?;
        return Ok(0);
    }
    let follow = Follow {
        client: &client,
        global,
        command: Data::new(global)?.command(),
    };
    let code = follow.run(args.change)?;
    let asked_for =
        command == Command::Undo && client.change(args.change)?.change.state == ChangeState::Undone;
    Ok(if asked_for { 0 } else { code })
}
