//! Randomness and the ids made from it.

use std::sync::{Arc, Mutex, PoisonError};

use model::{ActionId, EntryId, HostId, PageId, Timestamp, TokenId, VerdictId};

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

/// Makes ids that rise strictly within one process, so that a cause always sorts before its effect.
#[derive(Clone, Debug)]
pub struct Ids {
    random: Random,
    last: Arc<Mutex<(i64, u128)>>,
}

impl Ids {
    pub fn new(random: Random) -> Self {
        Self {
            random,
            last: Arc::new(Mutex::new((i64::MIN, 0))),
        }
    }

    /// Returns the millisecond and the 80 bits of the next id: fresh bits in a new millisecond, else
    /// the last ones and a random step, as the ULID specification has it.
    fn next(&self, now: Timestamp) -> (Timestamp, u128) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = now.as_millis().max(last.0);
        let bits = if millis > last.0 {
            self.random.u128() >> 49 // 79 bits: room to count up
        } else {
            last.1 + 1 + (self.random.u128() >> 96)
        };
        *last = (millis, bits);
        (Timestamp::from_millis(millis), bits)
    }
}

macro_rules! makers {
    ($($name:ident: $id:ident),*) => {
        impl Ids {$(
            pub fn $name(&self, now: Timestamp) -> $id {
                let (at, bits) = self.next(now);
                $id::new(at, bits)
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
