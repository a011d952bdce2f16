//! Commands that ask and change nothing: `doctor`, `api`, `completions`.

use model::ChangeId;

use crate::harness::definition::{Definition, ONE_RING};
use crate::harness::process::{Process, sleepwell};
use crate::harness::world::World;

#[test]
fn doctor_says_what_is_well_and_what_helps() {
    let mut world = World::with_agents(1);
    world.define(&Definition::gated());
    world.ship("1.0");
    let well = world.run(&["doctor"]);
    assert_eq!(well.code, Some(0), "{}", well.said);
    for said in [
        "the journal is whole",
        "1 host: each reports",
        "a good admin",
    ] {
        assert!(well.said.contains(said), "{}", well.said);
    }

    world.kill_server();
    let ill = world.run(&["doctor"]);
    assert_eq!(ill.code, Some(1), "{}", ill.said);
    assert!(ill.said.contains("sleepwell serve"), "{}", ill.said);
}

#[test]
fn api_passes_on_what_the_server_says() {
    let world = World::with_agents(0);
    let me = world.run(&["api", "/api/v1/me"]);
    assert_eq!(me.code, Some(0), "{}", me.said);
    let token: model::api::token::TokenView = serde_json::from_str(&me.said).unwrap();
    assert_eq!(token.name, "admin");
    let made = world.run(&[
        "api",
        "api/v1/tokens",
        "--body",
        r#"{"name":"ci","role":"operator"}"#,
    ]);
    assert_eq!(made.code, Some(0), "{}", made.said);
    assert!(made.said.contains("swt_"), "{}", made.said);
    let nowhere = world.run(&["api", "/api/v1/nowhere"]);
    assert_eq!(nowhere.code, Some(5), "{}", nowhere.said);
    let change = ChangeId(7);
    let order = format!("/api/v1/act/changes/{}/undo", change.0);
    let refused = world.run(&["api", "-X", "POST", &order]);
    assert_eq!(refused.code, Some(5), "{}", refused.said);
}

/// Has a shell ask what can stand behind these words.
fn completed(world: &World, words: &[&str]) -> String {
    let mut command = sleepwell(&["--", "sleepwell"]);
    command.args(words).env("SLEEPWELL_COMPLETE", "fish");
    command.env("SLEEPWELL_DATA", world.data());
    let ended = Process::start(&mut command).ends_within(10);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    ended.said
}

#[test]
fn each_shell_is_given_a_script_that_asks_this_program() {
    let world = World::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.said);
        assert!(script.said.contains("SLEEPWELL_COMPLETE"), "{shell}");
        assert!(
            script.said.contains(env!("CARGO_BIN_EXE_sleepwell")),
            "{shell}"
        );
    }
}

#[test]
fn names_are_completed_from_the_server() {
    let mut world = World::with_agents(1);
    world.define(&Definition::gated().with_rings(ONE_RING));
    world.ship("1.0");
    assert!(completed(&world, &["sh"]).contains("ship"));
    assert!(completed(&world, &["ship", ""]).contains("svc"));
    assert!(completed(&world, &["ship", "svc", ""]).contains("1.0"));
    let changes = completed(&world, &["undo", ""]);
    assert!(changes.contains("chg-1\tsvc 1.0 · done"), "{changes}");
    let hosts = completed(&world, &["hosts", "retire", ""]);
    assert!(hosts.contains("web-1"), "{hosts}");
    let environments = completed(&world, &["ship", "--env", ""]);
    assert!(environments.contains("production"), "{environments}");
    let data = world.data().to_path_buf();
    let data = data.to_str().unwrap();
    assert!(!completed(&world, &["--data", "/nowhere", "undo", ""]).contains("chg-1"));
    assert!(completed(&world, &["--data", data, "undo", ""]).contains("chg-1"));
    world.kill_server();
    let alone = completed(&world, &["undo", ""]);
    assert!(
        alone.contains("--detach"),
        "options need no server: {alone}"
    );
    assert!(
        !alone.contains("chg-1") && !alone.contains("error"),
        "{alone}"
    );
}
