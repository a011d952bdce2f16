//! `sleepwell up`: a server and agents on this machine, as processes of their own; with `--demo` also a
//! shop that is shipped, broken and undone.

mod children;
mod demo;
mod inbox;
mod load;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::Client;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{self, Global};
use crate::commands::connect::{connect_to, pin_of};
use crate::commands::print;
use crate::data::{Data, Lock};
use children::Children;

/// How long the server may take to answer and a host to join.
const START: Duration = Duration::from_secs(20);
/// Between two looks while waiting for something to start.
const LOOK: Duration = Duration::from_millis(50);
/// Marks a folder this command made for a demo and may therefore empty.
const DEMO_MARK: &str = ".sleepwell-demo";

pub(crate) fn run(global: &Global, args: &args::Up) -> Result<u8> {
    let data = if args.demo {
        Data::of_demo(global)?
    } else {
        Data::new(global)?
    };
    data.create()?;
    let Some(lock) = data.lock("up.lock")? else {
        bail!(
            "it is up already, at {}; stop that one with Ctrl-C first",
            data.read("up.lock")
        );
    };
    let left = children::end_leftovers(&data)?;
    if left > 0 {
        print(&format!(
            "ended {left} processes an earlier run had left behind\n"
        ))?;
    }
    if args.demo && !args.keep {
        reset(&data)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run_until_signal(global, args, &data, lock));
    // Whoever still follows a change would wait for the server that was just stopped.
    runtime.shutdown_background();
    outcome
}

/// Empties a folder of an earlier demo, unless a server runs on it.
fn reset(data: &Data) -> Result<()> {
    let Some(_server) = data.lock("server.lock")? else {
        bail!(
            "a server runs on {} at {}; stop it first, or name another folder with --data",
            data.folder().display(),
            data.read("server.lock")
        );
    };
    let mark = data.join(DEMO_MARK);
    let ours = ["up.lock", "up.processes", "server.lock", DEMO_MARK];
    let mut others = std::fs::read_dir(data.folder())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !ours.iter().any(|name| path.ends_with(name)))
        .peekable();
    if others.peek().is_some() && !mark.exists() {
        bail!(
            "{} was not made by a demo, so it is not emptied; name another folder with --data, or go on with it with --keep",
            data.folder().display()
        );
    }
    std::fs::write(
        &mark,
        "made by `sleepwell up --demo`, which empties this folder when it starts\n",
    )?;
    for path in others {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

async fn run_until_signal(
    global: &Global,
    args: &args::Up,
    data: &Data,
    mut lock: Lock,
) -> Result<u8> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut children = Children::new(data);
    let outcome = tokio::select! {
        outcome = stage(global, args, data, &mut lock, &mut children) => outcome,
        _ = terminate.recv() => Ok(0),
        _ = interrupt.recv() => Ok(130),
    };
    if !children.is_empty() {
        print("\nstopping\n")?;
        children.stop().await;
    }
    // Ctrl-C is the way to leave it, not a failure.
    outcome.map(|code| if code == 130 { 0 } else { code })
}

/// Starts everything and stays until something breaks; the demo plays in between.
async fn stage(
    global: &Global,
    args: &args::Up,
    data: &Data,
    lock: &mut Lock,
    children: &mut Children,
) -> Result<u8> {
    let demo = if args.demo {
        Some(demo::Demo::prepare(args, data).await?)
    } else {
        None
    };
    start_server(args, data, children).await?;
    let client = connect_to(data)?;
    lock.write(client.base_url())?;
    print(&format!("Sleepwell is up at {}\n", client.base_url()))?;
    let count = args.agents.unwrap_or(if args.demo { 8 } else { 1 });
    if args.demo {
        print(&format!(
            "{count} agents play {count} hosts on this machine; a shop is about to be shipped to them three times.\n"
        ))?;
    }
    start_agents(count, args.demo, data, &client, children).await?;
    let Some(demo) = demo else {
        print(&format!(
            "{count} agent{} joined. Ship something: {} ship SERVICE VERSION\nCtrl-C stops it.\n",
            if count == 1 { "" } else { "s" },
            data.command()
        ))?;
        return children.watch().await;
    };
    let load = tokio::select! {
        played = demo.play(global, data, &client) => played?,
        broken = children.watch() => return broken,
    };
    demo::close(&load)?;
    if args.once {
        return Ok(0);
    }
    demo::invite(data, &client)?;
    children.watch().await
}

async fn start_server(args: &args::Up, data: &Data, children: &mut Children) -> Result<()> {
    // Of a server that was killed.
    crate::data::remove(&data.address())?;
    crate::data::remove(&data.pin())?;
    let listen = args.listen.to_string();
    let folder = data.folder().to_owned();
    children.spawn(
        "server",
        &["serve", "--listen", &listen, "--next-free", "--data"],
        &[folder],
    )?;
    let data = data.clone();
    wait_until(children, "the server to answer", move || {
        let written = data.address().exists();
        Ok(written
            && connect_to(&data)?
                .get_json::<serde_json::Value>("/api/v1/me", &[])
                .is_ok())
    })
    .await
}

async fn start_agents(
    count: u32,
    demo: bool,
    data: &Data,
    client: &Client,
    children: &mut Children,
) -> Result<()> {
    for n in 1..=count {
        let name = format!("web-{n}");
        let base = data.join("agents").join(&name);
        let mut options: Vec<String> = ["--name", &name, "--free-ports"]
            .map(str::to_owned)
            .to_vec();
        options.push("--stop-services".into());
        // One machine plays several hosts, so each needs a machine id of its own.
        options.extend([
            "--machine-id".to_owned(),
            format!("{name}@{}", data.folder().display()),
        ]);
        if demo {
            options.extend(["--label".to_owned(), "role=shop".to_owned()]);
        }
        options.push("--base".into());
        let identity = agent::Identity::load(&base)?;
        let joined = identity.is_some();
        let joining = client.clone();
        let token = match identity {
            // The server may have taken another port this time.
            Some(mut identity) => {
                identity.move_server(&base, client.base_url(), pin_of(data)?)?;
                String::new()
            }
            None => {
                let made = tokio::task::spawn_blocking(move || joining.join_token(None));
                made.await??.token
            }
        };
        let mut words = vec!["agent"];
        words.extend(if joined {
            vec!["run"]
        } else {
            vec!["join", client.base_url(), "-"]
        });
        // They end with this run and stay in their folder, also where root tries it on a host with systemd.
        words.extend(["--supervisor", "builtin"]);
        words.extend(options.iter().map(String::as_str));
        children.spawn_with_input(&name, &words, &[base], &token)?;
    }
    let client = client.clone();
    wait_until(children, "the hosts to join", move || {
        Ok(client.hosts(&[])?.len() >= count as usize)
    })
    .await
}

/// Waits until `ready`, which may block, says so; a child that ends meanwhile ends the wait with its last
/// words.
async fn wait_until(
    children: &mut Children,
    what: &str,
    ready: impl Fn() -> Result<bool> + Send + Sync + 'static,
) -> Result<()> {
    let begun = tokio::time::Instant::now();
    let ready = Arc::new(ready);
    loop {
        let look = Arc::clone(&ready);
        if tokio::task::spawn_blocking(move || look()).await?? {
            return Ok(());
        }
        children.check()?;
        if begun.elapsed() > START {
            bail!(
                "waited {} s for {what}; see {}",
                START.as_secs(),
                children.log_folder().display()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns the folder children write their log lines to.
fn log_folder(data: &Data) -> PathBuf {
    data.join("log")
}
