//! What a release meets in an environment.

use std::collections::BTreeMap;

use super::{Compatibility, ReleaseRef, Schema};
use crate::{EnvironmentName, HostId, HostName, ServiceName, Version};

/// Is everything a rollout's release and its way back are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateFacts {
    /// What the rollout brings.
    pub new: Candidate,
    /// What an undo goes back to; none: to nothing.
    pub previous: Option<Candidate>,
    pub surroundings: Surroundings,
    /// What was shipped together with it and goes back with it.
    pub parts: Vec<(ServiceName, Version)>,
    /// The releases of the service that were live there; only looked at where an undo is not safe.
    pub live: Vec<(ReleaseRef, Compatibility)>,
}

/// Is a release that may come to an environment, or back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub release: ReleaseRef,
    pub compatibility: Compatibility,
}

/// Is what stands there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// None while nobody has said what it is.
    pub schema: Option<Schema>,
    /// The releases of the service itself that run somewhere, by number.
    pub runs: Vec<Running>,
    /// Those of every service that calls it, or that it may call, by number.
    pub neighbours: BTreeMap<ServiceName, Vec<Running>>,
}

/// Is a release that counts as running: hosts prove it, proved it when they were last heard of, or are asked
/// for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub release: ReleaseRef,
    pub compatibility: Compatibility,
    /// By name, at least one.
    pub hosts: Vec<(HostId, HostName)>,
}
