//! What became of the items of one turn.

use std::fmt::Display;

use runtime::FailedInPart;

/// Keeps the errors of a turn that goes through several items: one that fails must not stop the others,
/// and must not be forgotten either.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    last: Option<anyhow::Error>,
    failures: usize,
    successes: usize,
}

impl Attempts {
    /// Returns what an attempt gave, or nothing when it failed; `item` names it in the error.
    pub(crate) fn keep<T>(
        &mut self,
        item: impl Display,
        attempt: Result<T, impl Into<anyhow::Error>>,
    ) -> Option<T> {
        match attempt {
            Ok(given) => {
                self.successes += 1;
                Some(given)
            }
            Err(error) => {
                self.failures += 1;
                self.last = Some(error.into().context(item.to_string()));
                None
            }
        }
    }

    /// Ends the turn.
    ///
    /// # Errors
    /// The last failure, with how many there were, so that the turn is taken again: a [`FailedInPart`] when
    /// there were items that did not fail.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let Some(mut error) = self.last else {
            return Ok(());
        };
        if self.failures > 1 {
            let count = format!("{} items failed, the last one being", self.failures);
            error = error.context(count);
        }
        Err(if self.successes > 0 {
            FailedInPart(error).into()
        } else {
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_named_and_counted_and_keeps_nothing_back() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.keep("chg-1", Ok::<_, store::Error>(1)), Some(1));
        let full = || Err::<i32, _>(store::Error::Full);
        assert_eq!(attempts.keep("chg-2", full()), None);
        assert_eq!(attempts.keep("chg-3", full()), None);
        assert_eq!(attempts.keep("chg-4", Ok::<_, store::Error>(4)), Some(4));
        let error = attempts.end().unwrap_err();
        assert!(error.is::<FailedInPart>());
        let said = format!("{error:#}");
        let words = "2 items failed, the last one being: chg-3: the database cannot grow";
        assert!(said.starts_with(words), "{said}");
        assert!(Attempts::default().end().is_ok());
    }

    #[test]
    fn a_turn_of_which_nothing_went_well_failed_as_a_whole() {
        let mut attempts = Attempts::default();
        assert_eq!(
            attempts.keep("chg-1", Err::<i32, _>(store::Error::Full)),
            None
        );
        assert!(!attempts.end().unwrap_err().is::<FailedInPart>());
    }
}
