//! The evidence, one line per signal: canary against control, and how sure that is.

use model::api::change::{SignalState, SignalView};
use model::judge::{Counts, MeanEvidence};

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};

pub(super) fn write(signals: &[SignalView], style: Style, out: &mut String) {
    let columns = [
        Column::new("signal", 28),
        Column::new("control", 8).right().leaves(2),
        Column::new("canary", 8).right(),
        Column::new("odds", 16).leaves(1),
        Column::new("state", 40).squeezed_to(14),
    ];
    let rows: Vec<Vec<Cell>> = signals.iter().map(row).collect();
    table::write(&columns, &rows, style, out);
}

fn row(signal: &SignalView) -> Vec<Cell> {
    let (mark, words) = state(signal);
    let (control, canary, odds) = match &signal.mean {
        Some(mean) => (number(mean.control), number(mean.canary), ratio(mean)),
        None => (share(signal.control), share(signal.canary), odds(signal)),
    };
    let name = match &signal.slower_than {
        Some(time) => format!("{} >{time}", signal.name),
        None => signal.name.clone(),
    };
    vec![
        (Ink::Plain, name),
        (Ink::Dim, control),
        (Ink::Accent, canary),
        (Ink::Plain, odds),
        (mark.ink(), format!("{} {words}", mark.sign())),
    ]
}

fn state(signal: &SignalView) -> (Mark, String) {
    match signal.state {
        SignalState::Bad => (Mark::Failed, "bad".to_owned()),
        SignalState::Suspicious => (Mark::Drift, "suspicious".to_owned() + &harm(signal.harm)),
        SignalState::Cleared => (Mark::Passed, "fine".to_owned()),
        SignalState::Collecting => (Mark::Running, "collecting".to_owned() + &harm(signal.harm)),
        SignalState::NoTraffic => (Mark::Skipped, "no traffic".to_owned()),
    }
}

/// Returns how near a bad verdict is, nothing where that would round to nothing.
fn harm(share: f64) -> String {
    let percent = (share * 100.0).round();
    if percent >= 1.0 {
        format!(", {percent:.0} % of the way to bad")
    } else {
        String::new()
    }
}

/// Returns a share in per cent with two digits that matter, never rounded to all or nothing.
fn share(counts: Counts) -> String {
    let Some(share) = counts.share() else {
        return "-".to_owned();
    };
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if p < 0.995 => format!("{p:.2} %"),
        p if p < 9.95 => format!("{p:.1} %"),
        p if p > 99.0 && p < 100.0 => ">99 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// Returns a mean in three digits that matter, in the service's own unit.
fn number(mean: Option<f64>) -> String {
    let Some(mean) = mean.filter(|mean| mean.is_finite()) else {
        return "-".to_owned();
    };
    match mean.abs() {
        x if x >= 1e7 || (x > 0.0 && x < 1e-3) => format!("{mean:.1e}"),
        x if x >= 100.0 || x == 0.0 => format!("{mean:.0}"),
        x if x >= 10.0 => format!("{mean:.1}"),
        x if x >= 1.0 => format!("{mean:.2}"),
        _ => format!("{mean:.4}"),
    }
}

/// Returns the canary's mean as a multiple of the control's.
fn ratio(mean: &MeanEvidence) -> String {
    let ratio = mean.canary.zip(mean.control).map(|(a, b)| a / b);
    match ratio.filter(|ratio| ratio.is_finite()) {
        Some(ratio) => format!("around {}", times(ratio)),
        None => "too few".to_owned(),
    }
}

/// Returns the interval of the odds of a bad event on the canary, as a multiple of the control's.
fn odds(signal: &SignalView) -> String {
    let finite = |odds: Option<f64>| odds.filter(|x| x.is_finite()).map(times);
    match (
        finite(signal.odds_at_least),
        finite(signal.odds_at_most),
        finite(signal.odds_ratio),
    ) {
        (Some(least), Some(most), _) => format!("{least} to {most}"),
        (Some(least), None, _) => format!("{least} or more"),
        (None, Some(most), _) => format!("{most} or less"),
        (None, None, Some(sample)) => format!("around {sample}"),
        (None, None, None) => "too few".to_owned(),
    }
}

fn times(odds: f64) -> String {
    match odds {
        x if x < 0.995 => format!("×{x:.2}"),
        x if x < 9.95 => format!("×{x:.1}"),
        x => format!("×{x:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        let of = |bad, total| share(Counts { bad, total });
        assert_eq!(of(0, 0), "-");
        assert_eq!(of(0, 9), "0 %");
        assert_eq!(of(1, 1_000_000), "<0.01 %");
        assert_eq!(of(11, 10_000), "0.11 %");
        assert_eq!(of(32, 1_000), "3.2 %");
        assert_eq!(of(9_999, 10_000), ">99 %");
        assert_eq!(of(9, 9), "100 %");
    }

    #[test]
    fn an_open_interval_says_which_side_is_known() {
        let mut signal = SignalView {
            name: "pay".into(),
            level: model::observe::Level::Business,
            critical: true,
            canary: Counts::default(),
            control: Counts::default(),
            odds_ratio: None,
            odds_at_least: None,
            odds_at_most: None,
            harm: 0.0,
            state: SignalState::Collecting,
            slower_than: None,
            picture: None,
            mean: None,
        };
        assert_eq!(odds(&signal), "too few");
        signal.odds_ratio = Some(1.42);
        assert_eq!(odds(&signal), "around ×1.4");
        signal.odds_at_most = Some(1.1);
        assert_eq!(odds(&signal), "×1.1 or less");
        signal.odds_at_least = Some(0.5);
        assert_eq!(odds(&signal), "×0.50 to ×1.1");
        signal.odds_at_most = Some(f64::INFINITY);
        assert_eq!(odds(&signal), "×0.50 or more");
    }

    #[test]
    fn a_mean_is_shown_in_its_own_unit() {
        assert_eq!(number(None), "-");
        assert_eq!(number(Some(1_234.5)), "1234");
        assert_eq!(number(Some(31.24)), "31.2");
        assert_eq!(number(Some(0.012_34)), "0.0123");
        assert_eq!(number(Some(0.0)), "0");
        assert_eq!(number(Some(2.5e9)), "2.5e9");
    }

    #[test]
    fn a_latency_says_above_what_and_a_mean_how_many_times_as_large() {
        let counts = Counts {
            bad: 21,
            total: 100,
        };
        let mut signal = SignalView {
            name: "pay_time".into(),
            level: model::observe::Level::Service,
            critical: true,
            canary: counts,
            control: counts,
            odds_ratio: None,
            odds_at_least: Some(1.8),
            odds_at_most: None,
            harm: 1.0,
            state: SignalState::Bad,
            slower_than: Some("250 ms".into()),
            picture: None,
            mean: None,
        };
        let words = |signal: &SignalView| -> Vec<String> {
            row(signal).into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(
            words(&signal)[..4],
            ["pay_time >250 ms", "21 %", "21 %", "×1.8 or more"]
        );
        signal.slower_than = None;
        signal.mean = Some(MeanEvidence {
            worse: model::observe::Worse::Lower,
            canary: Some(24.0),
            control: Some(30.0),
            batches: 21,
            worse_by_at_least: Some(5.2),
            worse_by_at_most: None,
        });
        assert_eq!(
            words(&signal)[..4],
            ["pay_time", "30.0", "24.0", "around ×0.80"]
        );
    }
}
