//! Checks of a relay: each step to it, what its streams take, and what its log-in may not do.

use std::sync::mpsc::channel;

use super::remote::{resolve, unreachable_hint};
use super::report::{DoctorReport, Finding};
use super::way::{hear, is_answer, unreachable_proxy};
use crate::app::dialler::{Callee, Proxied};
use crate::app::error::{AppError, code};
use crate::app::os::ONION;
use crate::app::proxy_command;
use crate::app::relay::{RelayAccess, RelayClient, RelayError, random_token};
use crate::config::Settings;
use crate::net::Net;
use crate::peers::address::{Family, is_onion};
use crate::peers::relay_url::{RelayUrl, Transport};
use crate::peers::via::{Proxy, ProxyCommand, Via};
use crate::relay::{
    Ack, BUNDLES, Headers, LETTERS, ServerInfo, Shortcoming, StreamName, WRONG_LAST_SEQUENCE,
};
use crate::text::safe::SafeText;

/// A sequence that no stream is at: a message that expects it is refused and leaves nothing.
const NO_SEQUENCE: &str = "9007199254740991";

const PERMISSIONS: &str = "docs/RELAY.md shows the permissions of a log-in";
const STREAMS: &str = "docs/RELAY.md shows how both streams are made";

/// Reads the files that the relays need.
pub(super) fn access(
    relays: &[RelayUrl],
    settings: &Settings,
    report: &mut DoctorReport,
) -> Result<Option<RelayAccess>, AppError> {
    match RelayAccess::read(relays, settings.relay_key.as_deref(), settings.relay_ca.as_deref()) {
        Ok(access) => Ok(Some(RelayAccess { via: settings.way_to_relays(), ..access })),
        Err((subject, error)) => {
            report.add(&Finding::from_error(subject, &error))?;
            Ok(None)
        }
    }
}

/// Walks the way to a relay, as far as it goes.
pub(super) fn check(
    url: &RelayUrl,
    access: &RelayAccess,
    net: &mut Net,
    report: &mut DoctorReport,
) -> Result<(), AppError> {
    match &access.via {
        Some(Via::Proxy(proxy)) => check_by_proxy(proxy, url, access, net, report),
        Some(Via::Command(command)) => check_by_command(command, url, access, net, report),
        Some(Via::Direct) | None if is_onion(&url.host) => {
            report.add(&Finding::problem(code::MACHINE, "relay", format!("{url}: {ONION}")))
        }
        Some(Via::Direct) | None => {
            let addrs = match resolve((&url.host, url.port), Family::Any, net) {
                Ok(addrs) => addrs,
                Err(finding) => return report.add(&finding),
            };
            let (tries, conn) = (addrs.len(), net.connect(addrs));
            let (client, to) = match RelayClient::connect(net, conn, tries) {
                Ok(connected) => connected,
                Err(error) => return report.add(&lost("relay", url, &error)),
            };
            let at = to.map_or_else(String::new, |to| format!(" at {to}"));
            report.add(&Finding::ok("relay", format!("{url} accepts the call{at}")))?;
            RelayCheck { url, access, client }.run(report)
        }
    }
}

fn check_by_proxy(
    proxy: &Proxy,
    url: &RelayUrl,
    access: &RelayAccess,
    net: &mut Net,
    report: &mut DoctorReport,
) -> Result<(), AppError> {
    let addrs = match resolve((&proxy.host, proxy.port), Family::Any, net) {
        Ok(addrs) => addrs,
        Err(finding) => return report.add(&finding),
    };
    let Proxied { request, until, words } = Proxied::new(proxy, &url.target(None), Callee::Relay);
    let conn = net.connect_by_proxy(addrs, request, until);
    let client = match RelayClient::connect(net, conn, 1) {
        Ok((client, _)) => client,
        Err(RelayError::Unreachable(error)) if is_answer(&error) => {
            report.add(&Finding::ok("proxy", format!("{proxy} accepts the call")))?;
            return report.add(&Finding::problem(code::MACHINE, "way", words.why(&error)));
        }
        Err(RelayError::Unreachable(error)) => return report.add(&unreachable_proxy(proxy, &error)),
        Err(error) => return report.add(&lost("relay", url, &error)),
    };
    report.add(&Finding::ok("proxy", format!("{proxy} accepts the call")))?;
    report.add(&Finding::ok("relay", format!("the proxy has connected to {url}")))?;
    RelayCheck { url, access, client }.run(report)
}

fn check_by_command(
    command: &ProxyCommand,
    url: &RelayUrl,
    access: &RelayAccess,
    net: &mut Net,
    report: &mut DoctorReport,
) -> Result<(), AppError> {
    let (reporter, reports) = channel();
    let tell = move |report| _ = reporter.send(report);
    let (stream, process) = match proxy_command::start(command, &url.target(None), tell) {
        Ok(started) => started,
        Err(why) => return report.add(&Finding::problem(code::MACHINE, "command", why)),
    };
    report.add(&Finding::ok("command", format!("{} is running", SafeText::line(command.text()))))?;
    let conn = net.adopt_command(stream, Box::new(process))?;
    RelayCheck { url, access, client: RelayClient::new(net, conn) }.run(report)?;
    // The end of the client has ended the connection, and so the command.
    hear(&reports, report).map(drop)
}

struct RelayCheck<'a> {
    url: &'a RelayUrl,
    access: &'a RelayAccess,
    client: RelayClient<'a>,
}

/// A step that ends the check with a problem, or not.
type Step = Result<Result<(), Finding>, AppError>;

impl RelayCheck<'_> {
    /// Checks what is at the end of the way.
    fn run(mut self, report: &mut DoctorReport) -> Result<(), AppError> {
        let check = &mut self;
        for step in [RelayCheck::log_in, RelayCheck::streams, RelayCheck::refusals] {
            if let Err(problem) = step(check, report)? {
                return report.add(&problem);
            }
        }
        Ok(())
    }

    fn log_in(&mut self, report: &mut DoctorReport) -> Step {
        let info = match self.client.info() {
            Ok(info) => info,
            Err(error) => return Ok(Err(lost("relay", self.url, &error))),
        };
        report.add(&answer(&info))?;
        if let Some(problem) = unusable(&info) {
            return Ok(Err(problem));
        }
        match self.transport(&info) {
            Ok(finding) => report.add(&finding)?,
            Err(problem) => return Ok(Err(problem)),
        }
        if let Err(error) = self.client.log_in(self.access.key.as_ref(), &info) {
            return Ok(Err(self.log_in_failed(&error)));
        }
        report.add(&match (&self.access.key, info.auth_required) {
            (Some(key), true) => Finding::ok("log-in", format!("as {}", key.public())),
            (Some(_), false) => {
                Finding::warning("log-in", "the relay asks for none, so your key was not needed")
                    .hint("whoever reaches it can fill it, and count everybody's letters")
            }
            (None, _) => {
                Finding::warning("log-in", "none was needed: anybody who reaches the relay can use it")
                    .hint("its operator can ask for keys, as docs/RELAY.md shows")
            }
        })?;
        Ok(Ok(()))
    }

    /// TLS, if the address asks for it; it is never left out.
    fn transport(&mut self, info: &ServerInfo) -> Result<Finding, Finding> {
        let problem = |text: &str| Finding::problem(code::REFUSED, "tls", text);
        if self.url.transport == Transport::Plain {
            if info.tls_required {
                return Err(problem("the relay requires TLS").hint("write its address with tls://"));
            }
            let local = matches!(self.url.host.as_str(), "localhost" | "127.0.0.1" | "::1");
            let text = "without: who is on the way to the relay sees what it sees, and can cut";
            return Ok(if local {
                Finding::ok("tls", "without, on this machine")
            } else {
                Finding::warning("tls", text).hint("a relay with TLS is written tls://")
            });
        }
        if !(info.tls_required || info.tls_available) {
            return Err(problem("the relay has no TLS, so nothing was sent to it")
                .hint("its operator can add it, as docs/RELAY.md shows"));
        }
        let Some(config) = &self.access.tls else { return Err(problem("no certificates were read")) };
        match self.client.start_tls(config.clone(), &self.url.host) {
            Ok(suite) => {
                Ok(Finding::ok("tls", format!("the certificate is that of {}; {suite}", self.url.host)))
            }
            Err(error) => Err(problem(&format!("TLS is not possible: {error}")).hint(
                "a certificate of an authority of one's own needs its file: relay-ca, or --relay-ca FILE",
            )),
        }
    }

    fn log_in_failed(&self, error: &RelayError) -> Finding {
        let finding = Finding::problem(code::REFUSED, "log-in", format!("the relay cannot be used: {error}"));
        let has_answers =
            matches!(error, RelayError::Refused(text) if text.as_str().contains("Subscription"));
        match &self.access.key {
            _ if has_answers => finding.hint(format!(
                "the log-in needs permission to subscribe to {}; {PERMISSIONS}",
                self.client.answers()
            )),
            Some(key) => finding.hint(format!("give its operator the key of the log-in: {}", key.public())),
            None => finding.hint(
                "rsachat key relay FILE makes a key; give its operator the line that it prints, and set relay-key",
            ),
        }
    }

    fn streams(&mut self, report: &mut DoctorReport) -> Step {
        for (subject, stream) in [("letters", LETTERS), ("bundles", BUNDLES)] {
            match self.stream(subject, stream) {
                Ok(finding) => report.add(&finding)?,
                Err(problem) => return Ok(Err(problem)),
            }
        }
        let wildcard = LETTERS.subject("*");
        Ok(match self.client.refuses_subscribe(&LETTERS.subject(&random_token())) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err(Finding::problem(code::REFUSED, "letters", "the log-in may not wait for letters")
                    .hint(format!("it needs permission to subscribe to {wildcard}; {PERMISSIONS}")))
            }
            Err(error) => Err(lost("letters", self.url, &error)),
        })
    }

    /// Whether a stream would take a message, and gives one: both are asked so that nothing stays.
    fn stream(&mut self, subject: &'static str, stream: StreamName) -> Result<Finding, Finding> {
        let problem = |text: String| Finding::problem(code::REFUSED, subject, text);
        let failed = |error: RelayError, verb: &str, to: &str| match error {
            RelayError::Refused(why) => problem(format!("the log-in may not {verb}: {why}"))
                .hint(format!("it needs permission to publish to {to}; {PERMISSIONS}")),
            error => lost(subject, self.url, &error),
        };
        let absent = |verb: &str| {
            problem(format!("nobody {verb} of stream {}", stream.name))
                .hint(format!("either it does not exist, or fewer than half of its nodes are up; {STREAMS}"))
        };
        let token = random_token();
        let at = stream.subject(&token);
        let headers = Headers::default()
            .with("Nats-Expected-Stream", stream.name)
            .with("Nats-Expected-Last-Sequence", NO_SEQUENCE);
        let answer = self.client.request(&at, headers, b"-");
        let answer = answer.map_err(|error| failed(error, "write", &stream.subject("*")))?;
        let Some(answer) = answer.filter(|answer| answer.headers.status.is_none()) else {
            return Err(absent("takes messages"));
        };
        match Ack::read(&answer.payload).and_then(|ack| ack.error) {
            Some(error) if error.err_code == WRONG_LAST_SEQUENCE => {}
            Some(error) => {
                let why = SafeText::line(&error.description);
                return Err(problem(format!("stream {} takes none: {why}", stream.name)).hint(STREAMS));
            }
            None => return Err(problem(format!("what takes {at} is no stream")).hint(STREAMS)),
        }
        let ask = format!("{{\"seq\":1,\"next_by_subj\":\"{at}\"}}");
        let get = stream.direct_get();
        let answer = self.client.request(&get, Headers::default(), ask.as_bytes());
        match answer.map_err(|error| failed(error, "read", &get))?.and_then(|answer| answer.headers.status) {
            Some(404) => Ok(Finding::ok(subject, format!("stream {} takes and gives messages", stream.name))),
            _ => Err(absent("gives messages")
                .hint("a stream from before this is read only with allow_direct in its configuration")),
        }
    }

    /// What would harm others.
    fn refusals(&mut self, report: &mut DoctorReport) -> Step {
        let mut allowed = Vec::new();
        let absent = random_token();
        for (shown, subject) in LETTERS.forbidden(&absent).into_iter().chain(BUNDLES.forbidden(&absent)) {
            match self.client.refuses_publish(&subject) {
                Ok(true) => {}
                Ok(false) if allowed.contains(&shown) => {}
                Ok(false) => allowed.push(shown),
                Err(error) => return Ok(Err(lost("rights", self.url, &error))),
            }
        }
        for subject in [">".to_owned(), "_INBOX.>".to_owned(), format!("_INBOX_{absent}.>")] {
            match self.client.refuses_subscribe(&subject) {
                Ok(true) => {}
                Ok(false) => allowed.push(format!("subscriptions to {}", subject.replace(&absent, "U…"))),
                Err(error) => return Ok(Err(lost("rights", self.url, &error))),
            }
        }
        report.add(&if allowed.is_empty() {
            Finding::ok("rights", "the log-in may neither delete nor change what is there, nor list it")
        } else {
            let text = format!("the log-in may do what would harm others: {}", allowed.join(", "));
            Finding::problem(code::REFUSED, "rights", text).hint(PERMISSIONS)
        })?;
        Ok(Ok(()))
    }
}

fn answer(info: &ServerInfo) -> Finding {
    let node = SafeText::line(&info.server_name);
    let text = format!("nats-server {}, node {node}", SafeText::line(&info.version));
    Finding::ok(
        "answer",
        match &info.cluster {
            Some(cluster) => format!("{text} of cluster {}", SafeText::line(cluster)),
            None => text,
        },
    )
}

/// What makes a server no relay.
fn unusable(info: &ServerInfo) -> Option<Finding> {
    let shortcoming = info.shortcoming()?;
    let finding = Finding::problem(code::REFUSED, "answer", shortcoming.to_string());
    Some(match shortcoming {
        Shortcoming::Version | Shortcoming::Headers => finding,
        Shortcoming::JetStream => finding.hint("docs/RELAY.md shows the configuration of a relay"),
        Shortcoming::Payload(_) => {
            finding.hint("max_payload in its configuration says so; without it, it is 1 MB")
        }
    })
}

fn lost(subject: &'static str, url: &RelayUrl, error: &RelayError) -> Finding {
    match error {
        RelayError::Unreachable(why) => {
            Finding::problem(code::MACHINE, subject, format!("{url} cannot be reached: {error}"))
                .hint(unreachable_hint(why.kind()))
        }
        RelayError::Codec(_) => {
            Finding::problem(code::REFUSED, subject, format!("{url} is no relay: {error}"))
                .hint("check the port; a server that begins with TLS needs handshake_first off")
        }
        _ => Finding::problem(code::LOST, subject, format!("{url}: {error}"))
            .hint("try again, then ask its operator"),
    }
}
