//! Alerts as to an Alertmanager: what is kept, what each answer is, and how they are shown.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::alert::{AlertView, ToldState};
use model::api::change::Why;
use model::judge::AlertState;
use model::observe::{Change, ChangeKind, ChangeState};
use model::{AlertId, ChangeId, Fact, Kind, Role, Subject, limit};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition, test_data};

const PATH: &str = "/api/v2/alerts";

async fn post(world: &World, alerts: &Value) -> Answer {
    post_text(world, &alerts.to_string()).await
}

async fn post_text(world: &World, body: &str) -> Answer {
    let ingest = world.token(Role::Ingest).await;
    let call = world.post(PATH).bearer(&ingest);
    call.json_bytes(body.to_owned()).await
}

/// Returns all alerts, oldest first.
async fn alerts(world: &World) -> Vec<AlertView> {
    let viewer = world.token(Role::Viewer).await;
    let call = world.get("/api/v1/judge/alerts").bearer(&viewer);
    let mut alerts: Vec<AlertView> = call.send().await.expect(StatusCode::OK).to();
    alerts.reverse();
    alerts
}

fn down(service: &str, instance: &str) -> Value {
    json!({
        "labels": { "alertname": "Down", "service": service, "instance": instance },
        "annotations": { "summary": "it is down" },
    })
}

fn ended(mut alert: Value, at: &str) -> Value {
    alert["endsAt"] = at.into();
    alert
}

#[tokio::test]
async fn an_alert_is_durable_when_it_is_answered() {
    let world = World::new();
    let answer = post(&world, &json!([down("shop", "a")])).await;
    assert_eq!(answer.expect(StatusCode::OK).text(), "");
    let kept = alerts(&world).await.remove(0);
    assert_eq!(kept.told, ToldState::Waiting);
    assert_eq!(kept.alert.service.as_str(), "shop");
    assert_eq!(kept.alert.starts_at, world.now());
    assert_eq!(kept.alert.ends_at, world.now() + limit::RESOLVE_TIMEOUT);
    let entry = world.journal().await.pop().unwrap();
    assert_eq!(entry.subject, Subject::Alert(AlertId(1)));
    assert_eq!(
        (entry.kind, entry.actor.as_str()),
        (Kind::Signal, "the ingest")
    );
    assert_eq!(kept.alert.last_entry, entry.id);
    // Whoever makes an incident of it finds it.
    let news = world.read(|tx| store::alert::news(tx, 9)).await;
    assert_eq!(news.len(), 1);
}

#[tokio::test]
async fn it_answers_at_the_root_and_under_the_prefix_with_and_without_a_slash() {
    let world = World::new();
    let ingest = world.token(Role::Ingest).await;
    for path in ["/api/v2/alerts", "/alertmanager/api/v2/alerts"] {
        for end in ["", "/"] {
            let call = world.post(&format!("{path}{end}")).bearer(&ingest);
            call.json(&json!([])).await.expect(StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn what_prometheus_and_vmalert_sent_is_kept_and_over_by_now() {
    for file in ["prometheus-alerts.json", "vmalert-alerts.json"] {
        let Some(body) = test_data(&format!("metrics/wire/{file}")) else {
            return;
        };
        let world = World::new();
        let body = String::from_utf8(body).unwrap();
        post_text(&world, &body).await.expect(StatusCode::OK);
        let kept = alerts(&world).await.remove(0).alert;
        assert_eq!(kept.service.as_str(), "unassigned");
        assert_eq!(kept.name(), "Down");
        assert_eq!(
            kept.state,
            AlertState::Firing,
            "the captures are of later that year"
        );
    }
}

#[tokio::test]
async fn sent_again_it_is_the_same_one_and_makes_no_entry() {
    let world = World::new();
    let alert = json!([down("shop", "a")]);
    post(&world, &alert).await.expect(StatusCode::OK);
    let entries = world.journal().await.len();
    world.app.clock.advance(Duration::from_secs(60));
    let mut again = alert.clone();
    again[0]["annotations"]["summary"] = "it is still down".into();
    post(&world, &again).await.expect(StatusCode::OK);
    let kept = alerts(&world).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].alert.summary(), "it is still down");
    assert_eq!(kept[0].alert.ends_at, world.now() + limit::RESOLVE_TIMEOUT);
    assert_eq!(world.journal().await.len(), entries);
}

#[tokio::test]
async fn an_end_in_the_past_resolves_it_and_is_ignored_for_one_nobody_knows() {
    let world = World::new();
    let over = "2026-01-02T03:04:05Z";
    let unknown = json!([ended(down("shop", "b"), over)]);
    post(&world, &unknown).await.expect(StatusCode::OK);
    assert!(alerts(&world).await.is_empty());
    post(&world, &json!([down("shop", "a")]))
        .await
        .expect(StatusCode::OK);
    let over = json!([ended(down("shop", "a"), over)]);
    for _ in 0..2 {
        post(&world, &over).await.expect(StatusCode::OK);
    }
    let kept = alerts(&world).await;
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].alert.is_open());
    let resolved = |fact: &Fact| matches!(fact, Fact::AlertResolved { .. });
    let facts = world.facts().await;
    assert_eq!(facts.iter().filter(|fact| resolved(fact)).count(), 1);
    // It fires anew: another one.
    post(&world, &json!([down("shop", "a")]))
        .await
        .expect(StatusCode::OK);
    assert_eq!(alerts(&world).await.len(), 2);
}

#[tokio::test]
async fn the_valid_ones_of_a_batch_are_kept_and_the_faults_of_the_others_told() {
    let world = World::new();
    let batch = json!([
        down("shop", "a"),
        { "labels": {}, "startsAt": "2026-01-02T03:00:01Z", "endsAt": "2026-01-02T03:00:00Z" },
        down("shop", "b"),
        { "labels": { "a-b": "1" } },
    ]);
    let answer = post(&world, &batch).await;
    let faults: String = answer.expect(StatusCode::BAD_REQUEST).to();
    let both = "at least one label pair required; start time must be before end time; invalid label set: `a-b`";
    assert!(faults.starts_with(both), "{faults}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(alerts(&world).await.len(), 2);
}

/// Checks the shape of Alertmanager's errors and returns the words.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    answer.expect(StatusCode::from_u16(status).unwrap());
    assert_eq!(answer.header("content-type"), "application/json");
    let body: Value = answer.to();
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert_eq!(body["code"], status);
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn errors_have_the_shape_its_clients_read() {
    let world = World::new();
    let ingest = world.token(Role::Ingest).await;
    let call = || world.post(PATH).bearer(&ingest);
    for body in ["{", "{}", r#"[{"labels":{"a":1}}]"#] {
        refused(&call().json_bytes(body).await, 400);
    }
    let message = refused(
        &call().header("content-type", "text/plain").body("[]").await,
        415,
    );
    let wanted = "unsupported media type \"text/plain\", only [application/json] are allowed";
    assert_eq!(message, wanted);
    let typed = call().header("content-type", "Application/JSON; charset=utf-8");
    typed.body("[]").await.expect(StatusCode::OK);
    let large = " ".repeat(limit::ALERTS_BYTES + 1);
    refused(&call().json_bytes(large).await, 413);
    let many = vec![down("shop", "a"); limit::ALERTS + 1];
    refused(&call().json(&many.into()).await, 413);

    let anonymous = world.post(PATH).json(&json!([])).await;
    refused(&anonymous, 401);
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    let viewer = world.token(Role::Viewer).await;
    refused(
        &world.post(PATH).bearer(&viewer).json(&json!([])).await,
        403,
    );
    refused(
        &world.get("/api/v2/nothing").bearer(&ingest).send().await,
        404,
    );
    refused(
        &world.get("/alertmanager/x").bearer(&ingest).send().await,
        404,
    );
    let wrong = world.get(PATH).bearer(&ingest).send().await;
    refused(&wrong, 405);
    assert_eq!(wrong.header("allow"), "POST");
    assert!(alerts(&world).await.is_empty());
}

#[tokio::test]
async fn a_token_may_come_as_the_password_of_basic_authentication() {
    let world = World::new();
    let ingest = world.token(Role::Ingest).await;
    let basic = |text: &str| format!("Basic {}", base64(text.as_bytes()));
    let post = |value: String| {
        let call = world.post(PATH).header("authorization", &value);
        call.json_bytes("[]")
    };
    post(basic(&format!("anybody:{ingest}")))
        .await
        .expect(StatusCode::OK);
    for bad in [
        basic(&ingest),
        basic("a:b"),
        basic(":"),
        "Basic ####".to_owned(),
    ] {
        refused(&post(bad).await, 401);
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize];
            text.push(if n > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

#[tokio::test]
async fn a_service_with_too_many_open_alerts_gets_no_more_and_that_is_told() {
    let world = World::new();
    let open = limit::OPEN_ALERTS - 1;
    let first = post(&world, &json!([down("shop", "first")])).await;
    first.expect(StatusCode::OK);
    let template = alerts(&world).await.remove(0).alert;
    world
        .write(move |tx| {
            for n in 0..open - 1 {
                let mut alert = template.clone();
                alert.id = store::alert::next_id(tx)?;
                alert.dedup_key = n.to_string();
                store::alert::insert(tx, &alert)?;
            }
            Ok(())
        })
        .await;
    let batch = json!([
        down("shop", "last"),
        down("shop", "over"),
        down("cart", "a"),
        down("shop", "first")
    ]);
    let message = refused(&post(&world, &batch).await, 429);
    assert_eq!(
        message,
        "1 alerts refused: shop has 10000 open ones, which is the limit"
    );
    let refusals: Vec<Fact> = world
        .facts()
        .await
        .into_iter()
        .filter(|fact| matches!(fact, Fact::AlertsRefused { .. }))
        .collect();
    let wanted = Fact::AlertsRefused {
        service: "shop".parse().unwrap(),
        alerts: 1,
        limit: limit::OPEN_ALERTS,
    };
    assert_eq!(refusals, [wanted]);
    let viewer = world.token(Role::Viewer).await;
    let cart = world
        .get("/api/v1/judge/alerts?service=cart&open=true")
        .bearer(&viewer);
    let cart: Vec<AlertView> = cart.send().await.to();
    assert_eq!(cart.len(), 1, "other services are not touched");
    // One that is resolved makes room.
    let over = ended(down("shop", "first"), "2026-01-02T03:04:05Z");
    post(&world, &json!([over, down("shop", "over")]))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn the_changes_of_its_service_stand_beside_it_and_in_its_story() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&admin, "1.0", &definition(ONE_RING)).await;
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&admin);
    let ship = ship
        .json(&json!({ "service": "shop", "version": "1.0" }))
        .await;
    ship.expect(StatusCode::CREATED);
    let now = world.now();
    let old = Change {
        id: ChangeId(99),
        kind: ChangeKind::Deploy,
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        title: "shop 0.9".into(),
        by: "jonas".into(),
        state: ChangeState::Done,
        started_at: now - Duration::from_secs(9_000),
        updated_at: now - Duration::from_secs(8_000),
    };
    world.write(move |tx| store::change::put(tx, &old)).await;
    post(&world, &json!([down("shop", "a"), down("cart", "a")]))
        .await
        .expect(StatusCode::OK);
    let kept = alerts(&world).await;
    assert_eq!(kept[0].alert.changes, [ChangeId(1)]);
    assert_eq!(kept[1].alert.changes, []);
    let why = world
        .get("/api/v1/learn/why/alt-1")
        .bearer(&admin)
        .send()
        .await;
    let why: Why = why.expect(StatusCode::OK).to();
    assert_eq!(why.subject, "alert/alt-1");
    let events: Vec<&str> = why.chain.iter().map(|item| item.event.as_str()).collect();
    assert_eq!(events, ["rollout_planned", "alert_fired"]);
    assert_eq!(why.chain[1].causes, [why.chain[0].id]);
    assert!(
        why.sentence.contains("its message is not due yet"),
        "{}",
        why.sentence
    );
    for (nothing, code) in [
        ("alt-9", "unknown_alert"),
        ("inc-9", "unknown_incident"),
        ("page_00000000000000000000000007", "unknown_page"),
    ] {
        let path = format!("/api/v1/learn/why/{nothing}");
        world
            .get(&path)
            .bearer(&admin)
            .send()
            .await
            .problem(404, code);
    }
}
