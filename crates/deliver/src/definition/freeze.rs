//! Reads when nothing new is released: `freeze` of an environment.

use std::collections::BTreeSet;

use model::deliver::FreezeRule;
use model::deliver::freeze::Window;
use model::limit;
use model::time::Zone;

use super::at::At;
use super::map::Map;

pub(super) fn freezes(at: At) -> Option<Vec<FreezeRule>> {
    let rules: Vec<(At, FreezeRule)> = at.list(|at| Some((at.clone(), rule(at)?)))?;
    if rules.len() > limit::FREEZES {
        let what = format!("{} freezes are too many", rules.len());
        at.fault(what, format!("use at most {}", limit::FREEZES));
        return None;
    }
    let mut names = BTreeSet::new();
    if let Some((at, rule)) = rules.iter().find(|(_, rule)| !names.insert(&rule.name)) {
        at.fault(
            format!("a freeze `{}` stands here already", rule.name),
            "give each freeze its own name",
        );
        return None;
    }
    Some(rules.into_iter().map(|(_, rule)| rule).collect())
}

fn rule(at: At) -> Option<FreezeRule> {
    let mut map = Map::of(&at)?;
    let name = map.required("name", "weekend", At::parsed);
    let zone = map.or("zone", Zone::utc(), At::parsed);
    let from = map.required("from", "fri 16:00", |at| at.text());
    let to_at = map.get("to");
    let to = map.required("to", "mon 08:00", |at| at.text());
    map.finish(&[]);
    let (name, zone, from, to) = (name?, zone?, from?, to?);
    let window = Window::read(from, to).map_err(|error| {
        to_at.as_ref().unwrap_or(&at).sentence(&error);
    });
    Some(FreezeRule {
        name,
        zone,
        window: window.ok()?,
    })
}
