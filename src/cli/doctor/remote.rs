//! Checks on the way to a peer: name, addresses, handshake and the keys of both sides; and the
//! probe of one address, a handshake that stops before the conversation would be established.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::report::{DoctorReport, Finding};
use crate::app::error::{AppError, code, describe};
use crate::app::keyring::seed;
use crate::app::os::of_family;
use crate::chat::display::version_and_suite;
use crate::chat::{
    AcceptPolicy, CalleeError, DialOptions, KeyRefusal, Origin, Warning, is_unreachable, judge,
};
use crate::crypto::{Fingerprint, Identity, PublicKey, RsaJob};
use crate::ids::ConnId;
use crate::limits::{
    ADDRESSES_TRIED, CONNECT_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS, KEY_BITS_MIN, LISTEN_FIRST_MS,
    LOOKUP_TIMEOUT_MS,
};
use crate::net::worker::BackgroundTask;
use crate::net::{Net, NetEvent};
use crate::peers::address::{Family, Target};
use crate::peers::book::{Book, Trust};
use crate::session::{CloseReason, Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use crate::text::safe::SafeText;
use crate::time::MonoMs;
use crate::wire::{ByeReason, Durability, FileTransfer, Letters, Lifetime, Purpose, WireError};

/// Bytes of a foreign protocol that are shown.
const SHOWN_BYTES: usize = 80;

pub(crate) struct RemoteCheck<'a> {
    pub(crate) own: Option<&'a Identity>,
    pub(crate) name: &'a str,
    pub(crate) book: Option<&'a Book>,
    pub(crate) target: &'a Target,
    pub(crate) family: Family,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) entry: Entry,
}

/// What opens the other side to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// Our key alone.
    Key,
    /// An invitation, whose token is not presented here: it would be used up.
    Invitation,
}

impl RemoteCheck<'_> {
    /// Resolves the name and probes its addresses until one is reachable.
    pub(crate) fn run(&self, net: &mut Net, report: &mut DoctorReport) -> Result<(), AppError> {
        if is_unreachable(self.target) {
            let error = CalleeError::Onion { target: self.target.clone() };
            return report.add(&Finding::problem(code::USAGE, "name", error.to_string()));
        }
        if let Some(via) = self.target.way() {
            return self.run_via(via, net, report);
        }
        let addrs = match self.resolve((&self.target.host, self.target.port), net) {
            Ok(addrs) => addrs,
            Err(finding) => return report.add(&finding),
        };
        if self.target.host.parse::<IpAddr>().is_err() {
            let list: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
            report.add(&Finding::ok("name", format!("{} is {}", self.target.host, list.join(", "))))?;
        }
        let mut unreachable = Vec::new();
        for addr in addrs {
            let conn = net.connect(vec![addr]);
            let result = self.probe(net, conn, Some(addr))?;
            if let ProbeOutcome::Unreachable(error) = result.outcome {
                unreachable.push((format!("{addr} cannot be reached: {}", describe(&error)), error.kind()));
                continue;
            }
            for (text, _) in unreachable {
                let finding = Finding::warning("address", text);
                report
                    .add(&finding.hint("every call tries it first and loses time; -4 or -6 avoids that"))?;
            }
            report.add(&Finding::ok("address", format!("{addr} accepts the call")))?;
            return self.findings(Some(addr), &result).iter().try_for_each(|finding| report.add(finding));
        }
        for (text, kind) in unreachable {
            let finding = Finding::problem(code::MACHINE, "address", text);
            report.add(&finding.hint(unreachable_hint(kind)))?;
        }
        Ok(())
    }

    /// Runs the handshake on a connection as far as its answer goes.
    pub(super) fn probe(
        &self,
        net: &mut Net,
        conn: ConnId,
        to: Option<SocketAddr>,
    ) -> Result<ProbeResult, AppError> {
        // A key for this probe alone is never sent: the peer's comes first, and without a key of
        // our own it is rejected.
        let temporary;
        let own = if let Some(own) = self.own {
            own
        } else {
            temporary = Identity::generate(KEY_BITS_MIN, &mut seed().rng("key"))
                .map_err(|error| AppError::new(code::FAILED, error.to_string()))?;
            &temporary
        };
        let accepts = |key: &PublicKey| {
            self.own.is_some() && self.book.is_some_and(|book| self.judge(book, to, key).is_ok())
        };
        Ok(probe(net, conn, own, self.name, &accepts)?)
    }

    /// Judges the key of the peer by the pin and the book, as a dial would.
    fn judge(&self, book: &Book, to: Option<SocketAddr>, key: &PublicKey) -> Result<(), KeyRefusal> {
        let own = self.own.map(|own| own.public().fingerprint());
        let (family, pin) = (self.family, self.pin);
        let dial = DialOptions { family, pin, ..DialOptions::new(self.target.clone(), AcceptPolicy::Anyone) };
        judge(book, own, &Origin::Outbound { dial, to }, key.fingerprint())
    }

    pub(super) fn resolve(&self, at: (&str, u16), net: &mut Net) -> Result<Vec<SocketAddr>, Finding> {
        resolve(at, self.family, net)
    }

    /// The findings on a peer that was reached.
    pub(super) fn findings(&self, addr: Option<SocketAddr>, result: &ProbeResult) -> Vec<Finding> {
        if let Some(key) = &result.peer_key {
            let text = format!("an rsachat, protocol {}, for conversations", version_and_suite());
            let mut findings = vec![Finding::ok("answer", text), self.trust(addr, key)];
            // Nobody calls oneself.
            if !self.is_own_listener(key) {
                findings.push(self.handshake(&result.outcome));
            }
            return findings;
        }
        let lost = |text: String| Finding::problem(code::LOST, "answer", text);
        let answer = match &result.outcome {
            ProbeOutcome::SpokeFirst | ProbeOutcome::Failed(CloseReason::NotRsachat(_), _) => {
                foreign_protocol(&result.first_bytes)
            }
            ProbeOutcome::Failed(CloseReason::VersionMismatch(error), _) => version_mismatch(*error),
            ProbeOutcome::Failed(CloseReason::NoData, _) => {
                let seconds = HANDSHAKE_TIMEOUT_MS / 1_000;
                lost(format!("it accepts calls but says nothing for {seconds} s")).hint(
                    "something other than rsachat may listen there, or it hangs: check the port with the other side",
                )
            }
            ProbeOutcome::ClosedEarly => lost("it hung up before either side spoke".to_owned()).hint(
                "it may have too many callers, or turn this address away: try again, then ask the other side",
            ),
            ProbeOutcome::Failed(reason, why) => self.failure("answer", reason, why.clone()),
            ProbeOutcome::Unreachable(_) | ProbeOutcome::KeyRejected | ProbeOutcome::Authenticated => {
                return Vec::new();
            }
        };
        vec![answer]
    }

    /// The finding on the handshake with a peer whose key is known.
    fn handshake(&self, outcome: &ProbeOutcome) -> Finding {
        match (outcome, self.own) {
            (ProbeOutcome::Authenticated, _) => {
                Finding::ok("handshake", "done; the other side accepts your key")
                    .hint("we hung up at once; the other side sees a call without a message")
            }
            (ProbeOutcome::Failed(CloseReason::PeerAbort, _), _) if self.entry == Entry::Invitation => {
                Finding::ok(
                    "handshake",
                    "done; the other side takes nobody without an invitation that is open",
                )
                .hint("whether this one is open shows only when it is used, which was not done")
            }
            (ProbeOutcome::Failed(CloseReason::PeerAbort, _), own) => {
                let finding = Finding::problem(code::REFUSED, "handshake", "the other side refuses your key");
                match own {
                    Some(own) => finding.hint(format!(
                        "it accepts known keys only, or has blocked yours; give it your fingerprint, {}",
                        own.public().fingerprint()
                    )),
                    None => finding,
                }
            }
            (ProbeOutcome::Failed(reason, why), _) => self.failure("handshake", reason, why.clone()),
            (_, None) => Finding::warning("handshake", "not completed, since you have no usable key"),
            _ => Finding::warning("handshake", "not completed; nothing was sent to that key"),
        }
    }

    /// Whether it is our own rsachat, and nobody else was expected there.
    fn is_own_listener(&self, key: &PublicKey) -> bool {
        self.own.is_some_and(|own| own.public() == key)
            && self.pin.is_none_or(|pin| pin == key.fingerprint())
            && self.book.is_none_or(|book| book.by_address(self.target).is_none())
    }

    /// The finding on the peer's key in our book.
    fn trust(&self, addr: Option<SocketAddr>, key: &PublicKey) -> Finding {
        let fingerprint = key.fingerprint();
        let Some(book) = self.book else {
            let text = format!("{fingerprint}, which cannot be checked without the book");
            return Finding::warning("trust", text);
        };
        if self.is_own_listener(key) {
            return Finding::ok("trust", format!("{fingerprint}, your own key: this is your own rsachat"))
                .hint("rsachat doctor on another machine shows whether others can reach it");
        }
        if let Err(refusal) = self.judge(book, addr, key) {
            return Finding::problem(code::REFUSED, "trust", Warning::Refused(refusal).sentence());
        }
        match book.by_fingerprint(&fingerprint) {
            Some(peer) if peer.trust == Trust::Verified => {
                Finding::ok("trust", format!("{fingerprint}, the key of {}, verified", peer.name))
            }
            Some(peer) => {
                Finding::ok("trust", format!("{fingerprint}, the key of {}, unverified", peer.name))
                    .hint(format!("compare it when you are connected: :verify {}", peer.name))
            }
            None if self.pin == Some(fingerprint) => {
                let named = if self.entry == Entry::Invitation { "in the invitation" } else { "pinned" };
                Finding::ok("trust", format!("{fingerprint}, as {named}"))
            }
            None => {
                let text = format!("{fingerprint} is new to you; it would be accepted on first use");
                Finding::warning("trust", text)
                    .hint("ask the other side for its fingerprint (:showkey); --pin accepts only that one")
            }
        }
    }

    /// The finding on a handshake that failed, in the words of the prompt.
    fn failure(&self, subject: &'static str, reason: &CloseReason, why: Option<String>) -> Finding {
        let code = match reason {
            CloseReason::HandshakeTimeout
            | CloseReason::JudgementTimeout
            | CloseReason::PeerBusy
            | CloseReason::NoData
            | CloseReason::LostInHandshake
            | CloseReason::ConnectionLost { .. }
            | CloseReason::IdleTimeout => code::LOST,
            _ => code::REFUSED,
        };
        let (remote, reason) = (self.target.to_string(), reason.clone());
        let warning = Warning::HandshakeFailed { remote, reason, error: why };
        Finding::problem(code, subject, warning.sentence())
    }
}

/// The addresses of a name, looked up in a thread.
pub(super) fn resolve(
    (host, port): (&str, u16),
    family: Family,
    net: &mut Net,
) -> Result<Vec<SocketAddr>, Finding> {
    let failed = |why: &str| {
        Finding::problem(code::MACHINE, "name", format!("{host} has no address: {why}")).hint(
            "check the spelling and the network, or use the number that the other side's `ip address` shows",
        )
    };
    let io_failed = |error: io::Error| failed(&describe(&error));
    let name = host.to_owned();
    let work = move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let task = BackgroundTask::start("lookup", net.waker(), work).map_err(io_failed)?;
    let deadline = Instant::now() + Duration::from_millis(LOOKUP_TIMEOUT_MS);
    let mut addrs = loop {
        match task.finished() {
            Some(Ok(addrs)) => break addrs.map_err(io_failed)?,
            Some(Err(panicked)) => return Err(failed(&panicked.to_string())),
            None if Instant::now() >= deadline => return Err(io_failed(io::ErrorKind::TimedOut.into())),
            None => net.wait(Some(deadline), &mut Vec::new()).map_err(io_failed)?,
        }
    };
    addrs.retain(|addr| of_family(*addr, family));
    addrs.truncate(ADDRESSES_TRIED);
    if addrs.is_empty() {
        return Err(failed("it has none of that family").hint("omit -4 or -6"));
    }
    Ok(addrs)
}

pub(super) fn unreachable_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => {
            "the machine is up, but nothing listens on that port, or its firewall rejects the call: on the other \
             side, run rsachat --listen PORT, then call the port that it prints"
        }
        io::ErrorKind::TimedOut => {
            "no answer at all: the machine is off, the address is wrong, or a firewall or router on the way \
             drops the call; behind a router, the other side has to forward the port"
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "this machine has no route there: check its own network, and use -4 if it has no IPv6"
        }
        _ => "check the address and the network",
    }
}

/// The finding on a peer of another protocol, recognised by its first bytes.
fn foreign_protocol(bytes: &[u8]) -> Finding {
    let first = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let shown = SafeText::line_from_bytes(first.get(..SHOWN_BYTES).unwrap_or(first));
    let begins = format!("it begins with \"{shown}\"");
    let not = |what: &str| {
        Finding::problem(code::REFUSED, "answer", format!("{what}, not an rsachat: {begins}"))
            .hint("check the port with the other side")
    };
    match bytes {
        [b'-', b'-', b'-', b'-', b'-', b'B', b'E', b'G', b'I', b'N', ..] => {
            let text = format!("a PEM key, so it speaks the raw wire of the Python tutorial: {begins}");
            Finding::problem(code::REFUSED, "answer", text)
                .hint("call it with --wire oaep, which authenticates nobody, or have the other side listen without it")
        }
        [b'S', b'S', b'H', b'-', ..] => not("an SSH server"),
        [b'H', b'T', b'T', b'P', b'/', ..] => not("a web server"),
        [0x15 | 0x16, 3, ..] => not("a TLS server"),
        _ => not("something else"),
    }
}

fn version_mismatch(error: WireError) -> Finding {
    let problem = |text: String| Finding::problem(code::REFUSED, "answer", text);
    match error {
        WireError::Purpose(Purpose::Pipe) => {
            problem("an rsachat waiting for a pipe, not for a conversation".to_owned())
                .hint("call it with rsachat pipe, or have the other side start rsachat --listen PORT")
        }
        WireError::Purpose(theirs) => problem(format!("an rsachat that wants a {theirs}")),
        error => problem(format!("an incompatible rsachat: {error}; this is {}", version_and_suite()))
            .hint("both sides need compatible versions of rsachat: compare rsachat --version"),
    }
}

#[derive(Debug)]
pub(crate) enum ProbeOutcome {
    Unreachable(io::Error),
    /// The peer spoke first, so it is no rsachat; not a byte was sent.
    SpokeFirst,
    /// The peer closed before a byte was sent.
    ClosedEarly,
    KeyRejected,
    /// Both keys are proved and accepted.
    Authenticated,
    /// The handshake failed; with the system's reason, if there was one.
    Failed(CloseReason, Option<String>),
}

#[derive(Debug)]
pub(crate) struct ProbeResult {
    /// The first bytes that the peer sent.
    pub(crate) first_bytes: Vec<u8>,
    pub(crate) peer_key: Option<PublicKey>,
    pub(crate) outcome: ProbeOutcome,
}

/// Bytes of the peer that are kept.
const FIRST_BYTES: usize = 256;

/// Runs the handshake on a connection that is being made, as far as its answer goes.
pub(crate) fn probe(
    net: &mut Net,
    conn: ConnId,
    own: &Identity,
    name: &str,
    accepts: &dyn Fn(&PublicKey) -> bool,
) -> io::Result<ProbeResult> {
    // A command is connected from its start, and buffers what it is given.
    let connecting_ms = if net.is_connected(conn) { 0 } else { CONNECT_TIMEOUT_MS };
    let deadline = Instant::now() + Duration::from_millis(connecting_ms + LISTEN_FIRST_MS);
    let result = ProbeResult { first_bytes: Vec::new(), peer_key: None, outcome: ProbeOutcome::ClosedEarly };
    let (session, started) = (None, Instant::now());
    let mut probe = Probe { net, conn, own, name, accepts, result, session, started };
    probe.run(deadline)?;
    let Probe { net, result, .. } = probe;
    net.close(conn);
    // The end of the stream goes out in a turn of the event loop.
    net.wait(Some(Instant::now()), &mut Vec::new())?;
    Ok(result)
}

struct Probe<'a> {
    net: &'a mut Net,
    conn: ConnId,
    own: &'a Identity,
    name: &'a str,
    accepts: &'a dyn Fn(&PublicKey) -> bool,
    result: ProbeResult,
    /// Created once the peer has had its chance to speak first.
    session: Option<Session>,
    started: Instant,
}

/// Input that the session waits for.
enum Pending {
    Job(RsaJob),
    Decision(PublicKey),
    /// Nothing: the answer is there.
    Leave,
}

impl Probe<'_> {
    fn run(&mut self, mut deadline: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            self.net.wait(Some(deadline), &mut events)?;
            let outcome = events.drain(..).find_map(|event| match event {
                NetEvent::Connected { .. } | NetEvent::ConnectedByProxy { .. } => {
                    deadline = Instant::now() + Duration::from_millis(LISTEN_FIRST_MS);
                    None
                }
                event => self.handle_net_event(event),
            });
            let outcome =
                outcome.or_else(|| if Instant::now() >= deadline { self.handle_timeout() } else { None });
            if let Some(outcome) = outcome {
                self.result.outcome = outcome;
                return Ok(());
            }
            if let Some(due) = self.session.as_ref().and_then(Session::poll_timeout) {
                deadline = self.started + Duration::from_millis(due.0);
            }
        }
    }

    fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn handle_net_event(&mut self, event: NetEvent) -> Option<ProbeOutcome> {
        match event {
            NetEvent::Unreachable { mut tried, .. } => {
                let error = tried.pop().map(|(_, error)| error);
                Some(ProbeOutcome::Unreachable(error.unwrap_or_else(|| io::ErrorKind::TimedOut.into())))
            }
            NetEvent::Bytes { bytes, .. } => {
                let room = FIRST_BYTES.saturating_sub(self.result.first_bytes.len());
                self.result.first_bytes.extend(bytes.iter().take(room));
                let now = self.now();
                let Some(session) = &mut self.session else { return Some(ProbeOutcome::SpokeFirst) };
                session.handle_bytes(now, &bytes);
                self.drain()
            }
            NetEvent::Ended { .. } => self.handle_eof(None),
            NetEvent::Lost { error, .. } => self.handle_eof(Some(&error)),
            _ => None,
        }
    }

    fn handle_eof(&mut self, error: Option<&io::Error>) -> Option<ProbeOutcome> {
        let Some(session) = &mut self.session else { return Some(ProbeOutcome::ClosedEarly) };
        session.handle_eof();
        match self.drain() {
            Some(ProbeOutcome::Failed(reason, _)) => Some(ProbeOutcome::Failed(reason, error.map(describe))),
            other => other,
        }
    }

    /// Handles the deadline of the peer: to speak first, or to go on with the handshake.
    fn handle_timeout(&mut self) -> Option<ProbeOutcome> {
        let now = self.now();
        if let Some(session) = &mut self.session {
            session.handle_timeout(now);
        } else {
            let key = self.own.public().clone();
            let config = SessionConfig {
                key,
                name: self.name.to_owned(),
                purpose: Purpose::Chat,
                // So that nobody is shown there as connected.
                lifetime: Lifetime::Short,
                durability: Durability::Connection,
                file_transfer: FileTransfer::Unsupported,
                letters: Letters::Unsupported,
                introduction: None,
                rekeying: RekeyThresholds::default(),
            };
            self.session = Some(Session::new(Role::Initiator, config, seed(), now));
        }
        self.drain()
    }

    /// Drains the session until it waits for the peer. Its RSA jobs run here: nobody else waits.
    fn drain(&mut self) -> Option<ProbeOutcome> {
        let now = self.now();
        let session = self.session.as_mut()?;
        loop {
            let mut pending = None;
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Transmit(bytes) => self.net.send(self.conn, bytes),
                    Output::Job(job) => pending = Some(Pending::Job(job)),
                    Output::Event(Event::PeerKey(key)) => pending = Some(Pending::Decision(key)),
                    Output::Event(Event::Established { .. }) => pending = Some(Pending::Leave),
                    Output::Event(Event::Closed(CloseReason::LocalClose)) => {
                        return Some(ProbeOutcome::Authenticated);
                    }
                    Output::Event(Event::Closed(reason)) => return Some(ProbeOutcome::Failed(reason, None)),
                    Output::WantSeed | Output::Event(_) => {}
                }
            }
            match pending {
                None => return None,
                Some(Pending::Job(job)) => session.handle_job(now, job.run(self.own).without_test_keys()),
                Some(Pending::Leave) => session.close(ByeReason::Leaving),
                Some(Pending::Decision(key)) => {
                    let is_accepted = (self.accepts)(&key);
                    self.result.peer_key = Some(key);
                    if !is_accepted {
                        return Some(ProbeOutcome::KeyRejected);
                    }
                    session.accept_key(now);
                }
            }
        }
    }
}
