//! Caller on the library's `session`, which can misbehave after an honest handshake.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rsachat::crypto::{Identity, Seed};
use rsachat::session::{Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::{MonoMs, UnixMs};
use rsachat::wire::{ByeReason, Durability, FileTransfer, Introduction, Letters, Lifetime, Purpose};

use super::{call, read};

/// What a session wants sent. It takes every key; what else it tells is handed on.
pub fn sent(
    session: &mut Session,
    identity: &Identity,
    mut tell: impl FnMut(&mut Session, Event),
) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(output) = session.poll_output() {
        match output {
            Output::Transmit(bytes) => sent.extend(bytes),
            Output::Job(job) => session.handle_job(MonoMs(0), job.run(identity)),
            Output::WantSeed => session.handle_seed(MonoMs(0), &Seed::new([9; 32])),
            Output::Event(Event::PeerKey(_)) => session.accept_key(MonoMs(0)),
            Output::Event(event) => tell(session, event),
        }
    }
    sent
}

/// One side of a connection, dialled from the test.
pub struct Caller {
    pub session: Session,
    identity: Identity,
    stream: TcpStream,
    /// What its session told, the oldest first.
    pub events: Vec<Event>,
}

impl Caller {
    /// Opens a connection with this test key and claimed name.
    pub fn new(at: &str, key: &str, name: &str, lifetime: Lifetime) -> Self {
        Self::with_thresholds(at, key, name, lifetime, RekeyThresholds::default())
    }

    /// The same, with its own thresholds of re-keying.
    pub fn with_thresholds(
        at: &str,
        key: &str,
        name: &str,
        lifetime: Lifetime,
        rekeying: RekeyThresholds,
    ) -> Self {
        Self::configured(at, key, name, |own| (own.lifetime, own.rekeying) = (lifetime, rekeying))
    }

    /// One whose messages can count for the pair.
    pub fn durable(at: &str, key: &str, name: &str) -> Self {
        Self::configured(at, key, name, |own| own.durability = Durability::Pair)
    }

    /// One that has something to present where its key is not known.
    pub fn introduced(at: &str, identity: Identity, name: &str, introduction: Introduction) -> Self {
        Self::of(at, identity, name, |own| own.introduction = Some(introduction))
    }

    fn configured(at: &str, key: &str, name: &str, configure: impl FnOnce(&mut SessionConfig)) -> Self {
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        Self::of(at, identity, name, configure)
    }

    fn of(at: &str, identity: Identity, name: &str, configure: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut own = SessionConfig {
            key: identity.public().clone(),
            name: name.to_owned(),
            purpose: Purpose::Chat,
            lifetime: Lifetime::Lasting,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying: RekeyThresholds::default(),
        };
        configure(&mut own);
        let session = Session::new(Role::Initiator, own, Seed::new([7; 32]), MonoMs(0));
        Self { session, identity, stream: call(at), events: Vec::new() }
    }

    /// What the session wants sent.
    pub fn sent(&mut self) -> Vec<u8> {
        let events = &mut self.events;
        sent(&mut self.session, &self.identity, |_, event| events.push(event))
    }

    pub fn write(&mut self, bytes: &[u8]) {
        // The other side may have closed already.
        let _ = self.stream.write_all(bytes);
    }

    /// Reads once. Returns whether anything came.
    pub fn read(&mut self) -> bool {
        let mut buffer = [0; 8_192];
        let count = self.stream.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            self.session.handle_eof();
        } else {
            self.session.handle_bytes(MonoMs(0), &buffer[..count]);
        }
        count > 0
    }

    /// Goes on until the session has told of such an event, or has ended.
    pub fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        loop {
            let sent = self.sent();
            self.write(&sent);
            if let Some(event) = self.events.iter().find(|event| wanted(event)) {
                return Some(event.clone());
            }
            if matches!(self.events.last(), Some(Event::Closed(_))) {
                return None;
            }
            self.read();
        }
    }

    /// Calls, and goes on until the connection is established.
    pub fn established(at: &str, key: &str, name: &str, lifetime: Lifetime) -> Self {
        let mut caller = Self::new(at, key, name, lifetime);
        let established = caller.until(|event| matches!(event, Event::Established { .. }));
        assert!(established.is_some(), "{:?}", caller.events);
        caller
    }

    pub fn says(&mut self, text: &str) {
        self.session.send(text, UnixMs(0)).unwrap();
        self.flushes();
    }

    /// Sends what its session has to send.
    pub fn flushes(&mut self) {
        let sent = self.sent();
        self.write(&sent);
    }

    /// Ends the connection in order.
    pub fn leaves(&mut self) {
        self.session.close(ByeReason::Leaving);
        let bye = self.sent();
        self.write(&bye);
        self.ends();
    }

    /// Reads to the end of the stream.
    pub fn ends(&mut self) {
        while self.read() {
            let sent = self.sent();
            self.write(&sent);
        }
    }
}
