//! Words that stand for values.

use std::time::Duration;

use model::deliver::Command;
use model::observe::ChangeState;
use serde::de::DeserializeOwned;

use crate::world::Which;

pub(super) fn duration(word: &str) -> Result<Duration, String> {
    model::time::parse_duration(word)
}

pub(super) fn millis(word: &str) -> Result<i64, String> {
    let duration = duration(word)?;
    i64::try_from(duration.as_millis()).map_err(|e| e.to_string())
}

/// Reads `8`, and small numbers in words.
pub(super) fn number(word: &str) -> Result<usize, String> {
    let spelt = ["no", "one", "two", "three"];
    if let Some(number) = spelt.iter().position(|known| *known == word) {
        return Ok(number);
    }
    word.parse()
        .map_err(|_| format!("`{word}` is not a whole number"))
}

/// Reads `0.5%` as a share of 1.
pub(super) fn percent(word: &str) -> Result<f64, String> {
    let number = word.strip_suffix('%').and_then(|n| n.parse::<f64>().ok());
    let number = number.filter(|n| (0.0..=100.0).contains(n));
    number
        .map(|n| n / 100.0)
        .ok_or_else(|| format!("`{word}` is not a share; write 0% to 100%"))
}

pub(super) fn state(word: &str) -> Result<ChangeState, String> {
    let known = ChangeState::ALL;
    known
        .into_iter()
        .find(|state| state.to_string() == word)
        .ok_or_else(|| {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            format!(
                "`{word}` is no state of a change; known: {}",
                known.join(", ")
            )
        })
}

/// Reads `ledger=1.1,shop=1.4`.
pub(super) fn releases(list: &str) -> Result<Vec<Which>, String> {
    list.split(',').map(str::parse).collect()
}

pub(super) fn order(word: &str) -> Result<Command, String> {
    let known = [Command::Undo, Command::Hold, Command::Go];
    known
        .into_iter()
        .find(|order| order.word() == word)
        .ok_or_else(|| format!("`{word}` is no order; known: undo, hold, go"))
}

/// Reads a word as JSON writes it.
pub(super) fn as_in_json<T: DeserializeOwned>(what: &str, word: &str) -> Result<T, String> {
    // serde lists what it knows.
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|e| format!("`{word}` is no {what}: {e}"))
}
