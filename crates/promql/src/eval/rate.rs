//! How a series grew in a window, and where it is heading.

use super::select::Window;
use super::sum::Sum;

/// Is what is asked of a window's growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Of a counter, in the whole window.
    Increase,
    /// Of a counter, per second.
    Rate,
    /// Of a gauge, in the whole window.
    Delta,
    /// Of a counter, per second between the last two samples.
    LastRate,
    /// Of a gauge, between the last two samples.
    LastDelta,
}

impl Growth {
    /// Returns the growth; none for a window with fewer than two samples.
    pub(super) fn of(self, window: &Window<'_>) -> Option<f64> {
        match self {
            Growth::Increase => whole(window, true),
            Growth::Rate => {
                whole(window, true).map(|growth| growth * 1000.0 / window.range_ms as f64)
            }
            Growth::Delta => whole(window, false),
            Growth::LastRate | Growth::LastDelta => self.of_last_two(window),
        }
    }

    /// Tells whether only a counter should be asked.
    pub(super) fn wants_counter(self) -> bool {
        matches!(self, Growth::Increase | Growth::Rate)
    }

    fn of_last_two(self, window: &Window<'_>) -> Option<f64> {
        let [.., before, last] = window.values else {
            return None;
        };
        let [.., earlier, later] = window.times else {
            return None;
        };
        if self == Growth::LastDelta {
            return Some(last - before);
        }
        // Behind a reset the counter began at 0.
        let grown = if last < before { *last } else { last - before };
        Some(grown * 1000.0 / (later - earlier) as f64)
    }
}

/// Returns the growth between first and last sample, stretched to the edges of the window as far as the samples'
/// distance makes it likely that the series was there.
fn whole(window: &Window<'_>, counter: bool) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    let ([first, .., last], [begun, .., ended]) = (values, times) else {
        return None;
    };
    let mut grown = last - first;
    if counter {
        let lost = window.drops.places().map(|place| values[place - 1]);
        grown += lost.sum::<f64>();
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(ended - begun);
    let between = sampled / (values.len() - 1) as f64;
    let near = between * 1.1;
    let edge = |gap: f64| if gap >= near { between / 2.0 } else { gap };
    let mut before = edge(seconds(begun - (window.end_ms - window.range_ms)));
    let after = edge(seconds(window.end_ms - ended));
    if counter && grown > 0.0 && *first >= 0.0 {
        // A counter was never below 0, and so began no earlier than this.
        before = before.min(sampled * (first / grown));
    }
    Some(grown * ((sampled + before + after) / sampled))
}

/// Returns the slope per second of the straight line closest to the samples.
pub(crate) fn deriv(window: &Window<'_>) -> Option<f64> {
    line(window, *window.times.first()?).map(|(slope, _)| slope)
}

/// Returns where that line is as many seconds after the step as the first parameter says.
pub(crate) fn predict_linear(window: &Window<'_>) -> Option<f64> {
    let (slope, at_step) = line(window, window.step_ms)?;
    Some(slope * window.params[0] + at_step)
}

/// Returns slope per second and value at `origin_ms` of the line with the least squares.
fn line(window: &Window<'_>, origin_ms: i64) -> Option<(f64, f64)> {
    if window.values.len() < 2 {
        return None;
    }
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        let slope = if first.is_infinite() { f64::NAN } else { 0.0 };
        return Some((slope, if first.is_infinite() { f64::NAN } else { first }));
    }
    let n = window.values.len() as f64;
    let (mut x, mut y, mut xy, mut xx) = (
        Sum::default(),
        Sum::default(),
        Sum::default(),
        Sum::default(),
    );
    for (time, value) in window.times.iter().zip(window.values) {
        let seconds = (time - origin_ms) as f64 / 1000.0;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let (x, y, xy, xx) = (x.value(), y.value(), xy.value(), xx.value());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_no_loss_and_edges_are_filled() {
        let times = [15_000, 30_000, 45_000, 60_000];
        let grown = Growth::Increase
            .of(&Window::for_test(&times, &[10.0, 20.0, 5.0, 15.0], &[]))
            .unwrap();
        // 10, then from 0 to 5, then 10 more; 15 s at the front, in which it may have grown from 0.
        assert!((grown - 25.0 * 60.0 / 45.0).abs() < 1e-9);
        assert_eq!(
            Growth::Increase.of(&Window::for_test(&times[..1], &[1.0], &[])),
            None
        );
    }

    #[test]
    fn a_line_is_followed() {
        let (times, values) = ([0, 10_000, 20_000], [1.0, 2.0, 3.0]);
        assert_eq!(deriv(&Window::for_test(&times, &values, &[])), Some(0.1));
        let params = [60.0];
        let asked = Window::for_test(&times, &values, &params);
        assert!((predict_linear(&asked).unwrap() - 13.0).abs() < 1e-9);
    }
}
