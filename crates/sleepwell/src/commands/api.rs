//! `sleepwell api PATH`: the raw API with your token.

use std::io::Read;

use anyhow::{Context, Result};

use super::connect::connect;
use super::print_bytes;
use crate::args::{Api, Global};

/// The largest answer that is passed on.
const ANSWER_BYTES: usize = 64 << 20;

pub(crate) fn run(global: &Global, args: &Api) -> Result<u8> {
    let client = connect(global)?;
    let path = format!("/{}", args.path.trim_start_matches('/'));
    let body = match args.body.as_deref() {
        Some("-") => {
            let mut text = Vec::new();
            let read = std::io::stdin().read_to_end(&mut text);
            read.context("cannot read standard input")?;
            Some(text)
        }
        other => other.map(|text| text.as_bytes().to_vec()),
    };
    // As with curl, data without a method is posted.
    let method = args.method.as_deref();
    let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let answer = client.raw(method, &path, &[], body.as_deref(), ANSWER_BYTES)?;
    print_bytes(&answer)?;
    Ok(0)
}
