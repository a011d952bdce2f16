//! A PostgreSQL server for tests, started from the installed binaries in a temporary folder.
//!
//! Each test process starts at most one, at the first call of [`database`], and every call makes a new
//! empty database on it. The server listens on a socket in its folder alone.
//!
//! **Invariant.** The server ends and its folder goes when the test process ends, however that happens.
//!
//! **Must not know** what is stored. Only tests depend on this crate.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};

/// Set where tests may not be skipped for want of PostgreSQL.
const DEMAND: &str = "SLEEPWELL_DEMAND_POSTGRES";
/// Where Debian keeps the server's binaries, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
const SETTINGS: &str =
    "-c listen_addresses= -c max_connections=300 -c shared_buffers=64MB -c max_wal_size=512MB";
/// Speed instead of durability: the data is thrown away.
const THROWN_AWAY: &str = "-c fsync=off -c full_page_writes=off";

struct Server {
    socket: PathBuf,
    databases: AtomicU32,
    /// While it is open the server runs; it closes with this process.
    _alive: ChildStdin,
}

/// Returns the address of a new empty database; none when PostgreSQL is not installed, which is then said
/// on standard error.
///
/// # Panics
/// When the server cannot be started, or is missing where `SLEEPWELL_DEMAND_POSTGRES` demands it.
pub fn database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    database_on(&SERVER, THROWN_AWAY)
}

/// Returns the address of a new empty database whose commits are pressed onto the disk, for measuring.
///
/// # Panics
/// As [`database`].
pub fn durable_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    database_on(&SERVER, "")
}

fn database_on(server: &OnceLock<Option<Server>>, settings: &str) -> Option<String> {
    let server = server.get_or_init(|| {
        let binaries = binaries();
        if binaries.is_none() {
            let missing = "PostgreSQL's server (initdb, pg_ctl) is not installed";
            assert!(std::env::var_os(DEMAND).is_none(), "{missing}");
            say(&format!(
                "skipped: {missing}; install it to run the tests on both stores"
            ));
        }
        binaries.map(|binaries| start(&binaries, settings).expect("a PostgreSQL server"))
    });
    let server = server.as_ref()?;
    let name = format!("t{}", server.databases.fetch_add(1, Ordering::Relaxed));
    let socket = server.socket.display().to_string().replace('/', "%2F");
    let address = |name: &str| format!("postgres://sleepwell@{socket}/{name}");
    let (maintenance, sql) = (address("postgres"), format!("CREATE DATABASE {name}"));
    run_on(&maintenance, &sql);
    Some(address(&name))
}

/// Ends every connection to a database that [`database`] returned, as a network that breaks does.
///
/// # Panics
/// When the server does not do so.
pub fn cut_connections(address: &str) {
    run_on(
        address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

fn run_on(address: &str, sql: &str) {
    let (address, sql) = (address.to_owned(), sql.to_owned());
    // The library's calls may not be made on a thread that runs tasks.
    let ran = std::thread::spawn(move || -> Result<(), postgres::Error> {
        postgres::Client::connect(&address, postgres::NoTls)?.batch_execute(&sql)
    });
    ran.join().expect("no panic").expect("an answer");
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Finds the folder of `initdb` and `pg_ctl`, the newest version where there are several.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| folder.join("pg_ctl").exists());
    on_path.filter(|f| f.join("initdb").exists()).or_else(|| {
        let versions = std::fs::read_dir(DEBIAN).ok()?;
        versions
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version: u32 = entry.file_name().to_str()?.parse().ok()?;
                let folder = entry.path().join("bin");
                folder.join("pg_ctl").exists().then_some((version, folder))
            })
            .max()
            .map(|(_, folder)| folder)
    })
}

fn start(binaries: &Path, settings: &str) -> Result<Server> {
    let folder = tempfile::Builder::new().prefix("sleepwell-pg-").tempdir()?;
    let folder = folder.keep();
    let user = other_user()?;
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
    }
    let run = |program: &str, args: &[OsString]| -> Result<()> {
        let mut command = Command::new(binaries.join(program));
        command.args(args).current_dir(&folder);
        let output = as_user(&mut command, user).output()?;
        if !output.status.success() {
            bail!("{program}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    let data = folder.join("data");
    let words = |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
    let mut initdb = words(&[
        "-U",
        "sleepwell",
        "--auth=trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
        "-D",
    ]);
    initdb.push(data.clone().into());
    run("initdb", &initdb)?;
    let alive = end_with_this_process(binaries, &folder, user)?;
    let options = format!("{SETTINGS} {settings} -k {}", folder.display());
    let mut ctl = words(&["start", "--wait", "--silent", "-o", &options, "-l"]);
    ctl.extend([folder.join("log").into(), "-D".into(), data.into()]);
    run("pg_ctl", &ctl)?;
    Ok(Server {
        socket: folder,
        databases: AtomicU32::new(1),
        _alive: alive,
    })
}

/// Starts a shell that waits for the end of its input, which comes when this process ends, also by
/// `kill -9`, and then stops the server and removes its folder.
fn end_with_this_process(
    binaries: &Path,
    folder: &Path,
    user: Option<(u32, u32)>,
) -> Result<ChildStdin> {
    let script = "cat >/dev/null; \"$1/pg_ctl\" stop -m immediate -D \"$2/data\"; rm -rf \"$2\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .args([binaries, folder])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0); // Ctrl-C is for the tests; this one goes on to the end
    let mut child = as_user(&mut command, user).spawn()?;
    child.stdin.take().context("a pipe")
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// Returns whom the server runs as: it refuses to be root.
fn other_user() -> Result<Option<(u32, u32)>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = uids.and_then(|uids| uids.split_whitespace().nth(1));
    if effective != Some("0") {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let of = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let user = of("postgres").or_else(|| of("nobody"));
    user.map(Some)
        .ok_or_else(|| anyhow!("no user but root to run PostgreSQL as"))
}
