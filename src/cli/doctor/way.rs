//! Checks on the way to a peer that is not called directly: each step of a proxy or a command.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::remote::{ProbeOutcome, RemoteCheck, unreachable_hint};
use super::report::{DoctorReport, Finding};
use crate::app::dialler::{Callee, Proxied};
use crate::app::error::{AppError, code, describe};
use crate::app::proxy_command::{self, CommandReport};
use crate::limits::VIA_END_MS;
use crate::net::{Net, SocksError};
use crate::peers::via::{Proxy, ProxyCommand, Via};
use crate::session::CloseReason;
use crate::text::safe::SafeText;

impl RemoteCheck<'_> {
    /// Goes the way to the peer, and probes what is at its end.
    pub(super) fn run_via(
        &self,
        via: &Via,
        net: &mut Net,
        report: &mut DoctorReport,
    ) -> Result<(), AppError> {
        match via {
            Via::Proxy(proxy) => self.run_by_proxy(proxy, net, report),
            Via::Command(command) => self.run_by_command(command, net, report),
            Via::Direct => Ok(()),
        }
    }

    fn run_by_proxy(&self, proxy: &Proxy, net: &mut Net, report: &mut DoctorReport) -> Result<(), AppError> {
        let addrs = match self.resolve((&proxy.host, proxy.port), net) {
            Ok(addrs) => addrs,
            Err(finding) => return report.add(&finding),
        };
        if proxy.host.parse::<IpAddr>().is_err() {
            let list: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
            report.add(&Finding::ok("name", format!("{} is {}", proxy.host, list.join(", "))))?;
        }
        let Proxied { request, until, words } = Proxied::new(proxy, self.target, Callee::Peer(None));
        let conn = net.connect_by_proxy(addrs, request, until);
        let result = self.probe(net, conn, None)?;
        if let ProbeOutcome::Unreachable(error) = &result.outcome {
            if !is_answer(error) {
                return report.add(&unreachable_proxy(proxy, error));
            }
            report.add(&Finding::ok("proxy", format!("{proxy} accepts the call")))?;
            return report.add(&Finding::problem(code::MACHINE, "way", words.why(error)));
        }
        report.add(&Finding::ok("proxy", format!("{proxy} accepts the call")))?;
        report.add(&Finding::ok("way", format!("the proxy has connected to {}", self.target)))?;
        self.findings(None, &result).iter().try_for_each(|finding| report.add(finding))
    }
}

impl RemoteCheck<'_> {
    fn run_by_command(
        &self,
        command: &ProxyCommand,
        net: &mut Net,
        report: &mut DoctorReport,
    ) -> Result<(), AppError> {
        let (reporter, reports) = channel();
        let tell = move |report| _ = reporter.send(report);
        let (stream, process) = match proxy_command::start(command, self.target, tell) {
            Ok(started) => started,
            Err(why) => return report.add(&Finding::problem(code::MACHINE, "command", why)),
        };
        report.add(&Finding::ok("command", format!("{} is running", SafeText::line(command.text()))))?;
        let conn = net.adopt_command(stream, Box::new(process))?;
        let result = self.probe(net, conn, None)?;
        net.abort(conn);
        let ended = hear(&reports, report)?;
        let is_cut = match &result.outcome {
            ProbeOutcome::ClosedEarly => true,
            ProbeOutcome::Failed(reason, _) => {
                matches!(reason, CloseReason::LostInHandshake | CloseReason::ConnectionLost { .. })
            }
            _ => false,
        };
        match ended.filter(|_| is_cut && result.peer_key.is_none()) {
            Some(words) => report.add(&Finding::problem(code::LOST, "way", words).hint(
                "run the command by itself, with the host for %h and the port for %p, to see what is wrong",
            )),
            None => self.findings(None, &result).iter().try_for_each(|finding| report.add(finding)),
        }
    }
}

/// Reports what a command whose connection is over has said. Returns how it has ended.
pub(super) fn hear(
    reports: &Receiver<CommandReport>,
    report: &mut DoctorReport,
) -> Result<Option<String>, AppError> {
    while let Ok(told) = reports.recv_timeout(Duration::from_millis(4 * VIA_END_MS)) {
        match told {
            CommandReport::Said(row) => {
                report.add(&Finding::warning("command", format!("it says: {row}")))?;
            }
            CommandReport::Ended(words) => return Ok(Some(words)),
        }
    }
    Ok(None)
}

/// Whether it is what a proxy has answered.
pub(super) fn is_answer(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<SocksError>()).is_some()
}

pub(super) fn unreachable_proxy(proxy: &Proxy, error: &io::Error) -> Finding {
    let text = format!("{proxy} cannot be reached: {}", describe(error));
    let finding = Finding::problem(code::MACHINE, "proxy", text);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => finding
            .hint("nothing listens there: start Tor (port 9050) or ssh -D PORT HOST, or write its port"),
        kind => finding.hint(unreachable_hint(kind)),
    }
}
