//! `rsachat doctor`: says why a connection would not work, in words and by its exit code. It changes nothing: no
//! book, no key, no conversation that stands.

pub(crate) mod local;
pub(crate) mod probe;
pub(crate) mod remote;
pub(crate) mod report;

use std::sync::Arc;

use clap::{Args, ValueHint};

use crate::app::error::{AppError, code};
use crate::app::keyring;
use crate::cli::args::GlobalArgs;
use crate::config::{Config, Layer, SettingSources};
use crate::crypto::{Fingerprint, Identity};
use crate::net::Net;
use crate::peers::address::{Family, ListenAt, Target};
use crate::store::Home;
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

/// What every check may ask.
pub(crate) struct Doctor<'a> {
    config: &'a Config,
    own: Option<Arc<Identity>>,
    name: String,
    listen: Vec<ListenAt>,
    family: Family,
    pin: Option<Fingerprint>,
}

/// Looks at everything and gives the exit code.
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
    let version = format!("rsachat {}, protocol version 1, suite 1", env!("CARGO_PKG_VERSION"));
    report.add(&Finding::ok("program", version))?;
    let config = settings(common, &mut report)?;
    report.add(&local::home(home))?;
    let (mut own, mut book) = (None, None);
    // In a folder that is refused nothing is read, and each file would only repeat why.
    if home.check().is_ok() {
        let found = keyring::unlock(home, common.passphrase_source().as_ref()).map(|(own, _)| own);
        report.add(&local::key(home, &found))?;
        own = found.ok().flatten().and_then(|own| own.identity());
        let (read, finding) = local::book(home);
        report.add(&finding)?;
        book = read;
    }
    report.add(&local::clock(jiff::Timestamp::now()))?;

    let name = config.own_name().to_string();
    let doctor = Doctor { config: &config, own, name, listen, family, pin };
    let mut net = Net::new()?;
    // Who only wants to call, and said nothing of listening, does not need a port.
    let needed = target.is_none() || !doctor.listen.is_empty() || !config.listen.is_empty();
    for finding in local::ports(&doctor, &mut net)? {
        report.add(&if needed { finding } else { finding.no_problem() })?;
    }
    if let Some(target) = &target {
        remote::look(&doctor, &mut net, target, book.as_ref(), &mut report)?;
    }
    report.finish()
}

/// The settings, or what holds without them where they cannot be used.
fn settings(common: &GlobalArgs, report: &mut DoctorReport) -> Result<Config, AppError> {
    match SettingSources::read(common.config.as_deref(), Layer::default()) {
        Ok(sources) => {
            report.add(&Finding::ok("settings", sources.described()))?;
            Ok(sources.settle())
        }
        Err(error) => {
            report.add(&Finding::of("settings", &error))?;
            Ok(SettingSources::default().settle())
        }
    }
}
