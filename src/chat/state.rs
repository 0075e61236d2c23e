//! The one conversation core of every front end: what a person types, what peers do, and what follows.

use crate::ids::{ConnId, DialId, ListenerId};
use crate::time::{MonoMs, Now, UnixMs};
use std::collections::{BTreeMap, VecDeque};

use super::conversation::{AcceptPolicy, Conversation, Origin, PeerId};
use super::handlers::history::History;
use super::handlers::notify::Notify;
use super::handlers::shutdown::Shutdown;
use super::handlers::trust::RefusedKey;
use super::io::{DialOutcome, Effect, Input, OwnKey, TrustLevel};
use super::kinds::{KeyFor, Protocol};
use super::notice::{Info, Notice, Warning};
use super::rate_limit::RateLimiter;
use crate::crypto::{Fingerprint, Seed};
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::session::{AnySession, Output, Role, Session, SessionConfig};
use crate::wire::{ByeReason, Purpose};

/// A conversation with any number of peers.
#[expect(missing_debug_implementations, reason = "holds sessions")]
pub struct Chat {
    pub(crate) own_name: Name,
    pub(crate) own_key: Option<OwnKey>,
    /// Our key for the raw wire.
    pub(crate) raw_key: Option<OwnKey>,
    /// Peers of the raw wire so far.
    pub(crate) raw_peers: u64,
    pub(crate) capacity: usize,
    purpose: Purpose,
    /// Whom a listener takes that says nothing else.
    pub(crate) callers: AcceptPolicy,
    pub(crate) book: Book,
    pub(crate) conversations: BTreeMap<ConnId, Conversation>,
    pub(crate) dials: BTreeMap<DialId, Dialling>,
    pub(crate) listeners: BTreeMap<ListenerId, Listening>,
    pub(crate) addressed: Option<PeerId>,
    pub(crate) refused: BTreeMap<String, RefusedKey>,
    /// Commands that wait for the first key.
    pub(crate) held: Vec<Held>,
    pub(crate) making: Option<KeygenProgress>,
    pub(crate) leaving: Option<Shutdown>,
    pub(crate) reports: RateLimiter,
    /// Counts changes of who there is and what they are called.
    pub(crate) roster: u64,
    pub(crate) memory: History,
    /// When those who have left were last seen in this session, in milliseconds since 1970.
    pub(crate) seen: BTreeMap<Fingerprint, u64>,
    pub(crate) notify: Notify,
    /// The file that what is said is written to, if one was asked for.
    pub(crate) log: Option<String>,
    pub(crate) hinted_quit: bool,
    /// Lines that were not taken.
    pub(crate) unsent: u64,
    /// Messages of ours that were shown, of all connections there were.
    pub(crate) receipted: u64,
    /// Messages of ours that went out on the raw wire, of all connections there were.
    pub(crate) sent: u64,
    pub(crate) now: Now,
    next: u64,
    pub(crate) effects: VecDeque<Effect>,
}

/// An attempt to reach somebody.
#[derive(Clone, Debug)]
pub(crate) struct Dialling {
    pub(crate) target: Target,
    pub(crate) pin: Option<Fingerprint>,
    pub(crate) callers: AcceptPolicy,
    pub(crate) wire: Protocol,
}

/// A place where callers are awaited.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) asked: ListenAt,
    pub(crate) at: Option<std::net::SocketAddr>,
    pub(crate) callers: AcceptPolicy,
    pub(crate) wire: Protocol,
}

/// What waits for a key.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Listen(ListenAt, Family, AcceptPolicy, Protocol),
    Connect(Target, Family, Option<Fingerprint>, AcceptPolicy, Protocol),
}

/// A key that is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeygenProgress {
    pub(crate) of: KeyFor,
    pub(crate) since_ms: u64,
    pub(crate) told_ms: u64,
}

/// Time between two signs of life of key making, in milliseconds.
pub(crate) const SIGN_OF_LIFE_MS: u64 = 2_000;

impl Chat {
    /// A chat of somebody called `own_name`, with the key and the peers that the store has.
    /// `capacity` is how many connections may be open at once.
    #[must_use]
    pub fn new(own_name: Name, own_key: Option<OwnKey>, book: Book, capacity: usize) -> Self {
        Self {
            own_name,
            own_key,
            raw_key: None,
            raw_peers: 0,
            capacity,
            purpose: Purpose::Chat,
            callers: AcceptPolicy::Anyone,
            book,
            conversations: BTreeMap::new(),
            dials: BTreeMap::new(),
            listeners: BTreeMap::new(),
            addressed: None,
            refused: BTreeMap::new(),
            held: Vec::new(),
            making: None,
            leaving: None,
            reports: RateLimiter::default(),
            roster: 0,
            memory: History::default(),
            seen: BTreeMap::new(),
            notify: Notify::default(),
            log: None,
            hinted_quit: false,
            unsent: 0,
            receipted: 0,
            sent: 0,
            now: Now { mono: MonoMs(0), unix: UnixMs(0) },
            next: 0,
            effects: VecDeque::new(),
        }
    }

    /// The same, for connections of another purpose: a pipe meets its peer as a chat does, and is then taken
    /// out with [`Chat::take_pipe`].
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// The key for the raw wire that the store has.
    pub fn set_raw_key(&mut self, key: OwnKey) {
        self.raw_key = Some(key);
    }

    /// Whom listeners take from now on that say nothing else; everybody, without this call.
    pub fn set_callers(&mut self, callers: AcceptPolicy) {
        self.callers = callers;
    }

    /// Takes one input. Afterwards [`Chat::poll`] until `None`, before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Line(line) => self.typed(line),
            Input::Command(command) => self.perform(command),
            Input::Text(text) => self.say(text),
            Input::TextTo { name, text } => self.say_to(name, text),
            Input::LineRefused { what } => {
                self.not_taken(Warning::CommandError { what });
            }
            Input::LineTooLong { bytes } => {
                self.not_taken(Warning::LineTooLong { bytes });
            }
            Input::LineNotText { row } => {
                self.not_taken(Warning::LineNotText { row });
            }
            Input::Dismiss { conn, reason } => self.with_session(conn, |session, _| session.close(reason)),
            Input::Cancel => self.cancel(),
            Input::ExitRequest(farewell) => self.farewell(farewell),
            Input::Listening { listener, at } => self.listening(listener, at),
            Input::ListenFailed { listener, why } => self.listen_failed(listener, why),
            Input::Accepted { conn, listener, from, seed } => self.accepted(conn, listener, from, seed),
            Input::TurnedAway { from, why } => {
                self.report(Warning::TurnedAway { whom: from.to_string(), why });
            }
            Input::Connected { dial, conn, seed, .. } => self.connected(dial, conn, seed),
            Input::Unreachable { dial, why } => self.unreachable(dial, &why),
            Input::Bytes { conn, bytes } => {
                self.with_session(conn, |session, now| session.handle_bytes(now.mono, bytes));
            }
            Input::Ended { conn, error } => self.ended(conn, error.as_deref()),
            Input::JobDone { conn, result } => {
                self.with_session(conn, |session, now| session.handle_job(now.mono, result));
            }
            Input::JobRefused { conn } => self.with_session(conn, |session, _| session.handle_overload()),
            Input::Shown(due) => self.with_session(due.conn, |session, _| session.ack(due.upto)),
            Input::Book { conn, book } => self.judge(conn, book),
            Input::Changed(book) => self.changed(book),
            Input::KeyMade(made) => self.key_made(made),
            Input::Logging { file, result } => self.logging(&file, result),
            Input::WriteBlocked { conn } => self.with_session(conn, |session, _| session.write_blocked()),
            Input::Drained { conn } => self.with_session(conn, |session, _| session.write_drained()),
            Input::OutOfFds { open } => self.warn(Warning::OutOfFds { open }),
            Input::Tick => self.tick(),
        }
        self.settle();
    }

    /// The next effect, until `None`.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn show(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Show(notice, None));
    }

    pub(crate) fn info(&mut self, info: Info) {
        self.show(Notice::Info(info));
    }

    pub(crate) fn warn(&mut self, warn: Warning) {
        self.show(Notice::Warning(warn));
    }

    /// A line of ours that is not taken: told, and counted for the end of the input.
    pub(crate) fn not_taken(&mut self, why: Warning) {
        self.unsent += 1;
        self.warn(why);
    }

    /// Trouble that strangers can cause at will: at most one a second is shown, the rest is counted.
    pub(crate) fn report(&mut self, warn: Warning) {
        if let Some(warn) = self.reports.admit(warn, self.now.mono.0) {
            self.warn(warn);
        }
    }

    pub(crate) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The connection that plain text goes to.
    pub(crate) fn addressed_link(&self) -> Option<ConnId> {
        self.addressed.and_then(|peer_id| self.link_to(peer_id))
    }

    /// The conversation that plain text goes to.
    pub(crate) fn addressed_talk(&self) -> Option<&Conversation> {
        self.addressed_link().and_then(|conn| self.conversations.get(&conn))
    }

    /// The open conversation with the holder of a key.
    pub(crate) fn link_of(&self, fingerprint: Fingerprint) -> Option<ConnId> {
        self.link_to(PeerId::Key(fingerprint))
    }

    /// The open conversation with somebody.
    pub(crate) fn link_to(&self, peer_id: PeerId) -> Option<ConnId> {
        let with =
            |conversation: &Conversation| conversation.peer.as_ref().is_some_and(|peer| peer.id == peer_id);
        self.conversations
            .iter()
            .find(|(_, conversation)| conversation.open() && with(conversation))
            .map(|(conn, _)| *conn)
    }

    /// Calls into one session, then carries out everything that it says.
    pub(crate) fn with_session(&mut self, conn: ConnId, call: impl FnOnce(&mut AnySession, Now)) {
        let Some(conversation) = self.conversations.get_mut(&conn) else { return };
        call(&mut conversation.session, self.now);
        while let Some(output) =
            self.conversations.get_mut(&conn).and_then(|conversation| conversation.session.poll_output())
        {
            match output {
                Output::Transmit(bytes) => self.effects.push_back(Effect::Transmit { conn, bytes }),
                Output::Job(job) => self.need(conn, job),
                Output::Event(event) => self.event(conn, event),
            }
        }
    }

    fn accepted(&mut self, conn: ConnId, listener: ListenerId, from: std::net::SocketAddr, seed: Seed) {
        let asked = self.listeners.get(&listener).map(|listening| (listening.callers, listening.wire));
        let begun = asked
            .and_then(|(callers, wire)| Some((callers, self.conversation(wire, Role::Responder, seed)?)));
        let Some((callers, session)) = begun else {
            self.effects.push_back(Effect::Close(conn));
            return;
        };
        if self.conversations.len() >= self.capacity || self.leaving.is_some() {
            self.effects.push_back(Effect::Close(conn));
            self.report(Warning::TooManyPeers { limit: self.capacity });
            return;
        }
        if let AnySession::Oaep(_) = session {
            self.make_room_for_raw();
        }
        self.conversations
            .insert(conn, Conversation::new(session, Origin::Inbound { listener, from, callers }));
        self.with_session(conn, |_, _| ());
    }

    fn connected(&mut self, dial: DialId, conn: ConnId, seed: Seed) {
        let begun = self.dials.remove(&dial).and_then(|dialling| {
            let session = self.conversation(dialling.wire, Role::Initiator, seed)?;
            Some((dialling, session))
        });
        let Some((dialling, session)) = begun else {
            self.effects.push_back(Effect::Close(conn));
            return;
        };
        let way =
            Origin::Outbound { dial, target: dialling.target, pin: dialling.pin, callers: dialling.callers };
        self.conversations.insert(conn, Conversation::new(session, way));
        self.with_session(conn, |_, _| ());
    }

    fn unreachable(&mut self, dial: DialId, why: &str) {
        if let Some(dialling) = self.dials.remove(&dial) {
            let target = dialling.target.to_string();
            // A name can have several addresses, and each its own reason; an address is not said twice.
            let why = why.strip_prefix(&format!("{target}: ")).unwrap_or(why).to_owned();
            self.warn(Warning::Unreachable { target, why });
            self.effects.push_back(Effect::DialFinished(DialOutcome::Unreachable));
        }
    }

    /// A conversation on a wire, if we have the key for it.
    fn conversation(&self, wire: Protocol, role: Role, seed: Seed) -> Option<AnySession> {
        match wire {
            Protocol::Native => {
                let session = Session::new(role, self.own()?, seed, self.now.mono);
                Some(AnySession::Native(Box::new(session)))
            }
            Protocol::Oaep(direction) => self.raw_conversation(role, direction, seed),
        }
    }

    fn own(&self) -> Option<SessionConfig> {
        let key = self.own_key.as_ref()?.public.clone();
        Some(SessionConfig { key, name: self.own_name.to_string(), purpose: self.purpose })
    }

    pub(crate) fn tick(&mut self) {
        let now_ms = self.now.mono.0;
        let connections: Vec<ConnId> = self.conversations.keys().copied().collect();
        for conn in connections {
            if self
                .conversations
                .get(&conn)
                .and_then(|conversation| conversation.leaving)
                .is_some_and(|due| now_ms >= due)
            {
                self.with_session(conn, |session, _| session.close(ByeReason::Leaving));
            }
            self.with_session(conn, |session, now| session.handle_timeout(now.mono));
        }
        if let Some(making) = &mut self.making
            && now_ms >= making.told_ms + SIGN_OF_LIFE_MS
        {
            making.told_ms = now_ms;
            let seconds = (now_ms - making.since_ms) / 1_000;
            self.info(Info::StillMaking { seconds });
        }
        if let Some(times) = self.reports.overdue(now_ms) {
            self.warn(Warning::Suppressed { times });
        }
    }
}

/// How sure the book is of a peer.
pub(crate) fn trust_level(level: crate::peers::book::Trust) -> TrustLevel {
    match level {
        crate::peers::book::Trust::Verified => TrustLevel::Verified,
        crate::peers::book::Trust::Unverified | crate::peers::book::Trust::Blocked => TrustLevel::Unverified,
    }
}
