//! Hosts that run no agent: the tools of `examples/adapters` change them, and look.

use std::path::{Path, PathBuf};
use std::process::Command;

use model::api::deliver::HostService;
use model::deliver::Proof;
use model::observe::ChangeState;

use crate::harness::definition::{CANARY_THEN_REST, Definition, ONE_RING};
use crate::harness::process::{Process, sleepwell};
use crate::harness::wait::until_true;
use crate::harness::world::{World, story};

const PATIENCE_S: u64 = 20;

/// Is an adapter's folder with its file, and the process while it runs.
struct Adapter {
    folder: PathBuf,
    process: Option<Process>,
}

impl Adapter {
    /// Writes the file, has its targets `web-1` and `web-2` join, and runs it.
    fn start(world: &World, exec: &str, params: &str) -> Self {
        let folder = world.folder().join("adapter");
        std::fs::create_dir_all(&folder).unwrap();
        let yaml = format!(
            "exec: {exec}\nobserve_every: 1s\nparams: {params}\ntargets:\n  - {{ host: web-1, labels: {{ role: web }} }}\n  - {{ host: web-2, labels: {{ role: web }} }}\n"
        );
        std::fs::write(folder.join("adapter.yaml"), yaml).unwrap();
        let mut adapter = Self {
            folder,
            process: None,
        };
        let joined = world.run(&["adapter", "join", "--file", &adapter.file()]);
        assert_eq!(joined.code, Some(0), "{}", joined.said);
        assert!(joined.said.contains("web-2 joined"), "{}", joined.said);
        adapter.run();
        adapter
    }

    fn file(&self) -> String {
        self.folder.join("adapter.yaml").display().to_string()
    }

    fn run(&mut self) {
        let mut command = sleepwell(&["adapter", "run", "--file", &self.file()]);
        self.process = Some(Process::start(&mut command));
    }

    fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }
}

/// Returns the file of an example's tool.
fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/adapters");
    root.join(name).display().to_string()
}

/// Writes what stands in for ssh: it runs the script here, with a home folder for each host.
fn write_ssh(world: &World) -> String {
    let homes = world.folder().join("homes");
    let script = format!(
        "#!/bin/sh\n[ -e {homes}/away-$1 ] && exit 255\nexport HOME={homes}/$1\nmkdir -p \"$HOME\"\nexec sh -c \"$2\"\n",
        homes = homes.display()
    );
    std::fs::create_dir_all(&homes).unwrap();
    let path = world.folder().join("ssh");
    std::fs::write(&path, script).unwrap();
    path.display().to_string()
}

/// Describes a program that does nothing, for hosts nobody asks about its health.
fn definition() -> Definition {
    let mut definition = Definition::gated().with_rings(CANARY_THEN_REST);
    definition.exec = "[\"./svc\", \"86400\"]".into();
    definition
}

/// Begins a rollout of a program that sleeps; what follows its end makes it another file.
fn begin(world: &World, version: &str) -> model::ChangeId {
    let mut program = std::fs::read("/bin/sleep").unwrap();
    program.extend_from_slice(version.as_bytes());
    std::fs::write(world.folder().join("svc"), program).unwrap();
    world.begin_artifact(version, "svc")
}

/// Tells whether a program the example needs is here. Where continuous integration runs, it has to be.
#[expect(clippy::print_stdout, reason = "who runs the tests is told")]
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    let demanded = std::env::var_os("SLEEPWELL_DEMAND_TOOLS").is_some();
    assert!(found || !demanded, "{program} is not installed");
    if !found {
        println!("skipped: the tool of the example needs {program}");
    }
    found
}

fn start_by_ssh() -> Option<(World, Adapter)> {
    if !has("python3") {
        return None;
    }
    let world = World::with_agents(0);
    world.define(&definition());
    let exec = format!("['{}']", example("ssh/deploy"));
    let params = format!("{{ ssh: ['sh', '{}'] }}", write_ssh(&world));
    let adapter = Adapter::start(&world, &exec, &params);
    Some((world, adapter))
}

fn runs(world: &World, n: usize, version: &str) -> bool {
    is(world, n, |service| {
        let running = service.running.as_ref().map(model::Version::as_str);
        service.proof == Proof::Converged && running == Some(version)
    })
}

/// Tells what is true of the service on a host that was asked for it.
fn is(world: &World, n: usize, is_true: impl Fn(&HostService) -> bool) -> bool {
    world
        .service_if_asked(n)
        .is_some_and(|service| is_true(&service))
}

fn runs_everywhere(world: &World, version: &str) {
    for n in [1, 2] {
        assert!(runs(world, n, version), "{:?}", world.service(n));
    }
}

#[test]
fn hosts_reached_by_ssh_are_shipped_to_ring_by_ring_and_taken_back() {
    let Some((world, _adapter)) = start_by_ssh() else {
        return;
    };
    let first = begin(&world, "1.0");
    world.ends(first, ChangeState::Done);
    runs_everywhere(&world, "1.0");
    let second = begin(&world, "2.0");
    let view = world.ends(second, ChangeState::Done);
    assert_eq!(view.rings.len(), 2, "{}", story(&view));
    runs_everywhere(&world, "2.0");

    let undone = world.run(&["undo", &second.to_string()]);
    assert_eq!(undone.code, Some(0), "{}", undone.said);
    world.ends(second, ChangeState::Undone);
    runs_everywhere(&world, "1.0");
}

#[test]
fn hosts_reached_by_ansible_are_shipped_to() {
    if !has("ansible-playbook") {
        return;
    }
    let world = World::with_agents(0);
    world.define(&definition().with_rings(ONE_RING));
    let exec = format!("['{}']", example("ansible/deploy"));
    let homes = world.folder().join("homes/{{ inventory_hostname }}");
    let params = format!(
        "{{ ansible_connection: local, base: '{}' }}",
        homes.display()
    );
    let _adapter = Adapter::start(&world, &exec, &params);
    let change = begin(&world, "1.0");
    // A play takes seconds on a busy machine, and each host has its own.
    until_true("the hosts to run it", 3 * PATIENCE_S, || {
        [1, 2].iter().all(|n| runs(&world, *n, "1.0"))
    });
    world.ends(change, ChangeState::Done);
}

#[test]
fn a_host_ssh_cannot_reach_holds_the_rollout_and_no_other_host() {
    let Some((world, _adapter)) = start_by_ssh() else {
        return;
    };
    let away = world.folder().join("homes/away-web-2");
    std::fs::write(&away, "").unwrap();
    let change = begin(&world, "1.0");
    until_true("web-1 to run it", PATIENCE_S, || runs(&world, 1, "1.0"));
    until_true("web-2 to be asked", PATIENCE_S, || {
        is(&world, 2, |service| {
            service.why.contains("ssh cannot reach it")
        })
    });
    std::fs::remove_file(&away).unwrap();
    world.ends(change, ChangeState::Done);
    runs_everywhere(&world, "1.0");
}

#[test]
fn a_killed_adapter_goes_on_and_sees_what_drifted_meanwhile() {
    let Some((world, mut adapter)) = start_by_ssh() else {
        return;
    };
    let change = begin(&world, "1.0");
    adapter.kill();
    adapter.run();
    world.ends(change, ChangeState::Done);

    adapter.kill();
    let home = world.folder().join("homes/web-1");
    crate::harness::process::end_all_of(&home);
    adapter.run();
    until_true("the drift to be seen", PATIENCE_S, || {
        world.service(1).proof == Proof::Drifted
    });
    until_true("the other to be seen again", PATIENCE_S, || {
        runs(&world, 2, "1.0")
    });
}

#[test]
fn what_a_tool_only_declares_is_never_proved() {
    let world = World::with_agents(0);
    world.define(&definition());
    // It says of every target what it was asked for.
    let tool = r#"#!/bin/sh
wanted=$(sed 's/.*"digest":"\([^"]*\)".*/\1/')
case "$1" in
  plan) echo '{}' ;;
  observe) cat "${0%/*}/last" ;;
  *) for host in web-1 web-2; do
       echo "{\"host\":\"$host\",\"release_digest\":\"$wanted\",\"source\":\"declared\"}"
     done | paste -sd, | sed 's/.*/{"targets":[&]}/' >"${0%/*}/last"
     echo '{"accepted":true}' ;;
esac
"#;
    std::fs::create_dir_all(world.folder().join("adapter")).unwrap();
    std::fs::write(world.folder().join("adapter/tool"), tool).unwrap();
    let tool = world.folder().join("adapter/tool");
    let exec = format!("['sh', '{}']", tool.display());
    let _adapter = Adapter::start(&world, &exec, "{}");
    begin(&world, "1.0");
    until_true("the tool's word to be heard", PATIENCE_S, || {
        is(&world, 1, |service| {
            service.proof == Proof::Unknown && service.why.starts_with("declared by the tool")
        })
    });
}
