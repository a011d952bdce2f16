//! `cargo run -p lab -- scenario PATH...` plays stories, `… walk --seed N --steps M` a random one.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lab::script::Story;

const USAGE: &str = "usage: lab scenario [--seed N] PATH...
       lab walk [--seed N] [--steps M]
       lab stops [--seed N] [--steps M]
       lab soak [--seed FIRST] [--seeds COUNT] [--steps M]

A PATH is a scenario or a folder of them. The exit code is 1 when one went another way.";
const STEPS: u64 = 200;
/// Steps of a walk on which parts are stopped; there are many walks.
const STEPS_WITH_STOPS: u64 = 20;
const SEEDS: u64 = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

async fn run(mut args: Vec<String>) -> Result<bool, String> {
    if args.is_empty() {
        return Err(USAGE.into());
    }
    let command = args.remove(0);
    let seed = option(&mut args, "--seed")?.unwrap_or(lab::SEED);
    match command.as_str() {
        "scenario" if !args.is_empty() => scenarios(&args, seed).await,
        "walk" => {
            let steps = option(&mut args, "--steps")?.unwrap_or(STEPS);
            match args.first() {
                Some(other) => Err(format!("`{other}` is not understood\n{USAGE}")),
                None => Ok(walk(seed, steps).await),
            }
        }
        "stops" => {
            let steps = option(&mut args, "--steps")?.unwrap_or(STEPS_WITH_STOPS);
            no_more(&args)?;
            Ok(stops(seed, steps).await)
        }
        "soak" => {
            let steps = option(&mut args, "--steps")?.unwrap_or(STEPS_WITH_STOPS);
            let seeds = option(&mut args, "--seeds")?.unwrap_or(SEEDS);
            no_more(&args)?;
            Ok(soak(seed, seeds, steps).await)
        }
        _ => Err(USAGE.into()),
    }
}

fn no_more(args: &[String]) -> Result<(), String> {
    match args.first() {
        Some(other) => Err(format!("`{other}` is not understood\n{USAGE}")),
        None => Ok(()),
    }
}

async fn stops(seed: u64, steps: u64) -> bool {
    match lab::stops::walk(seed, steps, &lab::sqlite).await {
        Ok(walked) => {
            println!("ok      {walked}");
            for (point, times) in walked.stops {
                println!("        {times} at {point}");
            }
            true
        }
        Err(failed) => {
            println!("FAILED  {failed}");
            false
        }
    }
}

/// Walks from many seeds, one after the other; the first that stumbles ends it.
async fn soak(first: u64, seeds: u64, steps: u64) -> bool {
    for seed in first..first.saturating_add(seeds) {
        if let Err(failed) = lab::stops::walk(seed, steps, &lab::sqlite).await {
            println!("FAILED  {failed}");
            return false;
        }
        let done = seed - first + 1;
        if done.is_multiple_of(100) {
            println!("ok      {done} of {seeds} seeds");
        }
    }
    true
}

fn option(args: &mut Vec<String>, name: &str) -> Result<Option<u64>, String> {
    let Some(at) = args.iter().position(|arg| arg == name) else {
        return Ok(None);
    };
    args.remove(at);
    if at == args.len() {
        return Err(format!("{name} needs a number"));
    }
    let value = args.remove(at);
    let number = value.parse();
    number
        .map(Some)
        .map_err(|_| format!("`{value}` is not a number for {name}"))
}

async fn scenarios(paths: &[String], seed: u64) -> Result<bool, String> {
    let mut all_went = true;
    for path in files(paths)? {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
        match Story::parse(&name, &text) {
            Err(faults) => {
                all_went = false;
                faults.iter().for_each(|fault| println!("BAD     {fault}"));
            }
            Ok(story) => match lab::run::play(&story, seed, &lab::sqlite).await {
                Ok(played) => println!(
                    "ok      {name} ({} steps, {} of its time)",
                    played.steps,
                    model::time::short(played.took)
                ),
                Err(failed) => {
                    all_went = false;
                    println!("FAILED  {failed}");
                }
            },
        }
    }
    Ok(all_went)
}

/// Returns the files named, and those in the folders named, in order.
fn files(paths: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut files = vec![];
    for path in paths {
        let path = Path::new(path);
        if !path.is_dir() {
            files.push(path.to_owned());
            continue;
        }
        files.extend(lab::script::in_folder(path).map_err(|e| format!("{}: {e}", path.display()))?);
    }
    Ok(files)
}

async fn walk(seed: u64, steps: u64) -> bool {
    match lab::walk::walk(seed, steps, &lab::sqlite).await {
        Ok(walked) => {
            println!("ok      {walked}");
            true
        }
        Err(failed) => {
            println!("FAILED  {failed}");
            false
        }
    }
}
