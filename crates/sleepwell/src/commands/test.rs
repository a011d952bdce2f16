//! `sleepwell test promql PATH…`: runs scripts without a server.

use std::path::{Path, PathBuf};

use anyhow::Result;
use model::api::Problem;
use promql::script::{self, Outcome, Report};
use serde::Serialize;

use super::{Failed, print, print_json};
use crate::args::{Global, Test, TestCommand, TestPromql};

/// Is a script and how it went, as `--json` shows it.
#[derive(Serialize)]
struct File {
    file: PathBuf,
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    /// Counted from 1.
    line: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: String,
}

pub(crate) fn run(global: &Global, test: &Test) -> Result<u8> {
    match &test.what {
        TestCommand::Promql(args) => promql(global, args),
    }
}

/// Ends with 1 when a case failed, and with 2 when a file is no script.
fn promql(global: &Global, args: &TestPromql) -> Result<u8> {
    let mut files = Vec::new();
    for path in scripts(&args.paths)? {
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
        let report = script::run(&text).map_err(|e| not_a_script(&path, &e))?;
        let file = file(path, report);
        if global.json.is_none() {
            print(&lines(&file, args.verbose))?;
        }
        files.push(file);
    }
    if global.json.is_some() {
        print_json(&files)?;
    }
    Ok(u8::from(files.iter().any(|file| file.failed > 0)))
}

/// Returns the files to run: those named, and of folders all `*.test` below them by name.
fn scripts(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for path in paths {
        if !path.is_dir() {
            scripts.push(path.clone());
            continue;
        }
        let before = scripts.len();
        collect(path, &mut scripts)?;
        if scripts.len() == before {
            let title = format!("no *.test file in {}", path.display());
            let problem = Problem::new(404, "no_scripts", title);
            return Err(Failed { problem, code: 2 }.into());
        }
    }
    Ok(scripts)
}

fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) -> Result<()> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder)
        .map_err(|e| unreadable(folder, &e))?
        .collect();
    let mut entries: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        // A link to a folder may lead in a circle.
        if path.is_dir() && !path.is_symlink() {
            collect(&path, scripts)?;
        } else if path.extension().is_some_and(|end| end == "test") {
            scripts.push(path);
        }
    }
    Ok(())
}

fn file(file: PathBuf, report: Report) -> File {
    let (passed, failed, skipped) = (report.passed(), report.failed(), report.skipped());
    let case = |(line, outcome): (usize, Outcome)| {
        let (outcome, why) = match outcome {
            Outcome::Pass => ("pass", String::new()),
            Outcome::ValueOnly(why) => ("value-only", why),
            Outcome::Fail(why) => ("fail", why),
            Outcome::Skip(why) => ("skip", why),
        };
        Case { line, outcome, why }
    };
    File {
        file,
        passed,
        failed,
        skipped,
        cases: report.cases.into_iter().map(case).collect(),
    }
}

/// Returns what is printed of a file: the cases that failed, with `verbose` all of them, and the count.
fn lines(file: &File, verbose: bool) -> String {
    let name = file.file.display();
    let is_shown = |case: &&Case| verbose || matches!(case.outcome, "fail" | "value-only");
    let mut text = String::new();
    for Case { line, outcome, why } in file.cases.iter().filter(is_shown) {
        let case = format!("{name}:{line} {outcome} {why}");
        text.push_str(case.trim_end());
        text.push('\n');
    }
    text + &format!(
        "{name} passed {} failed {} skipped {}\n",
        file.passed, file.failed, file.skipped
    )
}

fn unreadable(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let problem = Problem::new(400, "", format!("cannot read {}", path.display()))
        .at(error.to_string())
        .hint("name a script, or a folder with *.test files");
    Failed { problem, code: 2 }.into()
}

fn not_a_script(path: &Path, error: &script::ScriptError) -> anyhow::Error {
    let title = format!("{} is no PromQL test script", path.display());
    let problem = Problem::new(422, "bad_script", title).at(error.to_string());
    Failed { problem, code: 2 }.into()
}
