//! The demo: three releases of examples/shop. The first goes out unjudged, the second is broken and
//! undone, the third goes all the way.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::Client;
use model::ChangeId;
use model::observe::{Change, ChangeState};

use super::inbox::{Inbox, Received, readable};
use super::load::Load;
use crate::args::{self, Global};
use crate::commands::follow::Follow;
use crate::commands::{print, ship};
use crate::data::Data;

/// Mail is sent once the undo is over; it comes within seconds.
const MAIL: Duration = Duration::from_secs(20);
/// What the first release is watched for before the second one follows: a control needs a past.
const HISTORY: Duration = Duration::from_secs(5);

/// The exit code of a change that a verdict undid.
const UNDONE: u8 = 10;

pub(super) struct Demo {
    inbox: Inbox,
    /// Where `sleepwell.yaml` of the shop stands.
    definition: PathBuf,
    programs: PathBuf,
}

/// Is one act of the demo.
struct Act {
    version: &'static str,
    program: &'static str,
    heading: &'static str,
}

const ACTS: [Act; 3] = [
    Act {
        version: "1.0",
        program: "shop-1-0",
        heading: "shop 1.0, the first release: nothing to compare it with, so its rings pass on proof and health",
    },
    Act {
        version: "1.1",
        program: "shop-1-1",
        heading: "shop 1.1, with a faster card check that refuses some valid cards",
    },
    Act {
        version: "1.2",
        program: "shop-1-2",
        heading: "shop 1.2, the same check, mended",
    },
];

impl Demo {
    /// Opens the inbox and tells the server where mail goes.
    pub(super) async fn prepare(args: &args::Up, data: &Data) -> Result<Self> {
        let definition = std::path::absolute(args.shop.join("sleepwell.yaml"))?;
        let programs = match &args.shop_programs {
            Some(folder) => folder.clone(),
            None => beside_this_program()?,
        };
        for needed in std::iter::once(definition.clone())
            .chain(ACTS.iter().map(|act| programs.join(act.program)))
        {
            if !needed.exists() {
                bail!(
                    "the demo needs {}; run it with `make run` in Sleepwell's sources, or name the folders with --shop and --shop-programs",
                    needed.display()
                );
            }
        }
        let inbox = Inbox::open().await?;
        std::fs::write(data.join("server.yaml"), settings(&inbox))?;
        Ok(Self {
            inbox,
            definition,
            programs,
        })
    }

    /// Plays the three acts; those an earlier run on the same data has played are only named.
    pub(super) async fn play(&self, global: &Global, data: &Data, client: &Client) -> Result<Load> {
        let played = played(client).await?;
        let mut load = None;
        for (n, act) in ACTS.iter().enumerate() {
            print(&format!("\n── {} ──\n\n", act.heading))?;
            match played.get(n) {
                Some(change) if is_over(change.state) => print(&format!(
                    "{} is {} since an earlier run.\n",
                    change.id, change.state
                ))?,
                // It went on where it was when its server came back.
                Some(change) => as_told(act, self.follow(global, data, client, change.id).await?)?,
                None => self.act(global, data, client, act).await?,
            }
            if load.is_none() {
                load = Some(Load::start(client.clone()));
                print("\nCustomers arrive: 200 payments a second at each host.\n")?;
                tokio::time::sleep(HISTORY).await;
            }
        }
        load.context("the demo has acts")
    }

    async fn act(&self, global: &Global, data: &Data, client: &Client, act: &Act) -> Result<()> {
        let change = self.ship(client, act).await?;
        let code = self.follow(global, data, client, change).await?;
        as_told(act, code)?;
        if code == UNDONE {
            self.show_mail().await?;
        }
        Ok(())
    }

    async fn ship(&self, client: &Client, act: &Act) -> Result<ChangeId> {
        let shop = ship::Shipment {
            service: "shop".parse().map_err(anyhow::Error::msg)?,
            version: Some(act.version.parse().map_err(anyhow::Error::msg)?),
            file: Some(self.definition.clone()),
            artifact: Some(self.programs.join(act.program)),
        };
        let webhook = format!("http://{}/hook", self.inbox.http);
        let client = client.clone();
        // The calls block; a thread of their own leaves this one to the customers.
        tokio::task::spawn_blocking(move || {
            let env = |name: &str| match name {
                "SHOP_WEBHOOK" => Some(webhook.clone()),
                _ => std::env::var(name).ok(),
            };
            Ok(ship::start(&client, None, &[shop], None, env)?.change)
        })
        .await?
    }

    async fn follow(
        &self,
        global: &Global,
        data: &Data,
        client: &Client,
        change: ChangeId,
    ) -> Result<u8> {
        let follow = Follow {
            client,
            global,
            command: data.command(),
        };
        follow.to_its_end(change).await
    }

    /// Prints the mail about the undo once it is there.
    async fn show_mail(&self) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let received = loop {
            let received = self.inbox.received();
            if !received.mails.is_empty() && !received.webhooks.is_empty() {
                break received;
            }
            if begun.elapsed() > MAIL {
                bail!(
                    "the owner's mail and webhook did not come within {} s",
                    MAIL.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        print(&envelope(&received))
    }
}

/// Returns the changes of an earlier run, one for each act from the first on.
async fn played(client: &Client) -> Result<Vec<Change>> {
    let client = client.clone();
    let changes = tokio::task::spawn_blocking(move || client.changes(&[])).await??;
    let of_act = |act: &Act| {
        let title = format!("shop {}", act.version);
        changes.iter().find(|change| change.title == title).cloned()
    };
    Ok(ACTS.iter().map_while(of_act).collect())
}

/// Fails when an act ended otherwise than the demo is written.
fn as_told(act: &Act, code: u8) -> Result<()> {
    let version = act.version;
    match (version, code) {
        ("1.1", UNDONE) | ("1.0" | "1.2", 0) => Ok(()),
        _ => bail!("shop {version} ended with exit code {code}, which is not how this demo goes"),
    }
}

fn is_over(state: ChangeState) -> bool {
    matches!(state, ChangeState::Done | ChangeState::Undone)
}

/// Says what the customers saw.
pub(super) fn close(load: &Load) -> Result<()> {
    let count = |counter: &std::sync::atomic::AtomicU64| {
        model::words::count(counter.load(Ordering::Relaxed))
    };
    let seen = &load.seen;
    print(&format!(
        "\nOf the customers' payments {} were answered, {} failed and {} got no answer.\n",
        count(&seen.answered),
        count(&seen.failed),
        count(&seen.lost)
    ))
}

/// Says what can be looked at while everything goes on running.
pub(super) fn invite(data: &Data, client: &Client) -> Result<()> {
    let command = data.command();
    print(&format!(
        "\nEverything is still running.\n  Look at it      {}\n  Why 1.1 went    {command} why chg-2\n  Every host      {command} hosts shop\n  Stop            Ctrl-C\n",
        client.base_url()
    ))
}

fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().map(Path::to_owned);
    folder.context("cannot tell which folder this program is in")
}

/// Returns the demo server's settings: its mail goes to the inbox, the only place inside it may reach.
fn settings(inbox: &Inbox) -> String {
    format!(
        "# Written by `sleepwell up --demo` at each start.\nsmtp:\n  url: smtp://{}\n  from: Sleepwell <sleepwell@example.test>\noutbound_allow: [\"{}\", \"{}\"]\n",
        inbox.smtp, inbox.smtp, inbox.http
    )
}

fn envelope(received: &Received) -> String {
    let Some(mail) = received.mails.last() else {
        return String::new();
    };
    let (subject, text) = readable(mail);
    let lines: Vec<String> = std::iter::once(format!("Subject: {subject}"))
        .chain(std::iter::once(String::new()))
        .chain(text.lines().map(str::to_owned))
        .map(|line| format!("  │ {line}").trim_end().to_owned())
        .collect();
    format!(
        "\nThe mail the team got (and {} webhook):\n{}\n",
        received.webhooks.len(),
        lines.join("\n")
    )
}
