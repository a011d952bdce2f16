//! What an agent has to be told.

use std::path::PathBuf;
use std::time::Duration;

use crate::systemd::Supervisor;
use model::{HostName, Labels, ServiceName, limit};

use crate::SelfUpdate;

/// Is everything an agent has to be told; the rest it asks the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://127.0.0.1:7700`.
    pub server_url: String,
    /// Belongs to this agent alone; made when it is missing.
    pub base: PathBuf,
    pub host: HostName,
    pub labels: Labels,
    /// Names the machine; by default `/etc/machine-id`. Several agents on one machine need one each.
    pub machine_id: Option<String>,
    /// Two free ports of the loopback are chosen once per service, whatever ports the release asks for.
    pub free_ports: bool,
    /// Whether the services end with the agent; by default they live on and are adopted again.
    pub stop_services_on_exit: bool,
    /// Who starts services; hooks are always the agent's own.
    pub supervisor: Supervisor,
    /// Whether services and hooks get control groups of their own where the host lets the agent make some.
    pub control_groups: bool,
    /// Kept free on the disk beside what a release needs.
    pub disk_reserve_bytes: u64,
    /// A command in front of the service's own that makes a session of its own and then becomes the
    /// service: our own program calling [`crate::exec_service`]. Empty: a process group must do.
    pub exec_helper: Vec<String>,
    /// How it becomes another program of itself; none: it does not.
    pub update: Option<SelfUpdate>,
    pub timings: Timings,
}

/// Is how often things are looked at.
#[derive(Clone, Debug)]
pub struct Timings {
    /// How long the server may hold a call open.
    pub sync_wait: Duration,
    /// Between two looks while something is under way.
    pub busy: Duration,
    /// Between two looks when all is quiet: how late an exit may be noticed.
    pub quiet: Duration,
    /// Between two full proofs in quiet times, ± 20 %.
    pub watch: Duration,
    /// First and last step of the back-off towards a server that does not answer.
    pub retry: (Duration, Duration),
    /// First and last step of the back-off of restarts and of downloads.
    pub restart: (Duration, Duration),
    /// A process that was up for this long starts its back-off anew.
    pub steady: Duration,
    /// How long a service without a health check must stay up to count as healthy.
    pub settle: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            sync_wait: limit::SYNC_WAIT,
            busy: Duration::from_millis(50),
            quiet: Duration::from_millis(200),
            watch: Duration::from_secs(8),
            retry: (Duration::from_millis(200), Duration::from_secs(10)),
            restart: (Duration::from_secs(1), Duration::from_secs(60)),
            steady: Duration::from_secs(300),
            settle: Duration::from_secs(1),
        }
    }
}

impl Config {
    pub fn new(server_url: &str, base: impl Into<PathBuf>, host: HostName) -> Self {
        Self {
            server_url: server_url.trim_end_matches('/').to_owned(),
            base: base.into(),
            host,
            labels: Labels::default(),
            machine_id: None,
            free_ports: false,
            stop_services_on_exit: false,
            supervisor: Supervisor::BuiltIn,
            control_groups: true,
            disk_reserve_bytes: limit::DISK_RESERVE_BYTES,
            exec_helper: Vec::new(),
            update: None,
            timings: Timings::default(),
        }
    }

    /// Returns a service's own folder.
    pub(crate) fn service_dir(&self, service: &ServiceName) -> PathBuf {
        self.base.join(service.as_str())
    }

    pub(crate) fn releases_dir(&self, service: &ServiceName) -> PathBuf {
        self.service_dir(service).join("releases")
    }

    pub(crate) fn blobs_dir(&self) -> PathBuf {
        self.base.join("blobs")
    }
}

/// Returns step `n` (from 0) of a back-off that doubles, with up to a quarter taken off at random so
/// that many agents do not come back in step.
pub(crate) fn backoff(n: u32, (first, last): (Duration, Duration)) -> Duration {
    let full = first.saturating_mul(1 << n.min(16)).min(last);
    full - full.mul_f64(0.25 * random_share())
}

/// Returns a number from 0 to 1, different each time; not for secrets.
pub(crate) fn random_share() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_end() {
        let bounds = (Duration::from_secs(1), Duration::from_secs(60));
        for (n, full) in [(0, 1), (1, 2), (5, 32), (6, 60), (400, 60)] {
            let wait = backoff(n, bounds);
            let full = Duration::from_secs(full);
            assert!(wait <= full && wait >= full.mul_f64(0.75), "{n}: {wait:?}");
        }
    }
}
