//! The pages for people: readable without script, safe whatever stands in them, open to this machine only.

use axum::http::StatusCode;
use model::deliver::{Rollout, RolloutState};
use model::judge::{Reason, Verdict, VerdictState};
use model::observe::{Change, ChangeState};
use model::{ChangeId, Entry, Fact, Kind, Role, Subject};
use serde_json::json;

use crate::support::{Answer, Call, ONE_RING, World, definition};

const HOSTILE: &str = "<script>alert('1')</script>\" onload=x <b>&amp;";

/// Ships 1.0 in the name of somebody with a hostile name, with a host that says hostile things.
async fn with_change(by: &str) -> World {
    let world = World::new();
    let operator = world
        .store_token(by, Role::Operator, None, None, None)
        .await;
    let agent = world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let new = json!({ "service": "shop", "version": "1.0" });
    let answer = world
        .post("/api/v1/deliver/rollouts")
        .bearer(&operator)
        .json(&new)
        .await;
    answer.expect(StatusCode::CREATED);
    let blocked = json!({
        "boot_id": HOSTILE, "agent_version": HOSTILE, "epoch_seen": 0, "revision_seen": 0, "wait_ms": 0,
        "disk_free_bytes": 0, "now": world.now(), "monotonic_ms": 0,
        "reported": [{
            "service": "shop", "generation_seen": 1, "generation_applied": 1, "symlink_release": null,
            "processes": [], "port": null, "healthy": null, "proof": "blocked", "why": HOSTILE,
            "since": world.now(), "started_at": null, "unexpected_exits": 1, "failed_checks": 3,
        }],
    });
    let sync = world.post("/agent/v1/sync").bearer(&agent.token);
    sync.json(&blocked).await.expect(StatusCode::OK);
    let order = world.post("/api/v1/act/changes/1/undo").bearer(&operator);
    order.send().await.expect(StatusCode::ACCEPTED);
    world
}

/// Brings the change to its end as the engine would: undone, and told so.
async fn undo(world: &World) {
    let (now, id) = (world.now(), world.app.ids.entry(world.now()));
    let change = ChangeId(1);
    world
        .write(move |tx| {
            let stored = store::rollout::get(tx, change)?.unwrap();
            let cause = stored.rollout.order.as_ref().map(|order| order.entry);
            let state = RolloutState::Undone { at: now };
            let rollout = Rollout {
                state,
                order: None,
                ..stored.rollout
            };
            store::rollout::save(tx, &rollout, stored.version)?;
            let known = store::change::get(tx, change)?.unwrap();
            store::change::put(
                tx,
                &Change {
                    state: ChangeState::Undone,
                    ..known
                },
            )?;
            let fact = Fact::RolloutUndone {
                to: None,
                hosts: 1,
                after_ms: 8_000,
            };
            let entry = Entry {
                id,
                at: now,
                subject: Subject::Change(change),
                kind: Kind::Outcome,
                actor: "sleepwell".into(),
                causes: cause.into_iter().collect(),
                body: fact.to_body(),
            };
            store::journal::append(tx, &entry)
        })
        .await;
}

async fn page(world: &World, path: &str) -> Answer {
    let answer = world.get(path).local().send().await;
    answer.expect(StatusCode::OK);
    answer
}

/// Puts each element on a line of its own.
fn lines(answer: &Answer) -> String {
    answer.text().replace("><", ">\n<")
}

#[tokio::test]
async fn an_empty_server_says_how_to_begin() {
    let world = World::new();
    insta::assert_snapshot!(lines(&page(&world, "/").await));
    let answer = world.get("/c/1").local().send().await;
    answer.problem(404, "unknown_change");
}

#[tokio::test]
async fn an_undone_change_is_told_on_both_pages() {
    let world = with_change("jonas").await;
    undo(&world).await;
    insta::assert_snapshot!("undone_on_the_first_page", lines(&page(&world, "/").await));
    let own = page(&world, "/c/1").await;
    assert_eq!(own.text(), page(&world, "/c/chg-1").await.text());
    // Links are written in full.
    assert!(page(&world, "/").await.text().contains("href=\"/c/1\""));
    assert!(own.text().contains("undone") && own.text().contains("web-1"));
}

#[tokio::test]
async fn hostile_names_are_text_and_nothing_else() {
    let world = with_change(HOSTILE).await;
    let check = async |path: &str| {
        let answer = page(&world, path).await;
        let text = answer.text().to_lowercase();
        for active in [
            "<script",
            "<b>",
            "javascript:",
            "style=",
            "<iframe",
            "<form",
            "http://",
            "\" onload",
        ] {
            assert!(!text.contains(active), "{path} holds {active}: {text}");
        }
        assert!(
            text.contains("&lt;script&gt;"),
            "{path} does not show the name"
        );
    };
    check("/").await;
    check("/c/1").await;
    undo(&world).await;
    check("/").await;
    check("/c/1").await;
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_do_no_more_than_show_it() {
    let world = with_change("jonas").await;
    for path in [
        "/",
        "/c/1",
        "/c/9",
        "/_app/plain.css",
        "/-/healthy",
        "/nowhere",
        "/api/v1/me",
    ] {
        let answer = world.get(path).local().send().await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        let kept = if path.ends_with(".css") {
            "max-age=3600"
        } else {
            "no-store"
        };
        assert_eq!(answer.header("cache-control"), kept, "{path}");
    }
    assert_eq!(
        page(&world, "/").await.header("content-type"),
        "text/html; charset=utf-8"
    );
}

#[tokio::test]
async fn pages_open_without_a_token_only_on_this_machine() {
    let world = World::new();
    let open = async |call: Call| call.send().await.status == StatusCode::OK;
    let get = |from: &str, host: &str| world.get("/").from(from).header("host", host);

    for from in [
        "127.0.0.1:1",
        "127.8.9.1:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        for host in [
            "127.0.0.1:7700",
            "localhost",
            "localhost:7700",
            "[::1]",
            "[::1]:7700",
        ] {
            assert!(open(get(from, host)).await, "{from} {host}");
        }
    }
    for from in [
        "192.0.2.7:1",
        "10.0.0.1:1",
        "0.0.0.0:1",
        "[2001:db8::1]:1",
        "[::ffff:192.0.2.7]:1",
    ] {
        assert!(!open(get(from, "127.0.0.1:7700")).await, "{from}");
    }
    // A page elsewhere whose name was made to resolve to loopback.
    let rebound = [
        "attacker.example",
        "attacker.example:7700",
        "127.0.0.1.attacker.example:7700",
        "localhost.attacker.example",
        "localhostess",
        "127.0.0.10",
        "attacker.example:127.0.0.1",
        "x@localhost",
        "[::1]x",
        "",
    ];
    for host in rebound {
        assert!(!open(get("127.0.0.1:1", host)).await, "{host}");
    }
    assert!(
        !open(world.get("/").from("127.0.0.1:1")).await,
        "no name at all"
    );
    assert!(!open(get("127.0.0.1:1", "localhost").header("host", "attacker.example")).await);
    let in_line = world.get("http://attacker.example/").from("127.0.0.1:1");
    assert!(!open(in_line.header("host", "localhost")).await);
}

#[tokio::test]
async fn what_a_proxy_brings_is_not_local() {
    let world = World::new();
    let headers = [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "cf-connecting-ip",
    ];
    for name in headers {
        let answer = world
            .get("/")
            .local()
            .header(name, "127.0.0.1")
            .send()
            .await;
        answer.problem(401, "not_signed_in");
    }
    let viewer = world.token(Role::Viewer).await;
    let answer = world
        .get("/")
        .header("x-forwarded-for", "192.0.2.7")
        .bearer(&viewer)
        .send()
        .await;
    answer.expect(StatusCode::OK);
}

/// Returns a failed verdict on the first change whose only signal is a latency that is worse above 100 ms.
fn slower(world: &World) -> Verdict {
    let counts = |bad, total| json!({ "bad": bad, "total": total });
    let side = |canary: f64, control: f64, at_most: f64| json!({ "at_most": at_most, "canary": canary, "control": control });
    let band = json!({
        "alpha": 0.05, "canary_half_width": 0.043, "control_half_width": 0.016,
        "points": [
            side(0.02, 0.02, 0.005), side(0.09, 0.11, 0.01), side(0.23, 0.27, 0.025),
            side(0.42, 0.61, 0.05), side(0.57, 0.81, 0.1), side(0.69, 0.925, 0.25),
            side(0.93, 0.975, 0.5), side(0.985, 0.995, 1.0), side(0.998, 0.999, 2.5),
        ],
    });
    let metric = json!({
        "metric": "pay_time", "kind": "latency", "critical": true, "advisory": false, "weight": 1.0,
        "log_e": 5.0, "log_e_pass": 0.0, "log_e_abs": 0.0, "cleared": false,
        "canary": counts(1_240, 4_000), "control": counts(2_100, 28_000),
        "odds_ratio": 5.5, "odds_at_least": 3.0, "odds_at_most": null,
        "dispersion": { "phi": 1.0, "source": "aa", "batches": 3_600, "widest_s": 60 },
        "psi_leading": 3.0, "trace": [],
        "latency": { "unit": "s", "thresholds": [], "leading": 0, "band": band },
    });
    let digest = model::Digest::of(b"");
    let evidence = json!({
        "started": world.now(), "looks": 30, "alpha": 0.01, "rule": "global", "log_e": 5.0,
        "needed": 4.6, "metrics": [metric], "control": { "kind": "hosts", "hosts": 7 },
        "excluded": [], "unattributed": 0, "definition": digest, "judge_version": "1",
        "inputs_digest": digest,
    });
    Verdict {
        id: world.app.ids.verdict(world.now()),
        change: ChangeId(1),
        ring: 0,
        state: VerdictState::Fail,
        reason: Reason::Harm,
        at: world.now(),
        evidence: serde_json::from_value(evidence).unwrap(),
    }
}

#[tokio::test]
async fn a_latency_is_drawn_and_said_for_those_who_do_not_see_it() {
    let world = with_change("jonas").await;
    let without = page(&world, "/c/1").await;
    assert!(!without.text().contains("<svg"), "there is nothing to draw");
    let (verdict, entry) = (slower(&world), world.app.ids.entry(world.now()));
    world
        .write(move |tx| store::judgement::insert(tx, &verdict, entry))
        .await;
    let answer = page(&world, "/c/1").await;
    let said = "The bands of canary and control are apart from 50 ms to 250 ms, most at 100 ms: 57.0 % of the canary's requests take at most that long, and 81.0 % of the control's.";
    let image = format!("role=\"img\" aria-label=\"{said}\"");
    assert!(answer.text().contains(&image), "{}", answer.text());
    assert!(answer.text().contains(&format!("<p>{said}</p>")));
    assert!(answer.text().contains("<th scope=\"row\">250 ms</th>"));
    // The policy of the page forbids styles in it.
    assert!(!answer.text().contains("style="));
}
