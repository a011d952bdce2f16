//! Services that are children of this process although another program started them: `exec` keeps children. The
//! system keeps what ended until its parent asks for it.

use rustix::process::{Pid, WaitOptions, waitpid};

use crate::{Config, procfs};

/// Is what this process had for children when it became the agent.
pub(crate) struct Children(Vec<Pid>);

impl Children {
    /// Finds them; to be asked for before this program starts anything itself. An agent that shares its process with
    /// others, and so does not update itself, has none.
    pub(crate) fn of(config: &Config) -> Self {
        if config.update.is_none() {
            return Self(vec![]);
        }
        let own = std::process::id();
        let stats = procfs::pids().into_iter().filter_map(procfs::stat);
        let children = stats.filter(|stat| stat.ppid == own);
        Self(
            children
                .filter_map(|stat| Pid::from_raw(i32::try_from(stat.pid).ok()?))
                .collect(),
        )
    }

    /// Collects those that ended.
    pub(crate) fn reap(&mut self) {
        self.0
            .retain(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)));
    }
}
