//! Stored forms that outlive a release: what an earlier program wrote is read, and written the same.

use std::collections::BTreeSet;

use model::Fact;

/// One body per line, as the first program wrote them. Lines are added and never changed.
const FACTS_V1: &str = include_str!("golden/facts_v1.jsonl");

#[test]
fn every_stored_fact_is_read_and_written_as_it_was() {
    for (n, line) in (1..).zip(FACTS_V1.lines()) {
        let body: serde_json::Value = serde_json::from_str(line).expect("the golden file is JSON");
        let fact = Fact::from_body(&body).unwrap_or_else(|e| panic!("line {n}: {e}"));
        assert_eq!(fact.to_body(), body, "line {n}");
    }
}

#[test]
fn the_golden_file_holds_every_fact_there_is() {
    let fact = |line: &str| {
        let body: serde_json::Value = serde_json::from_str(line).expect("the golden file is JSON");
        body["fact"]
            .as_str()
            .expect("a body names its fact")
            .to_owned()
    };
    let kept: BTreeSet<String> = FACTS_V1.lines().map(fact).collect();
    // An unknown name makes serde list the ones it knows: the only place where all of them stand.
    let error = Fact::from_body(&serde_json::json!({ "fact": "?" })).unwrap_err();
    let known: BTreeSet<String> = error
        .split('`')
        .skip(3)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert!(known.len() > 10, "{error}");
    assert_eq!(kept, known);
}
