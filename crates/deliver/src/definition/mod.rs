//! Reads `sleepwell.yaml`: text in, a checked [`Definition`] or a list of [`Fault`]s out.
//!
//! `tree` turns the text into nodes that know their line, `at` reads one node as one type, and a file
//! per part of the definition says which keys there are and what they mean together. `shape` describes
//! the same keys to editors; a test holds the two together.

mod at;
mod compatibility;
mod environment;
mod fault;
mod freeze;
mod map;
mod procedure;
mod scalar;
mod selector;
mod service;
mod shape;
mod signal;
mod slots;
mod strategy;
mod substitute;
mod summary;
mod tree;

use std::collections::BTreeMap;

use model::Digest;
use model::deliver::{ArtifactFormat, Definition, Health, Owner, Run, Scrape};
use model::observe::Signal;
use serde::Serialize;

use at::{At, Report};
pub use fault::Fault;
use map::Map;
pub use shape::schema;
pub use substitute::substitute_env;
pub use summary::summary;

/// Keys of the specification that this version cannot honour; each is refused by its name.
const NOT_BUILT: &[&str] = &["alerts", "experiments", "flags", "gates", "pipelines"];

/// Reads and checks the text of `sleepwell.yaml`, with `${env.…}` already filled in.
///
/// # Errors
/// All faults that could be found, in the order of their lines, at least one. A text that is no YAML
/// has one fault: what follows it cannot be read.
pub fn parse(text: &str) -> Result<Definition, Vec<Fault>> {
    let root = tree::build(text).map_err(|fault| vec![fault])?;
    let report = Report::default();
    let definition = read(&At::root(&root, &report));
    match (definition, report.into_faults()) {
        (Some(definition), faults) if faults.is_empty() => Ok(definition),
        (_, faults) => Err(faults),
    }
}

fn read(root: &At) -> Option<Definition> {
    let mut map = Map::of(root)?;
    let service = map.required("service", "shop", At::parsed);
    let depends_on = map.or("depends_on", Vec::new(), |at| {
        service::depends_on(&at, service.as_ref())
    });
    let owner = map.or("owner", Owner::default(), service::owner);
    let artifact = map.required(
        "artifact",
        "{ path: target/release/shop }",
        service::artifact,
    );
    let run = map.required("run", "{ exec: [\"./shop\"] }", service::run);
    let health = map.optional("health", service::health);
    let metrics = map.optional("metrics", service::metrics);
    let environments = map.required(
        "environments",
        "{ production: … }",
        environment::environments,
    );
    let signals = map.or("signals", BTreeMap::new(), signal::signals);
    let procedures = procedure::procedures(&mut map);
    let compatibility = compatibility::compatibility(&mut map, service.as_ref());
    if run.as_ref().is_some_and(|run| run.ports.is_empty()) {
        root.report().fault_port_uses();
    }
    signals_have_metrics(&mut map, signals.as_ref());
    map.finish(NOT_BUILT);
    Some(Definition {
        service: service?,
        depends_on: depends_on?,
        owner: owner?,
        artifact: artifact?,
        run: run?,
        health: health?,
        metrics: metrics?,
        environments: environments?,
        signals: signals?,
        procedures: procedures?,
        compatibility: compatibility?,
    })
}

fn signals_have_metrics(map: &mut Map, signals: Option<&BTreeMap<String, Signal>>) {
    let declared = signals.is_some_and(|signals| !signals.is_empty());
    if let (true, None, Some(at)) = (declared, map.get("metrics"), map.get("signals")) {
        at.fault(
            "signals are declared, and nothing says where their series are read",
            "add `metrics: { scrape: \"http://127.0.0.1:${PORT}/metrics\" }`",
        );
    }
}

/// Returns the digest of what decides how a host runs the artifact: two releases with the same bytes
/// and the same digest here are the same folder on a host.
///
/// Rings, signals, procedures and what it can live with are not part of it: changing them restarts nothing.
pub fn config_digest(definition: &Definition) -> Digest {
    #[derive(Serialize)]
    struct Config<'a> {
        format: ArtifactFormat,
        file_name: &'a str,
        run: &'a Run,
        health: &'a Option<Health>,
        metrics: &'a Option<Scrape>,
    }
    let config = Config {
        format: definition.artifact.format,
        file_name: definition.artifact.file_name(),
        run: &definition.run,
        health: &definition.health,
        metrics: &definition.metrics,
    };
    let bytes = serde_json::to_vec(&config).expect("these types hold only text keys and numbers");
    Digest::of(&bytes)
}
