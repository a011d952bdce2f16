//! `sleepwell completions SHELL`.

use anyhow::Result;
use clap::CommandFactory;

use super::print_bytes;
use crate::args::{Args, Completions};

pub(crate) fn run(args: &Completions) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "sleepwell", &mut script);
    print_bytes(&script)?;
    Ok(0)
}
