//! `sleepwell changes`.

use anyhow::Result;
use runtime::Clock;

use super::connect::connect;
use super::{print, print_json, style};
use crate::args::{Changes, Global};
use crate::show;

pub(crate) fn run(global: &Global, args: &Changes) -> Result<u8> {
    let now = Clock::System.now();
    let state = args.state.map(|state| state.to_string());
    let since = args.since.map(|since| (now - since).to_string());
    let query: Vec<(&str, &str)> = [("state", &state), ("since", &since)]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        .collect();
    let changes = connect(global)?.changes(&query)?;
    if global.json.is_some() {
        print_json(&changes)?;
    } else {
        print(&show::changes::table(&changes, now, style(global)))?;
    }
    Ok(0)
}
