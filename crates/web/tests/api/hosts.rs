//! What a person says of a host that is gone: excluded from a rollout, or retired for good.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::agent::Enrolled;
use model::api::deliver::{HostExcluded, HostFixed, HostView};
use model::deliver::Proof;
use model::{ChangeId, Fact, HostId, Role, Subject};
use serde_json::{Value, json};

use crate::agents::{ask, facts_about, reported, sync};
use crate::support::{Answer, ONE_RING, World, definition, enrol};

struct Fleet {
    world: World,
    operator: String,
    admin: String,
    hosts: Vec<Enrolled>,
}

/// Two hosts and one rollout to both, under way.
async fn fleet() -> Fleet {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let admin = world.token(Role::Admin).await;
    let mut hosts = vec![];
    for name in ["web-1", "web-2"] {
        hosts.push(world.host(name, json!({ "role": "shop" })).await);
    }
    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let new = json!({ "service": "shop", "version": "1.0", "environment": null });
    let started = world.post("/api/v1/deliver/rollouts").bearer(&operator);
    started.json(&new).await.expect(StatusCode::CREATED);
    Fleet {
        world,
        operator,
        admin,
        hosts,
    }
}

#[tokio::test]
async fn expected_hosts_are_an_inventory_for_ansible() {
    let fleet = fleet().await;
    fleet.retire(2).await.expect(StatusCode::NO_CONTENT);
    let path = "/api/v1/deliver/inventory?format=ansible";
    let answer = fleet.world.get(path).bearer(&fleet.operator).send().await;
    let inventory: Value = answer.expect(StatusCode::OK).to();
    let expected = json!({
        "all": { "hosts": ["web-1"] },
        "role_shop": { "hosts": ["web-1"] },
        "_meta": { "hostvars": { "web-1": { "labels": { "role": "shop" } } } },
    });
    assert_eq!(inventory, expected);

    let path = "/api/v1/deliver/inventory?format=chef";
    let answer = fleet.world.get(path).bearer(&fleet.operator).send().await;
    answer.expect(StatusCode::BAD_REQUEST);
}

impl Fleet {
    async fn say(&self, token: &str, host: HostId, what: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/deliver/hosts/{host}/{what}");
        self.world.post(&path).bearer(token).json(body).await
    }

    async fn exclude(&self, n: usize, reason: &str) -> Answer {
        let host = self.hosts[n - 1].agent_id;
        self.say(
            &self.operator,
            host,
            "exclude",
            &json!({ "reason": reason }),
        )
        .await
    }

    async fn retire(&self, n: usize) -> Answer {
        let host = self.hosts[n - 1].agent_id;
        self.say(&self.admin, host, "retire", &json!({ "reason": "sold" }))
            .await
    }

    async fn join(&self, name: &str, machine: Value) -> Answer {
        let token = self.world.token(Role::Join).await;
        let mut request = enrol(name, json!({}));
        request["machine_id"] = machine;
        let call = self.world.post("/agent/v1/enrol").bearer(&token);
        call.json(&request).await
    }

    async fn names(&self) -> Vec<String> {
        let answer = self.world.get("/api/v1/deliver/hosts").bearer(&self.admin);
        let hosts: Vec<HostView> = answer.send().await.expect(StatusCode::OK).to();
        hosts.iter().map(|host| host.name.to_string()).collect()
    }
}

#[tokio::test]
async fn an_excluded_host_is_remembered_by_the_rollout_and_told_once() {
    let fleet = fleet().await;
    let before = fleet.world.journal().await.pop().unwrap();
    for _ in 0..2 {
        let answer = fleet.exclude(2, "new disk").await;
        let excluded: HostExcluded = answer.expect(StatusCode::ACCEPTED).to();
        assert_eq!(excluded.changes, [ChangeId(1)]);
    }
    let stored = fleet
        .world
        .read(|tx| store::rollout::get(tx, ChangeId(1)))
        .await
        .unwrap();
    let said: Vec<Option<String>> = stored
        .rollout
        .hosts()
        .map(|host| host.excluded.as_ref().map(|word| word.by.clone()))
        .collect();
    assert_eq!(said, [None, Some("the operator".to_owned())]);

    let told = fleet.world.journal().await;
    let entry = told.last().unwrap();
    assert_eq!(entry.causes, [before.id], "it is told once, and why");
    assert_eq!(entry.subject, Subject::Change(ChangeId(1)));
    assert_eq!(stored.rollout.last_entry, Some(entry.id), "it is a cause");
    let fact = Fact::from_body(&entry.body).unwrap();
    assert!(
        matches!(&fact, Fact::HostExcluded { reason, .. } if reason == "new disk"),
        "{fact:?}"
    );
}

#[tokio::test]
async fn the_last_host_of_the_only_ring_is_not_excluded() {
    let fleet = fleet().await;
    fleet.exclude(1, "").await.expect(StatusCode::ACCEPTED);
    let entries = fleet.world.journal().await.len();
    let problem = fleet
        .exclude(2, "")
        .await
        .problem(409, "cannot_be_excluded");
    assert!(problem.title.contains("web-2"), "{problem}");
    assert!(problem.hint.unwrap().contains("hosts retire web-2"));
    assert_eq!(fleet.world.journal().await.len(), entries);
}

#[tokio::test]
async fn a_host_no_rollout_waits_for_is_not_excluded() {
    let fleet = fleet().await;
    let other = fleet.world.host("web-3", json!({})).await;
    let answer = fleet
        .say(&fleet.operator, other.agent_id, "exclude", &json!({}))
        .await;
    let problem = answer.problem(409, "nothing_waits");
    assert!(problem.hint.unwrap().contains("hosts retire web-3"));
}

#[tokio::test]
async fn a_retired_host_is_nobody_and_counts_nowhere() {
    let fleet = fleet().await;
    let planned = fleet.world.journal().await.pop().unwrap();
    fleet.retire(2).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(fleet.names().await, ["web-1"]);
    let call = fleet.world.post("/agent/v1/sync");
    let answer = call.bearer(&fleet.hosts[1].token).json(&json!({})).await;
    answer.problem(401, "revoked_token");

    let entry = fleet.world.journal().await.pop().unwrap();
    assert_eq!(entry.actor, "the admin");
    assert_eq!(entry.causes, [planned.id]);
    let stored = fleet
        .world
        .read(|tx| store::rollout::get(tx, ChangeId(1)))
        .await
        .unwrap();
    assert_eq!(
        stored.rollout.last_entry,
        Some(entry.id),
        "what the rollout does next, it does because of this"
    );

    let again = fleet.retire(2).await;
    again.problem(404, "unknown_host");
    let excluded = fleet.exclude(2, "").await;
    excluded.problem(404, "unknown_host");
}

#[tokio::test]
async fn the_machine_of_a_retired_host_joins_under_another_name() {
    let fleet = fleet().await;
    fleet.retire(2).await.expect(StatusCode::NO_CONTENT);
    let machine = enrol("web-2", json!({}))["machine_id"].clone();
    let join = |name| fleet.join(name, machine.clone());
    join("web-9").await.expect(StatusCode::OK);
    assert_eq!(fleet.names().await, ["web-1", "web-9"]);
    join("web-10").await.problem(409, "machine_exists");
}

#[tokio::test]
async fn another_machine_takes_the_name_of_a_retired_host_and_nothing_of_its_history() {
    let fleet = fleet().await;
    let world = &fleet.world;
    let old = &fleet.hosts[1];
    let refused = json!({ "refused": [
        { "kind": "generation", "service": "shop", "seen": 9, "offered": 3 },
    ]});
    sync(world, &old.token, refused.clone()).await;
    fleet.retire(2).await.expect(StatusCode::NO_CONTENT);
    world.app.clock.advance(Duration::from_secs(1));

    let answer = fleet.join("web-2", "a new machine".into()).await;
    let young: Enrolled = answer.expect(StatusCode::OK).to();
    assert_ne!(young.agent_id, old.agent_id);
    assert_eq!(fleet.names().await, ["web-1", "web-2"]);
    sync(world, &old.token, json!({}))
        .await
        .problem(401, "revoked_token");
    // The name is in use now, and the rollout goes on without the retired one.
    let third = fleet.join("web-2", "a third machine".into()).await;
    third.problem(409, "host_exists");
    let member =
        |rollout: &model::deliver::Rollout| rollout.hosts().any(|host| host.id == young.agent_id);
    let stored = world
        .read(|tx| store::rollout::get(tx, ChangeId(1)))
        .await
        .unwrap();
    assert!(
        !member(&stored.rollout),
        "it is owed the release as any that joins late"
    );

    // What the one before it said is not what this one said.
    let told = facts_about(world, "web-2").await.len();
    sync(world, &young.token, refused).await;
    let facts = facts_about(world, "web-2").await;
    assert!(
        matches!(facts[told..], [Fact::HostRefused { .. }]),
        "{facts:?}"
    );
}

impl Fleet {
    /// Lets a host say that it cannot go on with its newest order.
    async fn blocks(&self, n: usize) {
        let mut told = reported(&self.world, Proof::Blocked);
        told.why = "hook uncertain: pre_start".into();
        let asked = self.generation(n).await;
        (told.generation_seen, told.generation_applied) = (asked, 0);
        let report = json!({ "reported": [told] });
        let answer = sync(&self.world, &self.hosts[n - 1].token, report).await;
        answer.expect(StatusCode::OK);
    }

    async fn generation(&self, n: usize) -> u64 {
        let host = self.hosts[n - 1].agent_id;
        let desired = self
            .world
            .read(move |tx| store::fleet::desired_of(tx, host));
        desired.await[0].generation
    }

    async fn fix(&self, n: usize, body: &Value) -> Answer {
        let host = self.hosts[n - 1].agent_id;
        self.say(&self.operator, host, "fix", body).await
    }
}

#[tokio::test]
async fn a_blocked_host_is_asked_once_more_and_the_rollout_knows_why() {
    let fleet = fleet().await;
    ask(&fleet.world, fleet.hosts[1].agent_id, "shop").await;
    fleet.blocks(2).await;
    let before = fleet.generation(2).await;
    let body = json!({ "service": "shop", "reason": "looked at the tables" });
    let fixed: HostFixed = fleet.fix(2, &body).await.expect(StatusCode::ACCEPTED).to();
    let [tried] = fixed.tries.as_slice() else {
        panic!("{fixed:?}");
    };
    assert_eq!(tried.proof, Proof::Blocked);
    assert_eq!(tried.why, "hook uncertain: pre_start");
    assert_eq!(fleet.generation(2).await, before + 1);

    let mut journal = fleet.world.journal().await;
    let (asked, said) = (journal.pop().unwrap(), journal.pop().unwrap());
    assert_eq!(
        (said.actor.as_str(), &asked.causes),
        ("the operator", &vec![said.id])
    );
    for entry in [&asked, &said] {
        assert_eq!(entry.subject, Subject::Change(ChangeId(1)));
    }
    let fact = Fact::from_body(&said.body).unwrap();
    assert!(
        matches!(&fact, Fact::HostTriesAgain { reason, .. } if reason == "looked at the tables"),
        "{fact:?}"
    );
    let stored = fleet
        .world
        .read(|tx| store::rollout::get(tx, ChangeId(1)))
        .await;
    assert_eq!(
        stored.unwrap().rollout.last_entry,
        Some(said.id),
        "it is a cause"
    );

    // Until the host has taken the new order, what it says is about the one before.
    let again = fleet
        .fix(2, &json!({}))
        .await
        .problem(409, "nothing_to_fix");
    assert!(
        again.title.contains("has not taken its newest order"),
        "{again}"
    );
}

#[tokio::test]
async fn a_host_that_waits_for_nobody_is_not_asked_again() {
    let fleet = fleet().await;
    let entries = fleet.world.journal().await.len();
    let nothing = fleet
        .fix(1, &json!({}))
        .await
        .problem(409, "nothing_to_fix");
    assert!(
        nothing.title.contains("nothing is asked of it"),
        "{nothing}"
    );
    ask(&fleet.world, fleet.hosts[0].agent_id, "shop").await;
    let other = fleet.fix(1, &json!({ "service": "till" })).await;
    let other = other.problem(409, "nothing_to_fix");
    assert!(
        other.title.contains("it is not asked for `till`"),
        "{other}"
    );
    fleet.retire(1).await.expect(StatusCode::NO_CONTENT);
    fleet.fix(1, &json!({})).await.problem(404, "unknown_host");
    assert_eq!(
        fleet.world.journal().await.len(),
        entries + 1,
        "the retirement"
    );
}

#[tokio::test]
async fn a_host_of_no_rollout_is_asked_again_as_well() {
    let fleet = fleet().await;
    let other = fleet.world.host("web-3", json!({})).await;
    ask(&fleet.world, other.agent_id, "shop").await;
    let told = reported(&fleet.world, Proof::Reverted);
    let answer = sync(&fleet.world, &other.token, json!({ "reported": [told] })).await;
    answer.expect(StatusCode::OK);
    let answer = fleet
        .say(&fleet.operator, other.agent_id, "fix", &json!({}))
        .await;
    answer.expect(StatusCode::ACCEPTED);
    let told = facts_about(&fleet.world, "web-3").await;
    let tries = |fact: &Fact| matches!(fact, Fact::HostTriesAgain { .. });
    assert_eq!(
        told.iter().filter(|fact| tries(fact)).count(),
        1,
        "{told:?}"
    );
}
