//! Reads alerts, incidents and pages as they are shown, and why they are there.

use std::collections::{BTreeMap, BTreeSet};

use model::act::{Incident, OutboxRow, OutboxState};
use model::api::alert::{AlertView, Asked, IncidentView, PageView, ToldState};
use model::api::change::Why;
use model::judge::Alert;
use model::{AlertId, Entry, EntryId, IncidentId, PageId, Subject, Timestamp, limit};
use store::{Error, Tx};

use super::Fleet;

/// Alerts of an incident whose own stories are part of its.
const STORIES: usize = 20;

/// Adds to each alert whether anybody was told.
pub(crate) fn alerts(tx: &mut Tx<'_>, alerts: Vec<Alert>) -> Result<Vec<AlertView>, Error> {
    let mut states: BTreeMap<IncidentId, ToldState> = BTreeMap::new();
    let mut views = Vec::with_capacity(alerts.len());
    for alert in alerts {
        let told = match alert.incident {
            None => ToldState::Waiting,
            Some(id) => match states.get(&id) {
                Some(state) => *state,
                None => {
                    let state = told_of(tx, id)?;
                    states.insert(id, state);
                    state
                }
            },
        };
        views.push(AlertView { alert, told });
    }
    Ok(views)
}

/// Adds to an incident the pages about it.
pub(crate) fn incident(tx: &mut Tx<'_>, incident: Incident) -> Result<IncidentView, Error> {
    let rows = pages_about(tx, incident.id)?;
    Ok(IncidentView {
        told_state: told_state(&incident, &rows),
        pages: rows.into_iter().map(page).collect(),
        incident,
    })
}

/// Shows a message without what it says and where exactly it goes.
pub(crate) fn page(row: OutboxRow) -> PageView {
    PageView {
        id: row.id,
        to: row.destination.to_string(),
        title: row.message.title,
        urgency: row.message.urgency,
        state: row.state,
        attempt: row.attempt,
        created_at: row.created_at,
        due_at: row.due_at,
        change: row.message.change,
        incident: row.message.incident,
    }
}

/// Walks the causes of whatever was asked about; none when it does not exist.
pub(crate) fn why(tx: &mut Tx<'_>, asked: Asked, now: Timestamp) -> Result<Option<Why>, Error> {
    match asked {
        Asked::Change(id) => super::why_of_change(tx, &mut Fleet::default(), id, now),
        Asked::Alert(id) => why_of_alert(tx, id, now),
        Asked::Incident(id) => why_of_incident(tx, id, now),
        Asked::Page(id) => why_of_page(tx, id, now),
    }
}

fn why_of_page(tx: &mut Tx<'_>, id: PageId, now: Timestamp) -> Result<Option<Why>, Error> {
    let row = store::outbox::get(tx, id)?;
    match row.and_then(|row| row.message.subject()) {
        Some(Subject::Incident(id)) => why_of_incident(tx, id, now),
        Some(Subject::Change(id)) => super::why_of_change(tx, &mut Fleet::default(), id, now),
        _ => Ok(None),
    }
}

fn why_of_alert(tx: &mut Tx<'_>, id: AlertId, now: Timestamp) -> Result<Option<Why>, Error> {
    let Some(alert) = store::alert::get(tx, id)? else {
        return Ok(None);
    };
    let subject = Subject::Alert(id);
    let mut entries = super::entries(tx, &subject)?;
    if let Some(incident) = alert.incident {
        entries.extend(super::entries(tx, &Subject::Incident(incident))?);
    }
    let told = match alert.incident {
        Some(incident) => told_of(tx, incident)?,
        None => ToldState::Waiting,
    };
    let sentence = learn::alert::of_alert(&alert, told, now);
    Ok(Some(learn::why::story(
        &subject,
        sentence,
        &sorted(entries),
    )))
}

fn why_of_incident(tx: &mut Tx<'_>, id: IncidentId, now: Timestamp) -> Result<Option<Why>, Error> {
    let Some(incident) = store::incident::get(tx, id)? else {
        return Ok(None);
    };
    let subject = Subject::Incident(id);
    let mut entries = super::entries(tx, &subject)?;
    for alert in store::alert::of_incident(tx, id, false, STORIES)? {
        entries.extend(super::entries(tx, &Subject::Alert(alert.id))?);
    }
    let told = told_of(tx, id)?;
    let sentence = learn::alert::of_incident(&incident, told, now);
    Ok(Some(learn::why::story(
        &subject,
        sentence,
        &sorted(entries),
    )))
}

/// Puts entries from several places in their order, each once.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut seen: BTreeSet<EntryId> = BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.id));
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn told_of(tx: &mut Tx<'_>, id: IncidentId) -> Result<ToldState, Error> {
    let Some(incident) = store::incident::get(tx, id)? else {
        return Ok(ToldState::Waiting);
    };
    let rows = pages_about(tx, id)?;
    Ok(told_state(&incident, &rows))
}

fn pages_about(tx: &mut Tx<'_>, id: IncidentId) -> Result<Vec<OutboxRow>, Error> {
    store::outbox::list(tx, Some(&Subject::Incident(id)), limit::LIST_ITEMS)
}

fn told_state(incident: &Incident, pages: &[OutboxRow]) -> ToldState {
    let Some(told) = incident.told else {
        return ToldState::Waiting;
    };
    let any = |is: fn(&OutboxState) -> bool| pages.iter().any(|row| is(&row.state));
    if told.receivers == 0 {
        ToldState::Nobody
    } else if any(|state| matches!(state, OutboxState::Accepted { .. })) {
        ToldState::Accepted
    } else if any(|state| matches!(state, OutboxState::Queued | OutboxState::Leased { .. })) {
        ToldState::Sending
    } else {
        ToldState::Failed
    }
}
