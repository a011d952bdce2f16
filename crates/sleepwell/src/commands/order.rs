//! `sleepwell undo | hold | go CHANGE`.

use anyhow::Result;
use model::deliver::Command;
use model::observe::ChangeState;

use super::connect::connect;
use super::follow::Follow;
use super::print;
use crate::args::{Global, Order};
use crate::data::Data;

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
