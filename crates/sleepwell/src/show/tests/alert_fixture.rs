//! Alerts and pages of the invented shop.

use std::collections::BTreeMap;

use model::act::{OutboxState, Urgency};
use model::api::alert::{AlertView, PageView, ToldState};
use model::judge::{Alert, AlertState, Resolution};
use model::{AlertId, ChangeId, EntryId, IncidentId, Labels, PageId};

use super::fixture::at;

/// Returns an alert in each state and with each end of its message, newest first.
pub(super) fn alerts() -> Vec<AlertView> {
    let how = Resolution::Told;
    let resolved = AlertState::Resolved {
        at: at("14:10:00"),
        how,
    };
    vec![
        alert(7, "QueueLag", AlertState::Firing, ToldState::Waiting),
        alert(6, "Down", AlertState::Firing, ToldState::Nobody),
        alert(5, "HighErrorRate", AlertState::Firing, ToldState::Sending),
        alert(4, "HighErrorRate", AlertState::Firing, ToldState::Accepted),
        alert(3, "DiskFillsUp", resolved, ToldState::Failed),
    ]
}

fn alert(id: u64, name: &str, state: AlertState, told: ToldState) -> AlertView {
    let waits = told == ToldState::Waiting;
    let alert = Alert {
        id: AlertId(id),
        service: "shop".parse().unwrap(),
        dedup_key: "0f".to_owned(),
        labels: Labels::new([("alertname", name)]).unwrap(),
        annotations: BTreeMap::new(),
        generator_url: None,
        starts_at: at("14:03:31"),
        ends_at: at("14:13:00"),
        state,
        received_at: at("14:03:32"),
        sender: "prometheus".to_owned(),
        changes: (id < 6).then_some(ChangeId(2)).into_iter().collect(),
        incident: (!waits).then_some(IncidentId(id)),
        last_entry: EntryId::new(at("14:03:32"), 1),
    };
    AlertView { alert, told }
}

/// Returns a page in each state, newest first.
pub(super) fn pages() -> Vec<PageView> {
    let failed = OutboxState::Failed {
        at: at("14:11:00"),
        why: "status 404".to_owned(),
    };
    let accepted = OutboxState::Accepted { at: at("14:11:00") };
    vec![
        page(5, (OutboxState::Queued, 0), "shop: HighErrorRate fires"),
        page(
            4,
            (OutboxState::Leased { fence: 1 }, 1),
            "shop: HighErrorRate fires",
        ),
        page(3, (OutboxState::Queued, 2), "shop: Down fires, 12 alerts"),
        page(
            2,
            (accepted, 1),
            "shop 1.1 was undone after 38 s; 3 of 3 hosts are back on 1.0",
        ),
        page(1, (failed, 10), "shop: DiskFillsUp fires"),
    ]
}

fn page(n: u128, (state, attempt): (OutboxState, u32), title: &str) -> PageView {
    let is_change = n == 2;
    PageView {
        id: PageId::new(at("14:04:00"), n),
        to: "mail to shop-team@example.org".to_owned(),
        title: title.to_owned(),
        urgency: if n == 1 { Urgency::Low } else { Urgency::High },
        state,
        attempt,
        created_at: at("14:04:00"),
        due_at: at("14:12:30"),
        change: is_change.then_some(ChangeId(2)),
        incident: (!is_change).then_some(IncidentId(4)),
    }
}
