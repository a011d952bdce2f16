//! A server that is behind its fleet: what it notices, what it refuses, and how a person goes on.

use axum::http::StatusCode;
use model::api::agent::{Enrolled, Wish};
use model::api::deliver::{FleetView, HostView};
use model::api::rehearsal::Rehearsal;
use model::deliver::{Adoption, Process, Proof, Reported};
use model::{Fact, Role, Subject};
use serde_json::{Value, json};

use crate::agents::{ask, desired, reported, sync};
use crate::support::{Answer, ONE_RING, World, definition};

struct Fleet {
    world: World,
    admin: String,
    host: Enrolled,
}

/// One host that was asked once.
async fn fleet() -> Fleet {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let host = world.host("web-1", json!({ "role": "shop" })).await;
    ask(&world, host.agent_id, "shop").await;
    Fleet { world, admin, host }
}

impl Fleet {
    async fn says(&self, report: &Reported, refused: Value) -> Answer {
        let more = json!({ "reported": [report], "refused": refused });
        sync(&self.world, &self.host.token, more).await
    }

    fn report(&self, seen: u64) -> Reported {
        let mut report = reported(&self.world, Proof::Converged);
        (report.generation_seen, report.generation_applied) = (seen, seen);
        report.processes = vec![Process {
            pid: 7,
            starttime: 1,
            exe_sha256: None,
            exe_deleted: false,
            release_from_exe: None,
            release_from_cwd: None,
            release_from_env: Some("41ca00112233-aa".to_owned()),
        }];
        report
    }

    async fn view(&self) -> FleetView {
        let call = self.world.get("/api/v1/deliver/fleet").bearer(&self.admin);
        call.send().await.expect(StatusCode::OK).to()
    }

    async fn adopt(&self, how: &str) -> Answer {
        let call = self.world.post("/api/v1/deliver/fleet/adopt");
        let body = json!({ "how": how, "reason": "restored from monday" });
        call.bearer(&self.admin).json(&body).await
    }

    async fn ship(&self) -> Answer {
        let new = json!({ "service": "shop", "version": "1.0" });
        let call = self.world.post("/api/v1/deliver/rollouts");
        call.bearer(&self.admin).json(&new).await
    }

    async fn hosts(&self) -> Vec<HostView> {
        let call = self.world.get("/api/v1/deliver/hosts").bearer(&self.admin);
        call.send().await.expect(StatusCode::OK).to()
    }

    /// What is told of the server.
    async fn told(&self) -> Vec<Fact> {
        let entries = self.world.journal().await;
        let about = entries.iter().filter(|one| one.subject == Subject::Server);
        about
            .map(|one| Fact::from_body(&one.body).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_host_that_has_seen_more_stops_shipping_and_is_told_once() {
    let fleet = fleet().await;
    let admin = &fleet.admin;
    let text = definition(ONE_RING);
    fleet.world.release(admin, "1.0", &text).await;
    fleet
        .says(&reported(&fleet.world, Proof::Converged), json!([]))
        .await;
    assert_eq!(fleet.view().await.ahead, []);
    for _ in 0..3 {
        fleet.says(&fleet.report(7), json!([])).await;
    }
    let problem = fleet.ship().await.problem(409, "behind_fleet");
    assert!(problem.hint.unwrap().contains("sleepwell hosts adopt"));
    let view = fleet.view().await;
    let [one] = view.ahead.as_slice() else {
        panic!("{view:?}")
    };
    assert_eq!((one.seen, one.ours), (7, 1));
    assert_eq!(one.running, None);
    assert_eq!(one.running_release.as_deref(), Some("41ca00112233-aa"));
    assert_eq!(one.wanted, Some("1.0".parse().unwrap()));
    let behind = Fact::BehindFleet {
        host: "web-1".parse().unwrap(),
        service: Some("shop".parse().unwrap()),
        seen: 7,
        ours: 1,
    };
    assert_eq!(fleet.told().await, [behind]);
}

#[tokio::test]
async fn a_rehearsal_says_that_nothing_is_shipped_behind_the_fleet() {
    let fleet = fleet().await;
    let text = definition(ONE_RING);
    fleet.world.release(&fleet.admin, "1.0", &text).await;
    fleet.says(&fleet.report(7), json!([])).await;
    let new = json!({ "service": "shop", "version": "1.0" });
    let call = fleet.world.post("/api/v1/deliver/rehearsals");
    let rehearsal: Rehearsal = call.bearer(&fleet.admin).json(&new).await.to();
    assert_eq!(rehearsal.obstacles[0].code, "behind_fleet");
    assert!(
        rehearsal.obstacles[0]
            .hint
            .contains("sleepwell hosts adopt")
    );
}

#[tokio::test]
async fn adopting_to_keep_asks_for_nothing_until_something_is_shipped() {
    let fleet = fleet().await;
    fleet.says(&fleet.report(7), json!([])).await;
    fleet.adopt("keep").await.expect(StatusCode::NO_CONTENT);
    let answer = fleet.says(&fleet.report(7), json!([])).await;
    let wish: Wish = answer.expect(StatusCode::OK).to();
    assert!(wish.desired.is_empty(), "{wish:?}");
    assert_eq!(fleet.view().await.ahead, []);
    let service = fleet.hosts().await[0].services[0].clone();
    assert_eq!(service.proof, Proof::Drifted);
    assert!(
        service.why.contains("ship to replace it"),
        "{}",
        service.why
    );
    let adopted = Fact::FleetAdopted {
        how: Adoption::Keep,
        orders: 1,
        reason: "restored from monday".to_owned(),
    };
    assert_eq!(fleet.told().await[1], adopted);

    ask(&fleet.world, fleet.host.agent_id, "shop").await;
    let answer = fleet.says(&fleet.report(7), json!([])).await;
    let wish: Wish = answer.expect(StatusCode::OK).to();
    assert_eq!(wish.desired[0].generation, 8, "the host follows it");
    assert_eq!(fleet.view().await.ahead, []);
}

#[tokio::test]
async fn adopting_to_follow_asks_for_what_the_server_knows() {
    let fleet = fleet().await;
    fleet.says(&fleet.report(7), json!([])).await;
    fleet.adopt("follow").await.expect(StatusCode::NO_CONTENT);
    let answer = fleet.says(&fleet.report(7), json!([])).await;
    let wish: Wish = answer.expect(StatusCode::OK).to();
    let wanted = &wish.desired[0];
    assert_eq!(
        (wanted.generation, wanted.release.clone()),
        (8, desired("shop").release)
    );
    assert_eq!(fleet.view().await.ahead, []);
}

#[tokio::test]
async fn an_epoch_that_was_refused_is_lifted_above_it() {
    let fleet = fleet().await;
    let refused = json!([{ "kind": "epoch", "service": null, "seen": 9, "offered": 1 }]);
    fleet.says(&fleet.report(1), refused.clone()).await;
    assert_eq!(fleet.view().await.ahead[0].seen, 9);
    fleet.adopt("keep").await.expect(StatusCode::NO_CONTENT);
    assert_eq!(fleet.view().await.epoch, 10);
    // The host says it until it has taken an answer; that is no sign any more.
    fleet.says(&fleet.report(1), refused).await;
    assert_eq!(fleet.view().await.ahead, []);
}

#[tokio::test]
async fn a_server_that_is_not_behind_adopts_nothing() {
    let fleet = fleet().await;
    let problem = fleet.adopt("keep").await.problem(409, "not_behind");
    assert!(problem.hint.is_some());
    assert_eq!(fleet.told().await, []);
}

#[tokio::test]
async fn an_impossible_claim_and_a_retired_host_stop_nobody() {
    let fleet = fleet().await;
    fleet.says(&fleet.report(u64::MAX / 4), json!([])).await;
    assert_eq!(fleet.view().await.ahead, []);
    fleet.says(&fleet.report(7), json!([])).await;
    assert_eq!(fleet.view().await.ahead.len(), 1);
    let path = format!("/api/v1/deliver/hosts/{}/retire", fleet.host.agent_id);
    let call = fleet.world.post(&path).bearer(&fleet.admin);
    let retired = call.json(&json!({ "reason": "it lies" })).await;
    retired.expect(StatusCode::NO_CONTENT);
    assert_eq!(fleet.view().await.ahead, []);
}
