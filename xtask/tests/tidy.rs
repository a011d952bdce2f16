//! Keeps the house in the order its pages describe. Every rule has a reason, and a failure says what to
//! do; a rule nobody can explain goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use xtask::files::{TextFile, root, text_files};
use xtask::markdown::{named_paths, quoted, relative_links, table, titles};
use xtask::patterns::unwanted_in;
use xtask::workspace::{Member, members};

/// The stages of the loop; each reads what the one before wrote, none calls another.
const STAGES: [&str; 5] = ["deliver", "observe", "judge", "act", "learn"];
/// Where a path that a page names in back quotes begins.
const FOLDERS: [&str; 4] = ["crates/", "docs/", "examples/", "xtask/"];
const LINES_MOST: usize = 1_000;
const LINES_MANY: usize = 500;

fn files() -> Vec<TextFile> {
    text_files(&root().unwrap()).unwrap()
}

fn architecture() -> String {
    std::fs::read_to_string(root().unwrap().join("ARCHITECTURE.md")).unwrap()
}

fn workspace() -> BTreeMap<String, Member> {
    members(&root().unwrap()).unwrap()
}

#[track_caller]
fn none(faults: &[String], reason: &str) {
    assert!(faults.is_empty(), "{reason}\n  {}\n", faults.join("\n  "));
}

/// Is what a row of the table of edges says about one crate.
#[derive(Debug, PartialEq)]
struct Row {
    level: u32,
    uses: BTreeSet<String>,
    uses_in_tests: BTreeSet<String>,
}

fn edges() -> BTreeMap<String, Row> {
    let rows = table(&architecture(), "edges").unwrap();
    rows.iter().flat_map(|cells| edge(cells)).collect()
}

fn edge(cells: &[String]) -> Vec<(String, Row)> {
    let [names, level, uses, uses_in_tests] = cells else {
        panic!("a row of edges has four cells: {cells:?}");
    };
    let row = || Row {
        level: level.parse().expect("a level is a number"),
        uses: quoted(uses),
        uses_in_tests: quoted(uses_in_tests),
    };
    quoted(names)
        .into_iter()
        .map(|name| (name, row()))
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_the_table_says() {
    let (table, found) = (edges(), workspace());
    let names: BTreeSet<&String> = table.keys().chain(found.keys()).collect();
    let mut faults = Vec::new();
    for name in names {
        match (table.get(name), found.get(name)) {
            (Some(row), Some(member)) => {
                if row.uses != member.uses {
                    faults.push(format!(
                        "`{name}` uses {:?}, the table says {:?}",
                        member.uses, row.uses
                    ));
                }
                if row.uses_in_tests != member.uses_in_tests {
                    faults.push(format!(
                        "the tests of `{name}` use {:?}, the table says {:?}",
                        member.uses_in_tests, row.uses_in_tests
                    ));
                }
            }
            (Some(_), None) => faults.push(format!("there is no crate `{name}`; remove its row")),
            (None, _) => faults.push(format!("`{name}` has no row; add one")),
        }
    }
    none(
        &faults,
        "An edge between crates is a decision: write it into the table of edges in ARCHITECTURE.md, or do without it.",
    );
}

#[test]
fn edges_point_to_lower_levels() {
    let table = edges();
    let mut faults = Vec::new();
    for (name, row) in &table {
        for used in &row.uses {
            let below = table.get(used).is_some_and(|used| used.level < row.level);
            if !below {
                faults.push(format!(
                    "`{name}` (level {}) uses `{used}`, which is not below it",
                    row.level
                ));
            }
        }
    }
    none(
        &faults,
        "Crates of one level do not know each other, so that each can be built, tested and read alone; move what both need one level down.",
    );
}

#[test]
fn stages_do_not_know_each_other() {
    let mut faults = Vec::new();
    for (name, member) in workspace()
        .iter()
        .filter(|(name, _)| STAGES.contains(&name.as_str()))
    {
        let used = member.uses.union(&member.uses_in_tests);
        faults.extend(
            used.filter(|used| STAGES.contains(&used.as_str()))
                .map(|used| format!("`{name}` uses `{used}`")),
        );
    }
    none(
        &faults,
        "A stage reads what the one before wrote and calls none; put the shared noun into `model`, and what joins the two into `engine`.",
    );
}

#[test]
fn heavy_dependencies_stay_at_home() {
    let rows = table(&architecture(), "heavy").unwrap();
    let found = workspace();
    let mut faults = Vec::new();
    for cells in &rows {
        let homes = quoted(&cells[1]);
        for dependency in quoted(&cells[0]) {
            let users: BTreeSet<String> = found
                .iter()
                .filter(|(_, member)| member.outside.contains(&dependency))
                .map(|(name, _)| name.clone())
                .collect();
            if users != homes {
                faults.push(format!(
                    "`{dependency}` is used in {users:?}, the table says {homes:?}"
                ));
            }
        }
    }
    none(
        &faults,
        "A heavy dependency is build time, risk and reading for everybody; keep it in the crates the table in ARCHITECTURE.md names, or change the table with a reason.",
    );
}

#[test]
fn every_crate_opens_with_what_it_is() {
    let mut faults = Vec::new();
    for file in files() {
        let Some((kind, is_root)) = crate_root(&file.path) else {
            continue;
        };
        let head: String = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        if head.is_empty() {
            faults.push(format!(
                "{}: begin with `//!` and say what it is",
                file.path
            ));
        } else if is_root && !head.contains("**Invariant") {
            faults.push(format!(
                "{}: say what always holds, as **Invariant.**",
                file.path
            ));
        } else if is_root && kind == "lib.rs" && !head.contains("**Must not know") {
            faults.push(format!(
                "{}: say what it leaves to others, as **Must not know**",
                file.path
            ));
        }
    }
    none(
        &faults,
        "The first lines of a crate tell a newcomer whether the answer is in here.",
    );
}

/// Returns which of the two a path is, and whether the crate begins there: at `lib.rs` if it has one.
fn crate_root(path: &str) -> Option<(&str, bool)> {
    let (folder, kind) = path.rsplit_once('/')?;
    let ours = folder == "xtask/src"
        || folder
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/src"))
            .is_some_and(|name| !name.contains('/'));
    let lib_beside = || {
        Path::new(&root().unwrap())
            .join(folder)
            .join("lib.rs")
            .exists()
    };
    match kind {
        "lib.rs" if ours => Some((kind, true)),
        "main.rs" if ours => Some((kind, !lib_beside())),
        _ => None,
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.extension() != "snap") {
        let lines = file.text.lines().count();
        if lines > LINES_MOST {
            faults.push(format!("{}: {lines} lines", file.path));
        } else if lines > LINES_MANY {
            // Past the capture of the test runner, so that it is seen although nothing failed.
            let _ = writeln!(
                std::io::stderr(),
                "tidy: {} has {lines} lines; two stories?",
                file.path
            );
        }
    }
    none(
        &faults,
        "A file tells one story; past 1,000 lines it tells several, so split it along them.",
    );
}

#[test]
fn no_unwanted_word_stands_anywhere() {
    let mut faults = Vec::new();
    for file in files() {
        for (line, unwanted) in unwanted_in(&file) {
            faults.push(format!(
                "{}:{line}: `{}`: {}",
                file.path, unwanted.word, unwanted.instead
            ));
        }
    }
    none(
        &faults,
        "These words stand for work put off, lints switched off, waits that guess, or one person's machine.",
    );
}

#[test]
fn pages_have_one_title_and_links_that_lead_somewhere() {
    let root = root().unwrap();
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.extension() == "md") {
        let titles = titles(&file.text);
        if titles.len() != 1 || !file.text.starts_with("# ") {
            faults.push(format!(
                "{}: begin with one `# ` title; found {titles:?}",
                file.path
            ));
        }
        let folder = root.join(&file.path);
        for (line, link) in relative_links(&file.text) {
            if !folder
                .parent()
                .is_some_and(|folder| folder.join(&link).exists())
            {
                faults.push(format!("{}:{line}: nothing is at `{link}`", file.path));
            }
        }
    }
    none(
        &faults,
        "A page is found by its title and left by its links; mend them here.",
    );
}

#[test]
fn pages_name_files_that_exist() {
    let root = root().unwrap();
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.extension() == "md") {
        for (line, path) in named_paths(&file.text, &FOLDERS) {
            if !root.join(&path).exists() {
                faults.push(format!("{}:{line}: `{path}` is not there", file.path));
            }
        }
    }
    none(
        &faults,
        "Pages lead readers to the code by its paths; a file that moved takes its mentions along.",
    );
}

#[test]
fn scenarios_say_what_they_are_about() {
    let scenarios = files()
        .into_iter()
        .filter(|file| file.path.starts_with("scenarios/"));
    let silent = scenarios.filter(|file| !file.text.starts_with('#'));
    let faults: Vec<String> = silent.map(|file| file.path).collect();
    none(
        &faults,
        "A scenario is read before it is run; begin it with a `#` comment that tells its story.",
    );
}

#[test]
fn migrations_are_numbered_without_gaps_and_run_in_order() {
    const FOLDER: &str = "crates/store/src/migrations/";
    let files = files();
    let names: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(FOLDER))
        .collect();
    let mut faults = Vec::new();
    for (number, name) in (1..).zip(&names) {
        let wanted = format!("{number:04}_");
        if !name.starts_with(&wanted) || !name.ends_with(".sql") {
            faults.push(format!("{FOLDER}{name}: call it {wanted}what_it_adds.sql"));
        }
    }
    let migrate = files
        .iter()
        .find(|file| file.path == "crates/store/src/migrate.rs");
    let migrate = migrate.map(|file| file.text.as_str()).unwrap_or_default();
    let listed = migrate.split("migrations/").skip(1);
    let listed: Vec<&str> = listed.filter_map(|rest| rest.split('"').next()).collect();
    if listed != names {
        faults.push(format!(
            "crates/store/src/migrate.rs runs {listed:?}, the folder holds {names:?}"
        ));
    }
    assert!(
        !names.is_empty(),
        "no migration was found in {FOLDER}; this rule looks in the wrong place"
    );
    none(
        &faults,
        "A database knows the number of its last migration and nothing else, so numbers have neither gaps nor twins.",
    );
}
