//! No text makes the reader panic, hang, or refuse without saying why.

use std::time::{Duration, Instant};

use deliver::definition::{parse, substitute_env, summary};
use model::limit;
use proptest::prelude::*;

use crate::FULL;

/// Reads a text every way there is.
fn read(text: &str) {
    match parse(text) {
        Ok(definition) => assert!(!summary(&definition, None).is_empty()),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason: {text:?}");
            let lines = u32::try_from(text.split(['\n', '\r']).count() + 1).unwrap();
            for fault in faults {
                assert!(
                    fault.line.is_some_and(|line| (1..=lines).contains(&line)),
                    "{fault}"
                );
                assert!(
                    !fault.what.is_empty() && !fault.remedy.is_empty(),
                    "{fault:?}"
                );
            }
        }
    }
    if let Ok(filled) = substitute_env(text, |_| Some("x".to_owned())) {
        assert_eq!(substitute_env(&filled, |_| None).as_ref(), Ok(&filled));
    }
}

/// Pieces of YAML and of our own words, in any order.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n", "\n  ", "\n    ", "- ", ": ", "? ", "{", "}", "[", "]", ", ", "&a ", "*a", "!t ",
            "|\n ", ">-\n ", "\"", "'", "#", "%", "---\n", "...\n", "\t", "~", "<<: *a", "${PORT}",
            "${env.A}", "${", "\\", "\u{feff}", "\r\n", "\0", "25%", "5m", "-1", "1e400", "0x",
            ".nan", "true", "ä",
        ])
        .prop_map(str::to_owned),
        prop::sample::select(FULL.split_inclusive([' ', '\n']).collect::<Vec<_>>())
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_of_yaml_are_read_or_refused(text in yaml_like()) {
        read(&text);
    }

    #[test]
    fn a_good_file_with_any_passage_replaced_is_read_or_refused(
        start in 0..FULL.len(), length in 0..80_usize, piece in yaml_like(),
    ) {
        let end = (start + length).min(FULL.len());
        read(&format!("{}{piece}{}", &FULL[..start], &FULL[end..]));
    }

    #[test]
    fn any_value_of_a_variable_stays_one_value(value in any::<String>()) {
        for text in ["{a: '${env.V}', b: 1}", "a: ${env.V}\nb: 1\n", "a: \"${env.V}\"\nb: 1\n"] {
            let filled = substitute_env(text, |_| Some(value.clone())).unwrap();
            let read: serde_json::Value = serde_saphyr::from_str(&filled).unwrap();
            prop_assert_eq!(&read["b"], 1);
            if let Some(text) = read["a"].as_str() {
                prop_assert_eq!(text, &value);
            }
        }
    }
}

/// Tells whether a text is read, and filled in, in less than ten seconds each, which take some
/// milliseconds: a reader that is quadratic in the size of the file needs minutes. The best of three tries
/// counts, since a busy machine may stop the test for long.
#[expect(clippy::disallowed_methods, reason = "this test is about real time")]
fn is_quick(text: &str) -> bool {
    let in_time = |work: &dyn Fn()| {
        (0..3).any(|_| {
            let start = Instant::now();
            work();
            start.elapsed() < Duration::from_secs(10)
        })
    };
    in_time(&|| drop(parse(text)))
        && in_time(&|| drop(substitute_env(text, |_| Some("x".to_owned()))))
}

#[test]
fn no_file_within_the_limit_takes_long() {
    let pieces = [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "&a ",
        "*a ",
        "\"",
        "'",
        "a: |\n",
        ">",
        "#",
        "%",
        "!",
        "\t",
        "a: b\n",
        "- a\n",
        "a\n",
        "[a, ",
        "{a: ",
        "a,",
        "&a [*a, ",
        "\n",
        " ",
        "x",
        "\u{feff}",
        "---\n",
        "- - - ",
        "${env.A}",
        "'${PORT",
        "run: {exec: [",
    ];
    for piece in pieces {
        for before in ["", "service: ", "run: [", "signals: {", "x: |\n ", "x: \""] {
            let repeated = piece.repeat((limit::DEFINITION_BYTES - before.len()) / piece.len());
            assert!(is_quick(&format!("{before}{repeated}")), "{before}{piece}…");
        }
    }
}

#[test]
fn aliases_cannot_make_a_small_file_large() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    let mut map = "a0: &a0 {a: x, b: y}\n".to_owned();
    for i in 1..500 {
        bomb.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
        map.push_str(&format!("a{i}: &a{i} {{a: *a{0}, b: *a{0}}}\n", i - 1));
    }
    let long = format!(
        "a: &a {}\nenvironments: {{ {} }}\n",
        "x".repeat(1 << 19),
        "k: *a, ".repeat(9_000)
    );
    for text in [bomb, map, long] {
        assert!(is_quick(&text));
        assert!(
            parse(&text).unwrap_err()[0]
                .what
                .contains("with its aliases (`*name`) written out")
        );
    }
}

#[test]
fn a_long_name_is_not_repeated_in_every_fault() {
    let name = "x".repeat(900_000);
    let rings = "{ bake: 5 }, ".repeat(1_000);
    let text = format!("environments: {{ ? {name} : {{ rings: [{rings}] }} }}\n");
    let faults = parse(&text).unwrap_err();
    assert!(faults.len() > 1_000);
    assert!(faults.iter().all(|fault| fault.to_string().len() < 500));
}
