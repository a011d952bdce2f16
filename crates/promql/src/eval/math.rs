//! Functions of single values.

/// Rounds to the nearest multiple of the first parameter, by default 1; halves go up.
pub(crate) fn round(value: f64, params: &[f64]) -> f64 {
    // By the inverse, so that 0.1 and the like stay exact.
    let inverse = 1.0 / params.first().copied().unwrap_or(1.0);
    (value * inverse + 0.5).floor() / inverse
}

/// Returns the sign: −1, 0 or 1.
pub(crate) fn sgn(value: f64, _: &[f64]) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!(round(-2.5, &[]), -2.0);
        assert_eq!(round(2.5, &[]), 3.0);
        assert_eq!(round(17.3, &[5.0]), 15.0);
        assert_eq!(round(0.26, &[0.1]), 0.3);
    }
}
