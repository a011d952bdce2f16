//! Counts of both arms: what is impossible, and plain arithmetic.

use model::judge::Counts;

use crate::look::Arms;

/// Events of one arm in one look. No real second comes near, and weighing more would take noticeable
/// time and lose digits.
const EVENTS_PER_LOOK: u64 = 1_000_000_000;

/// Returns why a batch cannot be counted, if so.
pub(crate) fn refusal(arms: &Arms) -> Option<String> {
    let arms = [("canary", arms.canary), ("control", arms.control)];
    arms.iter().find_map(|(arm, counts)| {
        if counts.bad > counts.total {
            return Some(format!("more bad events than events on the {arm}"));
        }
        let too_many = counts.total > EVENTS_PER_LOOK;
        too_many.then(|| format!("more than {EVENTS_PER_LOOK} events on the {arm} in one look"))
    })
}

pub(crate) fn add(sum: &mut Counts, more: Counts) {
    sum.bad = sum.bad.saturating_add(more.bad);
    sum.total = sum.total.saturating_add(more.total);
}

/// Returns the sample odds ratio, nothing when one of the four cells is empty.
pub(crate) fn odds_ratio(canary: Counts, control: Counts) -> Option<f64> {
    let odds = |c: Counts| {
        let good = c.total.saturating_sub(c.bad);
        (c.bad > 0 && good > 0).then(|| c.bad as f64 / good as f64)
    };
    Some(odds(canary)? / odds(control)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(canary: (u64, u64), control: (u64, u64)) -> Arms {
        let counts = |(bad, total)| Counts { bad, total };
        Arms {
            canary: counts(canary),
            control: counts(control),
        }
    }

    #[test]
    fn impossible_counts_are_refused_and_named() {
        assert_eq!(refusal(&arms((0, 0), (5, 5))), None);
        let why = refusal(&arms((0, 9), (6, 5))).unwrap();
        assert_eq!(why, "more bad events than events on the control");
        let why = refusal(&arms((0, u64::MAX), (5, 5))).unwrap();
        assert_eq!(why, "more than 1000000000 events on the canary in one look");
    }

    #[test]
    fn an_empty_cell_has_no_odds_ratio() {
        let ratio = |a: (u64, u64), b: (u64, u64)| {
            let arms = arms(a, b);
            odds_ratio(arms.canary, arms.control)
        };
        assert_eq!(ratio((1, 3), (1, 5)), Some(2.0));
        for (a, b) in [
            ((0, 3), (1, 5)),
            ((3, 3), (1, 5)),
            ((1, 3), (0, 5)),
            ((1, 3), (0, 0)),
        ] {
            assert_eq!(ratio(a, b), None);
        }
    }
}
