//! The outbound guard: which addresses a message may go to.
//!
//! A name is resolved once, every address it has is checked, and the connection goes to a checked
//! address, so that a name cannot answer differently the second time. Addresses inside (loopback,
//! private, link-local, …) are refused unless an administrator let them through.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Lets addresses through or not; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Arc<BTreeSet<SocketAddr>>,
}

impl Guard {
    /// `allowed` are the exact addresses with ports that are let through although they are inside.
    pub fn new(allowed: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            allowed: Arc::new(allowed.into_iter().collect()),
        }
    }

    /// Returns the addresses to connect to.
    ///
    /// # Errors
    /// The first address that is not allowed, in a sentence; one bad address refuses the whole name.
    pub fn check(&self, name: &str, addresses: &[SocketAddr]) -> Result<(), String> {
        let bad = addresses
            .iter()
            .find(|address| !self.allowed.contains(address) && is_inside(address.ip()));
        match bad {
            Some(address) => Err(format!(
                "`{name}` is at {address}, which is inside; an administrator can let it through with `outbound_allow` in server.yaml"
            )),
            None if addresses.is_empty() => Err(format!("`{name}` has no address")),
            None => Ok(()),
        }
    }

    /// Tells whether this exact address was let through, so that it may be spoken to without TLS.
    pub(super) fn allows(&self, address: SocketAddr) -> bool {
        self.allowed.contains(&address)
    }
}

fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_inside_v4(ip),
        IpAddr::V6(ip) => is_inside_v6(ip),
    }
}

fn is_inside_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared address space, RFC 6598
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments, RFC 6890
        || (a == 198 && (18..20).contains(&b)) // benchmarking, RFC 2544
        || a >= 240 // reserved
}

fn is_inside_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_inside_v4(Ipv4Addr::new(a, b, c, d))
    };
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || (s[0] & 0xffc0) == 0xfec0 // site-local, RFC 3879
        || (s[..5] == [0; 5] && (s[5] == 0 || s[5] == 0xffff) && embedded(s[6], s[7])) // mapped
        || (s[..2] == [0x64, 0xff9b] && embedded(s[6], s[7])) // NAT64, RFC 6052
        || (s[0] == 0x2002 && embedded(s[1], s[2])) // 6to4, RFC 3056
        || (s[0] == 0x2001 && s[1] == 0) // Teredo, RFC 4380
        || (s[0] == 0x2001 && s[1] == 0xdb8) // documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, address: &str) -> Result<(), String> {
        guard.check("name", &[address.parse().unwrap()])
    }

    #[test]
    fn addresses_inside_are_refused_in_every_form() {
        for inside in [
            "127.0.0.1:80",
            "10.1.2.3:80",
            "172.16.0.1:80",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "0.0.0.0:80",
            "100.64.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "198.18.0.1:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[fd00::1]:80",
            "[ff02::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::127.0.0.1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:7f00:1::]:80",
        ] {
            assert!(check(&Guard::default(), inside).is_err(), "{inside}");
        }
        for outside in [
            "93.184.216.34:443",
            "[2606:2800:220:1::1]:443",
            "[::ffff:93.184.216.34]:443",
        ] {
            check(&Guard::default(), outside).unwrap();
        }
    }

    #[test]
    fn only_the_exact_address_and_port_is_let_through() {
        let guard = Guard::new(["127.0.0.1:2525".parse().unwrap()]);
        check(&guard, "127.0.0.1:2525").unwrap();
        assert!(
            check(&guard, "127.0.0.1:2526")
                .unwrap_err()
                .contains("outbound_allow")
        );
    }

    #[test]
    fn one_bad_address_refuses_the_whole_name() {
        let addresses = [
            "93.184.216.34:80".parse().unwrap(),
            "127.0.0.1:80".parse().unwrap(),
        ];
        assert!(
            Guard::default()
                .check("rebinding.example", &addresses)
                .is_err()
        );
    }
}
