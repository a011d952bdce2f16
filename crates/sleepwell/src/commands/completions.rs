//! `sleepwell completions SHELL`.

use anyhow::Result;

use super::print_bytes;
use crate::args::Completions;
use crate::complete;

pub(crate) fn run(args: &Completions) -> Result<u8> {
    print_bytes(&complete::script(args.shell)?)?;
    Ok(0)
}
