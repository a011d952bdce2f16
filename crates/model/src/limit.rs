//! Every limit on what we accept, each with a sentence on why that much.

use std::time::Duration;

/// A JSON body of our own API; the largest real one is a release with its definition.
pub const BODY_BYTES: usize = 2 << 20;
/// What is read of a body where none belongs: enough for the `{}` that some programs always send.
pub const UNREAD_BODY_BYTES: usize = 1 << 10;
/// From the first byte of a request to the end of its headers, and between two requests of a connection. A sender
/// that is slower holds a connection for nothing.
pub const HEADERS_TIME: Duration = Duration::from_secs(30);
/// From a connection to the end of its TLS handshake. Two round trips do; whoever says nothing holds a place in
/// [`CONNECTIONS`] and no more.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Connections at the same time: each host holds two, people and tools a few.
pub const CONNECTIONS: usize = 25_000;
/// Between two pieces of a body; a sender that brings nothing for this long is gone, or means to be slow.
pub const BODY_IDLE: Duration = Duration::from_secs(30);
/// `sleepwell.yaml`; real ones have a few kB, and the whole text is stored with each release.
pub const DEFINITION_BYTES: usize = 1 << 20;
/// Nodes of a YAML file after its anchors are expanded, so that a small file cannot become a large one.
pub const DEFINITION_NODES: usize = 10_000;
/// How deep lists and keys may stand inside each other; real files have five levels.
pub const DEFINITION_DEPTH: usize = 32;
/// Rings of one environment; more than this is a loop somebody forgot to end.
pub const RINGS: usize = 32;
/// Rollouts of one service in one environment that wait for the one under way; more than this is a
/// program that ships faster than anything arrives.
pub const QUEUED_ROLLOUTS: usize = 16;
/// Services shipped as one; more than this is a platform that is released, not a change.
pub const PARTS: usize = 16;
/// Services another one depends on; a list that names more names everything.
pub const DEPENDS_ON: usize = 64;
/// How long a finished rollout may be watched; behind a week a release is what is usual.
pub const WATCH: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
/// How often hosts may be set up anew: more often is what `sleepwell redeploy` is for.
pub const REDEPLOY_EVERY: (Duration, Duration) = (
    Duration::from_secs(86_400),
    Duration::from_secs(366 * 86_400),
);
/// How long the slot before may be kept running behind a swap: beyond a month its release is old.
pub const KEEP_WARM: Duration = Duration::from_secs(30 * 86_400);
/// Freezes of one environment, and of the server; a rule is looked at each second.
pub const FREEZES: usize = 64;
/// How long a person's word goes against a freeze: as long as somebody is there to watch.
pub const FREEZE_OVERRIDE: Duration = Duration::from_secs(24 * 3_600);
/// Versions of an interface a release serves, or of another one it calls; each is kept up by somebody.
pub const API_VERSIONS: usize = 32;
/// Services a release says it calls; each is looked at before each ring.
pub const CALLS: usize = 64;
/// Kinds of clients a release names.
pub const CLIENTS: usize = 32;
/// How long a schema's old shape may be kept for a way back; behind that nobody goes back.
pub const SOAK: Duration = Duration::from_secs(90 * 86_400);
/// Signals of one service; each is a test that shares one error budget.
pub const SIGNALS: usize = 64;
/// Procedures of one service.
pub const PROCEDURES: usize = 64;
/// Names of services, hosts, rings and versions; longer than a DNS label so that generated ones fit.
pub const NAME_BYTES: usize = 100;
/// A sentence that says why, from a host or in an error; a longer one is cut.
pub const SENTENCE_BYTES: usize = 2_000;
/// Labels of a host or a series, as Prometheus users keep them.
pub const LABELS: usize = 64;
/// A label's name.
pub const LABEL_NAME_BYTES: usize = 128;
/// A label's value.
pub const LABEL_VALUE_BYTES: usize = 2_048;
/// A stored artifact.
pub const ARTIFACT_BYTES: u64 = 2 << 30;
/// An artifact after it was unpacked on a host.
pub const UNPACKED_BYTES: u64 = 8 << 30;
/// Unpacked size over stored size; real archives stay below 20, bombs are in the thousands.
pub const UNPACK_RATIO: u64 = 200;
/// Below this unpacked size the ratio is not looked at: a small file of zeros is no bomb.
pub const UNPACK_RATIO_FLOOR_BYTES: u64 = 64 << 20;
/// Entries of an archive.
pub const ARCHIVE_ENTRIES: u64 = 200_000;
/// A hook of a release; a longer one is a job, not a step of a deployment.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Disk kept free on a host beside what a release needs.
pub const DISK_RESERVE_BYTES: u64 = 256 << 20;
/// Disk an agent sets aside for its journal; a record has a few kB, so that is thousands of them.
pub const BALLAST_BYTES: u64 = 16 << 20;
/// One exposition read from a service; a large exporter answers with 5 MB.
pub const SCRAPE_BYTES: usize = 16 << 20;
/// A remote-write body after decompression (Prometheus sends at most a few hundred kB).
pub const SAMPLES_BYTES: usize = 32 << 20;
/// Samples an agent keeps while the server does not answer.
pub const UNSENT_SAMPLES_BYTES: usize = 32 << 20;
/// Events in one call of an agent.
pub const AGENT_EVENTS: usize = 1_000;
/// How long what happened on a host is remembered outside the journal.
pub const AGENT_EVENT_MEMORY: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Events an agent keeps while the server does not answer; oldest logs go first, steps never.
pub const UNSENT_EVENTS_BYTES: usize = 64 << 20;
/// Items of one list answer; more come by `?after=`.
pub const LIST_ITEMS: usize = 500;
/// Streams of events open at the same time.
pub const STREAMS: usize = 256;
/// How long a stream of events stays open; the client comes again, with its token.
pub const STREAM_TIME: Duration = Duration::from_secs(600);
/// Hosts of one installation.
pub const HOSTS: u64 = 10_000;
/// How many orders a host may claim to be ahead of its server; nobody gives a million in the age of a
/// backup, and a host that claims more is not believed.
pub const GENERATION_LEAD: u64 = 1_000_000;
/// Services of one host.
pub const HOST_SERVICES: usize = 500;
/// Series in the memory of the server.
pub const SERIES: usize = 200_000;
/// Samples kept per series in memory: an hour at one a second, which is what a verdict looks back on.
pub const SAMPLES_PER_SERIES: usize = 3_700;
/// Samples of all series in memory, about 1 GB; above it a series gives its oldest for its newest.
pub const SAMPLES: usize = 60_000_000;
/// Largest answer of a webhook's receiver that is kept.
pub const ANSWER_BYTES: usize = 64 << 10;
/// Attempts to send one message before it counts as failed.
pub const SEND_ATTEMPTS: u32 = 10;
/// How long a message that has ended is remembered outside the journal.
pub const MESSAGE_MEMORY: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Messages in flight at once; also the bound on repeats after a kill.
pub const SENDS_IN_FLIGHT: usize = 64;
/// Messages in flight through one receiver's host or the mail server; a slow one holds up no other.
pub const SENDS_VIA_ONE: usize = 8;
/// How long one attempt to hand over a mail may take in all; servers that look closely take their time.
pub const MAIL_TIME: Duration = Duration::from_secs(30);
/// A host that said nothing for this long is `unknown since`.
pub const HOST_LEASE: Duration = Duration::from_secs(15);
/// How long a new program of an agent may take to speak with the server before the one before it runs again.
pub const AGENT_TRIAL: Duration = Duration::from_secs(60);
/// The longest a host's call for desired state is held open; shorter than its lease.
pub const SYNC_WAIT: Duration = Duration::from_secs(10);
/// Earlier releases a host may be told to keep; a host remembers no more of them by name.
pub const KEPT_RELEASES: u32 = 100;
/// A host's clock this far from the server's is told as wrong. No decision hangs on it; people who read logs of
/// both are misled.
pub const CLOCK_OFF: Duration = Duration::from_secs(30);
/// A join token not used within this time is worthless.
pub const JOIN_TOKEN_TTL: Duration = Duration::from_secs(3_600);
/// Points of a verdict's trace.
pub const TRACE_POINTS: usize = 200;
/// A git host's webhook; the hosts themselves send no more.
pub const HOOK_BYTES: usize = 25 << 20;
/// Webhooks whose bodies are in memory before their sender is known; more wait at the door.
pub const HOOKS_AT_ONCE: usize = 8;
/// How long a git host's delivery is remembered: hosts offer to send it again for some days.
pub const HOOK_MEMORY: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long the same bytes of a git host that numbers nothing count as a repeat: it tries again within
/// minutes, and a person may well do the same thing twice in a day.
pub const UNNUMBERED_HOOK_MEMORY: Duration = Duration::from_secs(600);
/// A request of CDEvents; one event has a few kB.
pub const CDEVENTS_BYTES: usize = 8 << 20;
/// Events of one batch of CDEvents.
pub const CDEVENTS: usize = 1_000;
/// How long a CDEvent is remembered; a tool restored from a backup may send a month again.
pub const CDEVENT_MEMORY: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Rows of one kind that are forgotten at once, so that nobody waits for the tidying up.
pub const FORGOTTEN_AT_ONCE: usize = 100;
/// A text that another tool sends as an id or a name: a git reference, a package URL, a delivery id.
pub const FOREIGN_NAME_BYTES: usize = 1_000;
/// Bounds of a histogram that are judged and drawn; clients show 11 to 30, native histograms hundreds.
pub const BAND_POINTS: usize = 40;
/// Targets of one adapter: it speaks with the server for one after the other, twice a second.
pub const ADAPTER_TARGETS: usize = 200;
/// One answer of an adapter's tool; what is seen of a target takes a few hundred bytes.
pub const ADAPTER_ANSWER_BYTES: usize = 1 << 20;
/// A request of alerts, as Alertmanager takes them; Prometheus sends at most a few hundred kB.
pub const ALERTS_BYTES: usize = 1 << 20;
/// Alerts of one request; Prometheus sends 256 at most.
pub const ALERTS: usize = 1_000;
/// Open alerts of one service; more is one trouble with a label that should not be there.
pub const OPEN_ALERTS: u64 = 10_000;
/// Open incidents of one service; the alerts of any further one share an incident.
pub const OPEN_INCIDENTS: u64 = 200;
/// All annotations of one alert together.
pub const ANNOTATIONS_BYTES: usize = 64 << 10;
/// A summary or an address of an alert; a longer one is cut, and ends with `…`.
pub const SUMMARY_CHARS: usize = 1_024;
/// How long an alert counts as firing that does not say when it ends; its sender sends it again before.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);
/// A change that ended this long before an alert began is still shown beside it.
pub const CHANGES_BEFORE_ALERT: Duration = Duration::from_secs(3_600);
/// Changes shown beside an alert.
pub const CHANGES_AT_ALERT: usize = 10;
/// Between two messages that say that something of one incident fires; the first never waits.
pub const INCIDENT_PACE: Duration = Duration::from_secs(300);
/// How long after its end an incident takes alerts of its kind again.
pub const INCIDENT_REOPENS: Duration = Duration::from_secs(1_800);
/// Alerts listed in one message; the rest is counted.
pub const ALERTS_LISTED: usize = 20;
/// Alerts one turn of the loop looks at; the next one follows at once.
pub const ALERTS_PER_TURN: usize = 500;
