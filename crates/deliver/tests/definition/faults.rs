//! Every fault, with its exact words: the cases stand in `faults.txt`.

use deliver::definition::parse;
use model::limit;

use crate::{FULL, changed};

fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).expect_err("the text has faults");
    faults.iter().map(ToString::to_string).collect()
}

/// Returns a text of `faults.txt` with its escapes resolved.
fn unescaped(text: &str) -> String {
    [
        ("\\\\", "\u{1}"),
        ("\\n", "\n"),
        ("\\t", "\t"),
        ("\\s", " "),
        ("\u{1}", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escape, means)| {
        text.replace(escape, means)
    })
}

#[test]
fn every_fault_is_said_in_the_words_of_the_list() {
    let (mut from, mut text, mut expected) = (String::new(), String::new(), Vec::new());
    let mut cases = 0;
    let lines = include_str!("faults.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for line in lines.chain(["@"]) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if matches!(kind, "-" | "@") && !expected.is_empty() {
            assert_eq!(faults(&text), expected, "{text}");
            cases += 1;
            expected.clear();
        }
        match kind {
            "-" => from = unescaped(rest),
            "+" => text = changed(FULL, &[(&from, &unescaped(rest))]),
            "@" => text = unescaped(rest),
            "=" => expected.push(rest.to_owned()),
            _ => assert_eq!(line, "", "a line of no kind"),
        }
    }
    assert!(cases > 100, "only {cases} cases were found");
}

#[test]
fn all_faults_are_found_in_one_reading_in_the_order_of_lines() {
    let text = changed(
        FULL,
        &[
            ("service: shop\n", ""),
            ("[8101, 8102]", "[8101, x]"),
            ("http: /healthz", "htp: /healthz"),
            ("bake: 1m", "bake: 5 min"),
            ("critical: true", "critical: yes"),
            ("else: page", "else: panic"),
        ],
    );
    let faults = parse(&text).unwrap_err();
    let places: Vec<(u32, &str)> = faults
        .iter()
        .map(|fault| (fault.line.unwrap(), fault.path.as_str()))
        .collect();
    let expected = [
        (2, ""),
        (7, "run.ports[1]"),
        (12, "health.htp"),
        (31, "environments.production.rings[0].bake"),
        (47, "signals.payment_errors.critical"),
        (80, "procedures[0].else"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_fault_has_its_column_too() {
    let fault = &parse(&changed(FULL, &[("bake: 1m", "bake: 5 min")])).unwrap_err()[0];
    assert_eq!((fault.line, fault.column), (Some(32), Some(40)));
    assert_eq!(fault.path, "environments.production.rings[0].bake");
    assert_eq!(fault.what, "`5 min` is not a duration");
    assert_eq!(
        fault.remedy,
        "write a number and a unit, such as 250ms, 10s, 15m, 2h or 7d"
    );
}

fn many(passage: &str, times: usize) -> String {
    (0..times)
        .map(|i| passage.replace('#', &i.to_string()))
        .collect()
}

#[test]
fn limits_on_the_number_of_things_are_named() {
    let rings = many("{ name: r#, hosts: 1 }, ", limit::RINGS + 1);
    let text = changed(FULL, &[("{ name: all, hosts: 100%, bake: 0s }", &rings)]);
    let fault = "line 24: environments.staging.rings: 33 rings are too many; use at most 32";
    assert_eq!(faults(&text), [fault]);

    let signals = many(
        "  s#: { level: service, kind: count, bad: a, total: b }\n",
        limit::SIGNALS,
    );
    let text = changed(FULL, &[("signals:\n", &format!("signals:\n{signals}"))]);
    let fault =
        "line 43: signals: 68 signals are too many; use at most 64; all share one error budget";
    assert_eq!(faults(&text), [fault]);

    let procedures = many(
        "  - { name: p#, when: { verdict: fail }, do: [page] }\n",
        limit::PROCEDURES,
    );
    let text = changed(
        FULL,
        &[("procedures:\n", &format!("procedures:\n{procedures}"))],
    );
    let fault = "line 78: procedures: 65 procedures are too many; use at most 64";
    assert_eq!(faults(&text), [fault]);
}

#[test]
fn limits_on_the_text_are_named() {
    let long = "x".repeat(limit::NAME_BYTES + 1);
    assert_eq!(
        faults(&changed(
            FULL,
            &[("service: shop", &format!("service: {long}"))]
        )),
        ["line 2: service: this cannot stand here; a service name has 1 to 100 characters"]
    );
    assert_eq!(
        faults(&format!("{FULL}#{}", "x".repeat(limit::DEFINITION_BYTES))),
        ["line 1: the file has more than 1048576 bytes; a service file has a few thousand"]
    );
    assert_eq!(
        faults(&format!(
            "{FULL}x: [{}]\n",
            "1, ".repeat(limit::DEFINITION_NODES)
        )),
        [
            "line 88: the file has more than 10000 values or 1048576 bytes with its aliases (`*name`) written out; a service file has a few hundred values"
        ]
    );
    let deep = limit::DEFINITION_DEPTH;
    assert_eq!(
        faults(&format!(
            "{FULL}x: {}{}\n",
            "[".repeat(deep),
            "]".repeat(deep)
        )),
        [
            "line 88: lists and keys stand more than 32 deep in each other; a service file needs five levels"
        ]
    );
}
