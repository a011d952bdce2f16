use proptest::prelude::*;

use super::*;
use crate::test_data;

/// Written for this test, in the shape of a small Go service.
const TYPICAL: &str = "\
# HELP http_requests_total Requests by code.\\n
# TYPE http_requests_total counter
http_requests_total{route=\"/pay\",code=\"200\"} 1027
http_requests_total { route = \"/pay\" , code=\"500\", }  3 1763700000123

\t build_info{path=\"C:\\\\shop\",note=\"say \\\"hi\\\"\\n\",empty=\"\"} 1
go:gc:ratio +Inf
temperature -1.5e-3 -12
nothing NaN
# EOF";

fn of(name: &str, labels: &[(&str, &str)], value: f64, at_ms: Option<i64>) -> Sample {
    let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
    Sample {
        name: name.to_owned(),
        labels: labels.iter().map(owned).collect(),
        value,
        at_ms,
    }
}

#[test]
fn a_typical_exposition_is_read_line_by_line() {
    let samples = parse(TYPICAL).unwrap();
    let requests = |code| [("route", "/pay"), ("code", code)];
    let info = [
        ("path", "C:\\shop"),
        ("note", "say \"hi\"\n"),
        ("empty", ""),
    ];
    assert_eq!(
        samples[..5],
        [
            of("http_requests_total", &requests("200"), 1027.0, None),
            of(
                "http_requests_total",
                &requests("500"),
                3.0,
                Some(1_763_700_000_123)
            ),
            of("build_info", &info, 1.0, None),
            of("go:gc:ratio", &[], f64::INFINITY, None),
            of("temperature", &[], -0.001_5, Some(-12)),
        ]
    );
    assert!(samples[5].value.is_nan());
    assert_eq!(samples.len(), 6);
}

#[test]
fn a_bad_line_is_named_with_its_number_and_the_remedy() {
    for (line, why) in [
        ("1up 1", "does not start with a metric name"),
        ("up", "there is no value"),
        ("up one", "`one` is no value"),
        ("up 1 1.5", "whole number of milliseconds"),
        ("up 1 2 3", "after the time"),
        ("up{a=\"1\" b=\"2\"} 1", "a `,` or `}` is missing"),
        ("up{a=\"1\"", "a `,` or `}` is missing"),
        ("up{a=1} 1", "`=\"` is missing after label `a`"),
        ("up{=\"1\"} 1", "a label name is missing"),
        ("up{a=\"1} 1", "label `a`: the value has no closing quote"),
        ("up{a=\"1\\", "label `a`: the value has no closing quote"),
        ("up{a=\"\\t\"} 1", "`\\t` is no escape"),
        ("up{a=\"1\",a=\"2\"} 1", "label `a` stands there twice"),
        ("up{__name__=\"x\"} 1", "before the `{`"),
        ("up{a=\"1\"} 1 # {trace=\"x\"} 1", "`#` is no time"),
    ] {
        let error = parse(&format!("ok 1\n{line}\n")).unwrap_err();
        assert_eq!(error.line, 2, "{line}");
        assert!(error.to_string().contains(why), "{line}: {error}");
    }
}

#[test]
fn an_empty_exposition_has_no_samples() {
    assert_eq!(parse("").unwrap(), []);
    assert_eq!(parse("\n  \n# only a comment").unwrap(), []);
}

#[test]
fn answers_of_real_exporters_are_read_completely() {
    for name in ["node-exporter-1.5.0.txt", "blackbox-0.23.0-http.txt"] {
        let Some(bytes) = test_data(&format!("metrics/wire/{name}")) else {
            return;
        };
        let text = String::from_utf8(bytes).unwrap();
        let lines = text
            .lines()
            .filter(|l| !l.starts_with('#') && !l.is_empty());
        assert_eq!(parse(&text).unwrap().len(), lines.count(), "{name}");
    }
}

/// Writes samples as a service would; only for the round trip below.
fn write(samples: &[Sample]) -> String {
    let escape = |v: &str| {
        v.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let line = |s: &Sample| {
        let pairs: Vec<String> = s
            .labels
            .iter()
            .map(|(n, v)| format!("{n}=\"{}\"", escape(v)))
            .collect();
        let at = s.at_ms.map(|t| format!(" {t}")).unwrap_or_default();
        format!("{}{{{}}} {}{at}\n", s.name, pairs.join(","), s.value)
    };
    samples.iter().map(line).collect()
}

prop_compose! {
    fn any_sample()(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}",
        labels in prop::collection::btree_map("[a-z][a-zA-Z0-9_]{0,5}", any::<String>(), 0..4),
        value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE,
        at_ms in any::<Option<i64>>(),
    ) -> Sample {
        Sample { name, labels: labels.into_iter().collect(), value, at_ms }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(samples in prop::collection::vec(any_sample(), 0..6)) {
        prop_assert_eq!(parse(&write(&samples)), Ok(samples));
    }

    #[test]
    fn any_text_ends_in_samples_or_an_error(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_text_made_of_the_formats_own_signs_ends_too(text in "[a{}=,\"\\\\n# \t\n0-9.-]{0,80}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.line <= text.split('\n').count());
        }
    }
}
