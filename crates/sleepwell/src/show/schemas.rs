//! The schemas of services' data, and the way back of a change.

use model::api::schema::{SchemaRun, SchemaView, WayBack};
use model::deliver::Schema;
use model::words::{counted, moment};
use model::{ChangeId, Timestamp};

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};

/// Returns one line per schema in the order given; `now` is the clock of whoever looks.
pub(crate) fn table(schemas: &[SchemaView], now: Timestamp, style: Style) -> String {
    if schemas.is_empty() {
        return "No schema is known. Say what one is: sleepwell schema set SERVICE ENV N\n"
            .to_owned();
    }
    let columns = [
        Column::new("service", 24),
        Column::new("environment", 24),
        Column::new("schema", 44),
        Column::new("runs", 24),
        Column::new("needs", 24),
        Column::new("on", 44).squeezed_to(8).leaves(2),
        Column::new("said", 44).leaves(1),
    ];
    let rows: Vec<Vec<Cell>> = schemas.iter().flat_map(|one| rows(one, now)).collect();
    let mut out = String::new();
    table::write(&columns, &rows, style, &mut out);
    out
}

/// Returns a line for each release that runs, or one that says that none does.
fn rows(view: &SchemaView, now: Timestamp) -> Vec<Vec<Cell>> {
    let schema = &view.schema;
    let row = |mark: Mark, [runs, needs, on]: [String; 3]| {
        vec![
            (Ink::Plain, schema.service.to_string()),
            (Ink::Plain, schema.environment.to_string()),
            (mark.ink(), format!("{} {}", mark.sign(), is(schema))),
            (Ink::Plain, runs),
            (Ink::Plain, needs),
            (Ink::Plain, on),
            (
                Ink::Dim,
                format!("by {}, {}", schema.by, moment(schema.at, now)),
            ),
        ]
    };
    if view.runs.is_empty() {
        return vec![row(
            Mark::Skipped,
            ["nothing".to_owned(), String::new(), String::new()],
        )];
    }
    let of_run = |run: &SchemaRun| {
        let needs = match &run.needs {
            Some(needs) => needs.to_string(),
            None => "does not say".to_owned(),
        };
        row(
            mark(run, schema),
            [run.version.to_string(), needs, hosts(run)],
        )
    };
    view.runs.iter().map(of_run).collect()
}

/// Returns whether a release works with what the data may be now.
fn mark(run: &SchemaRun, schema: &Schema) -> Mark {
    match run.fits {
        Some(false) => Mark::Failed,
        None => Mark::Unknown,
        Some(true) if schema.becoming.is_some() => Mark::Waiting,
        Some(true) => Mark::Passed,
    }
}

fn hosts(run: &SchemaRun) -> String {
    let names: Vec<&str> = run.hosts.iter().map(|host| host.as_str()).collect();
    names.join(", ")
}

fn is(schema: &Schema) -> String {
    let becoming = schema.becoming.as_ref();
    let becoming = becoming.map(|step| format!(", becoming {} ({})", step.to, step.kind));
    format!("{}{}", schema.version, becoming.unwrap_or_default())
}

fn run(run: &SchemaRun) -> String {
    let hosts = counted(run.hosts.len() as u64, "host");
    match (&run.needs, run.fits) {
        (Some(needs), Some(false)) => {
            format!("{} on {hosts} needs {needs} and does not fit", run.version)
        }
        (Some(needs), _) => format!("{} on {hosts} needs {needs}", run.version),
        (None, _) => format!("{} on {hosts} does not say what it needs", run.version),
    }
}

/// Returns the answer to a word about a schema, and what does not fit.
pub(crate) fn said(view: &SchemaView) -> String {
    let Schema {
        service,
        environment,
        ..
    } = &view.schema;
    let mut out = format!(
        "The schema of {service} in {environment} is {}.\n",
        is(&view.schema)
    );
    if let Some(step) = &view.schema.becoming {
        out += &format!(
            "When it is done: sleepwell schema set {service} {environment} {}\nWhen it is given up: sleepwell schema set {service} {environment} {}\n",
            step.to, step.from
        );
    }
    for bad in view.runs.iter().filter(|run| run.fits == Some(false)) {
        out += &format!("{}.\n", run(bad));
    }
    out
}

/// Returns where an undo would go, or what to do instead.
pub(crate) fn way_back(change: ChangeId, way: &WayBack) -> String {
    match (&way.refused, &way.to) {
        (Some(why), _) => {
            let hint = way.hint.as_deref().unwrap_or_default();
            format!("{change}: {why}.\nhint: {hint}\n")
        }
        (None, Some(to)) => {
            format!("{change} can be undone: it goes back to {to}. sleepwell undo {change}\n")
        }
        (None, None) => {
            format!("{change} can be undone: nothing runs then. sleepwell undo {change}\n")
        }
    }
}
