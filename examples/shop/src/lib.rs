//! A small shop over HTTP: the service that is shipped, watched and broken in the demo and the tests.
//!
//! It has three releases in one source tree, so that the history of a real mistake can be read side by
//! side: 1.0 works, 1.1 made the card check faster and fails one valid card in four, 1.2 is as fast and
//! right. They differ in [`payment`] and nowhere else; see [`release`].
//!
//! **Invariant.** A payment that was answered is counted, once, and every answer of `/metrics` shows the
//! counters of one moment: failed payments never outnumber payments.
//!
//! **Must not know**: anything of Sleepwell. It needs the standard library and nothing else, like a
//! service you might already have.

mod catalogue;
mod http;
mod metrics;
pub mod payment;
pub mod release;
mod routes;
mod server;

pub use server::Server;

use std::io::Write;
use std::process::ExitCode;

use release::Release;

const USAGE: &str = "usage: shop [--listen ADDRESS:PORT]   (default 127.0.0.1:8101)";

/// Runs one release until the process is ended; SIGTERM ends it at once, there is nothing to save.
pub fn run(release: Release) -> ExitCode {
    let Some(address) = listen_address(std::env::args().skip(1)) else {
        return fail(2, USAGE);
    };
    let server = match Server::bind(&address, release) {
        Ok(server) => server,
        Err(error) => return fail(1, &format!("shop cannot listen on {address}: {error}")),
    };
    // A closed standard output is no reason not to sell.
    let _ = writeln!(
        std::io::stdout(),
        "shop {} listens on http://{address}",
        release.version
    );
    server.serve()
}

fn listen_address(mut args: impl Iterator<Item = String>) -> Option<String> {
    let address = match args.next().as_deref() {
        None => "127.0.0.1:8101".to_owned(),
        Some("--listen") => args.next()?,
        Some(_) => return None,
    };
    args.next().is_none().then_some(address)
}

fn fail(code: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listen_address_is_an_argument() {
        let of = |args: &[&str]| listen_address(args.iter().map(ToString::to_string));
        assert_eq!(of(&[]).as_deref(), Some("127.0.0.1:8101"));
        assert_eq!(of(&["--listen", "[::1]:0"]).as_deref(), Some("[::1]:0"));
        for wrong in [&["--listen"][..], &["8101"], &["--listen", "a:1", "b"]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
