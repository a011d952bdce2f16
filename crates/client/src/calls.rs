//! One method per call, named after what it does; paths and bodies stand nowhere else.

use std::io::Read;
use std::time::Duration;

use model::api::agent::{Enrol, Enrolled, Events, EventsStored, Sync, Wish};
use model::api::alert::{AlertView, PageView};
use model::api::change::{ChangeView, Why};
use model::api::deliver::{
    Adopt, AgentAsked, Fix, FleetView, HostExcluded, HostFixed, HostOrder, HostView, JoinToken,
    NewJoinToken, NewRedeploy, NewRelease, NewRollout, ReleaseView, Shipped, Started, UpdateAgent,
};
use model::api::freeze::{FreezeView, NewFreeze, NewOverride};
use model::api::rehearsal::{Rehearsal, Rehearse};
use model::api::schema::{NewSchema, SchemaView, WayBack};
use model::api::token::TokenView;
use model::deliver::{FreezeOverride, Rollout};
use model::observe::Change;
use model::{ChangeId, Digest, FreezeName, HostId, HostName, ServiceName, Timestamp, limit};
use serde::Serialize;

use crate::{Client, Download, Error};

/// What a long poll may take beyond its waiting time.
const POLL_SLACK: Duration = Duration::from_secs(5);

const REMOTE_WRITE: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

#[derive(Serialize)]
struct Nothing {}

/// Calls of people and programs.
impl Client {
    /// Tells whose token this is.
    pub fn me(&self) -> Result<TokenView, Error> {
        self.get_json("/api/v1/me", &[])
    }

    /// Makes a token with which one host may enrol; with a name only the host of that name, known or not.
    pub fn join_token(&self, host: Option<HostName>) -> Result<JoinToken, Error> {
        self.post_json("/api/v1/deliver/join-tokens", &NewJoinToken { host })
    }

    /// Tells whether the server holds these bytes already.
    pub fn artifact_known(&self, digest: Digest) -> Result<bool, Error> {
        self.head(&stored(digest))
    }

    /// Uploads an artifact; the server checks the digest.
    pub fn upload_artifact(
        &self,
        service: &ServiceName,
        digest: Digest,
        source: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<(), Error> {
        let query = [("service", service.as_str())];
        self.put_file(&stored(digest), &query, source, size_bytes)
    }

    /// Returns every service that was ever released.
    pub fn services(&self) -> Result<Vec<ServiceName>, Error> {
        self.get_json("/api/v1/deliver/services", &[])
    }

    /// Returns a service's releases, newest first.
    pub fn releases(&self, service: &str) -> Result<Vec<ReleaseView>, Error> {
        self.get_json("/api/v1/deliver/releases", &[("service", service)])
    }

    pub fn new_release(&self, release: &NewRelease) -> Result<ReleaseView, Error> {
        self.post_json("/api/v1/deliver/releases", release)
    }

    /// Ships: begins a rollout, which is a change.
    pub fn new_rollout(&self, rollout: &NewRollout) -> Result<Shipped, Error> {
        self.post_json("/api/v1/deliver/rollouts", rollout)
    }

    /// Asks how a rollout would go; nothing is changed.
    pub fn rehearse(&self, rehearse: &Rehearse) -> Result<Rehearsal, Error> {
        self.post_json("/api/v1/deliver/rehearsals", rehearse)
    }

    /// Has every host set up anew with what runs there.
    pub fn redeploy(&self, new: &NewRedeploy) -> Result<Started, Error> {
        self.post_json("/api/v1/deliver/redeploys", new)
    }

    /// Asks how a redeploy would go; nothing is changed.
    pub fn rehearse_redeploy(&self, new: &NewRedeploy) -> Result<Rehearsal, Error> {
        self.post_json("/api/v1/deliver/redeploys/rehearsals", new)
    }

    /// Returns every freeze, whoever declared it.
    pub fn freezes(&self) -> Result<Vec<FreezeView>, Error> {
        self.get_json("/api/v1/deliver/freezes", &[])
    }

    /// Sets a freeze of the server, in place of one of the same name.
    pub fn set_freeze(&self, freeze: &NewFreeze) -> Result<FreezeView, Error> {
        self.post_json("/api/v1/deliver/freezes", freeze)
    }

    /// Lifts a freeze of the server for good.
    pub fn lift_freeze(&self, name: &FreezeName, reason: &str) -> Result<(), Error> {
        let (name, reason) = (escaped(name.as_str()), escaped(reason));
        self.delete(&format!("/api/v1/deliver/freezes/{name}?reason={reason}"))
    }

    /// Returns the schema of each service's data, with what runs on it.
    pub fn schemas(&self) -> Result<Vec<SchemaView>, Error> {
        self.get_json("/api/v1/deliver/schemas", &[])
    }

    /// Lets a migration begin, or says what a schema is now.
    pub fn say_schema(&self, word: &NewSchema) -> Result<SchemaView, Error> {
        self.post_json("/api/v1/deliver/schemas", word)
    }

    /// Says where an undo would go, and whether it may.
    pub fn way_back(&self, change: ChangeId) -> Result<WayBack, Error> {
        self.get_json(&format!("/api/v1/act/changes/{change}/way-back"), &[])
    }

    /// Lets one rollout go on in spite of freezes, for a while.
    pub fn override_freeze(
        &self,
        change: ChangeId,
        word: &NewOverride,
    ) -> Result<FreezeOverride, Error> {
        self.post_json(&format!("/api/v1/act/changes/{change}/override"), word)
    }

    pub fn change(&self, change: ChangeId) -> Result<ChangeView, Error> {
        self.get_json(&format!("/api/v1/observe/changes/{change}"), &[])
    }

    /// Returns the rollout behind a change as it is stored, with the order it has still to carry out.
    pub fn rollout(&self, change: ChangeId) -> Result<Rollout, Error> {
        self.get_json(&format!("/api/v1/deliver/rollouts/{change}"), &[])
    }

    /// Returns changes, newest first; `query` filters, such as `("state", "held")`.
    pub fn changes(&self, query: &[(&str, &str)]) -> Result<Vec<Change>, Error> {
        self.get_json("/api/v1/observe/changes", query)
    }

    /// Returns the expected hosts by name, page by page; `query` filters, such as `("service", "shop")`.
    pub fn hosts(&self, query: &[(&str, &str)]) -> Result<Vec<HostView>, Error> {
        let mut hosts: Vec<HostView> = Vec::new();
        loop {
            let last = hosts.last().map(|host| host.name.to_string());
            let after = last.as_deref().map(|name| ("after", name));
            let query: Vec<(&str, &str)> = query.iter().copied().chain(after).collect();
            let page: Vec<HostView> = self.get_json("/api/v1/deliver/hosts", &query)?;
            let is_last = page.len() < limit::LIST_ITEMS;
            hosts.extend(page);
            if is_last {
                return Ok(hosts);
            }
        }
    }

    /// Returns the expected host of this name, if there is one.
    pub fn host(&self, name: &HostName) -> Result<Option<HostView>, Error> {
        let query = [("name", name.as_str())];
        let hosts: Vec<HostView> = self.get_json("/api/v1/deliver/hosts", &query)?;
        Ok(hosts.into_iter().next())
    }

    /// Lets every rollout under way go on without a host; returns them.
    pub fn exclude_host(&self, host: HostId, order: &HostOrder) -> Result<HostExcluded, Error> {
        self.post_json(&format!("/api/v1/deliver/hosts/{host}/exclude"), order)
    }

    /// Has a host try again what it is blocked at, went back from, or runs otherwise.
    pub fn fix_host(&self, host: HostId, fix: &Fix) -> Result<HostFixed, Error> {
        self.post_json(&format!("/api/v1/deliver/hosts/{host}/fix"), fix)
    }

    /// Says that a host is gone for good.
    pub fn retire_host(&self, host: HostId, order: &HostOrder) -> Result<(), Error> {
        self.post_only(&format!("/api/v1/deliver/hosts/{host}/retire"), order)
    }

    /// Has the agent of a host become a program that was uploaded.
    pub fn update_agent(&self, host: HostId, order: &UpdateAgent) -> Result<AgentAsked, Error> {
        self.post_json(&format!("/api/v1/deliver/hosts/{host}/agent"), order)
    }

    /// Returns whether hosts have seen newer orders than the server knows of.
    pub fn fleet(&self) -> Result<FleetView, Error> {
        self.get_json("/api/v1/deliver/fleet", &[])
    }

    /// Takes a fleet over that is ahead of its server.
    pub fn adopt_fleet(&self, order: &Adopt) -> Result<(), Error> {
        self.post_only("/api/v1/deliver/fleet/adopt", order)
    }

    /// Gives an order for a change: `undo`, `hold` or `go`.
    pub fn order(&self, change: ChangeId, order: &str) -> Result<(), Error> {
        let path = format!("/api/v1/act/changes/{change}/{}", escaped(order));
        self.post_only(&path, &Nothing {})
    }

    /// Returns alerts, newest first; `query` filters, such as `("open", "true")`.
    pub fn alerts(&self, query: &[(&str, &str)]) -> Result<Vec<AlertView>, Error> {
        self.get_json("/api/v1/judge/alerts", query)
    }

    /// Returns who was told what, newest first; `query` filters, such as `("incident", "inc-3")`.
    pub fn pages(&self, query: &[(&str, &str)]) -> Result<Vec<PageView>, Error> {
        self.get_json("/api/v1/act/pages", query)
    }

    /// Returns the chain of causes of a change, an alert, an incident or a page.
    pub fn why(&self, id: &str) -> Result<Why, Error> {
        self.get_json(&format!("/api/v1/learn/why/{}", escaped(id)), &[])
    }
}

/// Calls of agents.
impl Client {
    /// Enrols a host; this client's token is the join token.
    pub fn enrol(&self, enrol: &Enrol) -> Result<Enrolled, Error> {
        self.post_json("/agent/v1/enrol", enrol)
    }

    /// Reports, and waits up to `sync.wait_ms` for a wish; none when nothing differs.
    pub fn sync(&self, sync: &Sync) -> Result<Option<Wish>, Error> {
        let path = "/agent/v1/sync";
        let patience = Duration::from_millis(sync.wait_ms) + POLL_SLACK;
        let response = self.with_timeout(patience).post(path, sync)?;
        if matches!(response.status().as_u16(), 204 | 304) {
            return Ok(None);
        }
        self.json(path, response).map(Some)
    }

    pub fn events(&self, events: &Events) -> Result<EventsStored, Error> {
        self.post_json("/agent/v1/events", events)
    }

    /// Sends one remote-write body, snappy-compressed.
    pub fn samples(&self, body: &[u8], sent_at: Timestamp) -> Result<(), Error> {
        let path = format!("/agent/v1/samples?sent_at={sent_at}");
        self.post_bytes(&path, &REMOTE_WRITE, body)
    }

    /// Begins to download an artifact of which the first `from` bytes are here already; the caller checks
    /// the digest.
    pub fn artifact(
        &self,
        digest: Digest,
        from: u64,
        size_bytes: u64,
    ) -> Result<Download<'_>, Error> {
        self.download(&format!("/artifacts/{digest}"), from, size_bytes)
    }
}

fn stored(digest: Digest) -> String {
    format!("/api/v1/deliver/artifacts/{digest}")
}

/// Escapes one segment of a path or one value of a query: everything but letters, digits and `-._~`.
pub fn escaped(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
