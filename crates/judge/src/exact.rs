//! Numbers that survive JSON to the last bit.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Is an `f64` written as its 64 bits.
///
/// Decimal text is read back exactly only by parsers built for it; a test that resumes one bit off
/// would give another verdict than its own replay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Exact(pub(crate) f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        u64::deserialize(d).map(|bits| Self(f64::from_bits(bits)))
    }
}

/// Returns `log(sum(exp(v)))` without overflow; minus infinity for no values.
pub(crate) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = values.iter().map(|v| (v - largest).exp()).sum();
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_survives_json() {
        for value in [0.1 + 0.2, -1.0 / 3.0, 5e-324, f64::MAX, -0.0] {
            let json = serde_json::to_string(&Exact(value)).unwrap();
            let back: Exact = serde_json::from_str(&json).unwrap();
            assert_eq!(back.0.to_bits(), value.to_bits(), "{value}");
        }
    }

    #[test]
    fn sums_of_exponentials_do_not_overflow() {
        assert!((log_sum_exp(&[1_000.0, 1_000.0]) - 1_000.0 - 2f64.ln()).abs() < 1e-12);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY, 3.0]), 3.0);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
    }
}
