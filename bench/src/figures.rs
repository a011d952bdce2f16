//! How figures are made and shown.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::time::Duration;

/// Returns the middle one of several figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Prints what the figures below are.
pub(crate) fn title(text: &str) {
    println!("{text}");
}

/// Prints a rate with its ratio to the floor.
pub(crate) fn rate(name: &str, rate: f64, floor: Option<f64>) {
    match floor {
        None => println!("  {name:<36} {rate:>8.0}/s"),
        Some(floor) => println!(
            "  {name:<36} {rate:>8.0}/s  {:.1} x the floor",
            rate / floor
        ),
    }
}

/// Prints a time with its ratio to the floor, and what was wanted.
pub(crate) fn time(name: &str, time: f64, floor: Option<f64>, wanted: Option<&str>) {
    let ratio = floor.map_or(String::new(), |floor| {
        format!("  {:.1} x the floor", time / floor)
    });
    let wanted = wanted.map_or(String::new(), |wanted| format!("  (wanted: {wanted})"));
    println!("  {name:<36} {time:>8.2} s {ratio}{wanted}");
}

/// Prints a size in MB, and what was wanted.
pub(crate) fn size(name: &str, bytes: u64, wanted: &str) {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let megabytes = bytes as f64 / 1e6;
    println!("  {name:<36} {megabytes:>8.1} MB  (wanted: {wanted})");
}

/// Prints how many harmless changes failed, beside one in a hundred and two standard errors of so many runs.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(crate) fn alarms(name: &str, failed: u64, runs: u64) {
    let (failed, runs) = (failed as f64, runs as f64);
    let most = 0.01 + 2.0 * (0.01 * 0.99 / runs).sqrt();
    println!(
        "  {name:<36} {:>8.2} %   (wanted: at most {:.2} %)",
        100.0 * failed / runs,
        100.0 * most
    );
}

/// Prints the median and the 90th percentile of sorted delays, and those of a table.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(crate) fn delay(name: &str, found: &[u64], runs: u64, (unit, table): (&str, (u64, u64))) {
    let quantile = |tenths: u64| {
        let at = usize::try_from(runs * tenths / 10).unwrap_or(usize::MAX);
        found.get(at).map_or("none".to_owned(), u64::to_string)
    };
    let (median, late, share) = (
        quantile(5),
        quantile(9),
        100.0 * found.len() as f64 / runs as f64,
    );
    println!(
        "  {name:<36} {median:>8} {unit} ({late} {unit}), {share:.1} % found  (table: {} {unit}, {} {unit})",
        table.0, table.1
    );
}

/// Prints why a figure is missing.
pub(crate) fn skipped(name: &str, why: &str) {
    println!("  {name:<36}  skipped: {why}");
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
