//! What a good file means.

use std::time::Duration;

use deliver::definition::{config_digest, parse, substitute_env, summary};
use model::Labels;
use model::act::Do;
use model::deliver::{
    ArtifactFormat, AtDeadline, Check, Definition, Hook, IfRunning, JudgeIdle, RingSize,
};
use model::judge::VerdictState;
use model::observe::{Level, SignalKind, Unit, Worse};

use crate::{FULL, MINIMAL, changed};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn good(text: &str) -> Definition {
    parse(text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

#[test]
fn the_full_file_is_read_as_it_is_written() {
    let read = good(FULL);
    assert_eq!(read.owner.mail.as_deref(), Some("shop@example.test"));
    assert_eq!(
        read.run.exec,
        ["./shop", "--listen", "127.0.0.1:${PORT}", "--workers", "4"]
    );
    assert_eq!(
        (
            read.run.env["VERBOSE"].as_str(),
            read.run.env["WORKERS"].as_str()
        ),
        ("on", "4")
    );
    assert_eq!(
        (read.run.ports.as_slice(), read.run.stop_timeout),
        ([8101, 8102].as_slice(), secs(15))
    );
    let health = read.health.unwrap();
    assert_eq!(
        (health.check, health.interval),
        (Check::Http("/healthz".to_owned()), secs(2))
    );
    assert_eq!((health.ok_after, health.unhealthy_after), (2, 4));
    assert_eq!(
        (health.deadline, health.timeout),
        (secs(20), Duration::from_millis(500))
    );
    assert_eq!(read.metrics.unwrap().interval, secs(5));
    let production = &read.environments[&"production".parse().unwrap()];
    assert_eq!(
        production.hosts,
        Labels::new([("role", "shop"), ("zone", "1")]).unwrap()
    );
    assert_eq!(
        (production.expected, production.max_unavailable),
        (Some(8), Some(2))
    );
    assert_eq!(production.warmup, secs(20));
    let hooks = &read.run.hooks;
    let migrate = Hook {
        run: ["./migrate", "--release", "${RELEASE}"]
            .map(str::to_owned)
            .to_vec(),
        timeout: secs(120),
        idempotent: true,
    };
    assert_eq!(hooks.pre_start, Some(migrate));
    let leave = Hook {
        run: vec!["./leave".to_owned()],
        timeout: secs(60),
        idempotent: false,
    };
    assert_eq!(hooks.pre_stop, Some(leave));
    let sizes: Vec<&RingSize> = production.rings.iter().map(|ring| &ring.hosts).collect();
    let zone_a = RingSize::Match(Labels::new([("zone", "a")]).unwrap());
    assert_eq!(
        sizes,
        [
            &RingSize::Count(1),
            &zone_a,
            &RingSize::Percent(25),
            &RingSize::Rest
        ]
    );
    assert_eq!(production.rings[0].at_deadline, AtDeadline::Hold);
    assert_eq!(
        (production.rings[2].bake, production.rings[2].deadline),
        (secs(600), secs(7_200))
    );
    let signal = &read.signals["payment_errors"];
    let (bad, total) = (
        "pay_total{result=\"failed\"}".to_owned(),
        "pay_total".to_owned(),
    );
    assert_eq!(
        (signal.level, &signal.kind),
        (Level::Business, &SignalKind::Count { bad, total })
    );
    assert_eq!(
        (signal.margin, signal.tolerated, signal.min_requests),
        (0.25, 0.0, 1_000)
    );
    assert_eq!(signal.owner.as_deref(), Some("team-payments"));
    let (buckets, unit) = ("pay_seconds_bucket{path=\"/pay\"}".to_owned(), Unit::S);
    let time = &read.signals["pay_time"];
    assert_eq!(time.kind, SignalKind::Latency { buckets, unit });
    assert_eq!((time.margin, time.tolerated), (0.3, 0.01));
    let value = &read.signals["order_value"];
    let kind = SignalKind::Mean {
        sum: "order_value_sum".to_owned(),
        count: "order_value_count".to_owned(),
        worse: Worse::Lower,
    };
    assert_eq!(value.kind, kind);
    assert_eq!((value.margin, value.tolerated), (0.1, 0.0));
}

#[test]
fn a_canary_is_a_ring_in_front_of_the_rest() {
    let read = good(FULL);
    let plan = &read.environments[&"first".parse().unwrap()];
    let rings: Vec<(&str, &RingSize)> = plan
        .rings
        .iter()
        .map(|ring| (ring.name.as_str(), &ring.hosts))
        .collect();
    let share = RingSize::Percent(10);
    assert_eq!(rings, [("canary", &share), ("everyone", &RingSize::Rest)]);
    assert_eq!(
        (plan.max_unavailable, plan.watch, plan.if_running),
        (Some(3), secs(1_800), IfRunning::Queue)
    );
    for ring in &plan.rings {
        assert_eq!((ring.bake, ring.deadline), (secs(120), secs(1_200)));
        assert_eq!(ring.at_deadline, AtDeadline::Hold);
    }
    let labelled = good(&changed(FULL, &[("canary: 10%", "canary: { zone: a }")]));
    let zone_a = RingSize::Match(Labels::new([("zone", "a")]).unwrap());
    assert_eq!(
        labelled.environments[&"first".parse().unwrap()].rings[0].hosts,
        zone_a
    );
}

#[test]
fn all_and_rolling_are_one_ring_with_everybody_and_differ_in_how_many_at_once() {
    let read = good(&changed(
        FULL,
        &[
            (", max_unavailable: 9", ""),
            (
                ", max_unavailable: 2, warmup: 5s, watch: 30m, if_running: queue",
                "",
            ),
        ],
    ));
    let plan = |name: &str| &read.environments[&name.parse().unwrap()];
    for name in ["turns", "once"] {
        let [ring] = plan(name).rings.as_slice() else {
            panic!("{name} is one ring")
        };
        assert_eq!(
            (ring.name.as_str(), &ring.hosts),
            ("everyone", &RingSize::Rest)
        );
        assert_eq!((ring.bake, ring.deadline), (secs(120), secs(1_200)));
    }
    assert_eq!(plan("once").max_unavailable, None);
    assert_eq!(plan("turns").max_unavailable, Some(1));
    let few = good(FULL);
    assert_eq!(
        few.environments[&"once".parse().unwrap()].max_unavailable,
        Some(9)
    );
}

#[test]
fn a_latency_and_a_mean_have_a_tight_margin_unless_told_otherwise() {
    let left_out = [
        ("    margin: 0.3\n    tolerated: 0.01\n", ""),
        ("    margin: 0.1\n", ""),
    ];
    let read = good(&changed(FULL, &left_out));
    let time = &read.signals["pay_time"];
    assert_eq!((time.margin, time.tolerated), (0.25, 0.005));
    assert_eq!(read.signals["order_value"].margin, 0.25);
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_specification() {
    let read = good(MINIMAL);
    assert_eq!(read.artifact.format, ArtifactFormat::TarGz);
    assert_eq!(read.run.stop_timeout, secs(10));
    assert_eq!((read.health, read.metrics), (None, None));
    let plan = read.environments.values().next().unwrap();
    assert_eq!(
        (plan.expected, plan.max_unavailable, plan.warmup, plan.watch),
        (None, Some(1), secs(10), secs(3_600))
    );
    assert_eq!(plan.if_running, IfRunning::Supersede);
    let ring = &plan.rings[0];
    assert_eq!(
        (ring.bake, ring.deadline, ring.at_deadline),
        (secs(300), secs(3_600), AtDeadline::Go)
    );
    let health = good(&format!("{MINIMAL}health: {{ exec: [./check] }}\n"))
        .health
        .unwrap();
    assert_eq!(
        (health.interval, health.ok_after, health.unhealthy_after),
        (secs(1), 3, 3)
    );
    assert_eq!((health.deadline, health.timeout), (secs(30), secs(1)));
    let full = good(FULL);
    let plain = &full.signals["errors"];
    assert_eq!(
        (plain.margin, plain.tolerated, plain.min_requests),
        (1.0, 0.005, 500)
    );
    let critical = good(&changed(FULL, &[("    margin: 0.25\n", "")]));
    assert_eq!(critical.signals["payment_errors"].margin, 0.5);
}

#[test]
fn the_built_in_undo_comes_first_unless_the_file_has_its_own_or_none() {
    let names = |text: &str| -> Vec<String> {
        good(text)
            .procedures
            .into_iter()
            .map(|procedure| procedure.name)
            .collect()
    };
    let undo = &good(MINIMAL).procedures[0];
    assert_eq!(
        (undo.name.as_str(), undo.when.verdict),
        ("undo", VerdictState::Fail)
    );
    assert_eq!(undo.actions, [Do::Undo, Do::NotifyOwner]);
    assert_eq!(undo.otherwise, Some(Do::PageOwner));
    assert_eq!(names(FULL), ["undo", "ask"]);
    assert_eq!(
        names(&changed(FULL, &[("auto_undo: true", "auto_undo: false")])),
        ["ask"]
    );
    let own = "  - { name: undo, when: { verdict: fail }, do: [undo, page] }\nauto_undo: true";
    assert_eq!(
        names(&changed(FULL, &[("auto_undo: true", own)])),
        ["ask", "undo"]
    );
}

#[test]
fn anchors_aliases_and_json_are_yaml() {
    let text = changed(
        FULL,
        &[(
            "    hosts: { role: shop, stage: staging }",
            "    hosts: { role: shop }",
        )],
    );
    let aliased = changed(
        &text,
        &[
            (
                "  staging:\n    hosts: { role: shop }",
                "  staging:\n    hosts: &hosts { role: shop }",
            ),
            (
                "hosts: &production { role: shop, zone: 1 }",
                "hosts: *hosts",
            ),
        ],
    );
    let read = good(&aliased);
    let hosts = |name: &str| &read.environments[&name.parse().unwrap()].hosts;
    assert_eq!(hosts("staging"), hosts("production"));
    let json: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let read = good(&serde_json::to_string_pretty(&json).unwrap());
    assert_eq!(read.environments, good(FULL).environments);
}

#[test]
fn a_checked_definition_is_stored_and_read_again() {
    let read = good(FULL);
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Definition>(&json).unwrap(), read);
}

#[test]
fn the_configuration_digest_names_how_it_runs_and_nothing_else() {
    let digest = |from: &str, to: &str| config_digest(&good(&changed(FULL, &[(from, to)])));
    let before = config_digest(&good(FULL));
    for (from, to) in [
        ("LOG: info", "LOG: debug"),
        ("[8101, 8102]", "[8101]"),
        ("ok_after: 2", "ok_after: 3"),
        ("interval: 5s", "interval: 6s"),
        ("format: file", "format: tar.gz"),
    ] {
        assert_ne!(digest(from, to), before, "{to}");
    }
    for (from, to) in [
        ("bake: 10m", "bake: 11m"),
        (
            "strategy: all, max_unavailable: 9, warmup: 5s, watch: 30m",
            "strategy: all, max_unavailable: 9, warmup: 5s, watch: 0s",
        ),
        ("margin: 0.25", "margin: 0.5"),
        ("team: team-shop", "team: other"),
        ("target/release/shop", "elsewhere/shop"),
        (
            "LOG: info, RELEASE_NAME: \"${RELEASE}\"",
            "RELEASE_NAME: '${RELEASE}', LOG: \"info\"",
        ),
    ] {
        assert_eq!(digest(from, to), before, "{to}");
    }
}

/// A changed digest makes every host restart at the next release although nothing changed.
#[test]
fn the_configuration_digest_stays_from_version_to_version() {
    let newer = |line: &&str| !line.starts_with("  hooks:") && !line.starts_with("  drain:");
    let older: Vec<&str> = FULL.lines().filter(newer).collect();
    let older = older.join("\n");
    assert_eq!(
        config_digest(&good(&older)).hex(),
        "25f61086d2fa9920fbde17f232eca0e0602e4c2e7586c19be24c3939d5c9dba5"
    );
}

#[test]
fn variables_of_the_sender_are_filled_in_before_the_file_is_read() {
    let text = changed(FULL, &[("LOG: info", "LOG: \"${env.LEVEL}\"")]);
    let fill = |name: &str| (name == "LEVEL").then(|| "a \"b\": {c}\n".to_owned());
    let filled = substitute_env(&text, fill).unwrap();
    assert_eq!(good(&filled).run.env["LOG"], "a \"b\": {c}\n");
    assert_eq!(substitute_env(FULL, fill).unwrap(), FULL);
}

/// When the words change on purpose, the two files are written anew from the test's message.
#[test]
fn the_summary_says_what_will_happen() {
    let production = "production".parse().unwrap();
    let shown = |text: &str, environment| summary(&good(text), environment).join("\n") + "\n";
    assert_eq!(
        shown(FULL, Some(&production)),
        include_str!("full.summary.txt")
    );
    assert_eq!(shown(MINIMAL, None), include_str!("minimal.summary.txt"));
    let once = "once".parse().unwrap();
    let at_once = changed(FULL, &[(", max_unavailable: 9", "")]);
    let shown = shown(&at_once, Some(&once));
    let place = shown.lines().skip_while(|line| !line.starts_with("in "));
    let lines: Vec<&str> = place.take(5).collect();
    assert_eq!(
        lines,
        [
            "in once, on hosts with {role=\"shop\", stage=\"once\"}, at least 1 of them, all at once:",
            "  1. everyone: every host that is left, watched for 2m to 20m; asks a person then",
            "  while another release is on its way it waits",
            "  when it is done it stays watched for 30m",
            "  no host is left to compare with: it passes on proof, health and time",
        ]
    );
}

#[test]
fn the_summary_says_how_two_slots_take_turns() {
    let shown = |text: &str| -> Vec<String> {
        let lines = summary(&good(text), Some(&"slots".parse().unwrap()));
        let place = lines
            .into_iter()
            .skip_while(|line| !line.starts_with("in "));
        place.take(4).collect()
    };
    assert_eq!(
        shown(FULL),
        [
            "in slots, on hosts with {role=\"shop\", stage=\"slots\"}, at least 1 of them, at most 9 updating or unknown at once:",
            "  1. the idle slot, blue ({slot=\"a\"}) or green ({slot=\"b\"}), watched for 2m; it passes on proof, health and time",
            "  2. swap: routers with {role=\"router\"} send everything to it; the slot before keeps running for 2h",
            "  while another release is on its way it waits",
        ]
    );
    let other = changed(
        FULL,
        &[(
            "judge: proof, keep_warm: 2h",
            "judge: traffic, keep_warm: 0s",
        )],
    );
    let lines = shown(&other);
    assert!(
        lines[1].contains("judged for 2m to 20m by the test or mirrored traffic"),
        "{lines:?}"
    );
    assert!(
        lines[2].ends_with("the slot before stops at once"),
        "{lines:?}"
    );
}

#[test]
fn two_slots_are_told_apart_by_a_label_of_that_name() {
    let short = changed(
        FULL,
        &[
            ("slots: { blue: { slot: a }, green: { slot: b } }, ", ""),
            (", judge: proof, keep_warm: 2h", ""),
        ],
    );
    let read = good(&short);
    let plan = &read.environments[&"slots".parse().unwrap()];
    let slots = plan.blue_green.as_ref().unwrap();
    let label = |value| Labels::new([("slot", value)]).unwrap();
    assert_eq!(
        (&slots.blue, &slots.green),
        (&label("blue"), &label("green"))
    );
    assert_eq!(slots.keep_warm, Duration::from_secs(3_600));
    assert_eq!(slots.judge, JudgeIdle::Traffic);
    let names: Vec<&str> = plan.rings.iter().map(|ring| ring.name.as_str()).collect();
    assert_eq!(names, ["idle", "swap"]);
    assert_eq!(plan.max_unavailable, Some(9));
}
