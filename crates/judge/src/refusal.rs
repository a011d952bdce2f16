//! What is impossible in a batch.

use model::judge::Counts;

use crate::look::{Arms, Batch, Histogram, Total};

/// Events of one arm in one look. No real second comes near, and weighing more would take noticeable
/// time and lose digits.
const EVENTS_PER_LOOK: u64 = 1_000_000_000;

/// Returns why a batch cannot be counted, if so. `bounds` is how many a latency is counted within.
pub(crate) fn refusal(batch: &Batch, bounds: Option<usize>) -> Option<String> {
    match batch {
        Batch::Counts(arms) => counts(arms),
        Batch::Latency { canary, control } => {
            let arms = [("canary", canary), ("control", control)];
            arms.iter()
                .find_map(|(arm, side)| histogram(arm, side, bounds.unwrap_or(0)))
        }
        Batch::Mean { canary, control } => {
            let arms = [("canary", canary), ("control", control)];
            arms.iter().find_map(|(arm, side)| total(arm, side))
        }
        Batch::Mismatch => None,
    }
}

fn counts(arms: &Arms) -> Option<String> {
    let arms = [("canary", arms.canary), ("control", arms.control)];
    arms.iter().find_map(|(arm, counts)| one(arm, *counts))
}

fn one(arm: &str, counts: Counts) -> Option<String> {
    if counts.bad > counts.total {
        return Some(format!("more bad events than events on the {arm}"));
    }
    too_many(arm, counts.total)
}

fn too_many(arm: &str, events: u64) -> Option<String> {
    let too_many = events > EVENTS_PER_LOOK;
    too_many.then(|| format!("more than {EVENTS_PER_LOOK} events on the {arm} in one look"))
}

/// An arm without requests may leave its buckets out.
fn histogram(arm: &str, side: &Histogram, bounds: usize) -> Option<String> {
    if side.at_most.len() != bounds && side.total > 0 {
        let found = side.at_most.len();
        return Some(format!(
            "{found} buckets on the {arm} where {bounds} are counted"
        ));
    }
    let most = side.at_most.last().copied().unwrap_or(0);
    if !side.at_most.is_sorted() || most > side.total {
        return Some(format!(
            "the buckets on the {arm} hold less than the ones within them"
        ));
    }
    too_many(arm, side.total)
}

fn total(arm: &str, side: &Total) -> Option<String> {
    if !side.sum.is_finite() {
        return Some(format!("the sum on the {arm} is not a number"));
    }
    too_many(arm, side.events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(canary: (u64, u64), control: (u64, u64)) -> Batch {
        let counts = |(bad, total)| Counts { bad, total };
        Batch::Counts(Arms {
            canary: counts(canary),
            control: counts(control),
        })
    }

    fn latency(at_most: &[u64], total: u64) -> Batch {
        Batch::Latency {
            canary: Histogram::default(),
            control: Histogram {
                at_most: at_most.to_vec(),
                total,
            },
        }
    }

    fn refused(batch: &Batch) -> Option<String> {
        refusal(batch, Some(2))
    }

    #[test]
    fn impossible_buckets_are_refused_and_named() {
        assert_eq!(refused(&latency(&[1, 5], 5)), None);
        assert_eq!(refused(&latency(&[], 0)), None);
        let inside = "the buckets on the control hold less than the ones within them";
        assert_eq!(refused(&latency(&[6, 5], 9)).unwrap(), inside);
        assert_eq!(refused(&latency(&[1, 5], 4)).unwrap(), inside);
        assert_eq!(
            refused(&latency(&[1, 5, 6], 6)).unwrap(),
            "3 buckets on the control where 2 are counted"
        );
    }

    #[test]
    fn a_sum_that_is_no_number_is_refused() {
        for sum in [f64::NAN, f64::INFINITY] {
            let bad = Total { sum, events: 1 };
            let batch = Batch::Mean {
                canary: bad,
                control: Total::default(),
            };
            let why = refused(&batch).unwrap();
            assert_eq!(why, "the sum on the canary is not a number");
        }
    }

    #[test]
    fn impossible_counts_are_refused_and_named() {
        assert_eq!(refused(&arms((0, 0), (5, 5))), None);
        let why = refused(&arms((0, 9), (6, 5))).unwrap();
        assert_eq!(why, "more bad events than events on the control");
        let why = refused(&arms((0, u64::MAX), (5, 5))).unwrap();
        assert_eq!(why, "more than 1000000000 events on the canary in one look");
    }
}
