//! Plain arithmetic on counts of both arms.

use model::judge::Counts;

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

    #[test]
    fn an_empty_cell_has_no_odds_ratio() {
        let ratio = |a: (u64, u64), b: (u64, u64)| {
            let counts = |(bad, total)| Counts { bad, total };
            odds_ratio(counts(a), counts(b))
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
