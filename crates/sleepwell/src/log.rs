//! Where the program's own log lines go: standard error.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging at `info`; `$SLEEPWELL_LOG` names another level (error, warn, info, debug, trace).
pub(crate) fn start() {
    let level = std::env::var("SLEEPWELL_LOG")
        .ok()
        .and_then(|text| text.parse().ok());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .finish();
    // A second start finds the first one in place, which serves as well.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
