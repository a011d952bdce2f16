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
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Set where tests may not be skipped for want of PostgreSQL.
const DEMAND: &str = "SLEEPWELL_DEMAND_POSTGRES";
/// Where Debian keeps the server's binaries, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";
const SETTINGS: &str = "-c max_connections=300 -c shared_buffers=64MB -c max_wal_size=512MB";
/// Speed instead of durability: the data is thrown away.
const THROWN_AWAY: &str = "-c fsync=off -c full_page_writes=off";

struct Server {
    /// Is the folder of its socket.
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

/// Is a server that speaks over the network, to those alone who encrypt.
pub struct Encrypted {
    /// `127.0.0.1:PORT`, whose certificate names that address.
    pub address: String,
    /// The file with the certificate of whoever signed the server's.
    pub root: PathBuf,
    /// The file with another certificate.
    pub other_root: PathBuf,
}

/// Starts a server that takes encrypted connections only, with a database `postgres`; none when PostgreSQL is not
/// installed.
///
/// # Panics
/// As [`database`].
pub fn encrypted() -> Option<Encrypted> {
    static SERVER: OnceLock<Option<(Server, u16)>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let binaries = binaries_or_say()?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let settings = format!("{THROWN_AWAY} -c listen_addresses=127.0.0.1 -p {port}");
        let server = start(&binaries, &settings, certify).expect("a PostgreSQL server");
        Some((server, port))
    });
    let (server, port) = server.as_ref()?;
    Some(Encrypted {
        address: format!("127.0.0.1:{port}"),
        root: server.socket.join("root.crt"),
        other_root: server.socket.join("other.crt"),
    })
}

/// Writes the server's key and certificate, those who could have signed it, and who may connect.
fn certify(folder: &Path, user: Option<(u32, u32)>) -> Result<String> {
    let authority = |name: &str| -> Result<CertifiedIssuer<'static, KeyPair>> {
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
    };
    let (root, other) = (authority("root")?, authority("other")?);
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &root)?;
    for (name, text) in [
        ("root.crt", root.pem()),
        ("other.crt", other.pem()),
        ("server.crt", server.pem()),
        ("server.key", key.serialize_pem()),
        ("hba", "hostssl all all 127.0.0.1/32 trust\n".to_owned()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
        }
    }
    let folder = folder.display();
    Ok(format!(
        "-c ssl=on -c ssl_cert_file={folder}/server.crt -c ssl_key_file={folder}/server.key -c hba_file={folder}/hba"
    ))
}

fn database_on(server: &OnceLock<Option<Server>>, settings: &str) -> Option<String> {
    let server = server.get_or_init(|| {
        let binaries = binaries_or_say()?;
        let settings = format!("-c listen_addresses= {settings}");
        let server = start(&binaries, &settings, |_, _| Ok(String::new()));
        Some(server.expect("a PostgreSQL server"))
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

/// Finds the binaries, or says that they are missing.
fn binaries_or_say() -> Option<PathBuf> {
    let binaries = binaries();
    if binaries.is_none() {
        let missing = "PostgreSQL's server (initdb, pg_ctl) is not installed";
        assert!(std::env::var_os(DEMAND).is_none(), "{missing}");
        say(&format!(
            "skipped: {missing}; install it to run the tests on both stores"
        ));
    }
    binaries
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

/// Makes a folder, has it prepared for whom the server runs as, and starts the server in it with the settings
/// that returned as well.
fn start(
    binaries: &Path,
    settings: &str,
    prepare: impl Fn(&Path, Option<(u32, u32)>) -> Result<String>,
) -> Result<Server> {
    let folder = tempfile::Builder::new().prefix("sleepwell-pg-").tempdir()?;
    let folder = folder.keep();
    let user = other_user()?;
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
    }
    let more = prepare(&folder, user)?;
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
    let options = format!("{SETTINGS} {settings} {more} -k {}", folder.display());
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
