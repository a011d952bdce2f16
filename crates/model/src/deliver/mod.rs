//! What is delivered: artifacts, releases, rollouts, what each host is asked for and proves, and what
//! other tools deliver to us.

pub mod artifact;
pub mod blue_green;
pub mod compatibility;
pub mod definition;
pub mod delivery;
pub mod desired;
pub mod freeze;
pub mod git_event;
pub mod host;
pub mod program;
pub mod range;
pub mod release;
pub mod reported;
pub mod rollout;
pub mod schema;
pub mod surroundings;
pub mod together;

pub use artifact::{Artifact, ArtifactFormat};
pub use blue_green::{BlueGreen, JudgeIdle, Slot, Swap, Warm, WarmEnd};
pub use compatibility::{Api, Clients, Compatibility, SchemaNeeds};
pub use definition::{
    AtDeadline, Check, Definition, Drain, DrainAsk, EnvironmentPlan, Health, Hook, Hooks,
    IfRunning, Owner, RedeployRule, RingSize, RingSpec, Run, Scrape, Within,
};
pub use delivery::{Delivery, DeliveryOutcome, Origin};
pub use desired::{Desired, DesiredState, Priority};
pub use freeze::{Freeze, FreezeOverride, FreezeRule};
pub use git_event::{GitEvent, GitEventKind, GitHost};
pub use host::{Adoption, Ahead, ClockOff, Host, Speaker, Speakers};
pub use program::{
    Program, ProgramOrder, ProgramOutcome, ProgramReport, ProgramUpdate, ProgramWish,
};
pub use range::{ClientVersion, Range};
pub use release::{Release, ReleaseNumber, ReleaseRef};
pub use reported::{Process, Proof, Refused, Reported};
pub use rollout::{
    Command, Excluded, HeldReason, Order, Overdue, Overruled, Phase, Queued, Ring, RingHost,
    Rollout, RolloutState, Watch, WatchEnd,
};
pub use schema::{Migration, MigrationKind, Schema};
pub use surroundings::{Candidate, GateFacts, Running, Surroundings};
pub use together::{Part, Together};
