//! A person wants a host's agent to be another program: who may ask, what is refused, and what is told of it.

use axum::http::StatusCode;
use model::api::agent::Wish;
use model::api::deliver::{AgentAsked, HostTrouble, HostView};
use model::deliver::{ProgramOutcome, ProgramUpdate};
use model::{Digest, Fact, HostId, Role, Subject};
use serde_json::{Value, json};

use crate::agents::{facts_about, sync};
use crate::support::{Answer, World};

/// One host whose agent says what it is, and a program to become.
struct Fleet {
    world: World,
    admin: String,
    host: HostId,
    agent: String,
    program: Digest,
}

async fn fleet() -> Fleet {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let enrolled = world.host("web-1", json!({})).await;
    let program = world.artifact(&admin, b"the new agent").await;
    let fleet = Fleet {
        world,
        admin,
        host: enrolled.agent_id,
        agent: enrolled.token,
        program,
    };
    fleet.says("old", json!({ "update": "settled" })).await;
    fleet
}

impl Fleet {
    /// Has the agent say what program it is, and how far it is with another one.
    async fn says(&self, program: &str, update: Value) -> Answer {
        let said = json!({
            "digest": match program {
                "new" => self.program,
                other => Digest::of(other.as_bytes()),
            },
            "platform": "linux-x86_64",
            "number_seen": 0,
            "update": update,
        });
        sync(&self.world, &self.agent, json!({ "program": said })).await
    }

    async fn ask(&self, digest: Digest) -> Answer {
        let path = format!("/api/v1/deliver/hosts/{}/agent", self.host);
        let body = json!({ "digest": digest, "version": "0.5.0", "reason": "patched TLS" });
        self.world.post(&path).bearer(&self.admin).json(&body).await
    }

    async fn asked(&self) -> u64 {
        let answer = self.ask(self.program).await;
        answer
            .expect(StatusCode::ACCEPTED)
            .to::<AgentAsked>()
            .number
    }

    async fn seen(&self) -> HostView {
        let call = self.world.get("/api/v1/deliver/hosts").bearer(&self.admin);
        let answer = call.send().await;
        let hosts: Vec<HostView> = answer.expect(StatusCode::OK).to();
        hosts.into_iter().next().unwrap()
    }

    async fn outcome(&self) -> ProgramOutcome {
        self.seen().await.program.order.unwrap().outcome
    }
}

fn settled() -> Value {
    json!({ "update": "settled" })
}

#[tokio::test]
async fn an_agent_is_told_what_to_become_until_it_has_become_it() {
    let fleet = fleet().await;
    let number = fleet.asked().await;
    let wish: Wish = fleet.says("old", settled()).await.to();
    let told = wish.program.expect("it is told");
    assert_eq!(
        (
            told.number,
            told.digest,
            told.size_bytes,
            told.version.as_str()
        ),
        (number, fleet.program, 13, "0.5.0")
    );
    let wish: Wish = fleet.says("new", json!({ "update": "trying" })).await.to();
    assert!(wish.program.is_some(), "it may still go back");
    assert_eq!(fleet.outcome().await, ProgramOutcome::Pending);
    fleet.says("new", settled()).await;
    assert!(matches!(fleet.outcome().await, ProgramOutcome::Done { .. }));
    let wish: Wish = fleet.says("new", settled()).await.to();
    assert_eq!(wish.program, None);
    let told = facts_about(&fleet.world, "web-1").await;
    assert_eq!(
        told[1..],
        [
            Fact::AgentAsked {
                host: "web-1".parse().unwrap(),
                digest: fleet.program,
                version: "0.5.0".into(),
                reason: "patched TLS".into(),
            },
            Fact::AgentUpdated {
                host: "web-1".parse().unwrap(),
                digest: fleet.program,
                version: "0.5.0".into(),
            },
        ],
        "each is told once"
    );
}

#[tokio::test]
async fn what_comes_of_a_wish_names_the_wish_as_its_cause() {
    let fleet = fleet().await;
    fleet.asked().await;
    fleet.says("new", settled()).await;
    let about = Subject::Host("web-1".parse().unwrap());
    let entries = fleet.world.journal().await;
    let own: Vec<_> = entries.iter().filter(|e| e.subject == about).collect();
    let [.., asked, updated] = own.as_slice() else {
        panic!("{own:?}");
    };
    assert_eq!(updated.causes, [asked.id]);
}

#[tokio::test]
async fn a_failure_is_told_once_shown_at_the_host_and_over_when_it_is_asked_again() {
    let fleet = fleet().await;
    let number = fleet.asked().await;
    let failed = |number| json!({ "update": "failed", "number": number, "why": "it ended" });
    fleet.says("old", failed(number)).await;
    fleet.says("old", failed(number)).await;
    let facts = facts_about(&fleet.world, "web-1").await;
    let failures = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::AgentUpdateFailed { why, .. } if why == "it ended"));
    assert_eq!(failures.count(), 1);
    let troubles = fleet.seen().await.troubles;
    let [HostTrouble::UpdateFailed { digest, why, .. }] = troubles.as_slice() else {
        panic!("{troubles:?}");
    };
    assert_eq!((*digest, why.as_str()), (fleet.program, "it ended"));

    let again = fleet.asked().await;
    assert!(again > number);
    assert_eq!(fleet.seen().await.troubles, []);
    let wish: Wish = fleet.says("old", failed(number)).await.to();
    let told = wish.program.expect("it is to try again");
    assert_eq!(told.number, again, "the failure was of the wish before");
}

#[tokio::test]
async fn an_agent_that_cannot_be_updated_is_not_asked() {
    let fleet = fleet().await;
    let why = "an adapter speaks for it";
    fleet
        .says("old", json!({ "update": "unable", "why": why }))
        .await;
    let problem = fleet.ask(fleet.program).await.problem(409, "cannot_update");
    assert!(problem.title.contains(why), "{}", problem.title);
    // As one from before this was thought of.
    sync(&fleet.world, &fleet.agent, json!({})).await;
    fleet.ask(fleet.program).await.problem(409, "cannot_update");
    assert_eq!(facts_about(&fleet.world, "web-1").await.len(), 1);
}

#[tokio::test]
async fn a_program_that_is_not_here_or_runs_already_is_refused() {
    let fleet = fleet().await;
    let missing = Digest::of(b"never uploaded");
    fleet.ask(missing).await.problem(404, "unknown_artifact");
    fleet.says("new", settled()).await;
    let refused = fleet.ask(fleet.program).await;
    refused.problem(409, "nothing_to_update");
    let seen = fleet.seen().await.program;
    assert_eq!(seen.order, None);
    let said = seen.reported.expect("it says what it is");
    assert_eq!(said.update, ProgramUpdate::Settled);
}

#[tokio::test]
async fn what_no_agent_says_of_its_program_is_refused() {
    let fleet = fleet().await;
    let said = |platform: &str| {
        json!({ "program": {
            "digest": fleet.program,
            "platform": platform,
            "number_seen": 0,
            "update": { "update": "settled" },
        } })
    };
    let long = sync(&fleet.world, &fleet.agent, said(&"x".repeat(1_000))).await;
    long.problem(422, "bad_id");
    let path = format!("/api/v1/deliver/hosts/{}/agent", fleet.host);
    let body = json!({ "digest": fleet.program, "version": "0.5\u{1b}[2J" });
    let call = fleet.world.post(&path).bearer(&fleet.admin);
    call.json(&body).await.problem(422, "bad_version");
}
