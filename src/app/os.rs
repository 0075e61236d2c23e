//! Wall clock, standard streams and resolver of this machine.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use nix::net::if_::InterfaceFlags;
use rustix::io::Errno;

use super::error::{code, describe};
use super::output;
use crate::limits::DIALABLE_SHOWN;
use crate::net::{Net, SocketId, Stack};
use crate::peers::address::{BoundAddresses, Family, ListenAt, is_onion};
use crate::text::shell::below_home;

/// Moment of the wall clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Date of today, as it may stand in a file name.
pub(crate) fn today() -> String {
    local(unix_ms()).strftime("%Y-%m-%d").to_string()
}

/// Moment in the time zone of this machine.
pub(crate) fn local(unix_ms: u64) -> ZonedDateTime {
    in_zone(unix_ms, TimeZone::system())
}

/// Moment in a time zone.
pub(crate) fn in_zone(unix_ms: u64, zone: TimeZone) -> ZonedDateTime {
    timestamp(unix_ms).to_zoned_datetime(zone)
}

/// Moment as events have it.
pub(crate) fn moment(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default()
}

/// Path of a name that a user types; `~` is the home folder, as in a shell.
pub(crate) fn named_path(name: &str) -> PathBuf {
    match (below_home(name), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(name),
    }
}

/// Prints a line on standard error.
pub(crate) fn eprint_line(text: &str) {
    eprint(&format!("{text}\n"));
}

/// Prints text on standard error as it is.
pub(crate) fn eprint(text: &str) {
    output::write_stderr(text);
}

/// Prints a line on standard output.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints text on standard output as it is, without a buffer.
pub(crate) fn print(text: &str) -> io::Result<()> {
    output::write_stdout(text)
}

/// Tells that standard output cannot be written, unless its reader has gone. Returns the exit code.
pub(crate) fn output_failed(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return code::READER_GONE;
    }
    eprint_line(&format!("rsachat: error: cannot write the output: {}", describe(error)));
    code::FAILED
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Attempts to find a port that is free at every address of a name.
const PORT_ATTEMPTS: usize = 16;

/// Listens on an address, and on every address of a name; a port alone stands for every address of
/// this machine.
pub(crate) fn bind(net: &mut Net, at: &ListenAt, family: Family) -> io::Result<Bound> {
    let Some(host) = &at.host else {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, at.port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, at.port));
        let bound = match family {
            Family::V4 => net.listen(v4, Stack::AsGiven),
            Family::V6 => net.listen(v6, Stack::AsGiven),
            // A machine without IPv6 has no dual stack.
            Family::Any => net.listen(v6, Stack::Dual).or_else(|_| net.listen(v4, Stack::AsGiven)),
        };
        return bound.map(|(socket, addr)| Bound { sockets: vec![socket], addresses: addr.into() });
    };
    let mut addrs = resolve(host, at.port, family)?;
    let mut seen = BTreeSet::new();
    addrs.retain(|addr| seen.insert(*addr));
    let attempts = if at.port == 0 { PORT_ATTEMPTS } else { 1 };
    for _ in 1..attempts {
        match bind_each(net, &addrs) {
            // The port that the system chose for the first is taken at another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    bind_each(net, &addrs)
}

/// Sockets of a listener, and where they listen.
pub(crate) struct Bound {
    pub(crate) sockets: Vec<SocketId>,
    pub(crate) addresses: BoundAddresses,
}

/// Addresses by which others can call a listener that waits at every address of this machine, or of
/// a kind; none, if it waits elsewhere.
pub(crate) fn dialable(bound: &BoundAddresses, at: &ListenAt, family: Family) -> Vec<SocketAddr> {
    // What cannot be read is not said.
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let up = interfaces.filter(|one| one.flags.contains(InterfaceFlags::IFF_UP));
    let ips = up.filter_map(|one| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    let is_dual = at.host.is_none() && family == Family::Any;
    let is_heard = |ip: &IpAddr| {
        bound.iter().any(|one| one.ip().is_unspecified() && (one.is_ipv4() == ip.is_ipv4() || is_dual))
    };
    let ips: BTreeSet<_> = ips.filter(is_dialable).filter(is_heard).collect();
    ips.into_iter().take(DIALABLE_SHOWN).map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// Whether another machine can call an address without more: not a loopback address, nor one of a
/// single link, which needs its interface as well.
fn is_dialable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// Listens on each address, all on the port of the first. An address that this machine does not
/// have is passed over while it has another: many a hosts file names `::1` where there is no IPv6.
fn bind_each(net: &mut Net, addrs: &[SocketAddr]) -> io::Result<Bound> {
    let (mut bound, mut absent) = (Vec::new(), io::Error::from(io::ErrorKind::AddrNotAvailable));
    for mut addr in addrs.iter().copied() {
        if let Some((_, first)) = bound.first() {
            addr.set_port(SocketAddr::port(first));
        }
        match net.listen(addr, Stack::AsGiven) {
            Ok(one) => bound.push(one),
            Err(error) if is_absent(&error) => absent = error,
            Err(error) => {
                for (socket, _) in bound {
                    net.unlisten(socket);
                }
                return Err(error);
            }
        }
    }
    let (sockets, mut addrs): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
    if addrs.is_empty() {
        return Err(absent);
    }
    let first = addrs.remove(0);
    Ok(Bound { sockets, addresses: BoundAddresses::new(first, addrs) })
}

/// Whether this machine has no such address, or no such kind of address.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT)
}

/// Reason why an onion service is not dialled directly, and what to write.
pub(crate) const ONION: &str =
    "an onion service is reached through Tor alone; add --via socks5h://127.0.0.1:9050";

/// Resolves a host to its addresses of a family, at least one. The name of an onion service is told
/// to no resolver (RFC 7686).
pub(crate) fn resolve(host: &str, port: u16, family: Family) -> io::Result<Vec<SocketAddr>> {
    if is_onion(host) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, ONION));
    }
    let found = (host, port).to_socket_addrs()?;
    let addrs: Vec<_> = found.filter(|addr| of_family(*addr, family)).collect();
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address of that family"));
    }
    Ok(addrs)
}

/// The same, for so long; a resolver that takes longer is left alone.
pub(crate) fn resolve_within(
    (host, port): (String, u16),
    family: Family,
    time: Duration,
) -> io::Result<Vec<SocketAddr>> {
    let (sender, found) = channel();
    let resolve = move || sender.send(resolve(&host, port, family));
    thread::Builder::new().name("lookup".into()).spawn(resolve)?;
    found.recv_timeout(time).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Whether an address is of a family.
pub(crate) fn of_family(addr: SocketAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => addr.is_ipv4(),
        Family::V6 => addr.is_ipv6(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn addrs(port: u16) -> Vec<SocketAddr> {
        [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]].map(|ip| SocketAddr::from((ip, port))).to_vec()
    }

    #[test]
    fn every_address_of_a_name_is_listened_on_and_all_have_one_port() {
        let mut net = Net::new().unwrap();
        let bound = bind_each(&mut net, &addrs(0)).ok().unwrap();
        let port = bound.addresses.port();
        assert_ne!(port, 0);
        assert!(bound.addresses.iter().eq(addrs(port)));
        assert_eq!(bound.sockets.len(), 3);
        let shown = format!("127.0.0.1:{port} and 127.0.0.2:{port} and 127.0.0.3:{port}");
        assert_eq!(bound.addresses.to_string(), shown);
    }

    #[test]
    fn a_port_that_is_taken_at_one_address_is_let_go_at_the_others() {
        let taken = TcpListener::bind("127.0.0.3:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut net = Net::new().unwrap();
        let error = bind_each(&mut net, &addrs(port)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
    }

    #[test]
    fn an_address_that_this_machine_does_not_have_is_passed_over_unless_it_is_the_only_one() {
        let mut net = Net::new().unwrap();
        // Of a network for documentation (RFC 5737).
        let absent = SocketAddr::from(([192, 0, 2, 1], 0));
        let bound = bind_each(&mut net, &[absent, addrs(0)[0]]).ok().unwrap();
        assert!(bound.addresses.iter().eq(addrs(bound.addresses.port()).into_iter().take(1)));
        let error = bind_each(&mut net, &[absent]).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn addresses_of_one_machine_or_of_one_link_are_no_places_to_call() {
        for (ip, is) in [
            ("192.168.1.20", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("169.254.3.4", false),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_dialable(&ip.parse().unwrap()), is, "{ip}");
        }
    }

    #[test]
    fn a_listener_at_one_address_or_of_one_kind_says_no_other() {
        let dial = |bound: &str, at: &str, family| {
            dialable(
                &BoundAddresses::from(bound.parse::<SocketAddr>().unwrap()),
                &at.parse().unwrap(),
                family,
            )
        };
        assert_eq!(dial("127.0.0.1:8000", "127.0.0.1:8000", Family::Any), []);
        let (v4, v6) = (dial("0.0.0.0:8000", "8000", Family::V4), dial("[::]:8000", "8000", Family::V6));
        let all = dial("[::]:8000", "8000", Family::Any);
        assert!(v4.iter().all(SocketAddr::is_ipv4) && v6.iter().all(SocketAddr::is_ipv6));
        let both: Vec<_> = v4.into_iter().chain(v6).take(DIALABLE_SHOWN).collect();
        assert_eq!(all, both);
    }
}
