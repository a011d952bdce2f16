//! A pid is used again, and somebody starts a program by hand: whose process it is decides what is done to it.

use std::process::Command;

use model::deliver::Proof;

use crate::world::{World, again, is_running, pid};

/// Starts a process that has nothing to do with us; ended by the returned guard.
fn foreign() -> Foreign {
    Foreign(Command::new("sleep").arg("300").spawn().unwrap())
}

struct Foreign(std::process::Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes into the journal that the service is another process, as after its pid was given anew.
fn record_process(world: &World, slot: &str, process: &agent::procfs::ProcessId) {
    let db = rusqlite::Connection::open(world.base().join("state.db")).unwrap();
    let process = serde_json::to_string(process).unwrap();
    let sql = match slot {
        "serving" => "UPDATE service SET record = json_set(record, '$.serving.process', json(?1))",
        // It was on its way out when the agent ended.
        _ => {
            "UPDATE service SET record = json_set(record, '$.going',
               json_remove(json_set(json_extract(record, '$.serving'), '$.process', json(?1)), '$.group'))"
        }
    };
    assert_eq!(db.execute(sql, [process]).unwrap(), 1);
}

#[test]
fn a_pid_that_means_another_process_by_now_is_never_signalled_and_the_service_is_started_again() {
    let stranger = foreign();
    let real = agent::procfs::ProcessId::of(stranger.0.id()).unwrap();
    let another_boot = agent::procfs::ProcessId {
        boot_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        ..real.clone()
    };
    let another_start = agent::procfs::ProcessId {
        starttime: real.starttime - 1,
        ..real.clone()
    };
    for (process, slot, exits) in [
        (&another_boot, "serving", 0),
        (&another_start, "serving", 1),
        (&another_boot, "going", 0),
        (&another_start, "going", 0),
    ] {
        let mut world = World::new();
        world.server.wish(1, &world.release("1.0", "ok"));
        world.start();
        let first = world.server.proves(Proof::Converged, 1);
        world.stop();
        if slot == "serving" {
            agent::end_leftovers(&world.base()).unwrap();
        }
        record_process(&world, slot, process);
        assert!(
            agent::leftovers(&world.base())
                .unwrap()
                .iter()
                .all(|l| l.process != *process)
        );
        // What ran is in the journal; the server says nothing new.
        world.server.board.0.lock().unwrap().last = None;
        world.start();
        let again = world.server.proves(Proof::Converged, 1);
        assert_eq!(again.unexpected_exits, exits, "{process:?} as {slot}");
        assert_eq!(pid(&again) == pid(&first), slot == "going");
        world
            .server
            .wish(1, &crate::world::again(&world.release("2.0", "ok"), 2));
        world.server.proves(Proof::Converged, 2);
        assert!(is_running(stranger.0.id()), "{process:?} as {slot}");
    }
}

#[test]
fn a_program_of_a_release_that_is_on_no_disk_any_more_is_named_with_its_user() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    one.keep = 0;
    world.server.wish(1, &one);
    world.start();
    world.server.proves(Proof::Converged, 1);
    let folder = world
        .base()
        .join("shop/releases")
        .join(one.release.folder());
    let stray = Foreign(
        Command::new("sh")
            .args(["-c", "while :; do sleep 300; done"])
            .current_dir(&folder)
            .spawn()
            .unwrap(),
    );
    let mut two = again(&world.release("2.0", "ok"), 2);
    two.keep = 0;
    world.server.wish(1, &two);
    let drifted = world.server.reports("drift", 30, |r| {
        r.generation_seen == 2 && r.proof == Proof::Drifted && !folder.exists()
    });
    let user = agent::procfs::user(stray.0.id());
    let named = format!(
        "pid {} ({user}) runs release {}",
        stray.0.id(),
        one.release.folder()
    );
    assert_eq!(drifted.why, named);
}
