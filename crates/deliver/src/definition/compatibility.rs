//! Reads what a release can live with: `schema`, `api`, `clients`, `drops_clients`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use model::deliver::{Api, Clients, Compatibility, SchemaNeeds};
use model::{ApiVersion, ServiceName, limit};

use super::at::At;
use super::fault::shown;
use super::map::{Map, named};
use super::scalar::Kind;

const SOAK: Duration = Duration::from_secs(7 * 86_400);

/// Reads the four keys from the file's own map; `service` is its name, where that could be read.
pub(super) fn compatibility(map: &mut Map, service: Option<&ServiceName>) -> Option<Compatibility> {
    let schema = map.optional("schema", schema);
    let api = map.optional("api", |at| api(&at, service));
    let clients = map.or("clients", Vec::new(), |at| clients(&at));
    let drops_clients = map.or("drops_clients", Vec::new(), |at| self::clients(&at));
    Some(Compatibility {
        schema: schema?,
        api: api?,
        clients: clients?,
        drops_clients: drops_clients?,
    })
}

fn schema(at: At) -> Option<SchemaNeeds> {
    let mut map = Map::of(&at)?;
    let needs = map.required("needs", "\">=12 <15\"", |at| {
        let text = at.word()?;
        text.parse()
            .map_err(|error: String| at.sentence(&error))
            .ok()
    });
    let provides_at = map.get("provides");
    let provides = map.optional("provides", |at| at.count(0));
    let soak = map.or("soak", SOAK, soak);
    map.finish(&[]);
    let schema = SchemaNeeds {
        needs: needs?,
        provides: provides?,
        soak: soak?,
    };
    if let (Some(at), Some(provides)) = (provides_at, schema.provides)
        && !schema.needs.contains(&provides)
    {
        let what = format!(
            "the release leads to schema {provides}, and works with {} only",
            schema.needs
        );
        at.fault(what, "let `needs` hold what it `provides`");
        return None;
    }
    Some(schema)
}

fn soak(at: At) -> Option<Duration> {
    let soak = at.clone().duration()?;
    if soak > limit::SOAK {
        let most = model::time::short(limit::SOAK);
        at.fault(
            format!("`{}` is too long", at.written()),
            format!("write at most {most}"),
        );
        return None;
    }
    Some(soak)
}

fn api(at: &At, service: Option<&ServiceName>) -> Option<Api> {
    let mut map = Map::of(at)?;
    let serves = map.optional("serves", |at| versions(&at));
    let calls = map.or("calls", BTreeMap::new(), |at| calls(&at, service));
    map.finish(&[]);
    Some(Api {
        serves: serves?,
        calls: calls?,
    })
}

fn calls(
    at: &At,
    own: Option<&ServiceName>,
) -> Option<BTreeMap<ServiceName, BTreeSet<ApiVersion>>> {
    let name = |at: &At, name: &str| {
        let name = ServiceName::from_str(name);
        let name = name.map_err(|error| at.sentence(&error)).ok()?;
        if Some(&name) == own {
            at.fault(
                format!("`{name}` is the service itself"),
                "name another service",
            );
            return None;
        }
        Some(name)
    };
    let calls = named(at, name, |at| versions(&at))?;
    if calls.len() > limit::CALLS {
        let what = format!("{} services are too many", calls.len());
        at.fault(what, format!("use at most {}", limit::CALLS));
        return None;
    }
    Some(calls)
}

/// Reads one version or a list of them.
fn versions(at: &At) -> Option<BTreeSet<ApiVersion>> {
    let one = |at: &At| {
        let version = ApiVersion::from_str(at.word()?);
        version.map_err(|error| at.sentence(&error)).ok()
    };
    let is_one = matches!(at.kind(), Some(Kind::Text | Kind::Number | Kind::Truth));
    let listed = match is_one {
        true => vec![one(at)?],
        false => at.clone().list(|at| one(&at))?,
    };
    if listed.is_empty() || listed.len() > limit::API_VERSIONS {
        at.fault(
            format!("{} versions stand here", listed.len()),
            format!("name 1 to {}, such as [v2, v3]", limit::API_VERSIONS),
        );
        return None;
    }
    Some(listed.into_iter().collect())
}

fn clients(at: &At) -> Option<Vec<Clients>> {
    let listed: Vec<(At, Clients)> = at.clone().list(|at| {
        let clients = at.text()?.parse();
        let clients = clients.map_err(|error: String| at.sentence(&error)).ok()?;
        Some((at, clients))
    })?;
    if listed.len() > limit::CLIENTS {
        let what = format!("{} clients are too many", listed.len());
        at.fault(what, format!("use at most {}", limit::CLIENTS));
        return None;
    }
    let mut names = BTreeSet::new();
    if let Some((at, twice)) = listed.iter().find(|(_, one)| !names.insert(&one.name)) {
        at.fault(
            format!("`{}` stands here already", shown(twice.name.as_str())),
            "name each kind of client once, with one range",
        );
        return None;
    }
    Some(listed.into_iter().map(|(_, clients)| clients).collect())
}
