//! Resolver: host names to addresses of a family, and listeners on them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use crate::net::{Net, SocketId, Stack};
use crate::peers::address::{Family, ListenAt};

/// Listens on an address; a port alone stands for every address of this machine.
pub(crate) fn bind(net: &mut Net, at: &ListenAt, family: Family) -> io::Result<(SocketId, SocketAddr)> {
    let Some(host) = &at.host else {
        let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), at.port);
        let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), at.port);
        return match family {
            Family::V4 => net.listen(v4, Stack::AsGiven),
            Family::V6 => net.listen(v6, Stack::AsGiven),
            // A machine without IPv6 has no dual stack.
            Family::Any => net.listen(v6, Stack::Dual).or_else(|_| net.listen(v4, Stack::AsGiven)),
        };
    };
    let mut last = None;
    for addr in resolve(host, at.port, family)? {
        match net.listen(addr, Stack::AsGiven) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Resolves a host to its addresses of a family, at least one.
pub(crate) fn resolve(host: &str, port: u16, family: Family) -> io::Result<Vec<SocketAddr>> {
    let found = (host, port).to_socket_addrs()?;
    let addrs: Vec<_> = found.filter(|addr| of_family(*addr, family)).collect();
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address of that kind"));
    }
    Ok(addrs)
}

/// Whether an address is of a family.
pub(crate) fn of_family(addr: SocketAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => addr.is_ipv4(),
        Family::V6 => addr.is_ipv6(),
    }
}
