//! The one conversation core of every front end: what a person types, what peers do, and what follows.

use std::collections::{BTreeMap, VecDeque};

use super::conversation::{Callers, Talk, Tie, Way};
use super::handlers::history::Memory;
use super::handlers::notify::Notify;
use super::handlers::shutdown::Leaving;
use super::handlers::trust::RefusedKey;
use super::io::{Assurance, Dial, Effect, Input, Link, Listener, Now, OwnKey, Verdict};
use super::kinds::{KeyFor, Wire};
use super::notice::{Info, Notice, Trouble};
use super::rate_limit::Reports;
use crate::crypto::{Fingerprint, Seed};
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::session::{Conversation, Output, Own, Role, Session};
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
    pub(crate) callers: Callers,
    pub(crate) book: Book,
    pub(crate) talks: BTreeMap<Link, Talk>,
    pub(crate) dials: BTreeMap<Dial, Dialling>,
    pub(crate) listeners: BTreeMap<Listener, Listening>,
    pub(crate) addressed: Option<Tie>,
    pub(crate) refused: BTreeMap<String, RefusedKey>,
    /// Commands that wait for the first key.
    pub(crate) held: Vec<Held>,
    pub(crate) making: Option<Making>,
    pub(crate) leaving: Option<Leaving>,
    pub(crate) reports: Reports,
    /// Counts changes of who there is and what they are called.
    pub(crate) roster: u64,
    pub(crate) memory: Memory,
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
    pub(crate) callers: Callers,
    pub(crate) wire: Wire,
}

/// A place where callers are awaited.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) asked: ListenAt,
    pub(crate) at: Option<std::net::SocketAddr>,
    pub(crate) callers: Callers,
    pub(crate) wire: Wire,
}

/// What waits for a key.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Listen(ListenAt, Family, Callers, Wire),
    Connect(Target, Family, Option<Fingerprint>, Callers, Wire),
}

/// A key that is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making {
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
            callers: Callers::Anybody,
            book,
            talks: BTreeMap::new(),
            dials: BTreeMap::new(),
            listeners: BTreeMap::new(),
            addressed: None,
            refused: BTreeMap::new(),
            held: Vec::new(),
            making: None,
            leaving: None,
            reports: Reports::default(),
            roster: 0,
            memory: Memory::default(),
            seen: BTreeMap::new(),
            notify: Notify::default(),
            log: None,
            hinted_quit: false,
            unsent: 0,
            receipted: 0,
            sent: 0,
            now: Now { mono_ms: 0, unix_ms: 0 },
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
    pub fn set_callers(&mut self, callers: Callers) {
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
                self.not_taken(Trouble::Mistake { what });
            }
            Input::LineTooLong { bytes } => {
                self.not_taken(Trouble::LineTooLong { bytes });
            }
            Input::LineNotText { row } => {
                self.not_taken(Trouble::LineNotText { row });
            }
            Input::Dismiss { link, reason } => self.with_session(link, |session, _| session.close(reason)),
            Input::Cancel => self.cancel(),
            Input::Farewell(farewell) => self.farewell(farewell),
            Input::Listening { listener, at } => self.listening(listener, at),
            Input::ListenFailed { listener, why } => self.listen_failed(listener, why),
            Input::Accepted { link, listener, from, seed } => self.accepted(link, listener, from, seed),
            Input::TurnedAway { from, why } => {
                self.report(Trouble::TurnedAway { whom: from.to_string(), why });
            }
            Input::Connected { dial, link, seed, .. } => self.connected(dial, link, seed),
            Input::Unreachable { dial, why } => self.unreachable(dial, &why),
            Input::Bytes { link, bytes } => {
                self.with_session(link, |session, now| session.feed(now.mono_ms, bytes));
            }
            Input::Ended { link, error } => self.ended(link, error.as_deref()),
            Input::Worked { link, result } => {
                self.with_session(link, |session, now| session.done(now.mono_ms, result));
            }
            Input::Busy { link } => self.with_session(link, |session, _| session.overloaded()),
            Input::Shown(owed) => self.with_session(owed.link, |session, _| session.shown(owed.upto)),
            Input::Book { link, book } => self.judge(link, book),
            Input::Changed(book) => self.changed(book),
            Input::KeyMade(made) => self.key_made(made),
            Input::Logging { file, result } => self.logging(&file, result),
            Input::Clogged { link } => self.with_session(link, |session, _| session.clogged()),
            Input::Drained { link } => self.with_session(link, |session, _| session.drained()),
            Input::Famine { open } => self.trouble(Trouble::Famine { open }),
            Input::Tick => self.tick(),
        }
        self.settle();
    }

    /// The next effect, until `None`.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn show(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Show(notice, None));
    }

    pub(crate) fn info(&mut self, info: Info) {
        self.show(Notice::Info(info));
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        self.show(Notice::Trouble(trouble));
    }

    /// A line of ours that is not taken: told, and counted for the end of the input.
    pub(crate) fn not_taken(&mut self, why: Trouble) {
        self.unsent += 1;
        self.trouble(why);
    }

    /// Trouble that strangers can cause at will: at most one a second is shown, the rest is counted.
    pub(crate) fn report(&mut self, trouble: Trouble) {
        if let Some(trouble) = self.reports.admit(trouble, self.now.mono_ms) {
            self.trouble(trouble);
        }
    }

    pub(crate) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The connection that plain text goes to.
    pub(crate) fn addressed_link(&self) -> Option<Link> {
        self.addressed.and_then(|tie| self.link_to(tie))
    }

    /// The conversation that plain text goes to.
    pub(crate) fn addressed_talk(&self) -> Option<&Talk> {
        self.addressed_link().and_then(|link| self.talks.get(&link))
    }

    /// The open conversation with the holder of a key.
    pub(crate) fn link_of(&self, fingerprint: Fingerprint) -> Option<Link> {
        self.link_to(Tie::Key(fingerprint))
    }

    /// The open conversation with somebody.
    pub(crate) fn link_to(&self, tie: Tie) -> Option<Link> {
        let with = |talk: &Talk| talk.partner.as_ref().is_some_and(|partner| partner.tie == tie);
        self.talks.iter().find(|(_, talk)| talk.open() && with(talk)).map(|(link, _)| *link)
    }

    /// Calls into one session, then carries out everything that it says.
    pub(crate) fn with_session(&mut self, link: Link, call: impl FnOnce(&mut Conversation, Now)) {
        let Some(talk) = self.talks.get_mut(&link) else { return };
        call(&mut talk.session, self.now);
        while let Some(output) = self.talks.get_mut(&link).and_then(|talk| talk.session.poll()) {
            match output {
                Output::Transmit(bytes) => self.effects.push_back(Effect::Transmit { link, bytes }),
                Output::Need(job) => self.need(link, job),
                Output::Event(event) => self.event(link, event),
            }
        }
    }

    fn accepted(&mut self, link: Link, listener: Listener, from: std::net::SocketAddr, seed: Seed) {
        let asked = self.listeners.get(&listener).map(|listening| (listening.callers, listening.wire));
        let begun = asked
            .and_then(|(callers, wire)| Some((callers, self.conversation(wire, Role::Responder, seed)?)));
        let Some((callers, session)) = begun else {
            self.effects.push_back(Effect::Hangup(link));
            return;
        };
        if self.talks.len() >= self.capacity || self.leaving.is_some() {
            self.effects.push_back(Effect::Hangup(link));
            self.report(Trouble::TooManyPeers { limit: self.capacity });
            return;
        }
        if let Conversation::Raw(_) = session {
            self.make_room_for_raw();
        }
        self.talks.insert(link, Talk::new(session, Way::Called { listener, from, callers }));
        self.with_session(link, |_, _| ());
    }

    fn connected(&mut self, dial: Dial, link: Link, seed: Seed) {
        let begun = self.dials.remove(&dial).and_then(|dialling| {
            let session = self.conversation(dialling.wire, Role::Initiator, seed)?;
            Some((dialling, session))
        });
        let Some((dialling, session)) = begun else {
            self.effects.push_back(Effect::Hangup(link));
            return;
        };
        let way =
            Way::Dialled { dial, target: dialling.target, pin: dialling.pin, callers: dialling.callers };
        self.talks.insert(link, Talk::new(session, way));
        self.with_session(link, |_, _| ());
    }

    fn unreachable(&mut self, dial: Dial, why: &str) {
        if let Some(dialling) = self.dials.remove(&dial) {
            let target = dialling.target.to_string();
            // A name can have several addresses, and each its own reason; an address is not said twice.
            let why = why.strip_prefix(&format!("{target}: ")).unwrap_or(why).to_owned();
            self.trouble(Trouble::Unreachable { target, why });
            self.effects.push_back(Effect::DialOver(Verdict::Unreachable));
        }
    }

    /// A conversation on a wire, if we have the key for it.
    fn conversation(&self, wire: Wire, role: Role, seed: Seed) -> Option<Conversation> {
        match wire {
            Wire::Native => {
                let session = Session::new(role, self.own()?, seed, self.now.mono_ms);
                Some(Conversation::Native(Box::new(session)))
            }
            Wire::Oaep(direction) => self.raw_conversation(role, direction, seed),
        }
    }

    fn own(&self) -> Option<Own> {
        let key = self.own_key.as_ref()?.public.clone();
        Some(Own { key, name: self.own_name.to_string(), purpose: self.purpose })
    }

    pub(crate) fn tick(&mut self) {
        let now_ms = self.now.mono_ms;
        let links: Vec<Link> = self.talks.keys().copied().collect();
        for link in links {
            if self.talks.get(&link).and_then(|talk| talk.leaving).is_some_and(|due| now_ms >= due) {
                self.with_session(link, |session, _| session.close(ByeReason::Leaving));
            }
            self.with_session(link, |session, now| session.tick(now.mono_ms));
        }
        if let Some(making) = &mut self.making
            && now_ms >= making.told_ms + SIGN_OF_LIFE_MS
        {
            making.told_ms = now_ms;
            let seconds = (now_ms - making.since_ms) / 1_000;
            self.info(Info::StillMaking { seconds });
        }
        if let Some(times) = self.reports.overdue(now_ms) {
            self.trouble(Trouble::Suppressed { times });
        }
    }
}

/// How sure the book is of a peer.
pub(crate) fn assurance(level: crate::peers::book::Trust) -> Assurance {
    match level {
        crate::peers::book::Trust::Verified => Assurance::Verified,
        crate::peers::book::Trust::Unverified | crate::peers::book::Trust::Blocked => Assurance::Unverified,
    }
}
