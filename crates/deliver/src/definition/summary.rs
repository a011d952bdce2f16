//! Says in plain lines what a definition will do: what `sleepwell check` prints.

use std::collections::BTreeSet;
use std::time::Duration;

use model::act::{Destination, Do, Procedure};
use model::deliver::{
    AtDeadline, BlueGreen, Check, Compatibility, Definition, Drain, DrainAsk, EnvironmentPlan,
    Health, Hook, Hooks, IfRunning, JudgeIdle, Owner, RedeployRule, RingSize, RingSpec, Run,
    Within,
};
use model::observe::{Signal, SignalKind, Worse};
use model::time::short;
use model::{ApiVersion, EnvironmentName};

/// Returns the lines, of one environment or of all. The definition is not changed by being looked at,
/// so a name it does not have gives only the lines about the service.
pub fn summary(definition: &Definition, environment: Option<&EnvironmentName>) -> Vec<String> {
    let mut lines = vec![
        format!(
            "service {}, {}",
            definition.service,
            owner(&definition.owner)
        ),
        format!("runs {}", run(&definition.run)),
        health(definition.health.as_ref()),
    ];
    lines.extend(depends_on(definition));
    lines.extend(hooks(&definition.run.hooks));
    lines.extend(definition.run.drain.as_ref().map(drain));
    if let Some(metrics) = &definition.metrics {
        lines.push(format!(
            "metrics are read from {} every {}",
            metrics.url,
            short(metrics.interval)
        ));
    }
    for (name, plan) in &definition.environments {
        if environment.is_none_or(|wanted| wanted == name) {
            lines.extend(environment_lines(name, plan));
        }
    }
    lines.extend(signals(definition));
    lines.extend(definition.procedures.iter().map(procedure));
    lines.extend(compatibility(&definition.compatibility));
    lines
}

fn owner(owner: &Owner) -> String {
    let mail = owner.mail.clone().map(Destination::Mail);
    let webhook = owner.webhook.clone().map(Destination::Webhook);
    let contacts: Vec<String> = mail
        .into_iter()
        .chain(webhook)
        .map(|to| to.to_string())
        .collect();
    let team = owner
        .team
        .as_ref()
        .map_or("of no named team".to_owned(), |team| {
            format!("owned by {team}")
        });
    match contacts.as_slice() {
        [] => format!("{team}; no mail and no webhook, so nobody can be told"),
        contacts => format!("{team}, told by {}", contacts.join(" and ")),
    }
}

fn depends_on(definition: &Definition) -> Option<String> {
    let names: Vec<&str> = definition.depends_on.iter().map(|s| s.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "depends on {}: shipped together, they go first and back last",
            names.join(", ")
        )
    })
}

fn run(run: &Run) -> String {
    let command = run.exec.join(" ");
    match run.ports.as_slice() {
        [] => format!("{command}, without a port; the old process stops before the new one starts"),
        [port] => {
            format!("{command} on port {port}; the old process stops before the new one starts")
        }
        [a, b, ..] => format!(
            "{command} on ports {a} and {b} by turns; the new process works before the old one stops"
        ),
    }
}

fn hooks(hooks: &Hooks) -> Vec<String> {
    let each = [
        (&hooks.pre_start, "before it starts"),
        (&hooks.post_start, "once it is healthy"),
        (&hooks.pre_stop, "before it stops"),
    ];
    let line = |(hook, when): (&Option<Hook>, &str)| {
        let hook = hook.as_ref()?;
        let again = match hook.idempotent {
            true => "again if its end is not known",
            false => "never twice",
        };
        let (command, timeout) = (hook.run.join(" "), short(hook.timeout));
        Some(format!(
            "runs {command} {when}, for {timeout} at most, {again}"
        ))
    };
    each.into_iter().filter_map(line).collect()
}

fn drain(drain: &Drain) -> String {
    let ask = match &drain.ask {
        DrainAsk::Http(path) => format!("GET {path}"),
        DrainAsk::Exec(command) => command.join(" "),
    };
    let timeout = short(drain.timeout);
    format!("before it stops it is drained: {ask} is asked until it agrees, for {timeout} at most")
}

fn health(health: Option<&Health>) -> String {
    let Some(health) = health else {
        return "health is not checked: a process that runs counts as healthy".to_owned();
    };
    let check = match &health.check {
        Check::Http(path) => format!("by GET {path}"),
        Check::Tcp => "by a connection to its port".to_owned(),
        Check::Exec(command) => format!("by {}", command.join(" ")),
    };
    format!(
        "health is checked {check} every {}: healthy after {} in a row within {}, unhealthy after {} failures",
        short(health.interval),
        health.ok_after,
        short(health.deadline),
        health.unhealthy_after
    )
}

fn compatibility(says: &Compatibility) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(schema) = &says.schema {
        let provides = schema
            .provides
            .map(|version| format!(", leads to {version}"))
            .unwrap_or_default();
        lines.push(format!(
            "works with schema {}{provides}; the old shape stays for {}",
            schema.needs,
            short(schema.soak)
        ));
    }
    if let Some(serves) = says.serves() {
        lines.push(format!("serves {}", listed(serves, "and")));
    }
    let calls = says.api.iter().flat_map(|api| &api.calls);
    lines.extend(
        calls.map(|(service, versions)| format!("calls {service} {}", listed(versions, "or"))),
    );
    lines.extend(says.clients.iter().map(|one| format!("serves {one}")));
    let dropped = says.drops_clients.iter();
    lines.extend(dropped.map(|one| format!("does not serve {one} any longer")));
    lines
}

fn listed(versions: &BTreeSet<ApiVersion>, last: &str) -> String {
    let versions: Vec<&str> = versions.iter().map(ApiVersion::as_str).collect();
    versions.join(&format!(" {last} "))
}

fn environment_lines(name: &EnvironmentName, plan: &EnvironmentPlan) -> Vec<String> {
    let hosts = match plan.hosts.is_empty() {
        true => "every enrolled host".to_owned(),
        false => format!("hosts with {}", plan.hosts),
    };
    let expected = plan
        .expected
        .map(|n| format!(", at least {n} of them"))
        .unwrap_or_default();
    let budget = match plan.max_unavailable {
        Some(hosts) => format!("at most {hosts} updating or unknown at once"),
        None => "all at once".to_owned(),
    };
    let mut lines = vec![format!("in {name}, on {hosts}{expected}, {budget}:")];
    match &plan.blue_green {
        Some(slots) => lines.extend(blue_green(plan, slots)),
        None => lines.extend(
            plan.rings
                .iter()
                .enumerate()
                .map(|(i, spec)| format!("  {}. {}", i + 1, ring(spec))),
        ),
    }
    if plan.if_running == IfRunning::Queue {
        lines.push("  while another release is on its way it waits".to_owned());
    }
    lines.push(match plan.watch {
        Duration::ZERO => "  when it is done nobody watches it".to_owned(),
        watch => format!("  when it is done it stays watched for {}", short(watch)),
    });
    if plan
        .rings
        .last()
        .is_some_and(|ring| ring.hosts != RingSize::Rest && plan.blue_green.is_none())
    {
        lines.push("  hosts in none of these rings keep what they run".to_owned());
    }
    lines.extend(plan.freeze.iter().map(|rule| {
        let (name, window, zone) = (&rule.name, rule.window, &rule.zone);
        format!("  nothing new is released {window}, {zone} ({name})")
    }));
    if plan.rings.len() == 1 && plan.max_unavailable.is_none() {
        lines.push(
            "  no host is left to compare with: it passes on proof, health and time".to_owned(),
        );
    }
    lines.extend(plan.redeploy.as_ref().map(redeploy));
    lines
}

fn redeploy(rule: &RedeployRule) -> String {
    let every = short(rule.every);
    let when = match &rule.within {
        None => String::new(),
        Some(Within { from, to, zone }) => format!(", beginning between {from} and {to}, {zone}"),
    };
    format!("  every {every} its hosts are set up anew with what they run{when}")
}

fn blue_green(plan: &EnvironmentPlan, slots: &BlueGreen) -> Vec<String> {
    let idle = plan.rings.first();
    let passes = idle.map_or_else(String::new, |idle| {
        let (bake, deadline) = (short(idle.bake), short(idle.deadline));
        match (slots.judge, idle.at_deadline) {
            (JudgeIdle::Proof, _) => {
                format!("watched for {bake}; it passes on proof, health and time")
            }
            (JudgeIdle::Traffic, AtDeadline::Go) => format!(
                "judged for {bake} to {deadline} by the test or mirrored traffic that reaches it; goes on then if there was traffic and no sign of harm"
            ),
            (JudgeIdle::Traffic, AtDeadline::Hold) => format!(
                "judged for {bake} to {deadline} by the test or mirrored traffic that reaches it; asks a person then"
            ),
        }
    });
    let warm = match slots.keep_warm {
        Duration::ZERO => "the slot before stops at once".to_owned(),
        warm => format!("the slot before keeps running for {}", short(warm)),
    };
    vec![
        format!(
            "  1. the idle slot, blue ({}) or green ({}), {passes}",
            slots.blue, slots.green
        ),
        format!(
            "  2. swap: routers with {} send everything to it; {warm}",
            slots.router
        ),
    ]
}

fn ring(ring: &RingSpec) -> String {
    let hosts = match &ring.hosts {
        RingSize::Count(1) => "1 host".to_owned(),
        RingSize::Count(n) => format!("{n} hosts"),
        RingSize::Percent(p) => format!("{p}% of the hosts, rounded up"),
        RingSize::Match(labels) => format!("hosts with {labels}"),
        RingSize::Rest => "every host that is left".to_owned(),
    };
    let end = match ring.at_deadline {
        AtDeadline::Go => "goes on then if there was traffic and no sign of harm",
        AtDeadline::Hold => "asks a person then",
    };
    let (bake, deadline) = (short(ring.bake), short(ring.deadline));
    format!(
        "{}: {hosts}, watched for {bake} to {deadline}; {end}",
        ring.name
    )
}

fn signals(definition: &Definition) -> Vec<String> {
    if definition.signals.is_empty() {
        return vec!["no signal is declared: rings pass on proof, health and time".to_owned()];
    }
    definition
        .signals
        .iter()
        .map(|(name, each)| signal(name, each))
        .collect()
}

fn signal(name: &str, signal: &Signal) -> String {
    let weight = match (signal.critical, signal.advisory) {
        (true, _) => " (critical)",
        (_, true) => " (advisory, undoes nothing)",
        _ => "",
    };
    let (of, pass) = match &signal.kind {
        SignalKind::Count { bad, total } => {
            let tolerated = match signal.tolerated {
                0.0 => String::new(),
                share => format!(" or more than {}% bad", rounded(share * 100.0)),
            };
            let odds = rounded(1.0 + signal.margin);
            let excluded = format!("odds {odds} times worse{tolerated} are excluded");
            (format!("{bad} of {total}"), excluded)
        }
        SignalKind::Latency { buckets, .. } => {
            let odds = rounded(1.0 + signal.margin);
            let excluded = format!(
                "odds {odds} times worse of a slow request are excluded at p50, p90 and p95"
            );
            (format!("how long requests take by {buckets}"), excluded)
        }
        SignalKind::Mean { sum, count, worse } => {
            let direction = match worse {
                Worse::Higher => "higher",
                Worse::Lower => "lower",
            };
            let share = rounded(signal.margin * 100.0);
            let excluded =
                format!("a mean {share}% {direction} is excluded, 20 minutes at the earliest");
            (format!("the mean {sum} / {count}"), excluded)
        }
    };
    format!(
        "a change is judged by {name}{weight}, {of}: a ring passes when {pass}, after {} requests on each side",
        signal.min_requests
    )
}

/// Returns a number without the noise of its last binary digits.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

fn procedure(procedure: &Procedure) -> String {
    let actions: Vec<String> = procedure.actions.iter().map(action).collect();
    let otherwise = procedure
        .otherwise
        .as_ref()
        .map(|act| format!("; if that fails: {}", action(act)));
    format!(
        "on {}: {} ({}){}",
        procedure.when.verdict,
        actions.join(", then "),
        procedure.name,
        otherwise.unwrap_or_default()
    )
}

fn action(action: &Do) -> String {
    match action {
        Do::Undo => "undo the change".to_owned(),
        Do::Hold => "hold it".to_owned(),
        Do::NotifyOwner => "tell the owner".to_owned(),
        Do::PageOwner => "page the owner".to_owned(),
        Do::Webhook(url) => format!("call the {}", Destination::Webhook(url.clone())),
    }
}
