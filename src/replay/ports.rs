//! Virtual addresses of a closed run. Real sockets get whatever ports are free, but actors see
//! these numbers, so that nothing of the machine reaches a transcript and two runs never meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::ids::ListenerId;
use crate::net::SocketId;
use crate::peers::address::{Family, ListenAt, Target};

/// First virtual port for `:listen 0`.
const FIRST_PORT: u16 = 40_001;
/// First virtual port of a caller.
const FIRST_CALLER: u16 = 50_001;

/// Listening socket of an actor.
pub(crate) struct VirtualListener {
    pub(crate) actor: usize,
    pub(crate) socket: SocketId,
    pub(crate) listener: ListenerId,
    /// Address that actors see.
    pub(crate) addr: SocketAddr,
    /// Family asked for: a wildcard of IPv6 accepts IPv4 if it is any.
    pub(crate) family: Family,
    /// Address of the socket.
    pub(crate) real: SocketAddr,
}

/// Listening sockets and callers of a run.
#[derive(Default)]
pub(crate) struct Ports {
    listeners: Vec<VirtualListener>,
    /// Offset of the next virtual port.
    next: u16,
    callers: Vec<(SocketAddr, usize)>,
}

impl Ports {
    /// The virtual address for a listener. Numbers in the script are not assigned for port 0.
    ///
    /// # Errors
    /// The reason, in the words of the system.
    pub(crate) fn assign(
        &mut self,
        at: &ListenAt,
        family: Family,
        script: &str,
    ) -> Result<SocketAddr, String> {
        let ip = match &at.host {
            None if family == Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(host) => loopback(host, family).ok_or("a replay listens on loopback addresses only")?,
        };
        let port = if at.port == 0 { self.free_port(script) } else { at.port };
        let overlaps = |other: IpAddr| other == ip || other.is_unspecified() || ip.is_unspecified();
        if self.listeners.iter().any(|one| one.addr.port() == port && overlaps(one.addr.ip())) {
            return Err("address already in use".to_owned());
        }
        Ok(SocketAddr::new(ip, port))
    }

    pub(crate) fn add(&mut self, listener: VirtualListener) {
        self.listeners.push(listener);
    }

    /// Removes the listeners of an actor, and returns their sockets.
    pub(crate) fn remove(&mut self, actor: usize) -> Vec<SocketId> {
        self.listeners.extract_if(.., |one| one.actor == actor).map(|one| one.socket).collect()
    }

    /// The listener at a target.
    ///
    /// # Errors
    /// The reason, in the words of the system.
    pub(crate) fn find(&self, target: &Target, family: Family) -> Result<&VirtualListener, String> {
        let ip = loopback(&target.host, family).ok_or_else(|| {
            let reason = match loopback(&target.host, Family::Any) {
                Some(_) => "the name has no address of that kind",
                None => "a replay reaches loopback addresses only",
            };
            reason.to_owned()
        })?;
        let to = SocketAddr::new(ip, target.port);
        let found = self.listeners.iter().find(|one| one.addr.port() == to.port() && one.accepts(ip));
        found.ok_or_else(|| format!("{to}: connection refused"))
    }

    /// Assigns an address to a call of an actor.
    pub(crate) fn assign_caller(&mut self, actor: usize) -> SocketAddr {
        let number = u16::try_from(self.callers.len()).unwrap_or(0);
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), FIRST_CALLER.wrapping_add(number));
        self.callers.push((from, actor));
        from
    }

    /// Addresses of callers, with their actors.
    pub(crate) fn callers(&self) -> &[(SocketAddr, usize)] {
        &self.callers
    }

    fn free_port(&mut self, script: &str) -> u16 {
        loop {
            let port = FIRST_PORT + self.next;
            self.next = (self.next + 1) % (FIRST_CALLER - FIRST_PORT);
            let is_taken = self.listeners.iter().any(|one| one.addr.port() == port);
            if !is_taken && !script.contains(&port.to_string()) {
                return port;
            }
        }
    }
}

impl VirtualListener {
    fn accepts(&self, ip: IpAddr) -> bool {
        let own = self.addr.ip();
        let is_family = own.is_ipv4() == ip.is_ipv4() || self.family == Family::Any;
        own == ip || (own.is_unspecified() && is_family)
    }
}

/// The loopback address of a host, if it is one.
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
