//! Plays every story of `scenarios/` on both stores, and checks that each sentence they may use is documented.

use std::path::{Path, PathBuf};

use lab::script::{Story, in_folder, sentences};

mod stores;

use stores::On;

/// Stories played at the same time; each has a world of its own.
const AT_ONCE: usize = 2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// Returns what went another way, nothing when all went well.
fn play(path: &Path, on: On) -> Option<String> {
    let open = on.open()?;
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let story = match Story::parse(&format!("scenarios/{name}"), &text) {
        Ok(story) => story,
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            return Some(lines.join("\n"));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let played = runtime.block_on(lab::run::play(&story, lab::SEED, &*open));
    played.err().map(|failed| format!("{on:?}: {failed}"))
}

#[test]
fn every_story_goes_as_it_is_told() {
    play_all(On::Sqlite);
}

#[test]
fn every_story_goes_the_same_way_on_postgresql() {
    play_all(On::Postgres);
}

fn play_all(on: On) {
    let paths = in_folder(&folder()).unwrap();
    assert!(paths.len() >= 14, "stories are missing: {paths:?}");
    let failures: Vec<String> = std::thread::scope(|scope| {
        let paths = &paths;
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                scope.spawn(move || {
                    paths
                        .iter()
                        .skip(n)
                        .step_by(AT_ONCE)
                        .filter_map(|p| play(p, on))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {} stories went another way:\n\n{}",
        failures.len(),
        paths.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_sentence_stands_in_the_readme() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let missing: Vec<String> = sentences()
        .iter()
        .map(|(mood, pattern)| format!("{mood} {pattern}"))
        .filter(|sentence| !readme.contains(&format!("\n{sentence}\n")))
        .collect();
    assert!(
        missing.is_empty(),
        "scenarios/README.md lacks:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let text = "given 3 hosts a-1 .. a-3 with role=shop\nand service shop, rings staff 1, everyone rest\nand 1.1 fails 9% of its requests\nwhen 1.0 is shipped\nthen within 60s shop is done on 3 of 3 hosts\nwhen 90s pass\nand 1.1 is shipped\nand 20s pass\nthen the rollout says \"nothing of the kind\"";
    let story = Story::parse("twice.txt", text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let told = |seed| {
        runtime
            .block_on(lab::run::play(&story, seed, &lab::sqlite))
            .unwrap_err()
            .timeline
    };
    assert_eq!(told(5), told(5));
    assert_ne!(told(5), told(6));
}
