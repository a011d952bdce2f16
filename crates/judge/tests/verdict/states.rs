//! Every state and its reason.

use super::*;

#[test]
fn harm_fails_for_good() {
    let mut test = errors_only();
    let bad = |s| Look {
        metrics: counted("errors", (5, 10), (1, 90)),
        ..quiet(s)
    };
    let failed = run(&mut test, 10, bad);
    assert_state(&failed, Fail, "harm");
    assert!(failed.evidence.log_e >= failed.evidence.needed);
    for s in 11..3_000 {
        assert_state(&test.look(&quiet(s)), Fail, "harm");
    }
}

#[test]
fn evidence_explains_the_failure() {
    let mut test = errors_only();
    let bad = |s| Look {
        metrics: counted("errors", (5, 10), (9, 90)),
        ..quiet(s)
    };
    let evidence = run(&mut test, 30, bad).evidence;
    let errors = &evidence.metrics[0];
    assert_eq!(evidence.looks, 30);
    assert_eq!(
        errors.canary,
        Counts {
            bad: 150,
            total: 300
        }
    );
    assert_eq!(
        errors.control,
        Counts {
            bad: 270,
            total: 2_700
        }
    );
    assert_eq!(errors.odds_ratio, Some(9.0));
    assert_eq!(errors.odds_at_least, Some(3.0));
    assert_eq!(errors.odds_at_most, None);
    assert_eq!(errors.psi_leading, 10.0);
    assert_eq!(errors.trace.first(), Some(&(0, 0.0)));
    assert_eq!(errors.trace.last(), Some(&(30, errors.log_e)));
    assert_eq!((errors.weight, errors.log_e), (1.0, evidence.log_e));
    assert_eq!(
        (errors.dispersion.phi, errors.dispersion.source.as_str()),
        (PHI, "assumed")
    );
    assert_eq!(evidence.control, Control::Hosts { hosts: 9 });
}

#[test]
fn two_crashes_fail_without_statistics_and_before_the_ring_is_proved() {
    let look = |exits| Look {
        conditions: vec![condition(exits, 0, false)],
        ring_proved_at: None,
        ..quiet(i64::from(exits))
    };
    let mut test = errors_only();
    assert_state(&test.look(&look(1)), Undecided, "collecting");
    let failed = test.look(&look(2));
    let host = "web-1".parse().unwrap();
    assert_eq!(failed.reason, Reason::Crashing { host, exits: 2 });
    assert_state(&test.look(&quiet(3)), Fail, "crashing");
}

#[test]
fn failed_checks_or_a_revert_fail_without_statistics() {
    for (failed_checks, reverted) in [(3, false), (0, true)] {
        let look = |failed_checks, reverted| Look {
            conditions: vec![condition(1, failed_checks, reverted)],
            first_release: true,
            ..quiet(1)
        };
        assert_state(
            &errors_only().look(&look(2, false)),
            Undecided,
            "no_control",
        );
        let failed = errors_only().look(&look(failed_checks, reverted));
        assert_state(&failed, Fail, "unhealthy");
    }
}

#[test]
fn a_clean_ring_passes_once_it_baked_and_is_cleared() {
    let mut test = errors_only();
    let busy = |s| Look {
        metrics: counted("errors", (0, 100), (0, 900)),
        ..quiet(s)
    };
    assert_state(&run(&mut test, BAKE_S - 1, busy), Undecided, "collecting");
    assert!(test.look(&busy(BAKE_S)).evidence.metrics[0].cleared);
    assert_state(&test.look(&busy(BAKE_S + 1)), Pass, "cleared");
}

#[test]
fn a_ring_that_is_not_proved_collects() {
    let mut test = errors_only();
    let judgement = run(&mut test, 2 * DEADLINE_S, |s| Look {
        ring_proved_at: None,
        ..quiet(s)
    });
    assert_state(&judgement, Undecided, "collecting");
    assert!(judgement.evidence.metrics[0].cleared);
}

#[test]
fn each_ring_is_cleared_by_its_own_events() {
    let mut test = start(&[("errors", signal())], 2);
    assert_state(&run(&mut test, 400, quiet), Pass, "cleared");
    let in_second = |s| Look {
        ring: 1,
        ring_proved_at: Some(at(400)),
        ..quiet(400 + s)
    };
    let second = test.look(&in_second(1));
    assert_state(&second, Undecided, "collecting");
    assert_eq!(second.evidence.metrics[0].canary.total, 4_010);
    assert_state(&run(&mut test, 400, in_second), Pass, "cleared");
}

#[test]
fn some_evidence_holds_the_ring() {
    let mut test = errors_only();
    let suspicious = test.look(&Look {
        metrics: counted("errors", (8, 50), (12, 450)),
        ..quiet(1)
    });
    let log_e = suspicious.evidence.log_e;
    assert!((10f64.ln()..100f64.ln()).contains(&log_e), "{log_e}");
    assert_state(&suspicious, Marginal, "suspicion");
}

#[test]
fn harm_in_an_advisory_signal_asks_a_person() {
    let advisory = Signal {
        advisory: true,
        ..signal()
    };
    let mut test = start(&[("errors", signal()), ("slow", advisory)], 1);
    let judgement = run(&mut test, 10, |s| {
        let mut look = quiet(s);
        look.metrics.extend(counted("slow", (5, 10), (1, 90)));
        look
    });
    assert_state(&judgement, Marginal, "advisory_only");
    let evidence = judgement.evidence;
    assert_eq!((evidence.log_e, evidence.metrics[1].weight), (0.0, 0.0));
}

#[test]
fn the_deadline_passes_what_shows_no_harm_or_asks() {
    for (policy, state, word) in [
        (AtDeadline::Go, Pass, "not_excluded"),
        (AtDeadline::Hold, Marginal, "deadline_hold"),
    ] {
        let mut test = start(
            &[(
                "errors",
                Signal {
                    tolerated: 0.0,
                    ..signal()
                },
            )],
            1,
        );
        let look = |s| Look {
            metrics: counted(
                "errors",
                (u64::from(s % 10 == 0), 10),
                (u64::from(s % 2 == 0), 50),
            ),
            at_deadline: policy,
            ..quiet(s)
        };
        assert_state(
            &run(&mut test, DEADLINE_S - 1, look),
            Undecided,
            "collecting",
        );
        assert_state(&test.look(&look(DEADLINE_S)), state, word);
    }
}

#[test]
fn what_is_not_excluded_is_said() {
    let mut test = start(
        &[(
            "errors",
            Signal {
                tolerated: 0.0,
                ..signal()
            },
        )],
        1,
    );
    let judgement = run(&mut test, DEADLINE_S, |s| Look {
        metrics: counted(
            "errors",
            (u64::from(s % 10 == 0), 10),
            (u64::from(s % 2 == 0), 50),
        ),
        ..quiet(s)
    });
    let odds_at_most = Some(f64Eq(2.0));
    assert_eq!(judgement.reason, Reason::NotExcluded { odds_at_most });
    assert_eq!(judgement.evidence.metrics[0].odds_at_most, Some(2.0));
}

#[test]
fn no_traffic_never_passes() {
    let empty: [((u64, u64), (u64, u64)); 3] =
        [((0, 0), (0, 0)), ((0, 100), (0, 0)), ((0, 0), (0, 100))];
    for (canary, control) in empty {
        let eager = Signal {
            min_requests: 0,
            ..signal()
        };
        let mut test = start(&[("errors", eager)], 1);
        let judgement = run(&mut test, 2 * DEADLINE_S, |s| Look {
            metrics: counted("errors", canary, control),
            ..quiet(s)
        });
        assert_state(&judgement, Undecided, "not_enough_traffic");
    }
}

#[test]
fn silent_metrics_are_no_data() {
    let silent = |s| Look {
        metrics: BTreeMap::new(),
        ..quiet(s)
    };
    let mut test = errors_only();
    assert_state(&run(&mut test, BAKE_S - 1, silent), Undecided, "collecting");
    for s in BAKE_S..2 * DEADLINE_S {
        assert_state(&test.look(&silent(s)), Undecided, "no_data");
    }
    assert_state(
        &test.look(&quiet(2 * DEADLINE_S)),
        Undecided,
        "not_enough_traffic",
    );
}

#[test]
fn metrics_that_fall_silent_do_not_pass() {
    let mut test = errors_only();
    assert_state(&run(&mut test, 400, quiet), Pass, "cleared");
    let silent = test.look(&Look {
        metrics: BTreeMap::new(),
        ..quiet(400 + BAKE_S)
    });
    assert_state(&silent, Undecided, "no_data");
}

#[test]
fn nothing_declared_is_no_data() {
    let advisory = Signal {
        advisory: true,
        ..signal()
    };
    for signals in [vec![], vec![("errors", advisory)]] {
        let mut test = start(&signals, 1);
        let judgement = run(&mut test, 2 * DEADLINE_S, quiet);
        assert_state(&judgement, Undecided, "no_data");
        assert_eq!(judgement.evidence.log_e, 0.0);
    }
}

#[test]
fn the_first_release_has_no_control() {
    let mut test = errors_only();
    let judgement = run(&mut test, 2 * DEADLINE_S, |s| Look {
        metrics: counted("errors", (0, 100), (0, 0)),
        control_hosts: 0,
        first_release: true,
        ..quiet(s)
    });
    assert_state(&judgement, Undecided, "no_control");
    assert_eq!(judgement.evidence.control, Control::None);
    assert!(!judgement.control_emptied);
}

#[test]
fn a_control_that_emptied_is_told_from_one_that_never_was() {
    let mut test = errors_only();
    assert!(!run(&mut test, 5, quiet).control_emptied);
    let judgement = test.look(&Look {
        metrics: counted("errors", (0, 100), (0, 0)),
        control_hosts: 0,
        ..quiet(6)
    });
    assert_state(&judgement, Undecided, "no_control");
    assert!(judgement.control_emptied);
}

#[test]
fn a_ring_that_was_cleared_passes_although_its_control_emptied() {
    let mut test = errors_only();
    run(&mut test, 400, quiet);
    let judgement = test.look(&Look {
        metrics: counted("errors", (0, 100), (0, 0)),
        control_hosts: 0,
        ..quiet(401)
    });
    assert_state(&judgement, Pass, "cleared");
}

#[test]
fn a_ring_without_hosts_does_not_pass() {
    let judgement = run(&mut errors_only(), DEADLINE_S, |s| Look {
        canary_hosts: 0,
        ..quiet(s)
    });
    assert_state(&judgement, Marginal, "deadline_hold");
}

#[test]
fn too_many_events_of_neither_arm_pass_nothing() {
    let mut test = errors_only();
    let look = |s, unattributed| Look {
        unattributed,
        ..quiet(s)
    };
    assert_state(
        &run(&mut test, 400, |s| look(s, 6)),
        Undecided,
        "collecting",
    );
    let held = test.look(&look(DEADLINE_S, 0));
    assert_state(&held, Marginal, "deadline_hold");
    assert_eq!(held.evidence.unattributed, 2_400);
    assert_state(
        &run(&mut errors_only(), 400, |s| look(s, 5)),
        Pass,
        "cleared",
    );
}
