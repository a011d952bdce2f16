//! Reads what a service is and how it runs: `owner`, `artifact`, `run`, `health`, `metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::deliver::definition::ArtifactSpec;
use model::deliver::{
    ArtifactFormat, Check, Drain, DrainAsk, Health, Hook, Hooks, Owner, Run, Scrape,
};
use model::{ServiceName, limit};

use super::at::At;
use super::fault::{listed, shown};
use super::map::{Map, named};

/// Two: the running process and the one that takes over.
const PORTS: usize = 2;
/// What we call a host or a service ourselves does not come more often than this.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const SHORTEST: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn owner(at: At) -> Option<Owner> {
    let mut map = Map::of(&at)?;
    let team = map.optional("team", |at| at.text().map(str::to_owned));
    let mail = map.optional("mail", mail);
    let webhook = map.optional("webhook", |at| web_address(&at));
    map.finish(&[]);
    Some(Owner {
        team: team?,
        mail: mail?,
        webhook: webhook?,
    })
}

/// Reads the services that `service` calls.
pub(super) fn depends_on(at: &At, service: Option<&ServiceName>) -> Option<Vec<ServiceName>> {
    let named: Vec<(At, ServiceName)> = at.list(|at| Some((at.clone(), at.parsed()?)))?;
    if named.len() > limit::DEPENDS_ON {
        let what = format!("{} services are too many to depend on", named.len());
        at.fault(what, format!("name at most {}", limit::DEPENDS_ON));
        return None;
    }
    let mut seen = BTreeSet::new();
    for (at, name) in &named {
        if Some(name) == service {
            at.fault(
                format!("`{name}` depends on itself"),
                "name only other services",
            );
            return None;
        }
        if !seen.insert(name) {
            at.fault(format!("`{name}` stands here already"), "remove it");
            return None;
        }
    }
    Some(named.into_iter().map(|(_, name)| name).collect())
}

fn mail(at: At) -> Option<String> {
    let text = at.text()?;
    let (user, host) = text.split_once('@').unwrap_or_default();
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
    };
    if plain(user) && plain(host) {
        return Some(text.to_owned());
    }
    let what = format!("`{}` is not a mail address", at.written());
    at.fault(what, "write one such as shop@example.com");
    None
}

/// Reads the address of something that is called over HTTP.
pub(super) fn web_address(at: &At) -> Option<String> {
    let text = at.text()?;
    http_address(at, text).then(|| text.to_owned())
}

fn http_address(at: &At, text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.map_or("", |rest| {
        rest.split(['/', '?', '#']).next().unwrap_or(rest)
    });
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\');
    let ok = !host.is_empty() && !text.contains(odd);
    if !ok {
        let what = format!("`{}` is not a web address", at.written());
        at.fault(what, "write one that begins with https:// or http://");
    }
    ok
}

pub(super) fn artifact(at: At) -> Option<ArtifactSpec> {
    let mut map = Map::of(&at)?;
    let path = map.required("path", "target/release/shop", artifact_path);
    let format = map.get("format").map_or_else(
        || path.as_deref().map(format_of),
        |at| {
            let words = [
                ("file", ArtifactFormat::File),
                ("tar.gz", ArtifactFormat::TarGz),
                ("tar.zst", ArtifactFormat::TarZst),
            ];
            at.choice(&words, &[])
        },
    );
    let keep = map.or("keep", ArtifactSpec::KEPT, keep);
    map.finish(&[]);
    Some(ArtifactSpec {
        path: path?,
        format: format?,
        keep: keep?,
    })
}

fn keep(at: At) -> Option<u32> {
    let number = at.clone().count(0)?;
    if number > limit::KEPT_RELEASES {
        let remedy = format!("write 0 to {}", limit::KEPT_RELEASES);
        at.fault(format!("`{}` is too large", at.written()), remedy);
        return None;
    }
    Some(number)
}

fn artifact_path(at: At) -> Option<String> {
    let path = at.text()?;
    if matches!(path.rsplit('/').next(), None | Some("" | "." | "..")) {
        let what = format!("`{}` names a folder", at.written());
        at.fault(
            what,
            "name one file; pack a folder as .tar.gz or .tar.zst first",
        );
        return None;
    }
    Some(path.to_owned())
}

fn format_of(path: &str) -> ArtifactFormat {
    match path {
        _ if path.ends_with(".tar.gz") || path.ends_with(".tgz") => ArtifactFormat::TarGz,
        _ if path.ends_with(".tar.zst") => ArtifactFormat::TarZst,
        _ => ArtifactFormat::File,
    }
}

pub(super) fn run(at: At) -> Option<Run> {
    let mut map = Map::of(&at)?;
    let exec = map.required("exec", "[\"./shop\"]", command);
    let env = map.or("env", BTreeMap::new(), |at| {
        named(&at, variable, |at| at.template())
    });
    let ports = map.or("ports", Vec::new(), ports);
    let stop_timeout = map.or("stop_timeout", Duration::from_secs(10), At::duration);
    let hooks = map.or("hooks", Hooks::default(), hooks);
    let drain = map.optional("drain", drain);
    map.finish(&["cwd", "systemd_unit", "user"]);
    Some(Run {
        exec: exec?,
        env: env?,
        ports: ports?,
        stop_timeout: stop_timeout?,
        hooks: hooks?,
        drain: drain?,
    })
}

fn drain(at: At) -> Option<Drain> {
    let mut map = Map::of(&at)?;
    let http = map.get("http").map(|at| http_check(&at));
    let exec = map.get("exec").map(command);
    let timeout = map.or("timeout", Duration::from_secs(10), limited_timeout);
    let ask = match (http, exec) {
        (Some(_), Some(_)) => {
            let what = "`http` and `exec` stand side by side".to_owned();
            map.at().fault(what, "keep one of them");
            None
        }
        (Some(Some(Check::Http(path))), None) => Some(DrainAsk::Http(path)),
        (None, Some(Some(command))) => Some(DrainAsk::Exec(command)),
        (None, None) => {
            let what = "it does not say how the process is drained".to_owned();
            let remedy = "add `http: /drain` or `exec: [\"./drain\"]`".to_owned();
            map.missing(&["http", "exec"], what, remedy);
            None
        }
        _ => None,
    };
    map.finish(&[]);
    Some(Drain {
        ask: ask?,
        timeout: timeout?,
    })
}

fn hooks(at: At) -> Option<Hooks> {
    let mut map = Map::of(&at)?;
    let pre_start = map.optional("pre_start", hook);
    let post_start = map.optional("post_start", hook);
    let pre_stop = map.optional("pre_stop", hook);
    map.finish(&[]);
    Some(Hooks {
        pre_start: pre_start?,
        post_start: post_start?,
        pre_stop: pre_stop?,
    })
}

fn hook(at: At) -> Option<Hook> {
    let mut map = Map::of(&at)?;
    let run = map.required("run", "./migrate", program_or_command);
    let timeout = map.or("timeout", Duration::from_secs(60), limited_timeout);
    let idempotent = map.or("idempotent", false, At::truth);
    map.finish(&[]);
    Some(Hook {
        run: run?,
        timeout: timeout?,
        idempotent: idempotent?,
    })
}

fn limited_timeout(at: At) -> Option<Duration> {
    let timeout = at.clone().duration_of(SHORTEST)?;
    if timeout > limit::HOOK_TIMEOUT {
        let what = format!("`{}` is too long", at.written());
        at.fault(
            what,
            "write at most 1h; what takes longer is a job of its own",
        );
        return None;
    }
    Some(timeout)
}

/// Reads a program without arguments as a word, or a command as a list. There is no shell between.
fn program_or_command(at: At) -> Option<Vec<String>> {
    if at.kind().is_none() {
        return command(at);
    }
    let word = at.template()?;
    if word.is_empty() || word.contains(char::is_whitespace) {
        let what = format!("`{}` is not one program", at.written());
        at.fault(
            what,
            "write program and arguments as a list: [\"./migrate\", \"--now\"]",
        );
        return None;
    }
    Some(vec![word])
}

fn command(at: At) -> Option<Vec<String>> {
    if at.is_map() && Map::of(&at)?.get("systemd_unit").is_some() {
        at.fault(
            "`systemd_unit` is not built yet",
            "write the command: [\"./shop\"]",
        );
        return None;
    }
    let words = at.list(|at| at.template())?;
    if words.first().is_none_or(String::is_empty) {
        at.fault(
            "no program is named",
            "write it first: [\"./shop\", \"--verbose\"]",
        );
        return None;
    }
    Some(words)
}

fn variable(at: &At, name: &str) -> Option<String> {
    if name.starts_with("SLEEPWELL_") {
        at.fault(
            format!("`{}` is set by sleepwell itself", shown(name)),
            "give yours another name",
        );
        return None;
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(sound)
    {
        let what = format!("`{}` is not a name of an environment variable", shown(name));
        at.fault(
            what,
            "it holds letters, digits and `_`, and starts with no digit",
        );
        return None;
    }
    Some(name.to_owned())
}

fn ports(at: At) -> Option<Vec<u16>> {
    let ports: Vec<u16> = at.list(|at| at.count(1))?;
    if ports.len() > PORTS {
        let what = format!("{} ports are too many", ports.len());
        at.fault(
            what,
            "give one (stop, then start) or two (start the new, then stop the old)",
        );
        return None;
    }
    if ports.len() == PORTS && ports[0] == ports[1] {
        at.fault(
            format!("port {} stands here twice", ports[0]),
            "give two different ports",
        );
        return None;
    }
    Some(ports)
}

pub(super) fn health(at: At) -> Option<Health> {
    let mut map = Map::of(&at)?;
    let check = check(&mut map);
    let interval = map.or("interval", SECOND, |at| at.duration_of(SHORTEST_INTERVAL));
    let ok_after = map.or("ok_after", 3, |at| at.count(1));
    let unhealthy_after = map.or("unhealthy_after", 3, |at| at.count(1));
    let deadline = map.or("deadline", Duration::from_secs(30), |at| {
        at.duration_of(SHORTEST)
    });
    let timeout = map.or("timeout", SECOND, |at| at.duration_of(SHORTEST));
    map.finish(&[]);
    Some(Health {
        check: check?,
        interval: interval?,
        ok_after: ok_after?,
        unhealthy_after: unhealthy_after?,
        deadline: deadline?,
        timeout: timeout?,
    })
}

/// Reads the one check of the three kinds there are.
fn check(map: &mut Map) -> Option<Check> {
    let given = [
        map.get("http").map(|at| ("http", http_check(&at))),
        map.get("tcp").map(|at| ("tcp", tcp_check(&at))),
        map.get("exec")
            .map(|at| ("exec", command(at).map(Check::Exec))),
    ];
    let mut given: Vec<(&str, Option<Check>)> = given.into_iter().flatten().collect();
    if given.len() > 1 {
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        map.at().fault(
            format!("{} stand side by side", listed(&names, "and")),
            "keep one of them",
        );
        return None;
    }
    if given.is_empty() {
        let what = "it does not say how the service is checked".to_owned();
        let remedy = "add `http: /healthz`, `tcp: PORT` or `exec: [\"./check\"]`".to_owned();
        map.missing(&["http", "tcp", "exec"], what, remedy);
    }
    given.pop()?.1
}

fn http_check(at: &At) -> Option<Check> {
    let path = at.template()?;
    at.uses_port();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if !path.starts_with('/') || path.contains(odd) {
        let what = format!("`{}` is not a path", at.written());
        at.fault(
            what,
            "write the path on the service's own port, such as /healthz",
        );
        return None;
    }
    Some(Check::Http(path))
}

fn tcp_check(at: &At) -> Option<Check> {
    at.uses_port();
    if matches!(at.word()?, "PORT" | "${PORT}") {
        return Some(Check::Tcp);
    }
    let what = format!("`{}` is not the service's own port", at.written());
    at.fault(
        what,
        "write `tcp: PORT`; the port itself is the one of `run` in use",
    );
    None
}

pub(super) fn metrics(at: At) -> Option<Scrape> {
    let mut map = Map::of(&at)?;
    let url = map.required("scrape", "\"http://127.0.0.1:${PORT}/metrics\"", |at| {
        let url = at.template()?;
        http_address(&at, &url).then_some(url)
    });
    let interval = map.or("interval", SECOND, |at| at.duration_of(SHORTEST_INTERVAL));
    map.finish(&[]);
    Some(Scrape {
        url: url?,
        interval: interval?,
    })
}
