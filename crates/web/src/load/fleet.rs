//! The hosts of a service as they stand now, read once however many changes are shown.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use learn::change::HostNow;
use model::deliver::{Desired, Host, ReleaseRef, Reported, Rollout};
use model::{EnvironmentName, HostId, ServiceName, Timestamp};
use store::{Error, Tx};

use super::{releases, routed, running};

/// Remembers what the changes shown on one snapshot have in common.
#[derive(Default)]
pub(crate) struct Fleet {
    /// The expected ones; none before they are asked for.
    hosts: Option<BTreeMap<HostId, Host>>,
    services: BTreeMap<ServiceName, OfService>,
    desired: BTreeMap<(ServiceName, EnvironmentName), BTreeMap<HostId, Desired>>,
}

struct OfService {
    releases: BTreeMap<u64, ReleaseRef>,
    reported: BTreeMap<HostId, Reported>,
}

impl Fleet {
    /// Returns every expected host that has to do with the rollout's service and environment, as it stands
    /// now.
    pub(super) fn hosts_now(
        &mut self,
        tx: &mut Tx<'_>,
        rollout: &Rollout,
        now: Timestamp,
    ) -> Result<BTreeMap<HostId, HostNow>, Error> {
        self.read(tx, rollout)?;
        let place = (rollout.service.clone(), rollout.environment.clone());
        let (desired, of) = (&self.desired[&place], &self.services[&rollout.service]);
        let hosts = self.hosts.as_ref().map(|hosts| move |id| hosts.get(&id));
        let members = rollout.members().map(|member| member.id);
        let involved = members.chain(desired.keys().copied());
        let expected = involved.filter_map(|id| hosts.as_ref()?(id));
        let routed = |host: &Host, said: &Reported| {
            let wish = desired.get(&host.id)?;
            routed(wish, said, &of.releases)
        };
        let stands = |host: &Host| HostNow {
            name: host.name.clone(),
            unknown_since: host.unknown_since(now),
            wanted: desired
                .get(&host.id)
                .and_then(|d| of.releases.get(&d.release.number.0).cloned()),
            running: of
                .reported
                .get(&host.id)
                .and_then(|r| routed(host, r).or_else(|| running(r, &of.releases))),
            reported: of.reported.get(&host.id).cloned(),
        };
        Ok(expected.map(|host| (host.id, stands(host))).collect())
    }

    /// Reads what is not known yet.
    fn read(&mut self, tx: &mut Tx<'_>, rollout: &Rollout) -> Result<(), Error> {
        let (service, environment) = (&rollout.service, &rollout.environment);
        if self.hosts.is_none() {
            let hosts = store::host::expected(tx)?.into_iter();
            self.hosts = Some(hosts.map(|host| (host.id, host)).collect());
        }
        if let Entry::Vacant(unknown) = self.services.entry(service.clone()) {
            let reported = store::fleet::reported_for(tx, service)?.into_iter();
            unknown.insert(OfService {
                releases: releases(tx, service)?,
                reported: reported.collect(),
            });
        }
        let place = (service.clone(), environment.clone());
        if let Entry::Vacant(unknown) = self.desired.entry(place) {
            let desired = store::fleet::desired_for(tx, service, environment)?;
            unknown.insert(desired.into_iter().collect());
        }
        Ok(())
    }
}
