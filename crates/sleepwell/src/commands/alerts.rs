//! `sleepwell alerts [SERVICE]` and `sleepwell alerts pages [INCIDENT]`.

use anyhow::Result;
use runtime::Clock;

use super::connect::connect;
use super::{print, print_json, style};
use crate::args::{Alerts, AlertsCommand, Global, Pages};
use crate::show;

pub(crate) fn run(global: &Global, args: &Alerts) -> Result<u8> {
    match &args.command {
        None => list(global, args),
        Some(AlertsCommand::Pages(pages)) => list_pages(global, pages),
    }
}

fn list(global: &Global, args: &Alerts) -> Result<u8> {
    let service = args.service.as_ref().map(ToString::to_string);
    let open = (!args.all).then(|| "true".to_owned());
    let query: Vec<(&str, &str)> = [("open", &open), ("service", &service)]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        .collect();
    let alerts = connect(global)?.alerts(&query)?;
    if global.json.is_some() {
        print_json(&alerts)?;
    } else {
        let now = Clock::System.now();
        print(&show::alerts::table(&alerts, now, style(global)))?;
    }
    Ok(0)
}

fn list_pages(global: &Global, args: &Pages) -> Result<u8> {
    let incident = args.incident.map(|id| id.to_string());
    let query: Vec<(&str, &str)> = incident
        .iter()
        .map(|id| ("incident", id.as_str()))
        .collect();
    let pages = connect(global)?.pages(&query)?;
    if global.json.is_some() {
        print_json(&pages)?;
    } else {
        let now = Clock::System.now();
        print(&show::pages::table(&pages, now, style(global)))?;
    }
    Ok(0)
}
