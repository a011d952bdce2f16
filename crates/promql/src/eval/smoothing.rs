//! Double exponential smoothing, a level and a trend.

use super::select::Window;

/// Returns the smoothed last value; the parameters are the weights of new values and of new trends.
///
/// # Errors
/// A weight that is not above 0 and below 1.
pub(super) fn smoothed(window: &Window<'_>) -> Result<Option<f64>, String> {
    let (smoothing, trending) = (window.params[0], window.params[1]);
    for (name, weight) in [("smoothing", smoothing), ("trend", trending)] {
        if weight <= 0.0 || weight >= 1.0 {
            return Err(format!(
                "invalid {name} factor. Expected: 0 < f < 1, got: {weight}"
            ));
        }
    }
    let [first, second, rest @ ..] = window.values else {
        return Ok(None);
    };
    let (mut level, mut before, mut trend) = (*first, 0.0, second - first);
    let values = std::iter::once(second).chain(rest);
    for (at, value) in values.enumerate() {
        if at > 0 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        before = level;
        level = smoothing * value + (1.0 - smoothing) * (level + trend);
    }
    Ok(Some(level))
}
