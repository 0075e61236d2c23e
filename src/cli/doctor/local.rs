//! What is looked at on this machine: settings, home, key, book, clock, and the ports to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use rustix::fs::{Access, access};

use super::Doctor;
use super::probe::{Caller, KeyDecision, ProbeOutcome, call};
use super::report::Finding;
use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::app::keyring::StoredKey;
use crate::app::resolve::bind;
use crate::chat::KeyFor;
use crate::limits::PORT_DEFAULT;
use crate::net::Net;
use crate::peers::address::{Family, ListenAt};
use crate::peers::book::{Book, Trust};
use crate::store::{Home, book_file, key_file};

/// The first second that this program may have been built in, and the first that is not believed: 2026 and 2100.
const CLOCK_FIRST_S: i64 = 1_767_225_600;
const CLOCK_LAST_S: i64 = 4_102_444_800;

pub(crate) fn home(home: &Home) -> Finding {
    let path = home.path();
    let shown = path.display();
    if let Err(error) = home.check() {
        return Finding::problem(code::MACHINE, "home", error.to_string());
    }
    let there = path.exists();
    // What will be made is made in the first folder above that is there.
    let folder = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    if let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        let why = describe(&error.into());
        return Finding::problem(
            code::MACHINE,
            "home",
            format!("cannot write in {}: {why}", folder.display()),
        )
        .advise("name another folder with --home DIR");
    }
    if there {
        Finding::ok("home", format!("{shown}, yours alone"))
    } else {
        Finding::ok("home", format!("{shown} is not there yet; it is made with your first key"))
    }
}

pub(crate) fn key(home: &Home, own: &Result<Option<StoredKey>, AppError>) -> Finding {
    let path = key_file::path(home, KeyFor::Identity);
    match own {
        Ok(Some(own)) => {
            let public = own.public();
            let found = format!("{} bits, {}, in {}", public.bits(), public.fingerprint(), path.display());
            Finding::ok("key", found)
        }
        Ok(None) => Finding::warning("key", format!("there is none in {}", path.display()))
            .advise("the first :listen or :connect makes one, and so does rsachat key new"),
        Err(error) => Finding::of("key", error),
    }
}

/// The book, and what to say of it; without one nobody is judged.
pub(crate) fn book(home: &Home) -> (Option<Book>, Finding) {
    match book_file::read(home) {
        Ok(book) => {
            let count = |trust| book.peers().filter(|peer| peer.trust == trust).count();
            let (verified, blocked) = (count(Trust::Verified), count(Trust::Blocked));
            let all = book.peers().count();
            let found = format!("{all} known, {verified} of them verified, {blocked} blocked");
            (Some(book), Finding::ok("peers", found))
        }
        Err(error) => {
            let finding = Finding::problem(code::MACHINE, "peers", error.to_string());
            (None, finding.advise("until then nobody is accepted"))
        }
    }
}

pub(crate) fn clock(now: jiff::Timestamp) -> Finding {
    let shown =
        now.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    if (CLOCK_FIRST_S..CLOCK_LAST_S).contains(&now.as_second()) {
        return Finding::ok("clock", shown);
    }
    Finding::warning("clock", format!("{shown} cannot be right"))
        .advise("connections do not depend on it, but the times beside messages do; set it, for example with timedatectl")
}

/// The ports to listen on: free, or taken by whom.
pub(crate) fn ports(doctor: &Doctor<'_>, net: &mut Net) -> io::Result<Vec<Finding>> {
    let asked: Vec<ListenAt> = match (&doctor.listen[..], &doctor.config.listen[..]) {
        ([], []) => vec![ListenAt { host: None, port: PORT_DEFAULT }],
        ([], set) => set.to_vec(),
        (given, _) => given.to_vec(),
    };
    asked.iter().map(|at| port(doctor, net, at)).collect()
}

fn port(doctor: &Doctor<'_>, net: &mut Net, at: &ListenAt) -> io::Result<Finding> {
    let error = match bind(net, at, Family::Any) {
        Ok((listener, bound)) => {
            net.unlisten(listener);
            return Ok(Finding::ok("port", format!("{bound} is free to listen on")));
        }
        Err(error) => error,
    };
    let taken = error.kind() == io::ErrorKind::AddrInUse;
    if taken && let Some(finding) = holder(doctor, net, at)? {
        return Ok(finding);
    }
    let finding =
        Finding::problem(code::MACHINE, "port", format!("cannot listen on {at}: {}", describe(&error)));
    Ok(match error.kind() {
        io::ErrorKind::AddrInUse => finding.advise(format!(
            "end the program that has it (ss -ltnp sport = :{} names it), or choose another port",
            at.port
        )),
        io::ErrorKind::PermissionDenied => {
            finding.advise("ports below 1024 are the system's; choose a higher one")
        }
        io::ErrorKind::AddrNotAvailable => {
            finding.advise("this machine does not have that address (ip address lists those it has)")
        }
        _ => finding,
    })
}

/// Whether a port that is taken is taken by a prompt of this very person.
fn holder(doctor: &Doctor<'_>, net: &mut Net, at: &ListenAt) -> io::Result<Option<Finding>> {
    let Some(own) = &doctor.own else { return Ok(None) };
    let addr = match &at.host {
        None => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), at.port)),
        Some(host) => (host.as_str(), at.port).to_socket_addrs()?.next(),
    };
    let Some(addr) = addr else { return Ok(None) };
    let caller = Caller { identity: std::sync::Arc::clone(own), name: doctor.name.clone() };
    let seen = call(net, addr, &caller, &|_| KeyDecision::HangUp)?;
    let ProbeOutcome::Stopped = seen.outcome else { return Ok(None) };
    Ok(seen.met.map(|key| {
        if key == *own.public() {
            Finding::ok("port", format!("{at} is taken, by an rsachat of yours with this key"))
        } else {
            let found = format!("{at} is taken, by an rsachat with the key {}", key.fingerprint());
            Finding::problem(code::MACHINE, "port", found).advise("choose another port")
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_at_its_first_day_is_told_from_one_that_goes_right() {
        for (second, right) in [
            (0, false),
            (CLOCK_FIRST_S - 1, false),
            (CLOCK_FIRST_S, true),
            (CLOCK_LAST_S - 1, true),
            (CLOCK_LAST_S, false),
        ] {
            let finding = clock(jiff::Timestamp::from_second(second).unwrap());
            assert_eq!(finding.is_ok(), right, "{finding:?}");
        }
    }
}
