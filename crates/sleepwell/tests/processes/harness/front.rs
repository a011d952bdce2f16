//! One address in front of several servers, as a load balancer is: each connection goes to the first
//! server that takes it.

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
