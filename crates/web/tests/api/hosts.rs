//! What a person says of a host that is gone: excluded from a rollout, or retired for good.

use axum::http::StatusCode;
use model::api::agent::Enrolled;
use model::api::deliver::{HostExcluded, HostView};
use model::{ChangeId, Fact, HostId, Role, Subject};
use serde_json::{Value, json};

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
    let join = |name: &'static str| {
        let (world, machine) = (&fleet.world, machine.clone());
        async move {
            let token = world.token(Role::Join).await;
            let mut request = enrol(name, json!({}));
            request["machine_id"] = machine;
            world
                .post("/agent/v1/enrol")
                .bearer(&token)
                .json(&request)
                .await
        }
    };
    let problem = join("web-2").await.problem(409, "host_exists");
    assert!(problem.title.contains("was retired"), "{problem}");
    join("web-9").await.expect(StatusCode::OK);
    assert_eq!(fleet.names().await, ["web-1", "web-9"]);
    join("web-10").await.problem(409, "machine_exists");
}
