//! One call to one address, up to the moment where a conversation would stand: it hears who answers and hangs up.
//! It knows nothing of what that means, and shows nothing.

use crate::ids::ConnId;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::error::describe;
use crate::app::keyring::seed;
use crate::crypto::{Identity, PublicKey, RsaJob};
use crate::limits::{CONNECT_TIMEOUT_MS, LISTEN_FIRST_MS};
use crate::net::{Net, NetEvent};
use crate::session::{CloseReason, Event, Output, Role, Session, SessionConfig};
use crate::time::MonoMs;
use crate::wire::Purpose;

/// Who calls.
pub(crate) struct Caller {
    pub(crate) identity: Arc<Identity>,
    pub(crate) name: String,
}

/// Whether to go on with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyDecision {
    GoOn,
    HangUp,
}

/// How a call went.
#[derive(Debug)]
pub(crate) enum ProbeOutcome {
    /// Nobody took the call.
    Unreachable(io::Error),
    /// It spoke before we did, so it is no rsachat; not a byte was sent.
    SpokeFirst,
    /// It hung up before anybody spoke.
    HungUp,
    /// The key was not to be gone on with.
    Stopped,
    /// Both sides have proved their keys to each other; it waits for our confirmation, which we never send.
    Agreed,
    /// The handshake ended otherwise; with the system's describe, if it had any.
    Ended(CloseReason, Option<String>),
}

/// What was learned.
#[derive(Debug)]
pub(crate) struct ProbeResult {
    /// The first bytes that came.
    pub(crate) heard: Vec<u8>,
    /// The key of the other side.
    pub(crate) met: Option<PublicKey>,
    pub(crate) outcome: ProbeOutcome,
}

/// Bytes of what came first that are kept.
const HEARD_BYTES: usize = 256;

/// Calls an address.
///
/// # Errors
/// The machine cannot wait for sockets.
pub(crate) fn call(
    net: &mut Net,
    addr: SocketAddr,
    caller: &Caller,
    judge: &dyn Fn(&PublicKey) -> KeyDecision,
) -> io::Result<ProbeResult> {
    let conn = net.connect(vec![addr]);
    let patience = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS + LISTEN_FIRST_MS);
    let seen = ProbeResult { heard: Vec::new(), met: None, outcome: ProbeOutcome::HungUp };
    let mut call =
        Call { net, conn, caller, judge, seen, session: None, opened: Opened::No, started: Instant::now() };
    call.run(patience)?;
    let Call { net, seen, .. } = call;
    net.close(conn);
    // The goodbye of the socket goes out in a turn of the loop.
    net.wait(Some(Instant::now()), &mut Vec::new())?;
    Ok(seen)
}

struct Call<'a> {
    net: &'a mut Net,
    conn: ConnId,
    caller: &'a Caller,
    judge: &'a dyn Fn(&PublicKey) -> KeyDecision,
    seen: ProbeResult,
    /// Begun once the other side has had its chance to speak first.
    session: Option<Session>,
    opened: Opened,
    started: Instant,
}

/// Whether what the other side sealed to us has been opened: all that follows is ours to confirm.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    Yes,
    No,
}

/// What a session wants before it can go on.
enum NextStep {
    Work(RsaJob),
    Judge(PublicKey),
}

impl Call<'_> {
    fn run(&mut self, patience: Instant) -> io::Result<()> {
        let mut deadline = patience;
        let mut events = Vec::new();
        loop {
            self.net.wait(Some(deadline), &mut events)?;
            let outcome = events.drain(..).find_map(|event| match event {
                NetEvent::Connected { .. } => {
                    deadline = Instant::now() + Duration::from_millis(LISTEN_FIRST_MS);
                    None
                }
                event => self.happened(event),
            });
            let outcome = outcome.or_else(|| if Instant::now() >= deadline { self.due() } else { None });
            if let Some(outcome) = outcome {
                self.seen.outcome = outcome;
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

    fn happened(&mut self, event: NetEvent) -> Option<ProbeOutcome> {
        match event {
            NetEvent::Unreachable { mut tried, .. } => {
                let error = tried.pop().map(|(_, error)| error);
                Some(ProbeOutcome::Unreachable(error.unwrap_or_else(|| io::ErrorKind::TimedOut.into())))
            }
            NetEvent::Bytes { bytes, .. } => {
                let room = HEARD_BYTES.saturating_sub(self.seen.heard.len());
                self.seen.heard.extend(bytes.iter().take(room));
                let now = self.now();
                let Some(session) = &mut self.session else { return Some(ProbeOutcome::SpokeFirst) };
                session.handle_bytes(now, &bytes);
                self.go_on()
            }
            NetEvent::Ended { .. } => self.cut(None),
            NetEvent::Lost { error, .. } => self.cut(Some(&error)),
            _ => None,
        }
    }

    fn cut(&mut self, error: Option<&io::Error>) -> Option<ProbeOutcome> {
        let Some(session) = &mut self.session else { return Some(ProbeOutcome::HungUp) };
        session.handle_eof();
        match self.go_on() {
            Some(ProbeOutcome::Ended(ending, _)) => Some(ProbeOutcome::Ended(ending, error.map(describe))),
            other => other,
        }
    }

    /// The time is over that was given to the other side, to speak first or to go on.
    fn due(&mut self) -> Option<ProbeOutcome> {
        let now = self.now();
        if let Some(session) = &mut self.session {
            session.handle_timeout(now);
        } else {
            let key = self.caller.identity.public().clone();
            let own = SessionConfig { key, name: self.caller.name.clone(), purpose: Purpose::Chat };
            self.session = Some(Session::new(Role::Initiator, own, seed(), now));
        }
        self.go_on()
    }

    /// Takes what the session has to say until it wants something from the other side. Its RSA work is done
    /// here: nobody else is kept waiting.
    fn go_on(&mut self) -> Option<ProbeOutcome> {
        let now = self.now();
        let session = self.session.as_mut()?;
        loop {
            let mut chore = None;
            while let Some(output) = session.poll_output() {
                match output {
                    // Our confirmation is never sent, so that nobody is shown as joined.
                    Output::Transmit(_) if self.opened == Opened::Yes => {}
                    Output::Transmit(bytes) => self.net.send(self.conn, bytes),
                    Output::Job(job) => chore = Some(NextStep::Work(job)),
                    Output::Event(Event::PeerKey(key)) => chore = Some(NextStep::Judge(key)),
                    Output::Event(Event::Closed(ending)) => return Some(ProbeOutcome::Ended(ending, None)),
                    Output::Event(_) => {}
                }
            }
            match chore {
                None => return (self.opened == Opened::Yes).then_some(ProbeOutcome::Agreed),
                Some(NextStep::Work(job)) => {
                    if matches!(job, RsaJob::Decapsulate { .. }) {
                        self.opened = Opened::Yes;
                    }
                    session.handle_job(now, job.run(&*self.caller.identity));
                }
                Some(NextStep::Judge(key)) => {
                    let decision = (self.judge)(&key);
                    self.seen.met = Some(key);
                    if decision == KeyDecision::HangUp {
                        return Some(ProbeOutcome::Stopped);
                    }
                    session.accept_key();
                }
            }
        }
    }
}
