//! One address in front of several servers, as a load balancer is: each connection goes to the first
//! server that takes it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

/// Returns an address nobody listens on now.
pub(crate) fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// Opens the door; it stays open until the test process ends.
pub(crate) fn open(servers: [SocketAddr; 2]) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = door.local_addr().expect("an address");
    std::thread::spawn(move || {
        for from in door.incoming().flatten() {
            std::thread::spawn(move || {
                let to = servers.iter().find_map(|to| TcpStream::connect(to).ok());
                if let Some(to) = to {
                    join(&from, &to);
                }
            });
        }
    });
    address
}

/// Opens a proxy that leads wherever it is asked to that server; it stays open until the test process ends.
pub(crate) fn proxy(server: SocketAddr) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = door.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut from in door.incoming().flatten() {
            std::thread::spawn(move || {
                let asked = head(&mut from);
                if !asked.starts_with("CONNECT ") {
                    return;
                }
                let to = TcpStream::connect(server).expect("the server runs");
                from.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                    .expect("it waits for that");
                join(&from, &to);
            });
        }
    });
    address
}

/// Reads the head of a request, and nothing behind it.
fn head(from: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && from.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Copies both ways until one side is done.
fn join(from: &TcpStream, to: &TcpStream) {
    std::thread::scope(|scope| {
        scope.spawn(|| copy(from, to));
        copy(to, from);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // A server that was killed resets its connections.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
