//! Samples of agents: the good are stored beside the bad, under the name of the host that sent them.

use axum::http::StatusCode;
use metrics::Selector;
use model::observe::{Sample, Series};
use model::{Labels, Role, Timestamp, limit};
use serde_json::json;

use crate::support::{Answer, World};

async fn send(world: &World, agent: &str, body: impl Into<axum::body::Body>) -> Answer {
    let call = world.post("/agent/v1/samples").bearer(agent);
    call.header("content-encoding", "snappy").body(body).await
}

fn series(labels: &[(&str, &str)], at: Timestamp) -> Series {
    Series {
        labels: Labels::new(labels.iter().copied()).unwrap(),
        samples: vec![Sample { at, value: 1.0 }],
    }
}

fn encode(series: &[Series]) -> Vec<u8> {
    wire::remote_write::encode(series)
}

/// Returns the label sets stored of the metric `up`.
fn stored(world: &World) -> Vec<Labels> {
    let selector = Selector::parse("up").unwrap();
    let all = (Timestamp::UNIX_EPOCH, Timestamp::from_micros(i64::MAX));
    let found = world.app.metrics.select(&selector, &[], all.0, all.1);
    found.into_iter().map(|series| series.labels).collect()
}

#[tokio::test]
async fn samples_are_the_hosts_whatever_the_agent_claims() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await.token;
    world.host("web-2", json!({})).await;
    let body = encode(&[
        series(&[("__name__", "up"), ("host", "web-2")], world.now()),
        series(&[("__name__", "up"), ("service", "shop")], world.now()),
    ]);
    let answer = send(&world, &agent, body.clone()).await;
    assert_eq!(answer.expect(StatusCode::NO_CONTENT).text(), "");
    let hosts: Vec<Labels> = stored(&world);
    assert_eq!(hosts.len(), 2);
    assert!(
        hosts.iter().all(|labels| labels.get("host") == "web-1"),
        "{hosts:?}"
    );
    // The same batch again is no error: an answer may have been lost.
    send(&world, &agent, body)
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn samples_of_a_host_with_a_wrong_clock_are_of_the_time_they_were_taken() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await.token;
    let hour = std::time::Duration::from_secs(3_600);
    let taken = world.now() - std::time::Duration::from_secs(5);
    for (theirs, n) in [
        (world.now() + hour, "ahead"),
        (world.now() - hour, "behind"),
    ] {
        let at = theirs - world.now().since(taken);
        let body = encode(&[series(&[("__name__", "up"), ("n", n)], at)]);
        let path = format!("/agent/v1/samples?sent_at={theirs}");
        let call = world
            .post(&path)
            .bearer(&agent)
            .header("content-encoding", "snappy");
        call.body(body).await.expect(StatusCode::NO_CONTENT);
    }
    let selector = Selector::parse("up").unwrap();
    let all = (Timestamp::UNIX_EPOCH, Timestamp::from_micros(i64::MAX));
    let found = world.app.metrics.select(&selector, &[], all.0, all.1);
    let at: Vec<Timestamp> = found.iter().map(|one| one.samples[0].at).collect();
    assert_eq!(at, [taken, taken]);
}

#[tokio::test]
async fn good_series_are_stored_beside_bad_ones() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await.token;
    let bodies = [
        // Without a name.
        series(&[("service", "shop")], world.now()),
        // Full: no room for the server's own label.
        full(world.now()),
        // From another time.
        series(
            &[("__name__", "up"), ("service", "old")],
            Timestamp::UNIX_EPOCH,
        ),
    ];
    for (n, bad) in bodies.into_iter().enumerate() {
        let zone = n.to_string();
        let good = series(&[("__name__", "up"), ("zone", &zone)], world.now());
        let answer = send(&world, &agent, encode(&[bad, good])).await;
        let problem = answer.problem(400, "samples_refused");
        assert!(
            problem.title.starts_with("1 samples stored, refused: 1 "),
            "{problem}"
        );
        assert_eq!(stored(&world).len(), n + 1);
    }
    let nameless = encode(&[series(&[("service", "shop")], world.now())]);
    let problem = send(&world, &agent, nameless)
        .await
        .problem(400, "samples_refused");
    assert!(
        problem
            .title
            .contains("the first because {service=\"shop\"} has no `__name__`"),
        "{problem}"
    );
}

fn full(at: Timestamp) -> Series {
    let names: Vec<String> = (1..limit::LABELS).map(|n| format!("l{n}")).collect();
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    pairs.push(("__name__", "up"));
    series(&pairs, at)
}

#[tokio::test]
async fn a_body_that_is_no_remote_write_is_refused_whole() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await.token;
    let good = encode(&[series(&[("__name__", "up")], world.now())]);
    let torn = good[..good.len() - 3].to_vec();
    for body in [vec![], b"up 1\n".to_vec(), vec![0xff; 100], torn] {
        let problem = send(&world, &agent, body).await.problem(400, "bad_samples");
        assert_eq!(problem.at.as_deref(), Some("body"));
    }
    assert_eq!(stored(&world), []);
}

#[tokio::test]
async fn a_few_bytes_that_become_many_are_413() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await.token;
    // The length in front of a snappy block: 4 GiB less one.
    let bomb = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    send(&world, &agent, bomb).await.problem(413, "too_large");
}

#[tokio::test]
async fn a_token_of_no_host_writes_nothing() {
    let world = World::new();
    let stray = world.token(Role::Agent).await;
    let body = encode(&[series(&[("__name__", "up")], world.now())]);
    send(&world, &stray, body)
        .await
        .problem(404, "unknown_host");
    assert_eq!(stored(&world), []);
}
