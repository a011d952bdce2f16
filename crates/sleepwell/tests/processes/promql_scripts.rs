//! `sleepwell test promql`: without a server, from a file to an exit code.

use crate::harness::process::{Process, sleepwell};

const GOOD: &str = "load 1m\n  up{job=\"a\"} 1 0\n\neval instant at 1m sum(up)\n  {} 0\n";

fn run(words: &[&str], folder: &std::path::Path) -> (Option<i32>, String) {
    let mut command = sleepwell(&["test", "promql"]);
    let ended = Process::start(command.args(words).current_dir(folder)).ends_within(20);
    (ended.code, ended.said)
}

#[test]
fn folders_are_walked_by_name_and_a_failed_case_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("b/two.test"), GOOD).unwrap();
    std::fs::write(folder.path().join("a.test"), GOOD).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a script").unwrap();
    let (code, said) = run(&["."], folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        "./a.test passed 1 failed 0 skipped 0\n./b/two.test passed 1 failed 0 skipped 0\n"
    );

    std::fs::write(folder.path().join("c.test"), GOOD.replace("{} 0", "{} 1")).unwrap();
    let (code, said) = run(&["a.test", "c.test"], folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("c.test:4 fail {}: expected"), "{said}");
    assert!(
        said.ends_with("c.test passed 0 failed 1 skipped 0\n"),
        "{said}"
    );
}

#[test]
fn every_case_is_told_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let script = GOOD.to_owned() + "\neval instant at 1m info(up)\n";
    std::fs::write(folder.path().join("a.test"), script).unwrap();
    let (code, said) = run(&["-v", "a.test"], folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a.test:4 pass\n"), "{said}");
    assert!(
        said.contains("a.test:7 skip a function that looks at more"),
        "{said}"
    );
    let (_, said) = run(&["--json", "a.test"], folder.path());
    let files: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(files[0]["cases"][1]["outcome"], "skip");
    assert_eq!(files[0]["skipped"], 1);
}

#[test]
fn what_is_no_script_ends_with_2_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.test"), "load 1m\n  up one\n").unwrap();
    let (code, said) = run(&["a.test"], folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("line 2: `one` is no point"), "{said}");
    let (code, said) = run(&["nowhere"], folder.path());
    assert_eq!(code, Some(2), "{said}");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, said) = run(&["empty"], folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no *.test file in empty"), "{said}");
}
