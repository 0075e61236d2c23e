//! One call to one address, up to the moment where a conversation would stand: it hears who answers and hangs up.
//! It knows nothing of what that means, and shows nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::error::words;
use crate::app::keyring::seed;
use crate::crypto::{Identity, Job, PublicKey};
use crate::limits::{CONNECT_TIMEOUT_MS, LISTEN_FIRST_MS};
use crate::net::{LinkId, Net, NetEvent};
use crate::session::{Ending, Event, Output, Own, Role, Session};
use crate::wire::Purpose;

/// Who calls.
pub(crate) struct Caller {
    pub(crate) identity: Arc<Identity>,
    pub(crate) name: String,
}

/// Whether to go on with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    GoOn,
    HangUp,
}

/// How a call went.
#[derive(Debug)]
pub(crate) enum Outcome {
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
    /// The handshake ended otherwise; with the system's words, if it had any.
    Ended(Ending, Option<String>),
}

/// What was learned.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The first bytes that came.
    pub(crate) heard: Vec<u8>,
    /// The key of the other side.
    pub(crate) met: Option<PublicKey>,
    pub(crate) outcome: Outcome,
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
    judge: &dyn Fn(&PublicKey) -> Judgement,
) -> io::Result<Seen> {
    let link = net.connect(vec![addr]);
    let patience = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS + LISTEN_FIRST_MS);
    let seen = Seen { heard: Vec::new(), met: None, outcome: Outcome::HungUp };
    let mut call =
        Call { net, link, caller, judge, seen, session: None, opened: Opened::No, started: Instant::now() };
    call.run(patience)?;
    let Call { net, seen, .. } = call;
    net.hangup(link);
    // The goodbye of the socket goes out in a turn of the loop.
    net.wait(Some(Instant::now()), &mut Vec::new())?;
    Ok(seen)
}

struct Call<'a> {
    net: &'a mut Net,
    link: LinkId,
    caller: &'a Caller,
    judge: &'a dyn Fn(&PublicKey) -> Judgement,
    seen: Seen,
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
enum Chore {
    Work(Job),
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
            if let Some(due) = self.session.as_ref().and_then(Session::deadline_ms) {
                deadline = self.started + Duration::from_millis(due);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn happened(&mut self, event: NetEvent) -> Option<Outcome> {
        match event {
            NetEvent::Unreachable { mut tried, .. } => {
                let error = tried.pop().map(|(_, error)| error);
                Some(Outcome::Unreachable(error.unwrap_or_else(|| io::ErrorKind::TimedOut.into())))
            }
            NetEvent::Bytes { bytes, .. } => {
                let room = HEARD_BYTES.saturating_sub(self.seen.heard.len());
                self.seen.heard.extend(bytes.iter().take(room));
                let now = self.now_ms();
                let Some(session) = &mut self.session else { return Some(Outcome::SpokeFirst) };
                session.feed(now, &bytes);
                self.go_on()
            }
            NetEvent::Ended { .. } => self.cut(None),
            NetEvent::Lost { error, .. } => self.cut(Some(&error)),
            _ => None,
        }
    }

    fn cut(&mut self, error: Option<&io::Error>) -> Option<Outcome> {
        let Some(session) = &mut self.session else { return Some(Outcome::HungUp) };
        session.cut();
        match self.go_on() {
            Some(Outcome::Ended(ending, _)) => Some(Outcome::Ended(ending, error.map(words))),
            other => other,
        }
    }

    /// The time is over that was given to the other side, to speak first or to go on.
    fn due(&mut self) -> Option<Outcome> {
        let now = self.now_ms();
        if let Some(session) = &mut self.session {
            session.tick(now);
        } else {
            let key = self.caller.identity.public().clone();
            let own = Own { key, name: self.caller.name.clone(), purpose: Purpose::Chat };
            self.session = Some(Session::new(Role::Initiator, own, seed(), now));
        }
        self.go_on()
    }

    /// Takes what the session has to say until it wants something from the other side. Its RSA work is done
    /// here: nobody else is kept waiting.
    fn go_on(&mut self) -> Option<Outcome> {
        let now = self.now_ms();
        let session = self.session.as_mut()?;
        loop {
            let mut chore = None;
            while let Some(output) = session.poll() {
                match output {
                    // Our confirmation is never sent, so that nobody is shown as joined.
                    Output::Transmit(_) if self.opened == Opened::Yes => {}
                    Output::Transmit(bytes) => self.net.send(self.link, bytes),
                    Output::Need(job) => chore = Some(Chore::Work(job)),
                    Output::Event(Event::Met(key)) => chore = Some(Chore::Judge(key)),
                    Output::Event(Event::Closed(ending)) => return Some(Outcome::Ended(ending, None)),
                    Output::Event(_) => {}
                }
            }
            match chore {
                None => return (self.opened == Opened::Yes).then_some(Outcome::Agreed),
                Some(Chore::Work(job)) => {
                    if matches!(job, Job::Open { .. }) {
                        self.opened = Opened::Yes;
                    }
                    session.done(now, job.run(&*self.caller.identity));
                }
                Some(Chore::Judge(key)) => {
                    let judgement = (self.judge)(&key);
                    self.seen.met = Some(key);
                    if judgement == Judgement::HangUp {
                        return Some(Outcome::Stopped);
                    }
                    session.accept();
                }
            }
        }
    }
}
