//! `rsachat doctor`: diagnosis of why a connection would not work.
//!
//! It changes neither the book nor a key, and no conversation is established.

mod local;
mod probe;
mod remote;
mod report;

use clap::{Args, ValueHint};

use crate::app::error::{AppError, code};
use crate::app::keyring;
use crate::chat::display::version_and_suite;
use crate::cli::args::GlobalArgs;
use crate::config::{Layer, SettingSources, Settings};
use crate::crypto::Fingerprint;
use crate::limits::PORT_DEFAULT;
use crate::net::Net;
use crate::peers::address::{Family, ListenAt, Target};
use crate::store::Home;
use remote::RemoteCheck;
use report::{DoctorReport, Finding};

/// `rsachat doctor …`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Looks at settings, home, key, peers, clock and the port to listen on; with ADDR also at the name, the address, who \
answers there, and whether each side would take the other's key. Nothing is changed, and no conversation stands; \
the other side may see a handshake that ended. The exit code is that of the first problem; warnings are none.

Examples:
  rsachat doctor
  rsachat doctor example.org:8000
  rsachat doctor --listen 9000 --listen '[::1]:9000'")]
pub(crate) struct DoctorArgs {
    /// Whom you want to call: host or host:port
    #[arg(value_name = "ADDR", value_hint = ValueHint::Hostname)]
    address: Option<String>,
    /// The key that you expect there
    #[arg(long, value_name = "SHA256:…", requires = "address")]
    pin: Option<String>,
    /// Where you want to listen [default: where the configuration says, else 8000]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Use IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// Use IPv6 only
    #[arg(short = '6')]
    v6: bool,
}

/// Runs all checks and returns the exit code.
pub(crate) fn run(home: &Home, common: &GlobalArgs, task: &DoctorArgs) -> Result<u8, AppError> {
    let usage = |error: String| AppError::new(code::USAGE, error);
    let target = task.address.as_deref().map(str::parse::<Target>).transpose();
    let target = target.map_err(|error| usage(error.to_string()))?;
    let pin = task.pin.as_deref().map(str::parse::<Fingerprint>).transpose();
    let pin = pin.map_err(|error| usage(format!("--pin: {error}")))?;
    let listen: Result<Vec<ListenAt>, _> = task.listen.iter().map(|at| at.parse()).collect();
    let listen = listen.map_err(|error| usage(format!("--listen: {error}")))?;
    let family = match (task.v4, task.v6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    };

    let mut report = DoctorReport::default();
    let version = format!("rsachat {}, protocol {}", env!("CARGO_PKG_VERSION"), version_and_suite());
    report.add(&Finding::ok("program", version))?;
    let config = settings(common, &mut report)?;
    report.add(&local::check_home(home))?;
    let (mut own, mut book) = (None, None);
    // In a folder that is refused nothing is read, and each file would only repeat why.
    if home.check().is_ok() {
        let found = keyring::unlock(home, common.passphrase_source().as_ref()).map(|(own, _)| own);
        report.add(&local::check_key(home, &found))?;
        own = found.ok().flatten().and_then(|own| own.identity());
        let (read, finding) = local::check_book(home);
        report.add(&finding)?;
        book = read;
    }
    report.add(&local::check_clock(jiff::Timestamp::now()))?;

    let (own, name) = (own.as_deref(), config.own_name().to_string());
    let mut net = Net::new()?;
    let mut listen = if listen.is_empty() { config.listen.clone() } else { listen };
    // A user who only wants to dial, and did not ask for a port, does not need one.
    let needed = target.is_none() || !listen.is_empty();
    if listen.is_empty() {
        listen.push(ListenAt { host: None, port: PORT_DEFAULT });
    }
    for at in &listen {
        let finding = local::check_port(&mut net, at, own, &name)?;
        report.add(&if needed { finding } else { finding.without_problem() })?;
    }
    if let Some(target) = &target {
        let check = RemoteCheck { own, name: &name, book: book.as_ref(), target, family, pin };
        check.run(&mut net, &mut report)?;
    }
    report.finish()
}

/// The settings, or the defaults where they cannot be used.
fn settings(common: &GlobalArgs, report: &mut DoctorReport) -> Result<Settings, AppError> {
    match SettingSources::read(common.config.as_deref(), Layer::default()) {
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
