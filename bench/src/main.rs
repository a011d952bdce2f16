//! Measures what we promise of speed, each figure beside its floor on the same machine in the same run.
//!
//! **Invariant.** A figure is the median of several runs and is printed with its ratio to the floor, since
//! machines are noisy and the ratio is what stays.
//!
//! **Must not know** how anything is decided; it calls what users call.

mod journal;

use anyhow::Result;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(journal::run())
}
