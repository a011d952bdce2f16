//! Commands that ask and change nothing: `doctor`, `api`, `completions`.

use model::ChangeId;

use crate::harness::definition::Definition;
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

#[test]
fn completions_name_every_command() {
    let world = World::empty();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.said);
        for command in ["ship", "undo", "why", "doctor"] {
            assert!(script.said.contains(command), "{shell}: {command}");
        }
    }
}
