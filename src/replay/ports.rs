//! Addresses as the actors of a closed world see them. Real sockets get whatever ports are free; what is seen
//! of them is numbered here, so that nothing of the machine reaches a transcript and no two runs can meet.

use crate::ids::ListenerId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::SocketId;
use crate::peers::address::{Family, ListenAt, Target};

/// The first number that is given out for port 0, and for callers.
const FIRST_PORT: u16 = 40_001;
const FIRST_CALLER: u16 = 50_001;

/// One listening socket.
pub(crate) struct Bound {
    pub(crate) who: usize,
    pub(crate) id: SocketId,
    pub(crate) listener: ListenerId,
    /// As it is seen.
    seen: SocketAddr,
    /// Whether IPv4 callers may come to a wildcard of IPv6.
    family: Family,
    /// As it is.
    pub(crate) real: SocketAddr,
}

/// Every listening socket and every caller of a run.
#[derive(Default)]
pub(crate) struct Ports {
    bound: Vec<Bound>,
    next: u16,
    callers: Vec<(SocketAddr, usize)>,
}

/// Where to listen: as it is seen, and where really.
pub(crate) struct PortMapping {
    pub(crate) seen: SocketAddr,
    pub(crate) real: SocketAddr,
}

impl Ports {
    /// Where an actor may listen. Numbers that stand in the script are not given out for port 0.
    ///
    /// # Errors
    /// The reason in words, as the system would have it.
    pub(crate) fn place(
        &mut self,
        at: &ListenAt,
        family: Family,
        script: &str,
    ) -> Result<PortMapping, String> {
        let ip = match &at.host {
            None if family == Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(host) => loopback(host, family).ok_or("a replay listens on loopback addresses only")?,
        };
        let port = if at.port == 0 { self.free(script) } else { at.port };
        let seen = SocketAddr::new(ip, port);
        if self.bound.iter().any(|one| one.seen.port() == port && overlap(one.seen.ip(), ip)) {
            return Err("address already in use".to_owned());
        }
        // Whether a machine has IPv6 is nobody's business here: it must not change a transcript.
        Ok(PortMapping { seen, real: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0) })
    }

    pub(crate) fn bind(
        &mut self,
        who: usize,
        id: SocketId,
        listener: ListenerId,
        family: Family,
        place: &PortMapping,
    ) {
        let PortMapping { seen, real } = *place;
        self.bound.push(Bound { who, id, listener, seen, family, real });
    }

    /// Takes away what an actor listened on.
    pub(crate) fn unbind(&mut self, who: usize) -> Vec<SocketId> {
        let gone = self.bound.iter().filter(|one| one.who == who).map(|one| one.id).collect();
        self.bound.retain(|one| one.who != who);
        gone
    }

    /// Who listens there.
    ///
    /// # Errors
    /// The reason in words, as the system would have it.
    pub(crate) fn find(&self, target: &Target, family: Family) -> Result<&Bound, String> {
        let ip = loopback(&target.host, family).ok_or_else(|| {
            let words = match loopback(&target.host, Family::Any) {
                Some(_) => "the name has no address of that kind",
                None => "a replay reaches loopback addresses only",
            };
            words.to_owned()
        })?;
        let to = SocketAddr::new(ip, target.port);
        let found = self.bound.iter().find(|one| one.seen.port() == to.port() && one.takes(ip));
        found.ok_or_else(|| format!("{to}: connection refused"))
    }

    /// A new address to call from, which stands for this actor.
    pub(crate) fn caller(&mut self, who: usize) -> SocketAddr {
        let number = u16::try_from(self.callers.len()).unwrap_or(0);
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), FIRST_CALLER.wrapping_add(number));
        self.callers.push((from, who));
        from
    }

    pub(crate) fn callers(&self) -> &[(SocketAddr, usize)] {
        &self.callers
    }

    fn free(&mut self, script: &str) -> u16 {
        loop {
            let port = FIRST_PORT + self.next;
            self.next = (self.next + 1) % (FIRST_CALLER - FIRST_PORT);
            let taken = self.bound.iter().any(|one| one.seen.port() == port);
            if !taken && !script.contains(&port.to_string()) {
                return port;
            }
        }
    }
}

impl Bound {
    fn takes(&self, ip: IpAddr) -> bool {
        let here = self.seen.ip();
        here == ip
            || (here.is_unspecified() && (here.is_ipv4() == ip.is_ipv4() || self.family == Family::Any))
    }
}

fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// The loopback address that a host means, if it is one.
fn loopback(host: &str, family: Family) -> Option<IpAddr> {
    let ip = match host {
        "localhost" if family == Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().ok()?,
    };
    let fits = match family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    (ip.is_loopback() && fits).then_some(ip)
}
