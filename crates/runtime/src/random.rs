//! Randomness and the ids made from it.

use std::sync::{Arc, Mutex, PoisonError};

use model::{ActionId, EntryId, HostId, PageId, Timestamp, TokenId, Ulid, VerdictId};

/// Draws random bits, from the system or from a seed.
#[derive(Clone, Debug)]
pub enum Random {
    System,
    Seeded(Arc<Mutex<u64>>),
}

impl Random {
    /// Two worlds with the same seed draw the same bits in the same order.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(seed)))
    }

    /// Fills a buffer.
    ///
    /// # Panics
    /// If the operating system has no randomness to give, in which case no secret can be made either.
    pub fn fill(&self, buffer: &mut [u8]) {
        match self {
            Random::System => getrandom::fill(buffer).expect("the system gives random bytes"),
            Random::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in buffer.chunks_mut(8) {
                    chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    pub fn u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    /// Returns a number in `0..1`, for jitter.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&self) -> f64 {
        (self.u128() >> 75) as f64 / (1u64 << 53) as f64
    }

    /// Returns a fresh secret of 256 bits behind a prefix, in hexadecimal.
    pub fn secret(&self, prefix: &str) -> String {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        format!("{prefix}{}", model::digest::hex(&bytes))
    }
}

/// Is `SplitMix64` (Steele, Lea, Flood 2014): good enough for tests and jitter.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Makes ids that rise strictly over the life of one store, so that a cause sorts before its effect and
/// the newest of a noun is the one with the greatest id.
///
/// The clock gives an id its time, and it may be set back between two servers. So a server goes on after
/// the greatest id in its store ([`Ids::after`]); until the clock has caught up, ids carry the
/// millisecond of that one and count up within it. An id orders; when something was is said by its `at`.
#[derive(Clone, Debug)]
pub struct Ids {
    random: Random,
    last: Arc<Mutex<Ulid>>,
}

/// Fresh bits leave the uppermost of the 80 free: room to count up.
const FRESH_BITS: u32 = 79;
/// A step within one millisecond has this many random bits, so that the next id cannot be guessed.
const STEP_BITS: u32 = 32;

impl Ids {
    /// Makes the ids of a store that has none yet.
    pub fn new(random: Random) -> Self {
        Self::after(random, None)
    }

    /// Goes on after the greatest id of a store, whatever the clock says.
    pub fn after(random: Random, greatest: Option<Ulid>) -> Self {
        Self {
            random,
            last: Arc::new(Mutex::new(greatest.unwrap_or_default())),
        }
    }

    /// Returns the next id: with fresh bits in a new millisecond, else the last one and a random step, as
    /// the ULID specification has it.
    fn next(&self, now: Timestamp) -> Ulid {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now.as_millis() > last.at().as_millis() {
            Ulid::new(now, self.random.u128() >> (128 - FRESH_BITS))
        } else {
            last.plus(1 + (self.random.u128() >> (128 - STEP_BITS)))
        };
        *last
    }
}

macro_rules! makers {
    ($($name:ident: $id:ident),*) => {
        impl Ids {$(
            pub fn $name(&self, now: Timestamp) -> $id {
                self.next(now).into()
            }
        )*}
    };
}

makers! { action: ActionId, entry: EntryId, host: HostId, page: PageId, token: TokenId, verdict: VerdictId }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_when_the_clock_steps_back() {
        let ids = Ids::new(Random::seeded(7));
        let mut last = ids.entry(Timestamp::from_millis(1_000));
        for millis in [1_000, 1_000, 999, 1, 1_001, 1_000] {
            let next = ids.entry(Timestamp::from_millis(millis));
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn ids_go_on_after_the_greatest_of_the_server_before() {
        let before = EntryId::new(Timestamp::from_millis(5_000), u128::MAX);
        let ids = Ids::after(Random::seeded(7), Some(before.ulid()));
        let mut last = before;
        for millis in [1_000, 1_000, 4_999, 5_000, 5_001, 6_000] {
            let next = ids.entry(Timestamp::from_millis(millis));
            assert!(next > last, "{next} at {millis} comes before {last}");
            last = next;
        }
        assert_eq!(last.ulid().at(), Timestamp::from_millis(6_000));
    }

    #[test]
    fn a_seed_repeats_and_secrets_differ() {
        let (a, b) = (Random::seeded(1), Random::seeded(1));
        assert_eq!(
            (a.u128(), a.unit().to_bits()),
            (b.u128(), b.unit().to_bits())
        );
        assert!((0.0..1.0).contains(&Random::System.unit()));
        assert_ne!(Random::System.secret("swt_"), Random::System.secret("swt_"));
    }
}
