//! Measures what we promise of speed, each figure beside its floor on the same machine in the same run.
//!
//! **Invariant.** A figure is the median of several runs and is printed with its ratio to the floor, since
//! machines are noisy and the ratio is what stays.
//!
//! **Must not know** how anything is decided; it calls what users call.

mod alerts;
mod figures;
mod fleet;
mod journal;
mod judge;
mod release;
mod size;

use anyhow::{Result, bail};

/// Measures what is named, or everything.
fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut named: Vec<String> = std::env::args().skip(1).collect();
    if named.is_empty() {
        named = ["journal", "alerts", "size", "release", "judge"]
            .map(str::to_owned)
            .to_vec();
    }
    for name in named {
        match name.as_str() {
            "journal" => runtime.block_on(journal::run())?,
            "alerts" => runtime.block_on(alerts::run())?,
            "size" => runtime.block_on(size::run())?,
            "release" => release::run()?,
            "judge" => judge::run()?,
            _ => bail!(
                "nothing is called `{name}`; there are journal, alerts, size, release and judge"
            ),
        }
    }
    Ok(())
}
