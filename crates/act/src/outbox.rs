//! When a message is tried again (on-call specification 2.8).

use std::time::Duration;

use model::{Timestamp, limit};

/// Waiting times after the first, second, … failed attempt.
///
/// The first five are quick, because most failures are a restart of the receiver. The rest stretches
/// the ten attempts over an hour, so that a provider that is down for an hour still gets the message
/// and never sees more than ten attempts in that hour.
const WAITS_S: [u64; 9] = [2, 5, 15, 30, 60, 300, 600, 900, 1_800];

/// The longest wait a receiver can ask for; one that says "tomorrow" must not silence us for a day.
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);

/// How much a wait may be stretched at most, so that many messages do not come back at one instant.
const STRETCH: f64 = 0.2;

/// Is why an attempt did not succeed. Success is a status of 2xx, or 250 after the data; nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Http {
        status: u16,
        /// What the receiver asked for, as a time from now.
        retry_after: Option<Duration>,
    },
    /// A reply of a mail server that refused.
    Smtp { code: u16 },
    /// No answer in time, or the connection broke: refused, reset, TLS, half an answer.
    Unreachable,
    /// We refuse to send there (a private address that is not allowed, an address that is none).
    Forbidden,
}

/// Is what follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    RetryAt(Timestamp),
    /// The message has failed for good.
    GiveUp,
}

/// Returns what follows the failure of attempt number `attempt` (the first is 1).
///
/// `jitter` is a random number of 0 to 1; it only ever makes the wait longer, so a `Retry-After` is
/// obeyed to the second.
pub fn next_attempt(attempt: u32, failure: &Failure, now: Timestamp, jitter: f64) -> Next {
    if !may_heal(failure) || attempt >= limit::SEND_ATTEMPTS {
        return Next::GiveUp;
    }
    let wait = asked_for(failure).max(own_wait(attempt));
    let stretch = 1.0
        + STRETCH
            * if jitter.is_nan() {
                0.0
            } else {
                jitter.clamp(0.0, 1.0)
            };
    Next::RetryAt(now + wait.mul_f64(stretch))
}

fn own_wait(attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = WAITS_S.get(index).or(WAITS_S.last());
    Duration::from_secs(seconds.copied().unwrap_or_default())
}

fn asked_for(failure: &Failure) -> Duration {
    match failure {
        Failure::Http { retry_after, .. } => retry_after.unwrap_or_default().min(LONGEST_WAIT),
        Failure::Smtp { .. } | Failure::Unreachable | Failure::Forbidden => Duration::ZERO,
    }
}

/// Tells whether the same message may succeed later.
fn may_heal(failure: &Failure) -> bool {
    match failure {
        Failure::Http { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
        // RFC 5321, 4.2.1: 4yz is a transient refusal, 5yz a permanent one. Anything else is a server
        // that lost the thread, and a new session may go better.
        Failure::Smtp { code } => !matches!(code, 500..=599),
        Failure::Unreachable => true,
        Failure::Forbidden => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

    fn http(status: u16) -> Failure {
        Failure::Http {
            status,
            retry_after: None,
        }
    }

    fn wait_s(attempt: u32, failure: &Failure, jitter: f64) -> Option<u64> {
        match next_attempt(attempt, failure, NOW, jitter) {
            Next::RetryAt(at) => Some(at.since(NOW).as_secs()),
            Next::GiveUp => None,
        }
    }

    #[test]
    fn a_failing_receiver_is_tried_ten_times_over_an_hour() {
        let waits: Vec<_> = (1..=12).map(|n| wait_s(n, &http(503), 0.0)).collect();
        let expected = [2, 5, 15, 30, 60, 300, 600, 900, 1_800].map(Some);
        assert_eq!(waits[..9], expected);
        assert_eq!(waits[9..], [None; 3]);
        assert!(expected.iter().flatten().sum::<u64>() > 3_600);
    }

    #[test]
    fn what_may_heal_is_tried_again_and_the_rest_is_not() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(wait_s(1, &http(status), 0.0), Some(2), "{status}");
        }
        for status in [100, 301, 302, 308, 400, 401, 403, 404, 410, 413, 422, 600] {
            assert_eq!(wait_s(1, &http(status), 0.0), None, "{status}");
        }
        for code in [421, 450, 451, 452] {
            assert_eq!(wait_s(1, &Failure::Smtp { code }, 0.0), Some(2), "{code}");
        }
        for code in [500, 535, 550, 552, 554] {
            assert_eq!(wait_s(1, &Failure::Smtp { code }, 0.0), None, "{code}");
        }
        assert_eq!(wait_s(1, &Failure::Unreachable, 0.0), Some(2));
        assert_eq!(wait_s(1, &Failure::Forbidden, 0.0), None);
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        let asked = |s| Failure::Http {
            status: 429,
            retry_after: Some(Duration::from_secs(s)),
        };
        assert_eq!(wait_s(1, &asked(45), 0.0), Some(45));
        assert_eq!(wait_s(4, &asked(1), 0.0), Some(30));
        assert_eq!(wait_s(1, &asked(86_400), 0.0), Some(1_800));
    }

    #[test]
    fn jitter_only_makes_the_wait_longer() {
        assert_eq!(wait_s(5, &http(503), 1.0), Some(72));
        assert_eq!(wait_s(5, &http(503), f64::NAN), Some(60));
        assert_eq!(wait_s(5, &http(503), -3.0), Some(60));
        assert_eq!(wait_s(5, &http(503), f64::INFINITY), Some(72));
    }

    #[test]
    fn an_attempt_that_was_never_counted_is_the_first() {
        assert_eq!(wait_s(0, &http(503), 0.0), Some(2));
    }

    proptest! {
        #[test]
        fn every_message_ends(
            attempt in any::<u32>(),
            status in any::<u16>(),
            after in any::<u32>(),
            jitter in any::<f64>(),
            now in any::<i64>(),
        ) {
            let failure = Failure::Http {
                status,
                retry_after: Some(Duration::from_secs(after.into())),
            };
            let now = Timestamp::from_micros(now);
            match next_attempt(attempt, &failure, now, jitter) {
                Next::GiveUp => {}
                Next::RetryAt(at) => {
                    prop_assert!(attempt < limit::SEND_ATTEMPTS);
                    prop_assert!(at >= now);
                    prop_assert!(at.since(now) <= LONGEST_WAIT.mul_f64(1.0 + STRETCH));
                }
            }
        }
    }
}
