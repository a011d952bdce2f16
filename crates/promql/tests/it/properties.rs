//! What holds for any text, any expression and any samples.

use std::collections::BTreeMap;

use promql::{
    EvalError, Labels, Limits, Matcher, Query, Series, Source, SourceError, Value, evaluate, parse,
    stale_marker,
};
use proptest::prelude::*;

#[derive(Debug)]
struct Samples(Vec<Series>);

impl Source for Samples {
    fn select(
        &self,
        matchers: &[Matcher],
        after_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Series>, SourceError> {
        let fits = |series: &&Series| {
            matchers
                .iter()
                .all(|m| m.matches(series.labels.get(&m.label)))
        };
        let cut = |series: &Series| {
            let inside = |time: &i64| after_ms < *time && *time <= until_ms;
            let points = series
                .times
                .iter()
                .zip(&series.values)
                .filter(|(time, _)| inside(time));
            let (times, values) = points.map(|(time, value)| (*time, *value)).unzip();
            Series {
                labels: series.labels.clone(),
                times,
                values,
            }
        };
        Ok(self.0.iter().filter(fits).map(cut).collect())
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-5_i32..50).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(stale_marker()),
    ]
}

/// Makes up to ten minutes of a few series, with gaps.
fn samples() -> impl Strategy<Value = Samples> {
    let series = (
        "[mn]",
        "[xy]?",
        "[12]?",
        prop::collection::btree_map(1_i64..60, value(), 0..25),
    );
    prop::collection::vec(series, 0..6).prop_map(|all| {
        let unique: BTreeMap<Labels, BTreeMap<i64, f64>> = all
            .into_iter()
            .map(|(name, a, b, points)| {
                (
                    Labels::new([("__name__", name), ("a", a), ("b", b)]),
                    points,
                )
            })
            .collect();
        let series = unique.into_iter().map(|(labels, points)| Series {
            labels,
            times: points.keys().map(|at| at * 10_000).collect(),
            values: points.values().copied().collect(),
        });
        Samples(series.collect())
    })
}

fn expression() -> impl Strategy<Value = String> {
    let selector = prop::sample::select(vec![
        "m",
        "n",
        "{__name__=~\"m|n\"}",
        "m{a=\"x\"}",
        "m{a!=\"x\",b=~\"1|\"}",
        "m offset 50s",
        "m @ 300",
        "n offset -30s",
    ]);
    let range = prop::sample::select(vec![
        "m[1m]",
        "n[2m] offset 20s",
        "m[90s:20s]",
        "(m + 1)[1m:10s]",
        "m[2m] @ 400",
        "sum(m)[1m:]",
    ]);
    let over = prop::sample::select(vec![
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "sum_over_time",
        "avg_over_time",
        "max_over_time",
        "last_over_time",
        "changes",
        "resets",
        "deriv",
        "stddev_over_time",
        "count_over_time",
        "absent_over_time",
        "mad_over_time",
        "present_over_time",
    ]);
    let leaf = prop_oneof![
        4 => selector.clone().prop_map(str::to_owned),
        // Elsewhere a rounding would decide.
        2 => (selector.clone(), prop::sample::select(vec!["==", "> bool", "<"]), selector)
            .prop_map(|(left, op, right)| format!("({left}) {op} ({right})")),
        3 => (over, range).prop_map(|(function, range)| format!("{function}({range})")),
        1 => Just("vector(time())".to_owned()),
    ];
    let tree = leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "and",
            "or",
            "unless",
            "* ignoring(b)",
            "- on(a) group_left()",
            "and on(a)",
            "or ignoring(a,b)",
        ]);
        let aggregation = prop::sample::select(vec![
            "sum",
            "avg by (a)",
            "min without (a)",
            "max by (b)",
            "count by (a,b)",
            "stddev",
            "stdvar by (b)",
            "group",
            "quantile by (a) (0.3,",
            "limit_ratio(0.5,",
        ]);
        let function = prop::sample::select(vec![
            "abs(",
            "-(",
            "ceil(",
            "clamp_max(2,",
            "timestamp(",
            "absent(",
            "sgn(",
            "vector(scalar(",
            "label_join(",
            "hour(",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(l, op, r)| format!("({l}) {op} ({r})")),
            (aggregation, inner.clone()).prop_map(|(aggregation, of)| {
                match aggregation.ends_with(',') {
                    true => format!("{aggregation} {of})"),
                    false => format!("{aggregation} ({of})"),
                }
            }),
            (function, inner).prop_map(|(function, of)| match function {
                "clamp_max(2," => format!("clamp_max({of}, 2)"),
                "label_join(" => format!("label_join({of}, \"c\", \"-\", \"a\", \"b\")"),
                "vector(scalar(" => format!("vector(scalar({of}))"),
                _ => format!("{function}{of})"),
            }),
        ]
    });
    // These sort, or take whom they meet first: further in, the order would decide.
    let choice = prop::sample::select(vec![
        "",
        "topk(1, ",
        "bottomk by (a) (2, ",
        "limitk(1, ",
        "count_values(\"v\", ",
    ]);
    (choice, tree).prop_map(|(choice, tree)| match choice {
        "" => tree,
        choice => format!("{choice}{tree})"),
    })
}

type Points = BTreeMap<Labels, Vec<(i64, f64)>>;

fn points(value: Value) -> Points {
    let Value::Vector(series) = value else {
        panic!("{value:?}");
    };
    series
        .into_iter()
        .filter(|(_, points)| !points.is_empty())
        .collect()
}

/// Tells whether two answers are the same but for rounding: at one moment `topk` and its like sort the series, and
/// what is added up in another order is rounded in another way.
fn is_same(a: &Points, b: &Points) -> bool {
    let number = |a: f64, b: f64| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    };
    let point = |a: &(i64, f64), b: &(i64, f64)| a.0 == b.0 && number(a.1, b.1);
    let line = |a: &[(i64, f64)], b: &[(i64, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| point(a, b))
    };
    a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| line(a, b))
}

const FROM: i64 = 20_000;
const TO: i64 = 620_000;
const STEP: i64 = 35_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// A range is what the same expression says at each of its moments.
    #[test]
    fn a_range_is_its_moments((expression, samples) in (expression(), samples())) {
        let parsed = parse(&expression).map_err(|e| TestCaseError::fail(format!("{expression}: {e}")))?;
        let limits = Limits::default();
        let range = evaluate(&parsed, Query::range(FROM, TO, STEP), &samples, &limits);
        let mut moments: Result<Points, EvalError> = Ok(Points::new());
        for at in (FROM..=TO).step_by(usize::try_from(STEP).unwrap()) {
            match evaluate(&parsed, Query::instant(at), &samples, &limits) {
                Ok(answer) => if let Ok(all) = &mut moments {
                    for (labels, here) in points(answer.value) {
                        all.entry(labels).or_default().extend(here);
                    }
                },
                Err(error) => moments = Err(error),
            }
        }
        match (range, moments) {
            (Ok(range), Ok(moments)) => {
                let range = points(range.value);
                prop_assert!(is_same(&range, &moments), "{expression}: {range:?} and {moments:?}");
            }
            // Two series that are the same only at different moments are one over a range.
            (Err(_), Err(_)) => {}
            (range, moments) => prop_assert!(false, "{expression}: {range:?} and {moments:?}"),
        }
    }

    /// What is shown reads back as the same.
    #[test]
    fn what_is_shown_reads_back(expression in expression()) {
        let shown = parse(&expression).unwrap().to_string();
        prop_assert_eq!(parse(&shown).unwrap().to_string(), shown);
    }

    /// Any text has an end: a value or an error with a place in it.
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = parse(&text);
        let _ = promql::script::run(&text);
    }

    /// As above, of texts made of the language's own pieces.
    #[test]
    fn any_pieces_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(vec![
        "sum", "by", "(", ")", "{", "}", "[", "]", ":", "5m", "1", "0x", "1e", "-", "+", "^", "and", "on", "bool",
        "offset", "@", "start", "rate", "x", ",", "=", "=~", "\"a\"", "'", "`", "\\", "#", "\n", "é", "Inf", "load 1m",
        "eval instant at 1m", "1+1x5", "{{", "}}", "expect", "_x3",
    ]), 0..24)) {
        for joint in ["", " "] {
            let text = pieces.join(joint);
            if let Ok(expression) = parse(&text) {
                let samples = Samples(Vec::new());
                let _ = evaluate(&expression, Query::instant(0), &samples, &Limits::default());
            }
            let _ = promql::script::run(&text);
        }
    }
}

#[test]
fn limits_are_kept() {
    let series = Series {
        labels: Labels::new([("__name__", "m")]),
        times: (0..1_000).map(|at| at * 1_000).collect(),
        values: vec![1.0; 1_000],
    };
    let samples = Samples(vec![series]);
    let parsed = parse("sum_over_time(m[1h])").unwrap();
    let few = Limits {
        samples: 500,
        ..Limits::default()
    };
    let refused = evaluate(&parsed, Query::instant(1_000_000), &samples, &few);
    assert_eq!(refused, Err(EvalError::TooManySamples { limit: 500 }));
    let refused = evaluate(
        &parsed,
        Query::range(0, 12_000_000, 1_000),
        &samples,
        &Limits::default(),
    );
    assert_eq!(refused, Err(EvalError::TooManySteps { limit: 11_000 }));
    let wide = parse("max_over_time(vector(1)[100y:1ms])").unwrap();
    let refused = evaluate(&wide, Query::instant(0), &samples, &Limits::default());
    assert_eq!(
        refused,
        Err(EvalError::TooManySamples { limit: 50_000_000 })
    );
    let canceled = Limits {
        is_canceled: &|| true,
        ..Limits::default()
    };
    let refused = evaluate(&parsed, Query::instant(0), &samples, &canceled);
    assert_eq!(refused, Err(EvalError::Canceled));
}

#[test]
fn times_at_the_ends_of_time_are_no_trouble() {
    let samples = Samples(Vec::new());
    for text in [
        "m",
        "rate(m[100y])",
        "m offset 1000y",
        "m[1y:1d] @ 1e12",
        "hour()",
        "m @ -1e12",
    ] {
        let parsed = parse(text).unwrap();
        for at in [-9_000_000_000_000_000, 0, 9_000_000_000_000_000] {
            evaluate(&parsed, Query::instant(at), &samples, &Limits::default()).unwrap();
        }
    }
}

#[test]
fn a_long_expression_is_evaluated_and_a_longer_one_refused() {
    let samples = Samples(Vec::new());
    let sum = format!("vector(0){}", " + vector(1)".repeat(200));
    // As deep and as long as may be, on the small stack of a test.
    let long = format!("{}{sum}{}", "(".repeat(250), ")".repeat(250));
    let answer = evaluate(
        &parse(&long).unwrap(),
        Query::instant(0),
        &samples,
        &Limits::default(),
    );
    let value = Value::Vector(vec![(Labels::default(), vec![(0, 200.0)])]);
    assert_eq!(answer.unwrap().value, value);
    for endless in [
        "m".to_owned() + &" + m".repeat(50_000),
        "m".to_owned() + &"[1m:]".repeat(20_000),
    ] {
        let refused = parse(&endless).unwrap_err().to_string();
        assert!(refused.contains("more than 200 operators"), "{refused}");
    }
}
