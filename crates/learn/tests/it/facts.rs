//! One sentence per fact.

use std::collections::BTreeSet;
use std::time::Duration;

use learn::sentence::of;
use model::act::Urgency;
use model::deliver::{
    Adoption, Command, DeliveryOutcome, DesiredState, GitEvent, GitEventKind, GitHost, HeldReason,
    MigrationKind, Part, Priority, Proof, WatchEnd,
};
use model::judge::Resolution;
use model::{ActionId, AlertId, ChangeId, Fact, IncidentId, Kind, PageId, Role, VerdictId};

use crate::agents;
use crate::fixture::{START, entry, name, new, old, verdict};
use crate::swaps;
use crate::variant::{VARIANTS, variant};

/// Returns each fact with the sentence it must give.
pub(crate) fn every_fact() -> Vec<(Fact, &'static str)> {
    let others = other_facts().into_iter();
    others.chain(swaps::facts()).collect()
}

fn other_facts() -> Vec<(Fact, &'static str)> {
    let shop = || "shop".parse().unwrap();
    let ring = || "canary".parse().unwrap();
    let page = PageId::new(START, 1);
    let action = ActionId::new(START, 1);
    let mail = || "mail to ops@example.org".to_owned();
    let proof = |proof, version: Option<&str>, why: &str| Fact::HostProof {
        host: name(1),
        service: shop(),
        proof,
        version: version.map(|v| v.parse().unwrap()),
        why: why.to_owned(),
    };
    let held = |reason| Fact::RolloutHeld { reason };
    let passed = |how: &str| Fact::RingPassed {
        ring: ring(),
        how: how.to_owned(),
    };
    let asked = |priority, state| Fact::HostAsked {
        host: name(1),
        service: shop(),
        version: "1.1".parse().unwrap(),
        generation: 3,
        priority,
        state,
    };
    let mut facts = vec![
        (
            Fact::ServerStarted {
                version: "0.1.0".to_owned(),
            },
            "The server started, version 0.1.0.",
        ),
        (
            Fact::TokenCreated {
                name: "ci".to_owned(),
                role: Role::Operator,
                expires_at: Some(START + Duration::from_secs(86_400)),
            },
            "Token `ci` was created as operator; it ends at 2025-11-22 14:03:00 UTC.",
        ),
        (
            Fact::TokenCreated {
                name: "ci".to_owned(),
                role: Role::Viewer,
                expires_at: None,
            },
            "Token `ci` was created as viewer; it does not end by itself.",
        ),
        (
            Fact::TokenRevoked {
                name: "ci".to_owned(),
            },
            "Token `ci` was revoked.",
        ),
        (
            Fact::HostEnrolled { host: name(1) },
            "web-1 was enrolled and is expected to report from now on.",
        ),
        (
            Fact::HostEnrolledAgain { host: name(1) },
            "web-1 was enrolled again, since it had never reported; the identity it was given first is void.",
        ),
        (
            Fact::HostLetBackIn { host: name(1) },
            "web-1 was let in again with a token made for it; the identity it had before is void.",
        ),
        (
            Fact::HostSharesMachine {
                host: name(2),
                with: name(1),
            },
            "web-2 was enrolled with the machine id of web-1, as the token made for it allows.",
        ),
        (
            Fact::HostDoubled {
                host: name(1),
                heard_boot: "5e2a8c11-0f".to_owned(),
                other_boots: vec!["77f0b3d2-0e".to_owned()],
            },
            "Two machines speak as web-1, as after a disk was copied; the one of boot 5e2a8c11 is heard, 77f0b3d2 is turned away.",
        ),
        (
            Fact::HostDoubled {
                host: name(1),
                heard_boot: "5e2a8c11-0f".to_owned(),
                other_boots: vec!["5e2a8c11-0f".to_owned()],
            },
            "Two agents on one machine speak as web-1; one is heard, the other is turned away.",
        ),
        (
            Fact::HostAlone {
                host: name(1),
                doubled_since: crate::fixture::at(0),
            },
            "One agent speaks as web-1 again, after 0 s.",
        ),
        (
            Fact::HostClockOff {
                host: name(1),
                ahead_ms: -95_000,
            },
            "The clock of web-1 is 1 min 35 s behind the server's; nothing is decided by it.",
        ),
        (
            Fact::HostClockOff {
                host: name(1),
                ahead_ms: 40_000,
            },
            "The clock of web-1 is 40 s ahead of the server's; nothing is decided by it.",
        ),
        (
            Fact::HostClockRight {
                host: name(1),
                off_since: crate::fixture::at(0),
            },
            "The clock of web-1 is right again, after 0 s.",
        ),
        (
            Fact::HostExcluded {
                host: name(8),
                reason: "new disk".to_owned(),
            },
            "jonas excluded web-8: new disk; it gets the release when it is back.",
        ),
        (
            Fact::HostTriesAgain {
                host: name(2),
                service: shop(),
                proof: Proof::Blocked,
                why: "the pre_start hook did not end".to_owned(),
                reason: "looked at the tables".to_owned(),
            },
            "jonas had web-2 try shop again: looked at the tables; it was blocked: the pre_start hook did not end.",
        ),
        (
            Fact::HostRetired {
                host: name(8),
                reason: String::new(),
            },
            "jonas retired web-8; it is expected no longer, and its token is void.",
        ),
        (
            Fact::SetAside {
                row: "alt-12".to_owned(),
                why: "a stored row of judge_alert cannot be read: EOF".to_owned(),
            },
            "The stored row of alt-12 cannot be read and was set aside: a stored row of judge_alert cannot be read: EOF.",
        ),
        (
            Fact::BehindFleet {
                host: name(3),
                service: Some(shop()),
                seen: 12,
                ours: 5,
            },
            "The server is behind its fleet: web-3 has seen order 12 for shop and this server knows 5; nothing is shipped until a person adopts the fleet.",
        ),
        (
            Fact::BehindFleet {
                host: name(3),
                service: None,
                seen: 7,
                ours: 5,
            },
            "The server is behind its fleet: web-3 has seen epoch 7 of its server and this one is at 5; nothing is shipped until a person adopts the fleet.",
        ),
        (
            Fact::FleetAdopted {
                how: Adoption::Keep,
                orders: 3,
                reason: "restored from monday".to_owned(),
            },
            "jonas adopted the fleet: restored from monday; 3 services on their hosts that are ahead stay until something is shipped to them.",
        ),
        (
            Fact::FleetAdopted {
                how: Adoption::Follow,
                orders: 1,
                reason: String::new(),
            },
            "jonas adopted the fleet; 1 service on its host that is ahead goes back to what this server knows.",
        ),
        (
            Fact::FleetAdopted {
                how: Adoption::Keep,
                orders: 0,
                reason: String::new(),
            },
            "jonas adopted the fleet; orders are believed again.",
        ),
        (
            Fact::HostSilent {
                host: name(8),
                since: START - Duration::from_secs(113),
            },
            "web-8 has been silent since 14:01:07 UTC.",
        ),
        (
            Fact::HostBack {
                host: name(8),
                silent_since: START - Duration::from_secs(21 * 86_400),
            },
            "web-8 reports again after 21 d of silence.",
        ),
        (
            proof(Proof::Converged, Some("1.1"), ""),
            "web-1 proved that it runs shop 1.1.",
        ),
        (
            proof(Proof::Pending, None, "downloading"),
            "web-1 is not there yet with shop: downloading.",
        ),
        (
            proof(
                Proof::Reverted,
                Some("1.0"),
                "health deadline of 30 s passed",
            ),
            "web-1 went back by itself to its last proved release; it runs shop 1.0: health deadline of 30 s passed.",
        ),
        (
            proof(Proof::Drifted, Some("0.9"), "pid 4711"),
            "web-1 no longer runs what it proved before; it runs shop 0.9: pid 4711.",
        ),
        (
            proof(Proof::Stopped, None, ""),
            "web-1 proved that nothing of shop runs on it.",
        ),
        (
            proof(Proof::Blocked, None, "disk full"),
            "web-1 is blocked with shop until a person acts: disk full.",
        ),
        (
            proof(Proof::Unknown, None, "no right to read /proc/4711/exe"),
            "web-1 cannot tell what it runs of shop: no right to read /proc/4711/exe.",
        ),
        (
            Fact::HostExit {
                host: name(1),
                service: shop(),
                exits: 2,
                why: "signal 11".to_owned(),
            },
            "shop ended on web-1 without being asked, 2 times so far: signal 11.",
        ),
        (
            Fact::HostUnhealthy {
                host: name(1),
                service: shop(),
                failed_checks: 3,
            },
            "shop on web-1 failed 3 health checks in a row.",
        ),
        (
            Fact::HostRefused {
                host: name(1),
                kind: "generation".to_owned(),
                seen: 7,
                offered: 4,
            },
            "web-1 refused an order that is older than what it has recorded (generation 4, it knows 7).",
        ),
        (
            asked(Priority::Rollout, DesiredState::Running),
            "web-1 was asked to run shop 1.1 (generation 3).",
        ),
        (
            asked(Priority::Rollback, DesiredState::Running),
            "web-1 was asked to go back to shop 1.1 (generation 3).",
        ),
        (
            asked(Priority::Rollback, DesiredState::Stopped),
            "web-1 was asked to stop shop 1.1 (generation 3).",
        ),
        (
            Fact::ReleaseCreated {
                service: shop(),
                release: new(),
            },
            "shop 1.1 was stored as release 2, digest d86e8112f3c4.",
        ),
        (
            Fact::RolloutPlanned {
                service: shop(),
                environment: "production".parse().unwrap(),
                release: new(),
                previous: Some(old()),
                rings: vec![(ring(), 1), ("rest".parse().unwrap(), 7)],
            },
            "shop 1.1 is to reach production in place of 1.0, ring by ring: canary (1 host), rest (7 hosts).",
        ),
        (
            Fact::RolloutPlanned {
                service: shop(),
                environment: "production".parse().unwrap(),
                release: new(),
                previous: None,
                rings: vec![],
            },
            "shop 1.1 is to reach production where nothing was proved before, ring by ring: no ring has a host.",
        ),
        (
            Fact::RingStarted {
                ring: ring(),
                hosts: vec![name(1), name(2)],
            },
            "Ring canary started on web-1 and web-2.",
        ),
        (
            Fact::RingProved {
                ring: ring(),
                hosts: 1,
            },
            "The host of ring canary proved it from its running process.",
        ),
        (
            Fact::RingProved {
                ring: ring(),
                hosts: 7,
            },
            "All 7 hosts of ring canary proved it from their running processes.",
        ),
        (
            passed("pass"),
            "Ring canary passed: harm beyond the margin is excluded.",
        ),
        (
            passed("unjudged"),
            "Ring canary passed: unjudged, nothing to compare it with.",
        ),
        (
            passed("unjudged, no control"),
            "Ring canary passed: unjudged, no host was left to compare with.",
        ),
        (
            passed("not excluded: 2"),
            "Ring canary passed: no sign of harm by its deadline, but 2 times as likely is not excluded.",
        ),
        (
            passed("not excluded"),
            "Ring canary passed: no sign of harm by its deadline, but harm is not excluded.",
        ),
        (passed("by jonas"), "Ring canary passed: by jonas."),
        (passed(""), "Ring canary passed."),
        (
            held(HeldReason::Person {
                by: "amara".to_owned(),
            }),
            "Held: amara said hold.",
        ),
        (
            held(HeldReason::WaitingFor {
                hosts: vec![name(8)],
                proved: 7,
                of: 8,
            }),
            "Held: 7 of 8 hosts proved; waiting for web-8.",
        ),
        (
            held(HeldReason::Blocked {
                host: name(3),
                why: "disk full".to_owned(),
            }),
            "Held: web-3 cannot run it until a person acts: disk full.",
        ),
        (
            held(HeldReason::Frozen {
                rule: "weekend".parse().unwrap(),
                until: START + Duration::from_secs(86_400),
            }),
            "Held: frozen until 2025-11-22 14:03:00 UTC, rule weekend.",
        ),
        (
            held(HeldReason::Incompatible {
                why: "web-3 still counts as running 1.0, which needs schema >=12 <14, and the schema is 14".to_owned(),
            }),
            "Held: web-3 still counts as running 1.0, which needs schema >=12 <14, and the schema is 14.",
        ),
        (
            held(HeldReason::NoWayBack {
                why: "there is no way back to 1.0: it needs schema >=12 <14, and the schema is 14".to_owned(),
            }),
            "Held: the verdict is fail, and there is no way back to 1.0: it needs schema >=12 <14, and the schema is 14.",
        ),
        (
            Fact::UndoRefused {
                why: "there is no way back to 1.0".to_owned(),
            },
            "The undo did not begin: there is no way back to 1.0.",
        ),
        (
            Fact::SchemaBegun {
                service: "shop".parse().unwrap(),
                environment: "production".parse().unwrap(),
                from: 13,
                to: 14,
                kind: MigrationKind::Contract,
                reason: "prices have a currency".to_owned(),
            },
            "jonas began to migrate the schema of shop in production from 13 to 14 (contract): prices have a currency.",
        ),
        (
            schema_set(Some(13), 14, Some(MigrationKind::Contract)),
            "jonas said that the schema of shop in production is 14 (contract from 13).",
        ),
        (
            schema_set(None, 14, None),
            "jonas said that the schema of shop in production is 14 (it was not known before).",
        ),
        (
            schema_set(Some(13), 13, None),
            "jonas said that the schema of shop in production is 13 (the migration was given up).",
        ),
        (
            schema_set(Some(13), 14, None),
            "jonas said that the schema of shop in production is 14 (found to be so, it was taken for 13).",
        ),
        (
            Fact::FreezeSet {
                freeze: "weekend".parse().unwrap(),
                environment: Some("production".parse().unwrap()),
                service: None,
                when: "every week from fri 16:00 to mon 08:00, Europe/Berlin".to_owned(),
                reason: "nobody is there".to_owned(),
            },
            "jonas froze every service in production every week from fri 16:00 to mon 08:00, Europe/Berlin, rule weekend: nobody is there.",
        ),
        (
            Fact::FreezeLifted {
                freeze: "weekend".parse().unwrap(),
                reason: String::new(),
            },
            "jonas lifted the freeze weekend.",
        ),
        (
            Fact::FreezeOverridden {
                reason: "cards fail".to_owned(),
                until: START + Duration::from_secs(3_600),
            },
            "jonas let it go on in spite of freezes until 15:03:00 UTC: cards fail.",
        ),
        (
            held(HeldReason::Verdict {
                state: "undecided".to_owned(),
                reason: "not_enough_traffic".to_owned(),
            }),
            "Held: the verdict is undecided (not enough traffic) and asks a person.",
        ),
        (
            Fact::RolloutResumed { ring: ring() },
            "It goes on with ring canary.",
        ),
        (
            Fact::UndoStarted {
                to: Some("1.0".parse().unwrap()),
                hosts: 1,
            },
            "The undo began: 1 host goes back to 1.0.",
        ),
        (
            Fact::UndoStarted { to: None, hosts: 2 },
            "The undo began: 2 hosts stop it, since nothing is to run there.",
        ),
        (
            Fact::RolloutUndone {
                to: Some("1.0".parse().unwrap()),
                hosts: 1,
                after_ms: 12_300,
            },
            "Undone after 12 s; 1 of 1 host is back on 1.0, checked by digest.",
        ),
        (
            Fact::RolloutUndone {
                to: None,
                hosts: 2,
                after_ms: 400,
            },
            "Undone after 0.4 s; 2 of 2 hosts are stopped, checked by digest.",
        ),
        (
            Fact::RolloutStuck {
                hosts: vec![name(8)],
            },
            "The undo did not reach web-8 in time; it goes on trying.",
        ),
        (
            Fact::RolloutDone {
                hosts: 8,
                after_ms: 242_000,
            },
            "Live on 8 of 8 hosts after 4 min 2 s, each proved from its running process.",
        ),
        (
            Fact::RedeployOrdered {
                service: shop(),
                environment: "production".parse().unwrap(),
                version: "1.1".parse().unwrap(),
                overdue: None,
            },
            "Every host of shop in production is to be set up anew with 1.1.",
        ),
        (
            Fact::RedeployOrdered {
                service: shop(),
                environment: "production".parse().unwrap(),
                version: "1.1".parse().unwrap(),
                overdue: Some(model::deliver::Overdue {
                    every_ms: 30 * 86_400_000,
                    since: model::Timestamp::UNIX_EPOCH,
                }),
            },
            "Every host of shop in production is to be set up anew with 1.1: that is wanted every 30 d, and they were deployed to last at 1970-01-01 00:00:00 UTC.",
        ),
        (
            Fact::RedeployNotBegun {
                service: shop(),
                environment: "production".parse().unwrap(),
                why: "environment `production` expects 8 hosts, enrolled: 7".to_owned(),
            },
            "A redeploy of shop in production is due and cannot begin: environment `production` expects 8 hosts, enrolled: 7.",
        ),
        (
            Fact::RolloutPlanned {
                service: shop(),
                environment: "production".parse().unwrap(),
                release: model::deliver::ReleaseRef {
                    redeploy: Some(model::ChangeId(9)),
                    ..old()
                },
                previous: Some(old()),
                rings: vec![("staff".parse().unwrap(), 1)],
            },
            "shop 1.0 is to reach production anew, ring by ring: staff (1 host).",
        ),
        (
            Fact::RolloutQueued {
                service: shop(),
                environment: "production".parse().unwrap(),
                release: new(),
                behind: model::ChangeId(6),
            },
            "shop 1.1 is to reach production and waits for the end of chg-6.",
        ),
        (
            Fact::RolloutNotBegun {
                why: "no host is enrolled".to_owned(),
            },
            "It cannot begin yet: no host is enrolled.",
        ),
        (
            Fact::RolloutSuperseded {
                by: model::ChangeId(9),
            },
            "chg-9 takes over; this change ends where it is.",
        ),
        (
            Fact::WatchEnded {
                how: WatchEnd::Quiet,
            },
            "The watch is over; no bad verdict came.",
        ),
        (
            Fact::WatchEnded {
                how: WatchEnd::Failed {
                    verdict: verdict().id,
                },
            },
            "The watch is over: what it saw after the last ring is bad.",
        ),
        (
            Fact::WatchEnded {
                how: WatchEnd::Undone,
            },
            "The watch is over, because the change is undone.",
        ),
        (
            Fact::WatchEnded {
                how: WatchEnd::Replaced {
                    by: model::ChangeId(9),
                },
            },
            "The watch is over, because chg-9 brings another release.",
        ),
        (
            Fact::VerdictGiven {
                verdict: Box::new(verdict()),
            },
            "Bad: payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %), after 31 looks and 1,540 requests.",
        ),
        (
            Fact::Ordered {
                command: Command::Undo,
                reason: "too slow".to_owned(),
            },
            "jonas asked to undo it: too slow.",
        ),
        (
            Fact::Ordered {
                command: Command::Hold,
                reason: String::new(),
            },
            "jonas asked to hold it.",
        ),
        (
            Fact::Ordered {
                command: Command::Go,
                reason: String::new(),
            },
            "jonas asked to go on.",
        ),
        (
            Fact::ActionTaken {
                action,
                procedure: "undo".to_owned(),
                what: "undo".to_owned(),
                verdict: VerdictId::new(START, 1),
            },
            "Procedure `undo` follows from the verdict: undo the change.",
        ),
        (
            Fact::ActionFailed {
                action,
                procedure: "undo".to_owned(),
                what: "webhook".to_owned(),
                why: "answered 404".to_owned(),
            },
            "Procedure `undo` failed at this step: call the webhook (answered 404).",
        ),
        (
            Fact::MessageQueued {
                page,
                to: mail(),
                title: "shop 1.1 is being undone".to_owned(),
            },
            "Told by mail to ops@example.org: shop 1.1 is being undone.",
        ),
        (
            Fact::MessageAccepted {
                page,
                to: mail(),
                attempt: 3,
            },
            "The receiver took the message, mail to ops@example.org, at attempt 3.",
        ),
        (
            Fact::MessageFailed {
                page,
                to: mail(),
                attempts: 10,
                why: "connection refused".to_owned(),
            },
            "A message could not be delivered, mail to ops@example.org, after 10 attempts.",
        ),
        (
            hook(GitEvent {
                repo: Some("octo/shop".to_owned()),
                actor: Some("jonas".to_owned()),
                reference: Some("refs/heads/main".to_owned()),
                sha: Some("6113728f27ae82c7b1a177c8d03f9e96e0adf246".to_owned()),
                ..GitEvent::of(GitEventKind::Push)
            }),
            "github told of a push to refs/heads/main at 6113728f27ae in octo/shop by jonas.",
        ),
        (
            hook(GitEvent {
                repo: Some("octo/shop".to_owned()),
                reference: Some("refs/tags/v1".to_owned()),
                deleted: Some(true),
                ..GitEvent::of(GitEventKind::Tag)
            }),
            "github told of the end of refs/tags/v1 in octo/shop.",
        ),
        (
            hook(GitEvent::of(GitEventKind::Ping)),
            "github tried whether its webhooks arrive; they do.",
        ),
        (
            hook(GitEvent::of(GitEventKind::Other("wiki\u{1b}".to_owned()))),
            "github sent `wiki` about a repository it does not name, which is kept and not understood.",
        ),
        (
            cdevent(
                Some("pkg:oci/shop@sha256%3A00"),
                DeliveryOutcome::Deployment,
            ),
            "/ci told that shop runs pkg:oci/shop@sha256%3A00 in prod (`dev.cdevents.service.deployed.0.3.0`).",
        ),
        (
            cdevent(None, DeliveryOutcome::Recorded),
            "/ci told of shop in prod (`dev.cdevents.service.deployed.0.3.0`).",
        ),
        (
            cdevent(None, DeliveryOutcome::NotUnderstood),
            "/ci sent `dev.cdevents.service.deployed.0.3.0`, which is kept and not understood.",
        ),
        (
            Fact::AlertFired {
                alert: AlertId(12),
                service: shop(),
                name: "HighErrorRate".to_owned(),
                summary: "3.2 % of payments fail.".to_owned(),
                starts_at: START - Duration::from_secs(60),
                changes: vec![ChangeId(7), ChangeId(6)],
            },
            "alt-12 fired: HighErrorRate for shop, since 14:02:00 UTC; around then: chg-7 and chg-6.",
        ),
        (
            Fact::AlertFired {
                alert: AlertId(13),
                service: shop(),
                name: "Down".to_owned(),
                summary: String::new(),
                starts_at: START,
                changes: vec![],
            },
            "alt-13 fired: Down for shop, since 14:03:00 UTC.",
        ),
        (
            resolved(Resolution::Told),
            "alt-12 is resolved: Down; its sender says so.",
        ),
        (
            resolved(Resolution::Lapsed),
            "alt-12 is resolved: Down; it was not sent again in time.",
        ),
        (
            Fact::AlertsRefused {
                service: shop(),
                alerts: 2,
                limit: 10_000,
            },
            "2 alerts for shop were refused: it has 10000 open ones, which is the limit.",
        ),
        (
            opened(Urgency::High),
            "inc-3 was opened: Down for shop; it wakes its owner.",
        ),
        (
            opened(Urgency::Low),
            "inc-3 was opened: Down for shop; its owner is told and not woken.",
        ),
        (
            Fact::IncidentJoined {
                alerts: 1,
                names: vec!["alt-13".to_owned()],
                told_at: None,
            },
            "1 alert joined it: alt-13.",
        ),
        (
            Fact::IncidentJoined {
                alerts: 2,
                names: vec!["alt-13".to_owned(), "alt-14".to_owned()],
                told_at: Some(START + Duration::from_secs(300)),
            },
            "2 alerts joined it: alt-13 and alt-14; its owner heard of it just now and is told at 14:08:00 UTC.",
        ),
        (
            Fact::ShippedTogether {
                parts: vec![part(6, "ledger", &[]), part(7, "shop", &[6])],
            },
            "Shipped as one, in this order: ledger 1.1 (chg-6), shop 1.1 (chg-7).",
        ),
        (
            Fact::PartBegun {
                needs: vec![ChangeId(5), ChangeId(6)],
            },
            "It begins: what it depends on is live (chg-5, chg-6).",
        ),
        (
            Fact::UndoneTogether {
                with: ChangeId(6),
                service: "ledger".parse().unwrap(),
                version: "1.1".parse().unwrap(),
            },
            "It goes back with ledger 1.1 (chg-6), with which it was shipped.",
        ),
        (
            Fact::PartStays {
                change: ChangeId(6),
                service: "ledger".parse().unwrap(),
                why: "chg-9 came after it".to_owned(),
            },
            "ledger (chg-6), which was shipped with it, stays as it is: chg-9 came after it.",
        ),
        (
            Fact::IncidentReopened {
                title: "Down".to_owned(),
            },
            "Down fires again, soon after it was resolved.",
        ),
        (
            Fact::IncidentResolved {
                title: "Down".to_owned(),
                after_ms: 65_000,
            },
            "Down is resolved after 1 min 5 s.",
        ),
        (
            Fact::NobodyTold {
                title: "shop: Down fires".to_owned(),
                why: "no owner".to_owned(),
            },
            "Nobody was told \"shop: Down fires\": no owner.",
        ),
    ];
    facts.extend(agents::facts());
    facts
}

fn part(change: u64, service: &str, needs: &[u64]) -> Part {
    Part {
        change: ChangeId(change),
        service: service.parse().unwrap(),
        version: "1.1".parse().unwrap(),
        needs: needs.iter().map(|&need| ChangeId(need)).collect(),
    }
}

fn resolved(how: Resolution) -> Fact {
    Fact::AlertResolved {
        alert: AlertId(12),
        name: "Down".to_owned(),
        how,
    }
}

fn opened(urgency: Urgency) -> Fact {
    Fact::IncidentOpened {
        incident: IncidentId(3),
        service: "shop".parse().unwrap(),
        title: "Down".to_owned(),
        urgency,
    }
}

fn hook(event: GitEvent) -> Fact {
    let outcome = match event.kind {
        GitEventKind::Other(_) => DeliveryOutcome::NotUnderstood,
        _ => DeliveryOutcome::Recorded,
    };
    Fact::HookReceived {
        host: GitHost::Github,
        delivery: "1".to_owned(),
        event: Box::new(event),
        outcome,
    }
}

fn cdevent(artifact: Option<&str>, outcome: DeliveryOutcome) -> Fact {
    Fact::CdeventReceived {
        source: "/ci".to_owned(),
        id: "1".to_owned(),
        event_type: "dev.cdevents.service.deployed.0.3.0".to_owned(),
        about: Some("shop".to_owned()),
        environment: Some("prod".to_owned()),
        artifact: artifact.map(str::to_owned),
        outcome,
    }
}

fn schema_set(from: Option<u64>, to: u64, kind: Option<MigrationKind>) -> Fact {
    Fact::SchemaSet {
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        from,
        to,
        kind,
        reason: String::new(),
    }
}

pub(crate) fn told(fact: &Fact) -> learn::sentence::Told {
    of(&entry(1, 0, Kind::Outcome, "jonas", &[], fact))
}

#[test]
fn every_fact_has_exactly_this_sentence() {
    for (fact, expected) in every_fact() {
        let told = told(&fact);
        assert_eq!(told.text, expected);
        assert_eq!(told.event, fact.to_body()["fact"].as_str().unwrap());
    }
}

#[test]
fn no_fact_is_missing_from_the_table() {
    let rows: BTreeSet<usize> = every_fact().iter().map(|(fact, _)| variant(fact)).collect();
    assert_eq!(rows, (0..VARIANTS).collect());
}

#[test]
fn verdicts_and_lost_messages_have_detail() {
    let with_detail: Vec<String> = every_fact()
        .iter()
        .map(|(fact, _)| told(fact))
        .filter(|told| !told.detail.is_empty())
        .map(|told| told.event)
        .collect();
    assert_eq!(
        with_detail,
        ["verdict_given", "message_failed", "alert_fired"]
    );
}

#[test]
fn a_procedure_orders_under_its_name() {
    let fact = Fact::Ordered {
        command: Command::Undo,
        reason: String::new(),
    };
    let entry = entry(1, 0, Kind::Action, "procedure undo", &[], &fact);
    assert_eq!(of(&entry).text, "Procedure `undo` asked to undo it.");
}
