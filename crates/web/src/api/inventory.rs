//! `/api/v1/deliver/inventory`: the expected hosts as other tools list them.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use model::HostName;
use model::api::Problem;
use model::deliver::Host;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Query;
use crate::App;
use crate::error::Result;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct Form {
    format: String,
}

/// Returns a dynamic inventory as Ansible reads one; the only `format` there is.
pub(crate) async fn show(State(app): State<App>, Query(query): Query<Form>) -> Result<Json<Value>> {
    if query.format != "ansible" {
        let title = format!("there is no inventory of the format `{}`", query.format);
        let problem = Problem::new(400, "unknown_format", title);
        return Err(problem.hint("ask for `?format=ansible`").into());
    }
    let hosts = app.store.read(store::host::expected).await?;
    Ok(Json(ansible(&hosts)))
}

/// Groups hosts by each of their labels: `role=shop` is the group `role_shop`. All labels of a host are its
/// variable `labels`, so that none of them can stand for one of Ansible's own.
fn ansible(hosts: &[Host]) -> Value {
    let mut groups: BTreeMap<String, BTreeSet<&HostName>> = BTreeMap::new();
    let mut variables = serde_json::Map::new();
    for host in hosts {
        for (name, value) in host.labels.iter() {
            let group = group(&format!("{name}_{value}"));
            groups.entry(group).or_default().insert(&host.name);
        }
        let of_host = json!({ "labels": host.labels });
        variables.insert(host.name.to_string(), of_host);
    }
    let names: Vec<&String> = variables.keys().collect();
    let mut inventory = json!({ "all": { "hosts": names }, "_meta": { "hostvars": variables } });
    for (name, hosts) in groups {
        inventory[name] = json!({ "hosts": hosts });
    }
    inventory
}

/// Returns a name Ansible takes for a group: letters, digits and `_`.
fn group(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(plain).collect()
}
