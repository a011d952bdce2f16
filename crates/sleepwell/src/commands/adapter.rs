//! `sleepwell adapter join | run | check`.

use std::path::PathBuf;

use agent::Stop;
use agent::adapter::{self, Checked, Source};
use anyhow::{Context, Result};
use model::{EnvironmentName, Secret};

use super::connect::connect;
use super::print;
use crate::args::{Adapter, AdapterCheck, AdapterCommand, AdapterOptions, Global};
use crate::config;

pub(crate) fn run(global: &Global, args: &Adapter) -> Result<u8> {
    match &args.command {
        AdapterCommand::Join(options) => join(global, options),
        AdapterCommand::Run(options) => start(options),
        AdapterCommand::Check(check) => self::check(global, check),
    }
}

fn join(global: &Global, options: &AdapterOptions) -> Result<u8> {
    let adapter = config::adapter::read(&options.file)?;
    let client = connect(global)?;
    let token = || Ok(Secret::new(client.join_token(None)?.token));
    let joined = adapter::join(&adapter, &base(options)?, client.base_url(), token)?;
    let mut text = String::new();
    for host in &joined {
        text.push_str(&format!("{host} joined {}\n", client.base_url()));
    }
    if joined.is_empty() {
        text.push_str("Every target had joined before.\n");
    } else {
        text.push_str("\nNow run it: sleepwell adapter run\n");
    }
    print(&text)?;
    Ok(0)
}

fn start(options: &AdapterOptions) -> Result<u8> {
    crate::log::start();
    let adapter = config::adapter::read(&options.file)?;
    let stop = Stop::default();
    super::agent::stop_on_signal(stop.clone())?;
    adapter::run(adapter, &base(options)?, &stop)?;
    Ok(0)
}

fn check(global: &Global, args: &AdapterCheck) -> Result<u8> {
    crate::log::start();
    let adapter = config::adapter::read(&args.file)?;
    let environment = match &global.env {
        Some(environment) => environment.clone(),
        None => "production"
            .parse::<EnvironmentName>()
            .map_err(anyhow::Error::msg)?,
    };
    let checked = adapter::check(&adapter, &args.service, &environment)
        .context("the tool cannot observe its targets")?;
    print(&checked.iter().map(line).collect::<String>())?;
    let proves = |one: &Checked| {
        let seen = one.seen.as_ref();
        seen.is_some_and(|seen| seen.error.is_none() && seen.source != Source::Declared)
    };
    Ok(if checked.iter().all(proves) { 0 } else { 1 })
}

fn line(checked: &Checked) -> String {
    let host = &checked.host;
    let Some(seen) = &checked.seen else {
        return format!(
            "{host}: nothing was said of it; `observe` has to answer for every target\n"
        );
    };
    if let Some(error) = &seen.error {
        return format!("{host}: {error}\n");
    }
    let what = match &seen.release_digest {
        Some(digest) => format!("runs {}", digest.short()),
        None => "runs nothing of it".to_owned(),
    };
    let how = match seen.source {
        Source::Process => "proved by its process",
        Source::Image => "proved by its image",
        Source::Declared => "declared, which proves nothing",
    };
    let why = match seen.why.as_str() {
        "" => String::new(),
        why => format!(" ({why})"),
    };
    format!("{host}: {what}, {how}{why}\n")
}

fn base(options: &AdapterOptions) -> Result<PathBuf> {
    match &options.base {
        Some(base) => Ok(std::path::absolute(base)?),
        None => Ok(config::adapter::folder(&options.file)?.join(".sleepwell")),
    }
}
