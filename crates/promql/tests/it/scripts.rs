//! Scripts of Prometheus and of our own.

use std::path::{Path, PathBuf};

use promql::script::{Outcome, Report, run};

/// Returns a folder of other projects' data; none, with a word about it, where it is not there.
#[expect(clippy::print_stderr, reason = "a test says that it was skipped")]
fn data(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("SLEEPWELL_TEST_DATA").unwrap_or_else(|| beside.into());
    let found = Path::new(&root).join(path);
    if found.is_dir() {
        return Some(found);
    }
    eprintln!("skipped: no test data `{path}`; set SLEEPWELL_TEST_DATA");
    None
}

/// Runs all scripts of a folder and returns how many cases passed; none may fail.
fn passed(folder: &Path) -> usize {
    let mut passed = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let report = run(&std::fs::read_to_string(&path).unwrap());
        let report = report.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(
            report.failed(),
            0,
            "{}: {:?}",
            path.display(),
            failures(&report)
        );
        passed += report.passed();
    }
    passed
}

fn failures(report: &Report) -> Vec<String> {
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Fail(_) | Outcome::ValueOnly(_));
    let failures = report.cases.iter().filter(|(_, outcome)| failed(outcome));
    failures
        .map(|(line, outcome)| format!("{line}: {outcome}"))
        .collect()
}

#[test]
fn the_scripts_of_prometheus_pass() {
    let Some(folder) = data("metrics/promqltest") else {
        return;
    };
    // A case that is skipped must not go unseen: these are all that need no native histogram.
    assert_eq!(passed(&folder.join("core")), 648);
    assert_eq!(passed(&folder.join("experimental")), 71);
    passed(&folder.join("native"));
}

#[test]
fn the_scripts_of_our_own_pass() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scripts");
    assert!(passed(Path::new(folder)) >= 50);
}

#[test]
fn a_wrong_expectation_is_seen() {
    let data = "load 1m\n  a{x=\"1\"} 1 2 3\n  a{x=\"2\"} 1 2 3\n\n";
    for (case, part) in [
        ("eval instant at 2m sum(a)\n  {} 7", "expected"),
        ("eval instant at 2m a\n  a{x=\"1\"} 3", "was not expected"),
        (
            "eval instant at 2m sum(a)\n  {} 6\n  {x=\"1\"} 6",
            "is missing",
        ),
        (
            "eval instant at 2m sum(a)\n  expect fail",
            "expected an error",
        ),
        (
            "eval instant at 2m rate(a[2m])\n  expect no_info\n  {x=\"1\"} 0.016666666666666666\n  {x=\"2\"} 0.016666666666666666",
            "no info was expected",
        ),
        (
            "eval instant at 2m sum(a)\n  expect warn\n  {} 6",
            "other warnings",
        ),
        (
            "eval instant at 2m sort_desc(a)\n  expect ordered\n  a{x=\"2\"} 3\n  a{x=\"1\"} 3",
            "another order",
        ),
        (
            "eval range from 0 to 2m step 1m sum(a)\n  {} 2 4",
            "expected",
        ),
        ("eval instant at 2m nonsense(a)\n  {} 2", "unknown function"),
        (
            "eval instant at 2m a + on() a\n  expect fail msg: no",
            "the message is",
        ),
    ] {
        let report = run(&format!("{data}{case}\n")).unwrap();
        let outcome = report.cases[0].1.to_string();
        assert!(
            outcome.starts_with("fail") && outcome.contains(part),
            "{case}: {outcome}"
        );
    }
}

#[test]
fn an_expression_that_asks_for_the_query_is_run_as_written_only() {
    let script =
        "load 1m\n  a 1 2 3 4 5\n\neval instant at 4m sum_over_time(a[2m:]) + range()\n  {} 9\n";
    let report = run(script).unwrap();
    assert_eq!(report.passed(), 1, "{:?}", report.cases);
}

#[test]
fn what_is_no_script_is_refused_with_its_line() {
    for (script, line, part) in [
        ("lod 1m", 1, "no command"),
        ("\nload 1x\n", 2, "no duration"),
        ("load 1m\n  a 1\n  b{ 1\n", 3, "unexpected"),
        ("load 1m\n  a one\n", 2, "no point"),
        ("eval soon at 0 a\n", 1, "neither instant nor range"),
        ("eval range from 0 to 1m a\n", 1, "expected `step`"),
        ("eval instant at 0 a\n  expect peace\n", 2, "unknown"),
    ] {
        let error = run(script).unwrap_err();
        assert_eq!(error.line, line, "{script}: {error}");
        assert!(error.why.contains(part), "{script}: {error}");
    }
}
