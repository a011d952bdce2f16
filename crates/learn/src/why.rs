//! The walk over causes: how one thing led to the next.

use std::collections::{BTreeMap, BTreeSet};

use model::api::change::{TimelineItem, Why};
use model::deliver::Proof;
use model::{ChangeId, Entry, EntryId, Fact, Subject};

use crate::sentence;

/// Reports of hosts shown in front of the entry they caused; the newest say enough.
const REPORTS_SHOWN: usize = 3;

/// Answers `sleepwell why`: the subject's state in one sentence and the chain that led to it.
pub fn story(subject: &Subject, sentence: String, entries: &[Entry]) -> Why {
    let mut chain = chain(entries);
    if let Subject::Change(own) = subject {
        name_others(&mut chain, entries, *own);
    }
    Why {
        subject: subject.to_string(),
        sentence,
        chain,
    }
}

/// Puts the change in front of what is said of another one, such as a verdict on what was shipped with it.
fn name_others(items: &mut [TimelineItem], entries: &[Entry], own: ChangeId) {
    let others: BTreeMap<EntryId, ChangeId> = entries
        .iter()
        .filter_map(|entry| match &entry.subject {
            Subject::Change(change) if *change != own => Some((entry.id, *change)),
            _ => None,
        })
        .collect();
    for item in items {
        if let Some(change) = others.get(&item.id) {
            item.text = format!("{change}: {}", item.text);
        }
    }
}

/// Returns the story in `entries` (those of a subject and their causes), oldest first.
///
/// In the story of a change, the orders to hosts and their reports are left out, except the newest
/// reports that caused something shown and the one that proved the end; how many were left out stands
/// below the entry they precede.
/// Everything else is shown. Causes that are missing, later or circular are followed no further.
pub fn chain(entries: &[Entry]) -> Vec<TimelineItem> {
    let ordered = by_time(entries);
    let shown = shown(&ordered);
    let depths = depths(&ordered, &shown);
    let mut left_out = 0;
    let mut items = Vec::new();
    for (i, entry) in ordered.iter().enumerate() {
        if !shown[i] {
            left_out += 1;
            continue;
        }
        let mut item = item(entry, depths[i]);
        item.detail.extend(note("Before", left_out));
        left_out = 0;
        items.push(item);
    }
    if let Some(last) = items.last_mut() {
        last.detail.extend(note("After", left_out));
    }
    items
}

fn note(place: &str, left_out: usize) -> Option<String> {
    match left_out {
        0 => None,
        1 => Some(format!("{place} this, 1 step of a host is left out.")),
        n => Some(format!("{place} this, {n} steps of hosts are left out.")),
    }
}

/// Returns every entry about a change and its causes in words, oldest first.
pub(crate) fn items(entries: &[Entry], own: ChangeId) -> Vec<TimelineItem> {
    let ordered = by_time(entries);
    let depths = depths(&ordered, &vec![true; ordered.len()]);
    let items = ordered.iter().zip(depths);
    let mut items: Vec<_> = items.map(|(entry, depth)| item(entry, depth)).collect();
    name_others(&mut items, entries, own);
    items
}

fn item(entry: &Entry, depth: usize) -> TimelineItem {
    let told = sentence::of(entry);
    TimelineItem {
        id: entry.id,
        at: entry.at,
        kind: entry.kind,
        actor: entry.actor.clone(),
        event: told.event,
        text: told.text,
        detail: told.detail,
        causes: entry.causes.clone(),
        depth,
        body: entry.body.clone(),
    }
}

/// Sorts by time; entries of one instant keep the order they were written in, and an entry that is
/// given twice counts once.
fn by_time(entries: &[Entry]) -> Vec<&Entry> {
    let mut seen = BTreeSet::new();
    let mut ordered: Vec<&Entry> = entries
        .iter()
        .filter(|entry| seen.insert(entry.id))
        .collect();
    ordered.sort_by_key(|entry| entry.at);
    ordered
}

/// Tells of each entry whether it belongs to the story.
fn shown(ordered: &[&Entry]) -> Vec<bool> {
    let about_change = ordered
        .iter()
        .any(|entry| matches!(entry.subject, Subject::Change(_)));
    if !about_change {
        return vec![true; ordered.len()];
    }
    let chatter: Vec<Chatter> = ordered.iter().map(|entry| chatter(entry)).collect();
    let mut shown: Vec<bool> = chatter.iter().map(|c| *c == Chatter::No).collect();
    let index = index(ordered);
    for (i, entry) in ordered.iter().enumerate() {
        if chatter[i] != Chatter::No {
            continue;
        }
        let causes = entry.causes.iter().rev().filter_map(|id| index.get(id));
        let reports = causes.filter(|&&cause| chatter[cause] == Chatter::Report);
        let mut reports: Vec<usize> = reports.copied().take(REPORTS_SHOWN).collect();
        if reports.is_empty() && is_end(entry) {
            reports.extend(chatter[..i].iter().rposition(|c| *c == Chatter::Report));
        }
        for report in reports {
            shown[report] = true;
        }
    }
    shown
}

/// Tells whether an entry says that a change reached its end on every host.
fn is_end(entry: &Entry) -> bool {
    matches!(
        Fact::from_body(&entry.body),
        Ok(Fact::RolloutDone { .. } | Fact::RolloutUndone { .. })
    )
}

/// Is whether an entry is one of the many steps of single hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chatter {
    No,
    Order,
    Report,
}

fn chatter(entry: &Entry) -> Chatter {
    match Fact::from_body(&entry.body) {
        Ok(Fact::HostAsked { .. }) => Chatter::Order,
        Ok(Fact::HostProof {
            proof: Proof::Converged | Proof::Pending | Proof::Stopped,
            ..
        }) => Chatter::Report,
        // Other facts are told, and so is a host that reverted, drifted, is blocked or cannot tell.
        Ok(_) | Err(_) => Chatter::No,
    }
}

fn index(ordered: &[&Entry]) -> BTreeMap<EntryId, usize> {
    let ids = ordered.iter().enumerate();
    ids.map(|(i, entry)| (entry.id, i)).collect()
}

/// Returns how many shown causes lie between each entry and the first cause of its story, by the
/// longest way, so that an entry always stands deeper than what caused it.
///
/// One pass in order of time: a cause that is not older is ignored, so circles cannot matter.
fn depths(ordered: &[&Entry], shown: &[bool]) -> Vec<usize> {
    let index = index(ordered);
    // The depth of what follows from an entry; one that is not shown hands on its causes'.
    let mut below: Vec<usize> = Vec::with_capacity(ordered.len());
    let mut depths = Vec::with_capacity(ordered.len());
    for (i, entry) in ordered.iter().enumerate() {
        let causes = entry.causes.iter().filter_map(|id| index.get(id));
        let older = causes.filter(|&&cause| cause < i);
        let depth = older.map(|&cause| below[cause]).max().unwrap_or(0);
        below.push(depth + usize::from(shown[i]));
        depths.push(depth);
    }
    depths
}
