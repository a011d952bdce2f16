//! Tokens: shown once, worth nothing from the moment they are revoked.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::token::{TokenCreated, TokenView};
use model::{Fact, Role, limit};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const TOKENS: &str = "/api/v1/tokens";

async fn create(world: &World, admin: &str, new: &Value) -> Answer {
    world.post(TOKENS).bearer(admin).json(new).await
}

async fn me(world: &World, secret: &str) -> Answer {
    world.get("/api/v1/me").bearer(secret).send().await
}

#[tokio::test]
async fn a_secret_is_shown_once_and_works() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let new = json!({ "name": "ci", "role": "operator", "expires_at": null });
    let made: TokenCreated = create(&world, &admin, &new)
        .await
        .expect(StatusCode::CREATED)
        .to();
    assert!(
        made.secret.starts_with("swt_") && made.secret.len() == 68,
        "{}",
        made.secret
    );
    let mine: TokenView = me(&world, &made.secret).await.expect(StatusCode::OK).to();
    assert_eq!(mine, made.token);

    let list = world.get(TOKENS).bearer(&admin).send().await;
    let tokens: Vec<TokenView> = list.expect(StatusCode::OK).to();
    assert!(tokens.contains(&made.token));
    let told = world.journal().await.pop().unwrap();
    assert_eq!(told.actor, "the admin");
    let said = Fact::TokenCreated {
        name: "ci".into(),
        role: Role::Operator,
        expires_at: None,
    };
    assert_eq!(Fact::from_body(&told.body).unwrap(), said);
    let hash = store::token::hash(&made.secret).hex();
    for text in [
        list.text(),
        me(&world, &made.secret).await.text(),
        &told.body.to_string(),
    ] {
        assert!(
            !text.contains(&made.secret) && !text.contains(&hash),
            "{text}"
        );
    }
}

#[tokio::test]
async fn revoking_works_at_once_and_again_changes_nothing() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let new = json!({ "name": "ci", "role": "viewer", "expires_at": null });
    let made: TokenCreated = create(&world, &admin, &new).await.to();
    me(&world, &made.secret).await.expect(StatusCode::OK);
    let path = format!("{TOKENS}/{}", made.token.id);
    for _ in 0..2 {
        let answer = world
            .call(axum::http::Method::DELETE, &path)
            .bearer(&admin)
            .send()
            .await;
        assert_eq!(answer.expect(StatusCode::NO_CONTENT).text(), "");
        me(&world, &made.secret).await.problem(401, "revoked_token");
    }
    let told = world.facts().await;
    let revoked = told
        .iter()
        .filter(|fact| matches!(fact, Fact::TokenRevoked { .. }));
    assert_eq!(revoked.count(), 1);
}

#[tokio::test]
async fn the_token_of_a_host_can_be_revoked_like_any_other() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let agent = world.host("web-1", json!({})).await;
    let tokens: Vec<TokenView> = world.get(TOKENS).bearer(&admin).send().await.to();
    let of_host = tokens
        .iter()
        .find(|token| token.host == Some(agent.agent_id))
        .unwrap();
    assert_eq!(
        (of_host.name.as_str(), of_host.role),
        ("host web-1", Role::Agent)
    );
    let path = format!("{TOKENS}/{}", of_host.id);
    let answer = world
        .call(axum::http::Method::DELETE, &path)
        .bearer(&admin)
        .send()
        .await;
    answer.expect(StatusCode::NO_CONTENT);
    let answer = world
        .post("/agent/v1/sync")
        .bearer(&agent.token)
        .json(&json!({}))
        .await;
    answer.problem(401, "revoked_token");
}

#[tokio::test]
async fn a_token_ends_at_its_time() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let ends = world.now() + Duration::from_secs(60);
    let new = json!({ "name": "guest", "role": "viewer", "expires_at": ends });
    let made: TokenCreated = create(&world, &admin, &new)
        .await
        .expect(StatusCode::CREATED)
        .to();
    world.app.clock.advance(Duration::from_millis(59_999));
    me(&world, &made.secret).await.expect(StatusCode::OK);
    world.app.clock.advance(Duration::from_millis(1));
    me(&world, &made.secret).await.problem(401, "expired_token");
    for over in [ends, world.now() - Duration::from_secs(1)] {
        let new = json!({ "name": "late", "role": "viewer", "expires_at": over });
        create(&world, &admin, &new)
            .await
            .problem(422, "bad_expiry");
    }
}

#[tokio::test]
async fn hosts_do_not_get_their_tokens_here() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    for role in ["agent", "join"] {
        let new = json!({ "name": "x", "role": role, "expires_at": null });
        create(&world, &admin, &new).await.problem(422, "bad_role");
    }
    let new = json!({ "name": "x", "role": "root", "expires_at": null });
    create(&world, &admin, &new).await.problem(422, "bad_body");
}

/// The name is the actor of the journal, which is the audit log.
#[tokio::test]
async fn a_token_cannot_be_named_like_the_machinery() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let long = "x".repeat(limit::NAME_BYTES + 1);
    for name in [
        "",
        " ",
        "judge",
        "sleepwell",
        "host web-1",
        "procedure undo",
        "a\nb",
        "\u{1b}[31mred",
        &long,
    ] {
        let new = json!({ "name": name, "role": "viewer", "expires_at": null });
        let problem = create(&world, &admin, &new).await.problem(422, "bad_name");
        assert_eq!(problem.at.as_deref(), Some("name"));
    }
    for name in ["jonas", "CI of the shop (München)", "hostess", "judge judy"] {
        let new = json!({ "name": name, "role": "viewer", "expires_at": null });
        create(&world, &admin, &new)
            .await
            .expect(StatusCode::CREATED);
    }
    let made = world.facts().await.len();
    assert_eq!(made, 4);
}
