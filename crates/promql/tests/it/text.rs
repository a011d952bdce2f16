//! What is an expression, and what is said of what is none.

use promql::{ParseErrorKind, parse};

#[test]
fn an_expression_is_shown_as_it_reads_back() {
    for (text, shown) in [
        ("up", "up"),
        ("up{job='a',}", r#"up{job="a"}"#),
        (r#"{"a.b", "x y"=~"z|"}"#, r#"{__name__="a.b","x y"=~"z|"}"#),
        ("rate(x[ 300 ])", "rate(x[5m])"),
        ("SUM BY (a,b,) (x)", "sum by (a, b) (x)"),
        ("sum(x) without (a)", "sum without (a) (x)"),
        ("topk(3, x)", "topk(3, x)"),
        ("a + b * c ^ d ^ e", "a + b * c ^ d ^ e"),
        ("-2 ^ 2", "-2 ^ 2"),
        ("a / on(x) group_left(y) b", "a / on (x) group_left (y) b"),
        ("a > bool 1_000", "a > bool 1000"),
        ("x[1h:5m] offset -1m @ 3.5", "x[1h:5m] @ 3.500 offset -1m"),
        ("x @ start()", "x @ start()"),
        ("(a)", "(a)"),
        ("sum", "sum"),
        ("a:b:c", "a:b:c"),
        ("1m", "60"),
        ("'a\\'b'", r#""a'b""#),
        ("# nothing\n1 # one", "1"),
    ] {
        let read = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(read.to_string(), shown, "{text}");
        assert_eq!(parse(shown).unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    for (text, why) in [
        ("", "1:1: parse error: no expression found in input"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("a b", "1:3: parse error: unexpected identifier \"b\""),
        (
            "{}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a=~\".*\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "rate(x)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        (
            "nope(x)",
            "1:1: parse error: unknown function with name \"nope\"",
        ),
        (
            "sum(x, y)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
        ),
        (
            "1 == 1",
            "1:1: parse error: comparisons between scalars must use BOOL modifier",
        ),
        (
            "a and 1",
            "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "x[5m] + 1",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("x[0s]", "1:3: parse error: duration must be greater than 0"),
        (
            "x[5m][5m]",
            "1:6: parse error: ranges only allowed for vector selectors",
        ),
        (
            "x offset 5m offset 1m",
            "1:13: parse error: offset may not be set multiple times",
        ),
        (
            "(x + y) offset 5m",
            "1:9: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        (
            "a and on() group_left b",
            "1:12: parse error: no grouping allowed for \"and\" operation",
        ),
        (
            "x{a=\"b\"\n, c}",
            "2:3: parse error: unexpected identifier \"c\" in label matching",
        ),
        ("\"a", "1:1: parse error: unterminated quoted string"),
        ("a ? b", "1:3: parse error: unexpected character: '?'"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), why, "{text}");
    }
}

#[test]
fn what_is_not_built_is_named() {
    for text in [
        "rate(x[5m] anchored)",
        "x[5m + 1m]",
        "x offset (1m)",
        "a >/ 1",
        "a + fill(0) b",
        "info(x)",
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            matches!(error.kind, ParseErrorKind::Unsupported(_)),
            "{text}: {error}"
        );
    }
}

#[test]
fn depth_and_patterns_have_limits() {
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep).unwrap_err().to_string().contains("256 deep"));
    assert!(parse(&"-".repeat(100_000)).is_err());
    let bomb = parse(r#"x{a=~"(a{1000}){1000}"}"#).unwrap_err().to_string();
    assert!(bomb.contains("takes more than"), "{bomb}");
}
