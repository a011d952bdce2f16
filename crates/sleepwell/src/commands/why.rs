//! `sleepwell why CHANGE`.

use anyhow::Result;

use super::connect::connect;
use super::{print, print_json, style};
use crate::args::{Global, Why};
use crate::show;

pub(crate) fn run(global: &Global, args: &Why) -> Result<u8> {
    let why = connect(global)?.why(&args.id.to_string())?;
    if global.json.is_some() {
        print_json(&why)?;
    } else {
        print(&show::why::text(&why, style(global)))?;
    }
    Ok(0)
}
