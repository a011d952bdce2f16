use model::act::{Incident, IncidentState, Urgency};
use model::{AlertId, ChangeId, EntryId, IncidentId, Subject, VerdictId};
use store::set_aside::{Damaged, count, put};
use store::{Store, alert, incident, judgement};

use super::alert::fires;
use super::at;
use super::rollout::verdict;

fn due(id: u64) -> Incident {
    Incident {
        id: IncidentId(id),
        service: "shop".parse().unwrap(),
        group: "Down".to_owned(),
        state: IncidentState::Triggered,
        urgency: Urgency::High,
        opened_at: at(0),
        alerts: 1,
        firing: 1,
        told: None,
        due_at: Some(at(0)),
        last_entry: EntryId::new(at(0), 1),
    }
}

pub(crate) async fn what_was_set_aside_is_in_no_list_and_counted_once(store: Store) {
    let id = VerdictId::new(at(1), 1);
    let given = verdict(id);
    let change = given.change;
    let fill = move |tx: &mut store::Tx<'_>| {
        judgement::insert(tx, &given, EntryId::new(at(1), 1))?;
        alert::insert(tx, &fires(1, "shop", "a"))?;
        incident::put(tx, &due(1))
    };
    store.write(fill).await.unwrap();
    let rows = [
        (Damaged::Verdict(id), Subject::Change(change)),
        (Damaged::Alert(AlertId(1)), Subject::Alert(AlertId(1))),
        (
            Damaged::Incident(IncidentId(1)),
            Subject::Incident(IncidentId(1)),
        ),
    ];
    for (row, subject) in rows {
        let aside = || store.write(move |tx| put(tx, row, "it ends too soon", at(2)));
        assert_eq!(aside().await.unwrap(), Some(subject), "{row}");
        assert_eq!(aside().await.unwrap(), None, "{row} is told once");
    }
    assert_eq!(store.read(count).await.unwrap(), 3);
    let look = move |tx: &mut store::Tx<'_>| -> Result<_, store::Error> {
        let every = store::alert::Filter::default();
        let lists = [
            judgement::unhandled(tx, 9)?.len(),
            judgement::list(tx, None, 9)?.len(),
            alert::news(tx, 9)?.len(),
            alert::lapsed(tx, at(999), 9)?.len(),
            alert::list(tx, &every, 9)?.len(),
            incident::due(tx, at(999), 9)?.len(),
            incident::list(tx, false, None, 9)?.len(),
        ];
        let shop = "shop".parse().unwrap();
        let newest = judgement::newest(tx, ChangeId(change.0))?.is_some();
        let again = incident::newest(tx, &shop, "Down")?.is_some();
        let open = alert::open(tx, &shop, "a")?.is_some();
        let next = (alert::next_end(tx)?, incident::next_due(tx)?);
        Ok((lists, newest || again || open, next))
    };
    let found = store.read(look).await.unwrap();
    assert_eq!(found, ([0; 7], false, (None, None)));
    // What had the same key may come anew.
    let again = |tx: &mut store::Tx<'_>| {
        alert::insert(tx, &fires(2, "shop", "a"))?;
        incident::put(tx, &due(2))
    };
    store.write(again).await.unwrap();
}
