//! `sleepwell check [FILE]`: reads a definition and shows the plan it would run.

use std::path::Path;

use anyhow::Result;
use deliver::definition::{self, Fault};
use model::api::Problem;
use model::deliver::Definition;

use super::{Failed, print, print_json};
use crate::args::{Check, Global};

pub(crate) fn run(global: &Global, args: &Check) -> Result<u8> {
    if args.schema {
        print_json(&definition::schema())?;
        return Ok(0);
    }
    let (definition, _) = read(&args.file, |name| std::env::var(name).ok())?;
    if let Some(environment) = &global.env
        && !definition.environments.contains_key(environment)
    {
        let known: Vec<String> = definition
            .environments
            .keys()
            .map(|e| format!("`{e}`"))
            .collect();
        let title = format!("unknown environment `{environment}`");
        let problem = Problem::new(404, "unknown_environment", title)
            .hint(format!("known: {}", known.join(", ")));
        return Err(Failed { problem, code: 5 }.into());
    }
    if global.json.is_some() {
        print_json(&definition)?;
    } else {
        print(&(definition::summary(&definition, global.env.as_ref()).join("\n") + "\n"))?;
    }
    Ok(0)
}

/// Reads a definition file with the variables of the environment filled in; returns it and its text.
pub(crate) fn read(
    file: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<(Definition, String)> {
    let text = std::fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
    let text = definition::substitute_env(&text, env).map_err(|faults| faulty(file, &faults))?;
    let definition = definition::parse(&text).map_err(|faults| faulty(file, &faults))?;
    Ok((definition, text))
}

fn unreadable(file: &Path, error: &std::io::Error) -> anyhow::Error {
    let problem = Problem::new(400, "", format!("cannot read {}", file.display()))
        .at(error.to_string())
        .hint("run it in the folder of the service, or name the file: --file services/shop/sleepwell.yaml");
    Failed { problem, code: 2 }.into()
}

fn faulty(file: &Path, faults: &[Fault]) -> anyhow::Error {
    let many = match faults.len() {
        1 => "a fault".to_owned(),
        n => format!("{n} faults"),
    };
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let problem = Problem::new(
        422,
        "bad_definition",
        format!("{} has {many}", file.display()),
    )
    .at(lines.join("\n"))
    .hint("mend it and run `sleepwell check` again");
    Failed { problem, code: 2 }.into()
}
