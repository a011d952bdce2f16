//! `sleepwell schema`: the schema of a service's data, and whether it may be migrated.

use anyhow::Result;
use model::api::schema::{NewSchema, SchemaStep};
use model::deliver::MigrationKind;
use runtime::Clock;

use super::connect::connect;
use super::{print, print_json, style};
use crate::args::{Global, Schema, SchemaBegin, SchemaCommand, SchemaKind, SchemaPlace, SchemaSet};
use crate::show;

pub(crate) fn run(global: &Global, args: &Schema) -> Result<u8> {
    match &args.command {
        None => list(global),
        Some(SchemaCommand::Begin(begin)) => say(global, &begin.word()),
        Some(SchemaCommand::Set(set)) => say(global, &set.word()),
    }
}

fn list(global: &Global) -> Result<u8> {
    let schemas = connect(global)?.schemas()?;
    if global.json.is_some() {
        print_json(&schemas)?;
    } else {
        let now = Clock::System.now();
        print(&show::schemas::table(&schemas, now, style(global)))?;
    }
    Ok(0)
}

fn say(global: &Global, word: &NewSchema) -> Result<u8> {
    let said = connect(global)?.say_schema(word)?;
    if global.json.is_some() {
        print_json(&said)?;
    } else {
        print(&show::schemas::said(&said))?;
    }
    Ok(0)
}

impl SchemaBegin {
    fn word(&self) -> NewSchema {
        self.place.word(SchemaStep::Begin, Some(self.kind))
    }
}

impl SchemaSet {
    fn word(&self) -> NewSchema {
        NewSchema {
            anyway: self.anyway,
            ..self.place.word(SchemaStep::Set, self.kind)
        }
    }
}

impl SchemaPlace {
    fn word(&self, step: SchemaStep, kind: Option<SchemaKind>) -> NewSchema {
        NewSchema {
            service: self.service.clone(),
            environment: self.environment.clone(),
            version: self.version,
            step,
            kind: kind.map(MigrationKind::from),
            anyway: false,
            reason: self.because.reason.clone(),
        }
    }
}

impl From<SchemaKind> for MigrationKind {
    fn from(kind: SchemaKind) -> Self {
        match kind {
            SchemaKind::Expand => MigrationKind::Expand,
            SchemaKind::Migrate => MigrationKind::Migrate,
            SchemaKind::Contract => MigrationKind::Contract,
        }
    }
}
