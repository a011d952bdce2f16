//! The noise between hosts is measured each quarter of an hour, and a test that starts later knows of it.

use std::collections::BTreeMap;

use engine::{Dispersions, Verdicts};
use metrics::{Limits, Metrics};
use model::deliver::desired::DesiredRelease;
use model::deliver::{
    Desired, DesiredState, Phase, Priority, Proof, Release, Reported, Rollout, RolloutState,
};
use model::judge::LastLook;
use model::observe::{Sample, Series};
use model::{ChangeId, HostId, Labels};

use crate::support::{START, World, at, release_with, rollout, turns};

const SIGNALS: &str = "metrics: { scrape: \"http://127.0.0.1:8101/metrics\" }
signals:
  errors: { level: service, kind: count, bad: 'req_total{code=\"500\"}', total: req_total }
  time: { level: service, kind: latency, buckets: 'req_seconds_bucket', unit: s }
";
const HOSTS: [u128; 4] = [1, 2, 3, 4];
/// The first quarter that begins behind the start of every world.
const QUARTER: u64 = 900 - (1_767_323_045 % 900);
const QUARTER_LASTS: u64 = 900;
const HOUR: u64 = 3_600;

/// Writes what a host counted each second of a span, in which a minute in four is a bad one for it.
fn traffic(metrics: &Metrics, host: u128, version: &str, (from, to): (u64, u64)) {
    let series = |of: &[(&str, &str)], value: &dyn Fn(u64) -> f64| {
        let name = format!("web-{host}");
        let place = [
            ("host", name.as_str()),
            ("service", "shop"),
            ("environment", "production"),
            ("release", version),
        ];
        let sample = |second| Sample {
            at: at(second),
            value: value(second),
        };
        Series {
            labels: Labels::new(of.iter().copied().chain(place)).unwrap(),
            samples: (from..to).map(sample).collect(),
        }
    };
    // Of twenty requests a second one fails or is slow, and four in a bad minute.
    let bad = |second: u64| {
        let bad_minutes = (0..second / 60)
            .filter(|minute| is_bad(host, *minute))
            .count() as u64;
        let rest = second % 60 * if is_bad(host, second / 60) { 4 } else { 1 };
        (second / 60 * 60 + bad_minutes * 180 + rest) as f64
    };
    let all = |second: u64| 20.0 * second as f64;
    let good = |second: u64| all(second) - bad(second);
    let batch = vec![
        series(&[("__name__", "req_total"), ("code", "500")], &bad),
        series(&[("__name__", "req_total"), ("code", "200")], &good),
        series(&[("__name__", "req_seconds_bucket"), ("le", "0.1")], &good),
        series(&[("__name__", "req_seconds_bucket"), ("le", "+Inf")], &all),
        series(&[("__name__", "req_seconds_count")], &all),
    ];
    let report = metrics.write(batch, at(to));
    assert_eq!(report.stored, 5 * (to - from), "{report:?}");
}

fn is_bad(host: u128, minute: u64) -> bool {
    (minute + u64::try_from(host).unwrap() * 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62 == 0
}

/// Stores what a host is asked to run, and that it does.
async fn proves(world: &World, host: u128, release: &Release) {
    let id = world.host_seen_at(host, START).await;
    let definition = &release.definition;
    let desired = Desired {
        service: release.service.clone(),
        environment: "production".parse().unwrap(),
        ring: "everyone".parse().unwrap(),
        generation: 1,
        priority: Priority::Rollout,
        state: DesiredState::Running,
        release: DesiredRelease {
            number: release.number,
            version: release.version.clone(),
            digest: release.digest,
            size_bytes: release.size_bytes,
            format: definition.artifact.format,
            file_name: "app".into(),
            config_digest: release.config_digest,
            redeploy: None,
        },
        run: definition.run.clone(),
        health: None,
        metrics: None,
        keep: 3,
        slot: None,
    };
    let reported = Reported {
        service: release.service.clone(),
        generation_seen: 1,
        generation_applied: 1,
        symlink_release: None,
        processes: vec![],
        observed: None,
        redeploy: None,
        slot: None,
        port: None,
        healthy: None,
        proof: Proof::Converged,
        why: String::new(),
        since: START,
        started_at: Some(START),
        unexpected_exits: 0,
        failed_checks: 0,
    };
    world
        .write(move |tx| {
            store::fleet::ask(tx, id, desired)?;
            store::fleet::report(tx, id, &reported)
        })
        .await;
}

fn done(mut rollout: Rollout) -> Rollout {
    for host in rollout.rings.iter_mut().flat_map(|ring| &mut ring.hosts) {
        host.touched = true;
    }
    rollout.state = RolloutState::Done { at: START };
    rollout
}

/// Returns a canary of the next release, whose only host of four with it is the first.
fn canary(of: &Release, before: &Release) -> Rollout {
    let mut rollout = rollout(2, of, &HOSTS);
    rollout.previous = Some(before.to_ref());
    rollout.judged = true;
    rollout.rings[0].hosts[0].touched = true;
    rollout.state = RolloutState::Ring {
        ring: 0,
        phase: Phase::Baking,
        since: START,
    };
    rollout
}

/// Returns what the kept test says of its dispersions: how many seconds they stand on, and whether they
/// had to be assumed.
async fn dispersions(world: &World) -> Vec<(u64, bool)> {
    let test = world.write(|tx| store::judgement::test::<serde_json::Value>(tx, ChangeId(2)));
    let mut found = vec![];
    collect(&test.await.expect("a test was started"), &mut found);
    found
}

fn collect(value: &serde_json::Value, found: &mut Vec<(u64, bool)>) {
    match value {
        serde_json::Value::Object(fields) => {
            if let (Some(batches), Some(assumed)) = (fields.get("batches"), fields.get("assumed")) {
                found.push((batches.as_u64().unwrap(), assumed.as_bool().unwrap()));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Makes a world in which a release was live on four hosts for two quarters of an hour, each measured when
/// it was over, and whose samples were lost after that.
async fn measured() -> World {
    let mut world = World::new();
    let (first, second) = (
        release_with("shop", 1, SIGNALS),
        release_with("shop", 2, SIGNALS),
    );
    for host in HOSTS {
        proves(&world, host, if host == 1 { &second } else { &first }).await;
    }
    let live = done(rollout(1, &first, &HOSTS));
    world
        .write(move |tx| {
            store::release::insert(tx, &first)?;
            store::release::insert(tx, &second)?;
            store::rollout::insert(tx, &live)
        })
        .await;
    let mut dispersions = Dispersions::new(world.context.clone());
    for n in 0..2 {
        let from = QUARTER + n * QUARTER_LASTS;
        for host in HOSTS {
            traffic(
                &world.context.metrics,
                host,
                "1.0",
                (from, from + QUARTER_LASTS),
            );
        }
        turns(&mut dispersions, from + QUARTER_LASTS + 14).await;
        turns(&mut dispersions, from + QUARTER_LASTS + 15).await;
        turns(&mut dispersions, from + QUARTER_LASTS + 16).await;
    }
    world.context.metrics = Metrics::memory(Limits::default());
    world
}

/// Returns how many quarters of the errors are kept.
async fn kept(world: &World) -> usize {
    let read = |tx: &mut store::Tx<'_>| {
        let of = store::dispersion::Of {
            service: &"shop".parse().unwrap(),
            environment: &"production".parse().unwrap(),
            signal: "errors",
        };
        store::dispersion::of::<serde_json::Value>(tx, of, 0..u64::MAX >> 1)
    };
    world.write(read).await.len()
}

/// Ships the second release at a moment and takes the first look, with a minute of samples.
async fn looks_at(world: &World, now: u64) {
    for host in HOSTS {
        let version = if host == 1 { "2.0" } else { "1.0" };
        traffic(&world.context.metrics, host, version, (now - 60, now));
        let id = HostId::new(START, host);
        world
            .write(move |tx| {
                let mut host = store::host::get(tx, id)?.expect("it was stored");
                host.last_seen = at(now);
                store::host::save(tx, &host)
            })
            .await;
    }
    let (first, second) = (
        release_with("shop", 1, SIGNALS),
        release_with("shop", 2, SIGNALS),
    );
    let canary = canary(&second, &first);
    world
        .write(move |tx| store::rollout::insert(tx, &canary))
        .await;
    turns(&mut Verdicts::new(world.context.clone()), now).await;
}

#[tokio::test]
async fn a_test_knows_quarters_whose_samples_are_gone() {
    let world = measured().await;
    looks_at(&world, QUARTER + 2 * QUARTER_LASTS + HOUR).await;
    // Of four hosts two halves: a degree of freedom each second of two quarters and of the last minute,
    // but for the first of each, before which nothing was counted.
    assert_eq!(
        dispersions(&world).await,
        [(1_857, false), (1_857, false)],
        "the errors, and the only bound of the latency"
    );
}

#[tokio::test]
async fn the_first_look_at_a_change_forgets_the_test_of_the_one_before() {
    let world = measured().await;
    let look = LastLook {
        at: START,
        seen: BTreeMap::new(),
    };
    world
        .write(move |tx| store::judgement::save_test(tx, ChangeId(1), &look, &"a test"))
        .await;
    looks_at(&world, QUARTER + 3 * HOUR).await;
    let left = world.write(|tx| store::judgement::last_look(tx, ChangeId(1)));
    assert_eq!(left.await, None);
}

#[tokio::test]
async fn a_quarter_within_the_hour_of_samples_is_not_counted_twice() {
    let world = measured().await;
    looks_at(&world, QUARTER + QUARTER_LASTS + HOUR + 1).await;
    assert_eq!(dispersions(&world).await[0], (899 + 59, false));
}

#[tokio::test]
async fn a_quarter_is_forgotten_after_half_a_day() {
    let world = measured().await;
    let late = QUARTER + 14 * HOUR;
    turns(&mut Dispersions::new(world.context.clone()), late).await;
    looks_at(&world, QUARTER + 3 * HOUR).await;
    assert_eq!(dispersions(&world).await[0], (59, true));
}

#[tokio::test]
async fn a_signal_that_means_something_else_now_has_no_quarters() {
    let world = measured().await;
    world.damage("UPDATE judge_dispersion SET body = replace(body, '500', '503')");
    looks_at(&world, QUARTER + 3 * HOUR).await;
    assert_eq!(dispersions(&world).await, [(59, true), (1_857, false)]);
}

#[tokio::test]
async fn while_a_rollout_is_under_way_the_release_before_it_is_measured() {
    let world = World::new();
    let (first, second) = (
        release_with("shop", 1, SIGNALS),
        release_with("shop", 2, SIGNALS),
    );
    for host in HOSTS {
        proves(&world, host, if host == 1 { &second } else { &first }).await;
    }
    let canary = canary(&second, &first);
    world
        .write(move |tx| {
            store::release::insert(tx, &first)?;
            store::release::insert(tx, &second)?;
            store::rollout::insert(tx, &canary)
        })
        .await;
    let mut dispersions = Dispersions::new(world.context.clone());
    let metrics = &world.context.metrics;
    let span = |n| {
        (
            QUARTER + n * QUARTER_LASTS,
            QUARTER + (n + 1) * QUARTER_LASTS,
        )
    };
    traffic(metrics, 1, "2.0", span(0));
    traffic(metrics, 2, "1.0", span(0));
    turns(&mut dispersions, span(0).1 + 15).await;
    assert_eq!(kept(&world).await, 0, "one host of each release");
    for host in [2, 3, 4] {
        traffic(metrics, host, "1.0", span(1));
    }
    turns(&mut dispersions, span(1).1 + 15).await;
    assert_eq!(kept(&world).await, 1);
}
