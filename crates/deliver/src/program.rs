//! What became of a person's wish that a host's agent be another program, by what the agent says of itself.

use model::deliver::{Program, ProgramOutcome, ProgramReport, ProgramUpdate};
use model::{Digest, Timestamp};

/// Is what is new about the program of a host's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramNews {
    /// It spoke as what it was to become.
    Updated,
    /// It goes on with what it had.
    Failed { why: String },
    /// It is no longer what it had become; this is what it is now.
    Replaced { digest: Digest },
}

/// Takes what the agent says of its program; tells each outcome once.
///
/// A program on trial counts as nothing: its agent may still go back to the one before.
pub fn look(
    before: &Program,
    said: Option<&ProgramReport>,
    now: Timestamp,
) -> (Program, Option<ProgramNews>) {
    let mut next = Program {
        reported: said.cloned(),
        ..before.clone()
    };
    let (Some(order), Some(said)) = (&mut next.order, said) else {
        return (next, None);
    };
    let Some(outcome) = outcome(
        &order.outcome,
        (order.wish.number, order.wish.digest),
        said,
        now,
    ) else {
        return (next, None);
    };
    let news = match &outcome {
        ProgramOutcome::Pending => None,
        ProgramOutcome::Done { .. } => Some(ProgramNews::Updated),
        ProgramOutcome::Failed { why, .. } => Some(ProgramNews::Failed { why: why.clone() }),
        ProgramOutcome::Replaced { .. } => {
            said.digest.map(|digest| ProgramNews::Replaced { digest })
        }
    };
    order.outcome = outcome;
    (next, news)
}

/// Returns the next outcome of a wish, where it is another one.
fn outcome(
    before: &ProgramOutcome,
    (number, wanted): (u64, Digest),
    said: &ProgramReport,
    at: Timestamp,
) -> Option<ProgramOutcome> {
    let is_it = said.digest.map(|digest| digest == wanted);
    match (&said.update, is_it, before) {
        (ProgramUpdate::Trying, _, _) => None,
        (_, Some(true), ProgramOutcome::Done { .. }) => None,
        (_, Some(true), _) => Some(ProgramOutcome::Done { at }),
        (ProgramUpdate::Failed { number: n, why }, _, before) if *n == number => {
            let is_known =
                matches!(before, ProgramOutcome::Failed { why: told, .. } if told == why);
            let why = why.clone();
            (!is_known).then_some(ProgramOutcome::Failed { at, why })
        }
        (ProgramUpdate::Settled, Some(false), ProgramOutcome::Done { .. }) => {
            Some(ProgramOutcome::Replaced { at })
        }
        (
            ProgramUpdate::Settled
            | ProgramUpdate::Preparing { .. }
            | ProgramUpdate::Failed { .. }
            | ProgramUpdate::Unable { .. },
            _,
            _,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use model::EntryId;
    use model::deliver::{ProgramOrder, ProgramWish};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn asked(outcome: ProgramOutcome) -> Program {
        let wish = ProgramWish {
            number: 2,
            digest: Digest::of(b"new"),
            size_bytes: 3,
            version: String::new(),
        };
        Program {
            reported: None,
            order: Some(ProgramOrder {
                wish,
                asked_at: NOW,
                entry: EntryId::new(NOW, 1),
                outcome,
            }),
        }
    }

    fn says(bytes: &[u8], update: ProgramUpdate) -> ProgramReport {
        ProgramReport {
            digest: Some(Digest::of(bytes)),
            platform: "linux-x86_64".into(),
            number_seen: 1,
            update,
        }
    }

    fn news(before: ProgramOutcome, said: &ProgramReport) -> Option<ProgramNews> {
        let (after, news) = look(&asked(before), Some(said), NOW);
        let (again, repeated) = look(&after, Some(said), NOW);
        assert_eq!((repeated, &again), (None, &after), "each is told once");
        news
    }

    fn failed(number: u64) -> ProgramUpdate {
        let why = "it did not speak with the server".into();
        ProgramUpdate::Failed { number, why }
    }

    const PENDING: ProgramOutcome = ProgramOutcome::Pending;
    const DONE: ProgramOutcome = ProgramOutcome::Done { at: NOW };
    use ProgramUpdate::{Settled, Trying};

    #[test]
    fn a_program_counts_when_its_agent_speaks_as_it_and_not_while_it_is_on_trial() {
        assert_eq!(news(PENDING, &says(b"new", Trying)), None);
        let updated = Some(ProgramNews::Updated);
        assert_eq!(news(PENDING, &says(b"new", Settled)), updated);
        assert_eq!(news(PENDING, &says(b"old", Settled)), None);
        let preparing = ProgramUpdate::Preparing { why: String::new() };
        assert_eq!(news(PENDING, &says(b"old", preparing)), None);
    }

    #[test]
    fn an_agent_that_has_not_read_its_own_file_says_nothing_either_way() {
        let mut said = says(b"", Settled);
        said.digest = None;
        assert_eq!(news(PENDING, &said), None);
        assert_eq!(news(DONE, &said), None);
        assert_eq!(look(&asked(DONE), None, NOW).1, None);
    }

    #[test]
    fn a_failure_counts_for_the_wish_it_is_of_and_no_other() {
        let why = "it did not speak with the server".to_owned();
        let told = Some(ProgramNews::Failed { why });
        assert_eq!(news(PENDING, &says(b"old", failed(2))), told);
        assert_eq!(news(PENDING, &says(b"old", failed(1))), None);
        // It had become the new one, which later did not start any more.
        assert_eq!(news(DONE, &says(b"old", failed(2))), told);
    }

    #[test]
    fn a_program_put_there_by_hand_is_told_as_such() {
        let digest = Digest::of(b"other");
        let replaced = Some(ProgramNews::Replaced { digest });
        assert_eq!(news(DONE, &says(b"other", Settled)), replaced);
        assert_eq!(news(PENDING, &says(b"other", Settled)), None);
        let updated = Some(ProgramNews::Updated);
        let at = NOW;
        let back = news(ProgramOutcome::Replaced { at }, &says(b"new", Settled));
        assert_eq!(back, updated);
    }

    #[test]
    fn numbers_count_on_from_what_was_given_and_what_the_host_has_seen() {
        assert_eq!(Program::default().next_number(), 1);
        let mut program = asked(PENDING);
        assert_eq!(program.next_number(), 3);
        let mut said = says(b"old", Settled);
        said.number_seen = 9; // of a server that was restored since
        program.reported = Some(said.clone());
        assert_eq!(program.next_number(), 10);
        said.number_seen = u64::MAX;
        program.reported = Some(said);
        assert_eq!(program.next_number(), 3, "nobody uses the numbers up");
    }
}
