//! `rsachat doctor`: diagnosis of why a connection would not work, and the checks of this machine.
//!
//! It changes neither the book nor a key, and no conversation is established.

mod messages;
mod relay;
mod remote;
mod report;
mod taking;
mod way;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use rustix::fs::{Access, access};

use super::args::{self, GlobalArgs};
use crate::app::broker::{self, Purpose};
use crate::app::error::{AppError, code, describe, hint_at_home, shown};
use crate::app::keyring::{self, StoredKey};
use crate::app::os::{Bound, bind};
use crate::app::output;
use crate::app::sandbox::{self, Confinement, Reach};
use crate::chat::display::version_and_suite;
use crate::chat::{KeyFor, with_way};
use crate::config::{Layer, Sandbox, SettingSources, Settings};
use crate::crypto::{Fingerprint, Identity};
use crate::limits::PORT_DEFAULT;
use crate::net::Net;
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::{Book, Trust};
use crate::peers::invitation::Invitation;
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::{ProxyCommand, Via};
use crate::store::{Home, book_file, key_file};
use remote::{Entry, ProbeOutcome, RemoteCheck, probe};
use report::{DoctorReport, Finding};

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Checks settings, home, key, store, peers, sandbox and clock; without ADDR also the port to listen on, with ADDR also the name, the address, \
who answers there, and whether each side would accept the other's key; with a relay, each step to it, and what its \
log-in may do there. It changes nothing and begins no conversation; \
the other side may see a handshake that ended. The exit code is that of the first problem; warnings do not count.

Examples:
  rsachat doctor
  rsachat doctor example.org:8000
  rsachat doctor abc.onion --via socks5h://127.0.0.1:9050
  rsachat doctor --relay tls://relay.example --relay-key relay.nk
  rsachat doctor --relay nats://abc.onion --via socks5h://127.0.0.1:9050
  rsachat doctor --listen 9000 --listen '[::1]:9000'")]
pub(crate) struct DoctorArgs {
    /// Address to call: host or host:port; or an invitation, of which every address is checked
    #[arg(value_name = "ADDR", value_hint = ValueHint::Hostname)]
    address: Option<String>,
    /// Key expected there
    #[arg(long, value_name = "SHA256:…", value_parser = args::fingerprint, requires = "address")]
    pin: Option<Fingerprint>,
    /// Call by a proxy that looks names up, or by a shell command with %h and %p; none: directly
    #[arg(long, value_name = "PROXY|CMD", value_parser = args::via)]
    via: Option<Via>,
    /// Relay to check, nats://HOST:PORT or tls://HOST:PORT [default: as configured]
    #[arg(long, value_name = "URL", value_parser = args::relay, conflicts_with = "address")]
    relay: Vec<RelayUrl>,
    /// File of the key that logs in at the relay [default: as configured]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    relay_key: Option<PathBuf>,
    /// File of certificates to trust [default: as configured, else those of the system]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    relay_ca: Option<PathBuf>,
    /// Address to listen on [default: as configured, else 8000]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Use IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// Use IPv6 only
    #[arg(short = '6')]
    v6: bool,
}

pub(crate) fn run(home: &Home, common: &GlobalArgs, task: &DoctorArgs) -> Result<u8, AppError> {
    let usage = |error: String| AppError::new(code::USAGE, error);
    let (invitation, target) = match task.address.as_deref() {
        Some(text) if Invitation::is_meant_by(text) => {
            (Some(text.parse::<Invitation>().map_err(|error| usage(error.to_string()))?), None)
        }
        Some(text) => (None, Some(text.parse::<Target>().map_err(|error| usage(error.to_string()))?)),
        None => (None, None),
    };
    let (entry, pin) = match &invitation {
        Some(invitation) => (Entry::Invitation, Some(invitation.key)),
        None => (Entry::Key, task.pin),
    };
    if let (Some(asked), Some(named)) = (task.pin, pin)
        && asked != named
    {
        return Err(usage(format!("the invitation names the key {named}, not {asked}")));
    }
    let listen: Result<Vec<ListenAt>, _> = task.listen.iter().map(|at| at.parse()).collect();
    let listen = listen.map_err(|error| usage(format!("--listen: {error}")))?;
    let family = args::family(task.v4, task.v6);

    let mut report = DoctorReport::default();
    let version = format!("rsachat {}, protocol {}", env!("CARGO_PKG_VERSION"), version_and_suite());
    report.add(&Finding::ok("program", version))?;
    let config = settings(common, task, &mut report)?;
    let checks_relays = task.address.is_none() && !config.relay.is_empty();
    if !checks_relays && (task.relay_key.is_some() || task.relay_ca.is_some()) {
        let what = "--relay-key and --relay-ca are for a relay, and none is checked".to_owned();
        return Err(usage(what).hint("--relay URL names one"));
    }
    if !checks_relays && task.address.is_none() && task.via.is_some() {
        let what = "--via is for a call, and nothing is called".to_owned();
        return Err(usage(what).hint("name an address, or a relay with --relay URL"));
    }
    report.add(&check_home(home))?;
    let (mut own, mut book) = (None, None);
    // In a folder that is refused nothing is read, and each file would only repeat why.
    if home.check().is_ok() {
        let found = keyring::unlock(home, common.passphrase_source().as_ref()).map(|(own, _)| own);
        report.add(&check_key(home, common, &found))?;
        own = found.ok().flatten().and_then(|own| own.identity());
        for finding in own.iter().flat_map(|own| messages::check_messages(home, own)) {
            report.add(&finding)?;
        }
        let (read, finding) = check_book(home);
        report.add(&finding)?;
        book = read;
    }
    if let Some(finding) = taking::check_take(&config, book.as_ref()) {
        report.add(&finding)?;
    }
    let addresses = invitation.map_or_else(|| Vec::from_iter(target), |invitation| invitation.addresses);
    let way = |target: Target| {
        let peer = book.as_ref().and_then(|book| book.by_address(&target));
        with_way(&target, peer, task.via.as_ref(), &config.via)
    };
    let targets: Vec<Target> = addresses.into_iter().map(way).collect();
    // Who asks for an address asks for that alone.
    let relays = if targets.is_empty() { &config.relay[..] } else { &[] };
    let relay_access = relay::access(relays, &config, &mut report)?;
    let way = targets.first().and_then(Target::way);
    let to_relays =
        relay_access.as_ref().filter(|_| !relays.is_empty()).and_then(|access| access.via.as_ref());
    report.add(&confine(home, &config, way.or(to_relays).and_then(Via::command)))?;
    report.add(&check_clock(jiff::Timestamp::now()))?;
    if let Some(finding) = check_time_zone() {
        report.add(&finding)?;
    }

    let (own, name) = (own.as_deref(), config.own_name().name.to_string());
    let mut net = Net::new()?;
    // Who only wants to dial needs no port, and the one of the settings may be in use.
    let dials_only = !targets.is_empty() || !task.relay.is_empty();
    let listen = match listen {
        given if dials_only || !given.is_empty() => given,
        _ if config.listen.is_empty() => vec![ListenAt { host: None, port: PORT_DEFAULT }],
        _ => config.listen.clone(),
    };
    for at in &listen {
        report.add(&check_port(&mut net, at, own, &name)?)?;
    }
    for target in &targets {
        let check = RemoteCheck { own, name: &name, book: book.as_ref(), target, family, pin, entry };
        check.run(&mut net, &mut report)?;
    }
    for url in relays {
        if let Some(access) = &relay_access {
            relay::check(url, access, &mut net, &mut report)?;
        }
    }
    report.finish()
}

/// The settings, or the defaults where they cannot be used, and the options about relays.
fn settings(common: &GlobalArgs, task: &DoctorArgs, report: &mut DoctorReport) -> Result<Settings, AppError> {
    let mut settings = settings_of_file(common, report)?;
    if !task.relay.is_empty() {
        settings.relay.clone_from(&task.relay);
    }
    settings.relay_key = task.relay_key.clone().or(settings.relay_key);
    settings.relay_ca = task.relay_ca.clone().or(settings.relay_ca);
    settings.relay_via = task.via.clone().or(settings.relay_via);
    Ok(settings)
}

fn settings_of_file(common: &GlobalArgs, report: &mut DoctorReport) -> Result<Settings, AppError> {
    match SettingSources::read(common.config.as_deref(), common.layer(Layer::default())) {
        Ok(sources) => {
            report.add(&Finding::ok("settings", sources.describe_file()))?;
            Ok(sources.resolve())
        }
        Err(error) => {
            report.add(&Finding::from_error("settings", &error))?;
            Ok(SettingSources::default().resolve())
        }
    }
}

/// Range of a believable clock: this program was built after the first, and 2100 is not believed.
const CLOCK_FIRST_S: i64 = 1_767_225_600;
const CLOCK_LAST_S: i64 = 4_102_444_800;

pub(crate) fn check_home(home: &Home) -> Finding {
    let path = home.path();
    let place = shown(path);
    if let Some(mode) = home.open_mode() {
        let text = format!("{place} is open to others ({mode:04o}), and has no key");
        return Finding::warning("home", text)
            .hint("the next rsachat that uses it makes it private (chmod 700)");
    }
    if let Err(error) = home.check() {
        return Finding::problem(code::MACHINE, "home", error.to_string());
    }
    // A home that does not exist is made in the first folder above it that does.
    let folder = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    if let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        let why = describe(&error.into());
        return Finding::problem(code::MACHINE, "home", format!("cannot write in {}: {why}", shown(folder)))
            .hint("name another folder with --home DIR");
    }
    if path.exists() {
        Finding::ok("home", format!("{place}, accessible only to you"))
    } else {
        Finding::ok("home", format!("{place} does not exist yet; it is created with your first key"))
    }
}

fn check_key(home: &Home, common: &GlobalArgs, own: &Result<Option<StoredKey>, AppError>) -> Finding {
    let named = common.home.as_deref();
    let path = key_file::path(home, KeyFor::Identity);
    match own {
        Ok(Some(own)) => {
            let public = own.public();
            let text = format!("{} bits, {}, in {}", public.bits(), public.fingerprint(), shown(path));
            Finding::ok("key", text)
        }
        Ok(None) => Finding::warning("key", format!("none in {}", shown(path))).hint(hint_at_home(
            "the first :listen or :connect generates one, and so does rsachat key new",
            named,
        )),
        Err(error) => Finding::from_error("key", &error.clone().at_home(named)),
    }
}

/// What commands with peers give up on this machine, as this one does: every file was read. A
/// kernel that has no sandbox is no problem: connections work without one.
fn confine(home: &Home, config: &Settings, command: Option<&ProxyCommand>) -> Finding {
    // What needs a second process is confined whole or not at all.
    let commands = if sandbox::has_landlock() {
        "commands that talk to peers"
    } else {
        "send, ask, recv without --exec, pipe and serve"
    };
    let confinement = match config.sandbox {
        Sandbox::On if command.is_some() && !sandbox::has_landlock() => Confinement::without_landlock(),
        Sandbox::On => {
            if let Some(command) = command {
                // Without it the command does not start, which is then told.
                let _ = broker::start(Purpose::Via(vec![command.text().to_owned()]));
            }
            output::end_stderr_thread();
            sandbox::confine(home.path(), &Reach::default())
        }
        Sandbox::Off => Confinement::switched_off(),
    };
    Finding::ok("sandbox", format!("{commands} are {confinement}"))
}

/// The peer book with its finding; without a book no key can be judged.
pub(crate) fn check_book(home: &Home) -> (Option<Book>, Finding) {
    match book_file::read(home) {
        Ok(book) => {
            let count = |is: fn(Trust) -> bool| book.peers().filter(|peer| is(peer.trust)).count();
            let (verified, blocked) = (count(|trust| trust == Trust::Verified), count(Trust::is_blocked));
            let all = book.peers().count();
            let text = format!("{all} known, {verified} of them verified, {blocked} blocked");
            (Some(book), Finding::ok("peers", text))
        }
        Err(error) => {
            let finding = Finding::problem(code::MACHINE, "peers", error.to_string());
            (None, finding.hint("until then nobody is accepted"))
        }
    }
}

pub(crate) fn check_clock(now: jiff::Timestamp) -> Finding {
    let shown =
        now.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    if (CLOCK_FIRST_S..CLOCK_LAST_S).contains(&now.as_second()) {
        return Finding::ok("clock", shown);
    }
    Finding::warning("clock", format!("{shown} cannot be right"))
        .hint("connections do not depend on it, but the times beside messages do; set it, for example with timedatectl")
}

/// The finding on a `TZ` that names no time zone; times are then shown in UTC.
fn check_time_zone() -> Option<Finding> {
    let zone = std::env::var_os("TZ")?;
    jiff::tz::TimeZone::try_system().err()?;
    let text = format!("TZ is {}, which is not a time zone: times are shown in UTC", shown(zone));
    Some(Finding::warning("zone", text).hint(
        "TZ=Asia/Seoul, for example (timedatectl list-timezones lists them); without TZ, that of this machine applies",
    ))
}

/// Whether a port is free to listen on, or which program has it.
pub(crate) fn check_port(
    net: &mut Net,
    at: &ListenAt,
    own: Option<&Identity>,
    name: &str,
) -> io::Result<Finding> {
    let error = match bind(net, at, Family::Any) {
        Ok(Bound { sockets, addresses }) => {
            let verb = if sockets.len() == 1 { "is" } else { "are" };
            for socket in sockets {
                net.unlisten(socket);
            }
            return Ok(Finding::ok("port", format!("{addresses} {verb} free to listen on")));
        }
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::AddrInUse
        && let Some(own) = own
        && let Some(finding) = check_holder(net, at, own, name)?
    {
        return Ok(finding);
    }
    let finding =
        Finding::problem(code::MACHINE, "port", format!("cannot listen on {at}: {}", describe(&error)));
    Ok(match error.kind() {
        io::ErrorKind::AddrInUse => finding.hint(format!(
            "end the program that uses it (ss -ltnp sport = :{} names it), or choose another port",
            at.port
        )),
        io::ErrorKind::PermissionDenied => finding.hint("ports below 1024 are reserved; choose a higher one"),
        io::ErrorKind::AddrNotAvailable => {
            finding.hint("this machine does not have that address (ip address lists those it has)")
        }
        _ => finding,
    })
}

/// The finding for a port that is taken by an rsachat.
fn check_holder(net: &mut Net, at: &ListenAt, own: &Identity, name: &str) -> io::Result<Option<Finding>> {
    let addr = match &at.host {
        None => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), at.port)),
        Some(host) => (host.as_str(), at.port).to_socket_addrs()?.next(),
    };
    let Some(addr) = addr else { return Ok(None) };
    let conn = net.connect(vec![addr]);
    let result = probe(net, conn, own, name, &|_| false)?;
    let ProbeOutcome::KeyRejected = result.outcome else { return Ok(None) };
    Ok(result.peer_key.map(|key| {
        if key == *own.public() {
            // Its counters are in its memory alone.
            let text = "is in use by an rsachat of yours with this key; its :status counts refused callers";
            Finding::ok("port", format!("{at} {text}"))
        } else {
            let text = format!("{at} is in use by an rsachat with the key {}", key.fingerprint());
            Finding::problem(code::MACHINE, "port", text).hint("choose another port")
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::report::FindingStatus;
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
            let finding = check_clock(jiff::Timestamp::from_second(second).unwrap());
            assert_eq!((finding.status == FindingStatus::Ok), right, "{finding:?}");
        }
    }
}
