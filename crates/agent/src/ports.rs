//! Which ports a service gets on this host.

use std::io;
use std::net::TcpListener;

/// Chooses `count` free ports of the loopback, all different. They are free now; that they stay so is
/// a matter of taking them once and keeping them.
pub(crate) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<io::Result<_>>()?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// Returns the port a new process gets: with two, the one `serving` does not use.
pub(crate) fn next_port(ports: &[u16], serving: Option<u16>) -> Option<u16> {
    ports
        .iter()
        .copied()
        .find(|port| Some(*port) != serving)
        .or(ports.first().copied())
}

/// Fills in `${PORT}` and `${RELEASE}`.
pub(crate) fn fill_in(text: &str, port: Option<u16>, folder: &str) -> String {
    let port = port.map(|p| p.to_string()).unwrap_or_default();
    text.replace("${PORT}", &port).replace("${RELEASE}", folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_alternate_and_one_is_used_again() {
        assert_eq!(next_port(&[1, 2], Some(1)), Some(2));
        assert_eq!(next_port(&[1, 2], Some(2)), Some(1));
        assert_eq!(next_port(&[1], Some(1)), Some(1));
        assert_eq!(next_port(&[], None), None);
        let ports = free_ports(2).unwrap();
        assert_ne!(ports[0], ports[1]);
    }
}
