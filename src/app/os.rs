//! Wall clock, standard streams and resolver of this machine.

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::output;
use crate::net::{Net, SocketId, Stack};
use crate::peers::address::{Family, ListenAt};

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
    timestamp(unix_ms).to_zoned_datetime(TimeZone::system())
}

/// Moment as events have it.
pub(crate) fn moment(unix_ms: u64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms.try_into().unwrap_or(0)).unwrap_or_default()
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

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Listens on an address; a port alone stands for every address of this machine.
pub(crate) fn bind(net: &mut Net, at: &ListenAt, family: Family) -> io::Result<(SocketId, SocketAddr)> {
    let Some(host) = &at.host else {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, at.port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, at.port));
        return match family {
            Family::V4 => net.listen(v4, Stack::AsGiven),
            Family::V6 => net.listen(v6, Stack::AsGiven),
            // A machine without IPv6 has no dual stack.
            Family::Any => net.listen(v6, Stack::Dual).or_else(|_| net.listen(v4, Stack::AsGiven)),
        };
    };
    let not_found = Err(io::ErrorKind::NotFound.into());
    let addrs = resolve(host, at.port, family)?.into_iter();
    addrs.fold(not_found, |bound, addr| bound.or_else(|_| net.listen(addr, Stack::AsGiven)))
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
