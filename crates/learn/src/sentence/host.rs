//! What is wrong with a host itself, in words.

use model::words::{counted, duration, line, names};
use model::{Digest, HostName};
use std::time::Duration;

/// Says that several agents speak as one host, and which is heard.
pub(super) fn doubled(host: &HostName, heard_boot: &str, other_boots: &[String]) -> String {
    let others: Vec<&String> = other_boots
        .iter()
        .filter(|boot| *boot != heard_boot)
        .collect();
    if others.is_empty() {
        return format!(
            "Two agents on one machine speak as {host}; one is heard, the other is turned away."
        );
    }
    let boots: Vec<String> = others.iter().map(|boot| short(boot)).collect();
    let (machines, are) = match others.len() {
        1 => ("Two machines".to_owned(), "is"),
        n => (counted(n as u64 + 1, "machine"), "are"),
    };
    format!(
        "{machines} speak as {host}, as after a disk was copied; the one of boot {} is heard, {} {are} turned away.",
        short(heard_boot),
        names(&boots)
    )
}

/// Enough of a boot's id to find it: it stands in `/proc/sys/kernel/random/boot_id`.
fn short(boot_id: &str) -> String {
    line(&boot_id.chars().take(8).collect::<String>())
}

pub(super) fn clock_off(host: &HostName, ahead_ms: i64) -> String {
    let by = duration(Duration::from_millis(ahead_ms.unsigned_abs()));
    let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
    format!("The clock of {host} is {by} {way} the server's; nothing is decided by it.")
}

/// Names a program by what somebody said it is, and by its digest, which decides.
pub(super) fn program(version: &str, digest: Digest) -> String {
    match line(version).as_str() {
        "" => digest.short(),
        version => format!("{version} ({})", digest.short()),
    }
}
