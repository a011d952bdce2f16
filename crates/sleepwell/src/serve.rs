//! The server: everything it is made of, wired top to bottom.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engine::{Addresses, Guard, Mail, Mandates, Senders, SmtpServer, Webhook};
use metrics::Metrics;
use model::deliver::Owner;
use model::{Entry, Fact, KeyPin, Kind, Subject, Timestamp};
use runtime::{Clock, Ids, Random, Shutdown, Supervisor, Trigger, Wake, Wakes};
use store::{Durability, Store};
use tokio::net::TcpListener;
use web::{App, Blobs, ObjectStore, Tls};

use crate::args::{self, Global};
use crate::config::{ServerConfig, Smtp};
use crate::data::{self, Data};
use crate::tls::{self, Encryption};

const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7700);
/// Ports tried after the wanted one.
const NEXT_PORTS: u16 = 100;
/// What is under way when the server is asked to stop may take this long to end.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) fn run(global: &Global, args: &args::Serve) -> Result<u8> {
    crate::log::start();
    let data = Data::new(global)?;
    data.create()?;
    let Some(mut lock) = data.lock("server.lock")? else {
        let address = data.read("server.lock");
        bail!(
            "a server runs on {} already, at {address}",
            data.folder().display()
        );
    };
    let config = read_config(&data, args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = bind(&config, args).await?;
        let address = listener.local_addr()?;
        let encryption = tls::open(&config, &data, address)?;
        let url = public_url(&config, address, encryption.tls.is_some());
        lock.write(&url)?;
        serve(&data, &config, (listener, encryption), &url).await
    })?;
    // Calls that block have their own time-outs; they are not waited for.
    runtime.shutdown_background();
    Ok(0)
}

fn read_config(data: &Data, args: &args::Serve) -> Result<ServerConfig> {
    let path = args
        .config
        .clone()
        .unwrap_or_else(|| data.join("server.yaml"));
    ServerConfig::read(&path, args.config.is_some(), |key| std::env::var(key).ok())
}

async fn bind(config: &ServerConfig, args: &args::Serve) -> Result<TcpListener> {
    let wanted = args.listen.or(config.listen).unwrap_or(DEFAULT_LISTEN);
    let last = if args.next_free {
        wanted.port().saturating_add(NEXT_PORTS)
    } else {
        wanted.port()
    };
    let mut refused = None;
    for port in wanted.port()..=last {
        match TcpListener::bind(SocketAddr::new(wanted.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = Some(error),
        }
    }
    let error = refused.context("there is no port after 65535")?;
    Err(error)
        .with_context(|| format!("cannot listen on {wanted}; name another address with --listen"))
}

/// Returns how people reach the server.
fn public_url(config: &ServerConfig, address: SocketAddr, is_encrypted: bool) -> String {
    if let Some(url) = &config.public_url {
        return url.clone();
    }
    if address.ip().is_unspecified() {
        tracing::warn!(
            "hosts and people elsewhere cannot reach {address}: set `public_url` to an address they can"
        );
    }
    let scheme = if is_encrypted { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Runs until it is asked to stop.
async fn serve(
    data: &Data,
    config: &ServerConfig,
    (listener, encryption): (TcpListener, Encryption),
    url: &str,
) -> Result<()> {
    let senders = senders(config)?;
    let store = open_store(data, config)?;
    let (clock, random) = (Clock::System, Random::System);
    let now = clock.now();
    let kept = std::fs::read_to_string(data.admin_token()).unwrap_or_default();
    let engine::TakenOver {
        owner,
        ids,
        new_admin,
    } = engine::take_over(&store, &random, kept.trim(), now).await?;
    if let Some(secret) = new_admin {
        data::write_private(&data.admin_token(), &secret)?;
    }
    tell_started(&store, &ids, now).await?;

    let (trigger, shutdown) = Shutdown::new();
    let supervisor = Supervisor::new(clock.clone(), random.clone(), shutdown.clone());
    let (metrics, wakes, command) = (
        Metrics::memory(metrics::Limits::default()),
        Wakes::default(),
        data.command(),
    );
    exchange_hints(&store, &owner, &wakes)?;
    let context = engine::Context {
        store: store.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        random: random.clone(),
        ids: ids.clone(),
        wakes: wakes.clone(),
        addresses: Addresses {
            public_url: url.into(),
            command: command.as_str().into(),
        },
        owner,
        mandates: Mandates::default(),
    };
    let app = App {
        store,
        metrics,
        blobs: blobs(config, data, &clock)?,
        clock,
        ids,
        random,
        wakes,
        streams: web::streams(),
        shutdown: Some(shutdown.clone()),
        hooks: hooks(config),
        pin: encryption.pin,
        supervisor: Some(supervisor.clone()),
        public_url: url.into(),
        command: command.as_str().into(),
    };
    engine::start(&context, senders, receiver(config), &supervisor);
    if let Some(sink) = cdevent_sink(config, url) {
        engine::tell_cdevents(&context, sink, &supervisor);
    }
    if let Some(renewal) = encryption.renewal {
        supervisor.spawn(renewal, &Wake::default());
    }
    stop_on_signal(trigger)?;
    tell_address(data, url, encryption.pin)?;
    tokio::try_join!(
        answer((listener, encryption.tls), app, shutdown.clone()),
        end_loops(&supervisor, shutdown)
    )?;
    // The next server need not ask files that are gone; it writes its own.
    let _ = std::fs::remove_file(data.address());
    let _ = std::fs::remove_file(data.pin());
    tracing::info!("stopped");
    Ok(())
}

/// Says where the server is and how it is known, to people and to the command line on this machine.
fn tell_address(data: &Data, url: &str, pin: Option<KeyPin>) -> Result<()> {
    match pin {
        Some(pin) => data::write_private(&data.pin(), &pin.to_string())?,
        // Of a server that was killed.
        None => data::remove(&data.pin())?,
    }
    data::write_private(&data.address(), url)?;
    match pin {
        Some(pin) => {
            let key = pin.to_string();
            tracing::info!(
                server.url = url,
                server.key = key,
                "listening on {url}, known by its key {pin}"
            );
        }
        None => tracing::info!(server.url = url, "listening on {url}"),
    }
    Ok(())
}

fn open_store(data: &Data, config: &ServerConfig) -> Result<Store> {
    match &config.database {
        Some(url) => Store::open_postgres(url.reveal(), Durability::Full)
            .context("cannot open the database named by `database`"),
        None => Store::open_sqlite(&data.join("sleepwell.db"), Durability::Full)
            .with_context(|| format!("cannot open the database in {}", data.folder().display())),
    }
}

/// Opens the folder artifacts are in, with the object store behind it where there is one.
fn blobs(config: &ServerConfig, data: &Data, clock: &Clock) -> Result<Blobs> {
    let own = data.join("blobs");
    let Some(place) = &config.artifacts else {
        return Ok(Blobs::open(&own)?);
    };
    if !place.contains("://") {
        return Ok(Blobs::open(place.as_ref())?);
    }
    let env = |name: &str| std::env::var(name).ok();
    let store = ObjectStore::open(place, env, clock.clone());
    let store = store.map_err(|why| anyhow::anyhow!("artifacts: {why}"))?;
    Ok(Blobs::open(&own)?.before(store))
}

/// Passes nudges on to the servers that share the store, and theirs to the loops here.
fn exchange_hints(store: &Store, owner: &str, wakes: &Wakes) -> Result<()> {
    let theirs = wakes.clone();
    if let Some(hints) = store.hints(owner, move |name| theirs.ring(name))? {
        wakes.tell_others(move |name| hints.tell(name));
    }
    Ok(())
}

/// Answers requests until shutdown, then for [`GRACE`] those that are under way.
async fn answer(
    (listener, tls): (TcpListener, Option<Tls>),
    app: App,
    shutdown: Shutdown,
) -> Result<()> {
    let drain = shutdown.clone();
    let ending = async move { drain.requested().await };
    tokio::select! {
        () = web::serve(listener, tls, web::router(app), ending) => {}
        () = async { shutdown.requested().await; tokio::time::sleep(GRACE).await } => {}
    }
    Ok(())
}

/// Waits for shutdown, then for [`GRACE`] until the loops have ended. A slow receiver must not hold the
/// process: what was not settled is sent again by the next server.
async fn end_loops(supervisor: &Supervisor, shutdown: Shutdown) -> Result<()> {
    shutdown.requested().await;
    let ended = tokio::time::timeout(GRACE, supervisor.join()).await;
    if ended.is_err() {
        tracing::warn!("some loops were still at work and are left");
    }
    Ok(())
}

fn stop_on_signal(trigger: Trigger) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping");
        trigger.request();
    });
    Ok(())
}

fn senders(config: &ServerConfig) -> Result<Senders> {
    let guard = Guard::new(config.outbound_allow.iter().copied());
    let mail = config.smtp.as_ref().map(|smtp: &Smtp| {
        let server = SmtpServer {
            url: smtp.url.clone(),
            from: smtp.from.clone(),
        };
        Mail::new(&server, guard.clone()).map_err(anyhow::Error::msg)
    });
    Ok(Senders::Network {
        mail: mail.transpose()?,
        webhook: Webhook::new(guard),
    })
}

/// Returns who is told of what no owner is known for.
fn receiver(config: &ServerConfig) -> Owner {
    let known = config.receiver.clone().unwrap_or_default();
    Owner {
        team: None,
        mail: known.mail,
        webhook: known.webhook.map(|url| url.reveal().to_owned()),
    }
}

fn cdevent_sink(config: &ServerConfig, url: &str) -> Option<engine::CdeventSink> {
    let events = config.cdevents.as_ref()?;
    let source = events.source.clone();
    Some(engine::CdeventSink {
        url: events.sink.reveal().to_owned(),
        source: source.unwrap_or_else(|| url.to_owned()),
    })
}

/// Opens the door to each git host with a secret.
fn hooks(config: &ServerConfig) -> web::Hooks {
    let secrets = config.hooks.iter();
    web::Hooks::new(secrets.map(|(host, hook)| (*host, hook.secret.clone())))
}

async fn tell_started(store: &Store, ids: &Ids, now: Timestamp) -> Result<()> {
    let fact = Fact::ServerStarted {
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: Subject::Server,
        kind: Kind::Action,
        actor: "sleepwell".into(),
        causes: vec![],
        body: fact.to_body(),
    };
    store
        .write(move |tx| store::journal::append(tx, &entry))
        .await?;
    Ok(())
}
