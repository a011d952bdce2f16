//! Two slots with an agent each, and a proxy the tool of `examples/adapters/router` turns from one to the other.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::ChangeId;
use model::deliver::{Proof, Slot};
use model::observe::ChangeState;

use crate::harness::definition::Definition;
use crate::harness::process::{Process, sleepwell};
use crate::harness::wait::until_true;
use crate::harness::world::{World, story};

const PATIENCE_S: u64 = 20;

/// Stands in for a proxy: it answers with the file it has read, which its reload is to copy.
fn open_proxy(read: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/-/slot", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|l| !l.is_empty()))
            {}
            let said = std::fs::read_to_string(&read).unwrap_or_default();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
                said.len()
            );
        }
    });
    url
}

/// Is a world with a blue and a green host, the proxy's folder, and the adapter that turns it.
struct Slots {
    world: World,
    proxy: PathBuf,
    _adapter: Process,
}

impl Slots {
    /// None where the tool cannot run.
    fn start() -> Option<Self> {
        let found = Command::new("python3").arg("--version").output().is_ok();
        let demanded = std::env::var_os("SLEEPWELL_DEMAND_TOOLS").is_some();
        assert!(found || !demanded, "python3 is not installed");
        if !found {
            return None;
        }
        let world = World::with_agents(2);
        let definition = Definition::gated().with_slots(
            "router: { role: router }\n    judge: proof\n    bake: 1s\n    deadline: 60s\n    keep_warm: 1h",
        );
        world.define(&definition);
        let proxy = world.folder().join("proxy");
        std::fs::create_dir_all(&proxy).unwrap();
        for slot in ["blue", "green", "none"] {
            std::fs::write(proxy.join(format!("{slot}.conf")), format!("{slot}\n")).unwrap();
        }
        let adapter = start_adapter(&world, &proxy);
        Some(Self {
            world,
            proxy,
            _adapter: adapter,
        })
    }

    fn is_turned_to(&self, slot: Slot) -> bool {
        let read = std::fs::read_to_string(self.proxy.join("read")).unwrap_or_default();
        read.trim() == slot.word()
    }

    fn ships(&self, version: &str) -> ChangeId {
        let change = self.world.begin(version);
        self.world.ends(change, ChangeState::Done);
        change
    }

    fn runs(&self, n: usize, version: &str) -> bool {
        let service = self.world.service_if_asked(n);
        service.is_some_and(|service| {
            let running = service.running.as_ref().map(model::Version::as_str);
            service.proof == Proof::Converged && running == Some(version)
        })
    }
}

fn start_adapter(world: &World, proxy: &Path) -> Process {
    let url = open_proxy(proxy.join("read"));
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/adapters/router/turn");
    let (tool, proxy) = (tool.display(), proxy.display());
    let yaml = format!(
        "exec: ['{tool}']
observe_every: 1s
params:
  slots: '{proxy}'
  live: '{proxy}/live'
  check: [test, '!', -e, '{proxy}/refuses']
  reload: [cp, '{proxy}/live', '{proxy}/read']
  url: '{url}'
targets:
  - {{ host: lb-1, labels: {{ role: router }} }}
"
    );
    let file = world.folder().join("adapter.yaml");
    std::fs::write(&file, yaml).unwrap();
    let file = file.display().to_string();
    let joined = world.run(&["adapter", "join", "--file", &file]);
    assert_eq!(joined.code, Some(0), "{}", joined.said);
    Process::start(&mut sleepwell(&["adapter", "run", "--file", &file]))
}

#[test]
fn a_release_goes_to_the_idle_slot_and_the_proxy_is_turned_there_and_back() {
    let Some(slots) = Slots::start() else {
        return;
    };
    let world = &slots.world;
    slots.ships("1.0");
    assert!(slots.is_turned_to(Slot::Blue) && slots.runs(1, "1.0"));
    assert!(world.service_if_asked(2).is_none(), "green is idle");
    let pid = world.service_pid(1);

    let second = slots.ships("2.0");
    assert!(slots.is_turned_to(Slot::Green) && slots.runs(2, "2.0"));
    assert!(slots.runs(1, "1.0"), "blue is kept warm");
    let view = world.view(second);
    assert!(
        view.sentence
            .contains("is live in green: 2 of 2 hosts proved it"),
        "{}",
        story(&view)
    );

    let undone = world.run(&["undo", &second.to_string()]);
    assert_eq!(undone.code, Some(0), "{}", undone.said);
    world.ends(second, ChangeState::Undone);
    assert!(slots.is_turned_to(Slot::Blue));
    assert_eq!(world.service_pid(1), pid, "blue never stopped");
    assert_eq!(world.service(2).proof, Proof::Stopped);
}

#[test]
fn a_proxy_that_does_not_take_its_file_is_blocked_and_the_slot_before_serves() {
    let Some(slots) = Slots::start() else {
        return;
    };
    let world = &slots.world;
    slots.ships("1.0");
    let refuses = slots.proxy.join("refuses");
    std::fs::write(&refuses, "").unwrap();
    let second = world.begin("2.0");
    let view = world.ends(second, ChangeState::Held);
    assert!(view.sentence.contains("lb-1"), "{}", story(&view));
    assert!(slots.is_turned_to(Slot::Blue) && slots.runs(1, "1.0"));
    let live = std::fs::read_to_string(slots.proxy.join("live")).unwrap();
    assert_eq!(live.trim(), "blue", "its file was put back");

    // The proxy takes it again: the tool is asked again by itself.
    std::fs::remove_file(&refuses).unwrap();
    world.ends(second, ChangeState::Done);
    until_true("the proxy to turn", PATIENCE_S, || {
        slots.is_turned_to(Slot::Green)
    });
}
