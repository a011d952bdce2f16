//! Verdicts in words.

use learn::sentence::{Tense, paragraphs, reason, verdict};
use model::judge::verdict::f64Eq;
use model::judge::{Control, Counts, Excluded, Reason, VerdictState};

use crate::fixture::{self, at, metric, of};

#[test]
fn a_bad_verdict_names_the_signal_the_odds_and_the_confidence() {
    let mut verdict_of = fixture::verdict();
    assert_eq!(
        verdict(&verdict_of),
        "Bad: payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %), after 31 looks and 1,540 requests."
    );
    assert_eq!(
        reason(&verdict_of, Tense::Was),
        "payment errors were 3.8 times as likely on the canary (at least 1.5 times, 99 %)"
    );
    let metric = &mut verdict_of.evidence.metrics[0];
    metric.odds_ratio = None;
    assert_eq!(
        reason(&verdict_of, Tense::Is),
        "payment errors are at least 1.5 times as likely on the canary (99 %)"
    );
    let metric = &mut verdict_of.evidence.metrics[0];
    metric.odds_at_least = None;
    assert_eq!(
        reason(&verdict_of, Tense::Is),
        "payment errors are worse on the canary: 4.0 % of 1,540 on the canary, 1.1 % of 13,870 on the control"
    );
}

#[test]
fn an_assumed_spread_claims_no_confidence() {
    let mut verdict = fixture::verdict();
    let metric = &mut verdict.evidence.metrics[0];
    metric.dispersion.source = "assumed".to_owned();
    metric.dispersion.phi = 2.0;
    let text = reason(&verdict, Tense::Is);
    assert_eq!(
        text,
        "payment errors are 3.8 times as likely on the canary (at least 1.5 times)"
    );
    let paragraph = &paragraphs(&verdict, at(31))[0];
    assert!(
        paragraph.contains(
            "spread 2 assumed, with too little history to measure it, so that no 1 % claim is made"
        ),
        "{paragraph}"
    );
    assert!(!paragraph.contains("99 %"), "{paragraph}");
}

#[test]
fn the_signal_with_most_evidence_for_its_weight_leads() {
    let mut verdict = fixture::verdict();
    let mut other = metric();
    other.metric = "packet-loss".to_owned();
    other.log_e = 6.5;
    other.weight = 0.3;
    verdict.evidence.metrics.push(other.clone());
    assert!(reason(&verdict, Tense::Is).starts_with("payment errors are"));
    other.log_e = 9.0;
    verdict.evidence.metrics.push(other.clone());
    assert!(reason(&verdict, Tense::Is).starts_with("packet loss is"));
    other.advisory = true;
    other.log_e = 90.0;
    verdict.evidence.metrics = vec![metric(), other];
    assert!(reason(&verdict, Tense::Is).starts_with("payment errors are"));
}

#[test]
fn weak_harm_in_several_signals_says_so() {
    let mut verdict = fixture::verdict();
    verdict.evidence.metrics[0].log_e = 4.5;
    assert!(
        reason(&verdict, Tense::Is).starts_with(
            "several signals together show harm, most of all this one: payment errors"
        )
    );
}

#[test]
fn every_reason_has_its_clause() {
    use VerdictState::{Fail, Marginal, Pass, Undecided};
    let host: model::HostName = "web-1".parse().unwrap();
    let says = |state, reason| verdict(&of(state, reason));
    let unhealthy = |failed_checks| Reason::Unhealthy {
        host: host.clone(),
        failed_checks,
    };
    let crashing = Reason::Crashing {
        host: host.clone(),
        exits: 2,
    };
    let not_excluded = |odds_at_most| Reason::NotExcluded { odds_at_most };
    let looked = "after 31 looks and 1,540 requests.";
    let likely = "payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %)";
    assert_eq!(
        says(Fail, crashing),
        "Bad: its process ended 2 times on web-1 without being asked."
    );
    assert_eq!(
        says(Fail, unhealthy(3)),
        "Bad: it failed 3 health checks in a row on web-1."
    );
    assert_eq!(
        says(Fail, unhealthy(0)),
        "Bad: web-1 went back to its last proved release by itself."
    );
    assert_eq!(
        says(Pass, Reason::Cleared),
        format!("Good: harm beyond the margin is excluded for every required signal, {looked}")
    );
    assert_eq!(
        says(Pass, not_excluded(Some(f64Eq(2.0)))),
        format!(
            "Good: there is no sign of harm by the ring's deadline, but 2 times as likely is not excluded, {looked}"
        )
    );
    assert_eq!(
        says(Pass, not_excluded(None)),
        format!(
            "Good: there is no sign of harm by the ring's deadline, but harm is not excluded, {looked}"
        )
    );
    assert_eq!(
        says(Marginal, Reason::Suspicion),
        format!("Unclear: some evidence of harm, not enough to be sure: {likely}, {looked}")
    );
    assert_eq!(
        says(Marginal, Reason::AdvisoryOnly),
        format!("Unclear: only advisory signals are worse: {likely}, {looked}")
    );
    assert_eq!(
        says(Marginal, Reason::DeadlineHold),
        format!("Unclear: the ring's deadline came before harm could be excluded, {looked}")
    );
    assert_eq!(
        says(Undecided, Reason::Collecting),
        "Undecided: no sign of harm so far, 1,540 requests on the canary."
    );
    assert_eq!(
        says(Undecided, Reason::NotEnoughTraffic),
        "Undecided: too little traffic to judge it, 1,540 requests on the canary."
    );
    assert_eq!(
        says(Undecided, Reason::NoControl),
        "Undecided: nothing was proved before this release, so there is nothing to compare it with."
    );
    assert_eq!(
        says(Undecided, Reason::NoData),
        "Undecided: no signal reports."
    );
    assert_eq!(
        says(Undecided, Reason::ControlSick),
        "Undecided: the hosts it is compared with are not in their normal state themselves."
    );
}

#[test]
fn the_detail_lets_a_reader_check_the_verdict() {
    let mut verdict = fixture::verdict();
    let metric = &mut verdict.evidence.metrics[0];
    metric.canary = Counts { bad: 12, total: 97 };
    metric.control = Counts {
        bad: 0,
        total: 3_120,
    };
    metric.odds_ratio = None;
    metric.odds_at_least = Some(10.0);
    metric.odds_at_most = None;
    verdict.evidence.excluded = vec![Excluded {
        from: at(10),
        to: at(15),
        why: "gap".to_owned(),
    }];
    verdict.evidence.unattributed = 12;
    assert_eq!(
        paragraphs(&verdict, at(31)),
        [
            "payment_errors: 12.4 % of 97 on the canary, 0.0 % of 3,120 on the control; odds at least 10 times, 99 %; spread 1.4, measured over 720 looks in windows of up to 5 min; evidence of harm 6.2.",
            "31 looks since 14:03:01 UTC; evidence of harm 5.84, a bad verdict needs 4.61; compared with 7 hosts.",
            "Left out: 14:03:10 to 14:03:15 UTC, gap.",
            "12 requests could be counted for neither side.",
        ]
    );
}

#[test]
fn a_signal_without_traffic_says_so() {
    let mut verdict = fixture::verdict();
    let metric = &mut verdict.evidence.metrics[0];
    metric.canary = Counts::default();
    metric.odds_ratio = None;
    metric.odds_at_least = None;
    metric.odds_at_most = None;
    metric.cleared = true;
    metric.advisory = true;
    verdict.evidence.control = Control::None;
    let paragraphs = paragraphs(&verdict, at(31));
    assert!(
        paragraphs[0].starts_with(
            "payment_errors: nothing counted on the canary, 1.1 % of 13,870 on the control; odds not known yet; "
        ),
        "{paragraphs:?}"
    );
    assert!(
        paragraphs[0]
            .ends_with("harm beyond the margin is excluded; advisory, so it undoes nothing."),
        "{paragraphs:?}"
    );
    assert!(
        paragraphs[1].ends_with("; compared with nothing."),
        "{paragraphs:?}"
    );
}

#[test]
fn a_long_list_of_gaps_is_counted() {
    let mut verdict = fixture::verdict();
    let gap = Excluded {
        from: at(10),
        to: at(15),
        why: "gap".to_owned(),
    };
    verdict.evidence.excluded = vec![gap; 8];
    let paragraphs = paragraphs(&verdict, at(31));
    assert!(
        paragraphs[2].ends_with("gap; and 3 more."),
        "{paragraphs:?}"
    );
}

#[test]
fn harm_that_several_parts_show_together_is_told_as_that() {
    let mut shown = of(VerdictState::Fail, Reason::Harm);
    shown.evidence.beside = Some(4.2);
    shown.evidence.metrics[0].log_e = 1.0;
    let said = verdict(&shown);
    assert!(
        said.starts_with("Bad: it and what was shipped with it show harm together, here most of all: payment errors"),
        "{said}"
    );
    let told = paragraphs(&shown, at(31));
    let whole = told.iter().find(|text| text.contains("looks since"));
    assert!(
        whole.unwrap().contains("evidence of harm 5.84 (4.2 of it in what was shipped with it), a bad verdict needs 4.61"),
        "{told:?}"
    );
}
