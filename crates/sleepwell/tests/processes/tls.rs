//! Servers that speak TLS: known by a key of their own, or by who signed their certificate; and those that answer
//! in their place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::KeyPin;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use crate::harness::definition::Definition;
use crate::harness::front;
use crate::harness::process::{Ended, Process, sleepwell};
use crate::harness::world::World;

/// How long a command may take that gets no further than the handshake.
const SHORT_S: u64 = 10;

fn self_signed(agents: usize) -> World {
    let mut world = World::empty();
    world.set(vec![("SLEEPWELL_TLS", "self_signed".to_owned())]);
    world.start(agents);
    world
}

fn address(url: &str) -> &str {
    url.split_once("://").expect("an address").1
}

/// Runs a command that knows nothing of any server but what it is told.
fn abroad(world: &World, words: &[&str], env: &[(&str, &Path)]) -> Ended {
    let mut command = sleepwell(words);
    let elsewhere = world.folder().join("elsewhere");
    command.arg("--data").arg(elsewhere);
    command.envs(env.iter().copied());
    Process::start(&mut command).ends_within(SHORT_S)
}

#[test]
fn a_host_knows_its_server_by_the_key_its_token_names() {
    let mut world = self_signed(1);
    let (url, pin) = (world.url(), world.pin().expect("it has a key of its own"));
    assert!(url.starts_with("https://"), "{url}");
    world.define(&Definition::gated());
    world.ship("1.0");

    let key = world.data().join("tls/key.pem");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let identity = agent::Identity::load(&world.base(1)).unwrap().unwrap();
    assert_eq!(identity.pin, Some(pin));

    // The certificate is made anew for the same key: nobody has to join again.
    world.kill_server();
    std::fs::remove_file(world.data().join("tls/certificate.pem")).unwrap();
    world.restart_server(&url);
    assert_eq!(world.pin(), Some(pin));
    world.ship("1.1");
    let doctor = world.run(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.said);
    assert!(doctor.said.contains(&pin.to_string()), "{}", doctor.said);
}

#[test]
fn an_impostor_at_the_servers_address_gets_no_token_and_is_named() {
    let mut world = self_signed(1);
    world.define(&Definition::gated());
    world.ship("1.0");
    let (url, pin) = (world.url(), world.pin().unwrap());
    let token = world.client().join_token(None).unwrap().token;
    world.kill_server();

    let data = world.folder().join("impostor");
    world.write_settings(&data);
    let impostor = world.serve(&data, &["--listen", address(&url)]);
    let its: KeyPin = read(&data.join("pin")).parse().unwrap();
    assert_ne!(its, pin);
    world.agent(1).says("cannot trust the server", SHORT_S);
    let asked = abroad(
        &world,
        &["hosts", "--server", &url, "--pin", &pin.to_string()],
        &[],
    );
    let joined = abroad(
        &world,
        &["agent", "join", &url, &token, "--base", "/nonexistent/x"],
        &[],
    );
    for refused in [&asked, &joined] {
        assert_eq!(refused.code, Some(1), "{}", refused.said);
        for said in [
            &format!("cannot trust the server at {url}"),
            &format!("it shows the key {its}, and has to have the key {pin}"),
            "try: compare with the key",
        ] {
            assert!(refused.said.contains(said), "{}", refused.said);
        }
    }

    // The real one comes back, and what was interrupted goes on.
    drop(impostor);
    world.restart_server(&url);
    world.ship("1.1");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn what_cannot_prove_the_server_is_refused_before_anything_is_sent() {
    let world = self_signed(0);
    let url = world.url();
    let token = world.client().join_token(None).unwrap().token;
    let base = world.folder().join("host");
    let join = |url: &str, token: &str| {
        let words = [
            "agent",
            "join",
            url,
            token,
            "--base",
            base.to_str().unwrap(),
        ];
        abroad(&world, &words, &[])
    };
    let plain = url.replace("https://", "http://");
    let secret = token.split_once('.').unwrap().0;
    for (url, token, said) in [
        (
            url.as_str(),
            &token[..token.len() - 1],
            "64 hexadecimal digits, here 63",
        ),
        (&url, secret, "signed by nobody this machine trusts"),
        (
            &plain,
            &token,
            "an address that begins with http:// proves none",
        ),
        (&plain, secret, "this server speaks TLS"),
        ("http://192.0.2.1:7700", &token, "is not encrypted"),
    ] {
        let refused = join(url, token);
        assert_eq!(refused.code, Some(1), "{}", refused.said);
        assert!(
            refused.said.contains(said),
            "{url} {token}:\n{}",
            refused.said
        );
        assert!(refused.said.contains("try: "), "{}", refused.said);
    }
    assert!(agent::Identity::load(&base).unwrap().is_none());
    assert!(world.client().hosts(&[]).unwrap().is_empty());
}

#[test]
fn a_request_in_the_clear_is_told_to_encrypt() {
    let world = self_signed(0);
    let mut stream = TcpStream::connect(address(&world.url())).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("needs_tls"), "{answer}");
}

#[test]
fn a_proxy_on_the_way_changes_nothing_about_who_is_believed() {
    let world = self_signed(0);
    let proxy = front::proxy(address(&world.url()).parse().unwrap());
    let proxy = format!("http://{proxy}");
    let token = read(&world.data().join("admin-token"));
    // Nobody answers there; whatever does is behind the proxy.
    let ask = |pin: &str| {
        let words = ["hosts", "--server", "https://192.0.2.1:7700", "--pin", pin];
        let env = [
            ("HTTPS_PROXY", Path::new(&proxy)),
            ("SLEEPWELL_TOKEN", Path::new(token.trim())),
        ];
        abroad(&world, &words, &env)
    };
    let known = ask(&world.pin().unwrap().to_string());
    assert_eq!(known.code, Some(0), "{}", known.said);
    let other = ask(&"0".repeat(64));
    assert_eq!(other.code, Some(1), "{}", other.said);
    assert!(other.said.contains("it shows the key"), "{}", other.said);
}

/// Is a certificate authority of a company.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Signs a certificate for a name, valid until the year, and writes it to the server's files.
    fn sign(&self, files: &[PathBuf; 2], key: &KeyPair, name: &str, year: i32) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(key, &self.0).unwrap();
        std::fs::write(&files[0], certificate.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
    }
}

/// Makes a world without a server, the file of its signer, and the files its server is to show.
fn with_authority(pin: bool) -> (World, Authority, PathBuf, [PathBuf; 2]) {
    let (mut world, authority) = (World::empty(), Authority::new());
    let path = |name: &str| world.folder().join(name);
    let (root, files) = (path("root.pem"), [path("server.crt"), path("server.key")]);
    std::fs::write(&root, authority.0.pem()).unwrap();
    let [certificate, key] = files.each_ref().map(|path| path.display().to_string());
    world.set(vec![
        ("SLEEPWELL_TLS_CERTIFICATE", certificate),
        ("SLEEPWELL_TLS_KEY", key),
        ("SLEEPWELL_TLS_PIN", pin.to_string()),
    ]);
    (world, authority, root, files)
}

#[test]
fn a_certificate_of_the_companys_own_signer_is_believed_where_the_signer_is() {
    let (world, authority, root, files) = with_authority(false);
    let (key, data) = (KeyPair::generate().unwrap(), world.data());
    for (name, year, code, said) in [
        ("127.0.0.1", 2999, 0, "a signer this machine trusts vouches"),
        (
            "127.0.0.1",
            2001,
            1,
            "its certificate has expired, or is not valid yet",
        ),
        (
            "sleepwell.example",
            2999,
            1,
            "its certificate is not for `127.0.0.1`",
        ),
    ] {
        authority.sign(&files, &key, name, year);
        let _server = world.serve(&data, &["--listen", "127.0.0.1:0"]);
        let (url, token) = (world.url(), read(&data.join("admin-token")));
        let ask = |words: &[&str], signer: &Path| {
            let env = [
                ("SLEEPWELL_TOKEN", Path::new(token.trim())),
                ("SSL_CERT_FILE", signer),
            ];
            abroad(&world, &[words, &["--server", &url]].concat(), &env)
        };
        let made = ask(&["agent", "token"], &root);
        assert_eq!(made.code, Some(code), "{}", made.said);
        let doctor = ask(&["doctor"], &root);
        let words: Vec<&str> = doctor.said.split_whitespace().collect();
        assert!(words.join(" ").contains(said), "{}", doctor.said);
        let stranger = ask(&["doctor"], &files[0]);
        assert!(
            stranger.said.contains("is not believed"),
            "{}",
            stranger.said
        );
        if code == 0 {
            joins_by_its_signer(&world, &made.said, &root);
        }
    }
}

/// A token of such a server names no key; the host asks its own list of signers.
fn joins_by_its_signer(world: &World, made: &str, root: &Path) {
    let line = made.lines().next().unwrap();
    let base = world.base(1).display().to_string();
    let mut words: Vec<&str> = line.split(' ').skip(1).collect();
    assert!(!words[3].contains('.'), "{line}");
    words.extend(["--only", "--name", "web-1", "--base", &base]);
    let refused = abroad(world, &words, &[]);
    assert!(
        refused.said.contains("signed by nobody"),
        "{}",
        refused.said
    );
    let joined = abroad(world, &words, &[("SSL_CERT_FILE", root)]);
    assert_eq!(joined.code, Some(0), "{}", joined.said);
}

#[test]
fn a_renewed_certificate_for_the_same_key_changes_nothing_for_hosts() {
    let (mut world, authority, _, files) = with_authority(true);
    let key = KeyPair::generate().unwrap();
    // It has expired long ago: a key that is pinned is asked for nothing else.
    authority.sign(&files, &key, "127.0.0.1", 2001);
    world.start(1);
    world.define(&Definition::gated());
    world.ship("1.0");
    authority.sign(&files, &key, "sleepwell.example", 2999);
    world
        .server()
        .says("shows the certificate that was renewed", 30);
    world.ship("1.1");
}
