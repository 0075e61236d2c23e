//! Probe of one address: a handshake that stops before the conversation would be established.

use crate::ids::ConnId;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::app::error::describe;
use crate::app::keyring::seed;
use crate::crypto::{Identity, PublicKey, RsaJob};
use crate::limits::{CONNECT_TIMEOUT_MS, LISTEN_FIRST_MS};
use crate::net::{Net, NetEvent};
use crate::session::{CloseReason, Event, Output, Role, Session, SessionConfig};
use crate::time::MonoMs;
use crate::wire::Purpose;

/// Decision on the key of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyDecision {
    Accept,
    Reject,
}

/// Outcome of a probe.
#[derive(Debug)]
pub(crate) enum ProbeOutcome {
    /// The connection was not established.
    Unreachable(io::Error),
    /// The peer spoke first, so it is no rsachat; not a byte was sent.
    SpokeFirst,
    /// The peer closed before a byte was sent.
    ClosedEarly,
    /// The key was rejected.
    KeyRejected,
    /// Both keys are proved; the peer waits for our confirmation, which is never sent.
    Authenticated,
    /// The handshake failed; with the system's reason, if there was one.
    Failed(CloseReason, Option<String>),
}

/// Result of a probe.
#[derive(Debug)]
pub(crate) struct ProbeResult {
    /// The first bytes that the peer sent.
    pub(crate) first_bytes: Vec<u8>,
    pub(crate) peer_key: Option<PublicKey>,
    pub(crate) outcome: ProbeOutcome,
}

/// Bytes of the peer that are kept.
const FIRST_BYTES: usize = 256;

/// Dials an address and runs the handshake as far as its answer goes.
///
/// # Errors
/// The machine cannot wait for sockets.
pub(crate) fn probe(
    net: &mut Net,
    addr: SocketAddr,
    own: &Identity,
    name: &str,
    judge: &dyn Fn(&PublicKey) -> KeyDecision,
) -> io::Result<ProbeResult> {
    let conn = net.connect(vec![addr]);
    let deadline = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS + LISTEN_FIRST_MS);
    let result = ProbeResult { first_bytes: Vec::new(), peer_key: None, outcome: ProbeOutcome::ClosedEarly };
    let (session, decapsulated, started) = (None, Decapsulated::No, Instant::now());
    let mut probe = Probe { net, conn, own, name, judge, result, session, decapsulated, started };
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
    judge: &'a dyn Fn(&PublicKey) -> KeyDecision,
    result: ProbeResult,
    /// Created once the peer has had its chance to speak first.
    session: Option<Session>,
    decapsulated: Decapsulated,
    started: Instant,
}

/// Whether the peer's secret to us is decapsulated: everything that we would send next confirms it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decapsulated {
    Yes,
    No,
}

/// Input that the session waits for.
enum Pending {
    Job(RsaJob),
    Decision(PublicKey),
}

impl Probe<'_> {
    fn run(&mut self, mut deadline: Instant) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            self.net.wait(Some(deadline), &mut events)?;
            let outcome = events.drain(..).find_map(|event| match event {
                NetEvent::Connected { .. } => {
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
            let config = SessionConfig { key, name: self.name.to_owned(), purpose: Purpose::Chat };
            self.session = Some(Session::new(Role::Initiator, config, seed(), now));
        }
        self.drain()
    }

    /// Drains the session until it waits for the peer. Its RSA jobs run here: nobody else is kept
    /// waiting.
    fn drain(&mut self) -> Option<ProbeOutcome> {
        let now = self.now();
        let session = self.session.as_mut()?;
        loop {
            let mut pending = None;
            while let Some(output) = session.poll_output() {
                match output {
                    // Our confirmation is never sent, so that the peer does not show us as joined.
                    Output::Transmit(_) if self.decapsulated == Decapsulated::Yes => {}
                    Output::Transmit(bytes) => self.net.send(self.conn, bytes),
                    Output::Job(job) => pending = Some(Pending::Job(job)),
                    Output::Event(Event::PeerKey(key)) => pending = Some(Pending::Decision(key)),
                    Output::Event(Event::Closed(reason)) => return Some(ProbeOutcome::Failed(reason, None)),
                    Output::Event(_) => {}
                }
            }
            match pending {
                None => {
                    return (self.decapsulated == Decapsulated::Yes).then_some(ProbeOutcome::Authenticated);
                }
                Some(Pending::Job(job)) => {
                    if matches!(job, RsaJob::Decapsulate { .. }) {
                        self.decapsulated = Decapsulated::Yes;
                    }
                    session.handle_job(now, job.run(self.own));
                }
                Some(Pending::Decision(key)) => {
                    let decision = (self.judge)(&key);
                    self.result.peer_key = Some(key);
                    if decision == KeyDecision::Reject {
                        return Some(ProbeOutcome::KeyRejected);
                    }
                    session.accept_key();
                }
            }
        }
    }
}
