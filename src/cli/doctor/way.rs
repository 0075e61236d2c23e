//! Checks on the way to a peer that is not called directly: each step of a proxy.

use std::io;
use std::net::IpAddr;

use super::remote::{ProbeOutcome, RemoteCheck, unreachable_hint};
use super::report::{DoctorReport, Finding};
use crate::app::dialler::Proxied;
use crate::app::error::{AppError, code, describe};
use crate::net::{Net, SocksError};
use crate::peers::via::{Proxy, Via};

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
            Via::Direct | Via::Command(_) => {
                let text = "this rsachat starts no commands for calls";
                report.add(&Finding::problem(code::MACHINE, "command", text))
            }
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
        let Proxied { request, until, words } = Proxied::new(proxy, self.target, None);
        let conn = net.connect_by_proxy(addrs, request, until);
        let result = self.probe(net, conn, None)?;
        if let ProbeOutcome::Unreachable(error) = &result.outcome {
            let is_answer = error.get_ref().and_then(|inner| inner.downcast_ref::<SocksError>()).is_some();
            if !is_answer {
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

fn unreachable_proxy(proxy: &Proxy, error: &io::Error) -> Finding {
    let text = format!("{proxy} cannot be reached: {}", describe(error));
    let finding = Finding::problem(code::MACHINE, "proxy", text);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => finding
            .hint("nothing listens there: start Tor (port 9050) or ssh -D PORT HOST, or write its port"),
        kind => finding.hint(unreachable_hint(kind)),
    }
}
