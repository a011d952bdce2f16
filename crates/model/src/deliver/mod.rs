//! What is delivered: artifacts, releases, rollouts, and what each host is asked for and proves.

pub mod artifact;
pub mod definition;
pub mod desired;
pub mod host;
pub mod release;
pub mod reported;
pub mod rollout;

pub use artifact::{Artifact, ArtifactFormat};
pub use definition::{
    AtDeadline, Check, Definition, EnvironmentPlan, Health, Owner, RingSize, RingSpec, Run, Scrape,
};
pub use desired::{Desired, DesiredState, Priority};
pub use host::Host;
pub use release::{Release, ReleaseNumber, ReleaseRef};
pub use reported::{Process, Proof, Refused, Reported};
pub use rollout::{
    Command, HeldReason, Order, Overruled, Phase, Ring, RingHost, Rollout, RolloutState,
};
