//! Batches that count in neither arm, named and bounded.

use model::Timestamp;
use model::judge::Excluded;
use serde::{Deserialize, Serialize};

/// Different times or reasons that are listed; a verdict is read by people, and later ones are pooled.
const LISTED: usize = 50;

/// Lists what was left out and why. A reason that goes on extends its last entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exclusions {
    listed: Vec<Excluded>,
    /// From the first to the last that no longer fitted, and how many.
    pooled: Option<(Timestamp, Timestamp, u64)>,
}

impl Exclusions {
    pub(crate) fn push(&mut self, new: Excluded) {
        let same = self.listed.iter_mut().rev().find(|e| e.why == new.why);
        if let Some(same) = same
            && new.from <= same.to
            && new.to >= same.from
        {
            same.from = same.from.min(new.from);
            same.to = same.to.max(new.to);
        } else if self.listed.len() < LISTED {
            self.listed.push(new);
        } else {
            let (from, to, more) = self.pooled.unwrap_or((new.from, new.to, 0));
            self.pooled = Some((from.min(new.from), to.max(new.to), more + 1));
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<Excluded> {
        let pooled = self.pooled.map(|(from, to, more)| Excluded {
            from,
            to,
            why: format!("{more} more between these times, for various reasons"),
        });
        self.listed.iter().cloned().chain(pooled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from_s: i64, to_s: i64, why: &str) -> Excluded {
        Excluded {
            from: Timestamp::from_millis(from_s * 1_000),
            to: Timestamp::from_millis(to_s * 1_000),
            why: why.to_owned(),
        }
    }

    #[test]
    fn a_reason_that_goes_on_is_one_entry() {
        let mut list = Exclusions::default();
        for s in 0..100 {
            list.push(gap(s, s + 1, "gap"));
        }
        list.push(gap(40, 50, "gap"));
        list.push(gap(200, 201, "gap"));
        list.push(gap(200, 201, "other"));
        assert_eq!(
            list.to_vec(),
            [
                gap(0, 100, "gap"),
                gap(200, 201, "gap"),
                gap(200, 201, "other")
            ]
        );
    }

    #[test]
    fn many_reasons_are_pooled_and_counted() {
        let mut list = Exclusions::default();
        for s in 0..1_000 {
            list.push(gap(10 * s, 10 * s + 1, "gap"));
        }
        let listed = list.to_vec();
        assert_eq!(listed.len(), LISTED + 1);
        assert!(listed[LISTED].why.starts_with("950 more"), "{listed:?}");
        assert_eq!(listed[LISTED].to, gap(0, 9_991, "").to);
    }
}
