//! Standing session with a relay: log-in, letters of watched inboxes in their order, and letters
//! that are left in others (`docs/RELAY.md`).
//!
//! Laws:
//! - An inbox is read by the sequences of its stream, one request after the other, from the last
//!   number that its owner has. What a subscription delivers says only that it is time to look:
//!   it has no number, and the stream may not have taken it.
//! - A letter counts as left there when the stream says so, with its place.
//! - Moments come in as arguments; sockets, TLS and signatures belong to the caller.

mod bundles;
mod publishing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::codec::{ClientOp, Decoder, Message, ServerOp};
use super::error::CodecError;
use super::headers::Headers;
use super::info::{Connect, ServerInfo};
use super::jetstream::{LETTERS, StreamName};
use crate::limits::{RELAY_ANSWER_MS, RELAY_LETTERS_AHEAD, RELAY_LOOK_MS, RELAY_QUIET_MS, RELAY_READS};
use crate::time::MonoMs;

/// Number of the subscription for answers; those of inboxes follow.
const ANSWERS: u64 = 1;
/// Milliseconds before an inbox is looked at again, after a subscription has delivered what is not
/// there yet: it comes to the stream, and to the node that answers, later than to subscribers.
const LIVE_LOOKS_MS: [u64; 5] = [10, 50, 250, 1_000, 4_000];

/// What has come of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MailboxEvent {
    /// The log-in was accepted.
    Ready,
    /// A letter is on the disks of the relay.
    Published {
        /// Number of its order.
        ticket: u64,
    },
    /// A letter is not, or that is not known.
    Refused {
        /// Number of its order.
        ticket: u64,
        /// Why.
        why: PublishRefusal,
    },
    /// A letter has come. [`Mailbox::letter_taken`] follows once its owner has it.
    Letter {
        /// Where it was left.
        inbox: String,
        /// Its place in the stream, above that of each letter of the inbox before it.
        number: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The bundles at a name, as many as were found before the relay had no more or failed.
    Bundles {
        /// The name.
        name: String,
        /// Each of them, the oldest first.
        bundles: Vec<Vec<u8>>,
    },
}

/// Why a letter was not left at a relay.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishRefusal {
    /// It holds as many letters as one inbox may have.
    #[error("the inbox is full")]
    InboxFull,
    /// It holds as many bytes as the relay may have.
    #[error("the relay is full: {0}")]
    RelayFull(String),
    /// Nobody answers for the stream: too few nodes are up.
    #[error("fewer than half of the nodes of the relay are up")]
    NoLeader,
    /// No answer in time, or none before the connection was lost: it may be there.
    #[error("the relay did not acknowledge it")]
    NoAnswer,
    /// There is no connection.
    #[error("no relay is connected")]
    NotConnected,
    /// As many letters wait for their answers as may.
    #[error("too many letters are on their way to the relay")]
    Busy,
    /// For another reason, in words of the relay.
    #[error("the relay refuses: {0}")]
    Refused(String),
}

/// Why a session cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MailboxError {
    /// What came is not NATS.
    Codec(CodecError),
    /// An answer that `JetStream` does not give.
    Answer,
    /// Nothing came for too long.
    Silent,
    /// The relay has refused the log-in, or something that each log-in needs, in its words.
    Refused(String),
}

/// Order to leave a letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    /// Number by which it is answered.
    pub ticket: u64,
    /// Where it is left.
    pub inbox: String,
    /// Name of the letter, by which the relay keeps it once (`docs/PROTOCOL.md`, 12.1).
    pub id: String,
    /// The letter.
    pub letter: Vec<u8>,
}

/// Mailbox at a relay, over all of its connections.
#[derive(Debug, Default)]
pub struct Mailbox {
    watches: BTreeMap<String, Watch>,
    /// Inboxes to look at, and when.
    looks: BTreeSet<(MonoMs, String)>,
    /// Letters that their owner has not taken.
    untaken: usize,
    events: VecDeque<MailboxEvent>,
    /// What the relay has said of itself.
    info: Option<Box<ServerInfo>>,
    session: Option<Session>,
}

/// Inbox that is read.
#[derive(Debug)]
struct Watch {
    /// Number of the last letter that was read.
    after: u64,
    /// Moment of the next look; `None` while its answer is awaited.
    look_at: Option<MonoMs>,
    /// What a subscription has delivered and the stream has not.
    live: Option<Live>,
    /// Number of its subscription in this session.
    sid: u64,
    /// Inbox that is read to its end before this one.
    behind: Option<String>,
    /// Whether nothing more was there at the last look.
    is_read: bool,
}

/// Letter that a subscription has delivered.
#[derive(Debug)]
struct Live {
    hash: u64,
    looks: usize,
}

/// One connection.
#[derive(Debug)]
struct Session {
    stage: Stage,
    /// Moment until which the stage may last, before it is [`Stage::Ready`].
    until: MonoMs,
    decoder: Decoder,
    out: Vec<u8>,
    /// What the subjects of answers begin with.
    answers: String,
    /// Number of the next request.
    next: u64,
    /// Requests without an answer, each with the moment until which it is awaited, in that order.
    requests: BTreeMap<u64, (MonoMs, Request)>,
    reads: usize,
    sids: BTreeMap<u64, String>,
    heard: MonoMs,
    is_pinged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// INFO is awaited.
    Begun,
    /// The caller is to log in.
    Presented,
    /// The answer to the log-in is awaited.
    LoggingIn,
    /// That to the subscription for answers.
    Subscribing,
    Ready,
}

#[derive(Debug)]
enum Request {
    Publish { ticket: u64, stream: StreamName, subject: String },
    Read { inbox: String, after: u64 },
    Bundle { name: String, after: u64, found: Vec<Vec<u8>> },
}

impl Session {
    fn new(now: MonoMs) -> Self {
        Self {
            stage: Stage::Begun,
            until: now + RELAY_ANSWER_MS,
            decoder: Decoder::default(),
            out: Vec::new(),
            answers: String::new(),
            next: 1,
            requests: BTreeMap::new(),
            reads: 0,
            sids: BTreeMap::new(),
            heard: now,
            is_pinged: false,
        }
    }

    fn say(&mut self, op: &ClientOp<'_>) {
        op.write(&mut self.out);
    }

    fn enter(&mut self, stage: Stage, now: MonoMs) {
        (self.stage, self.until) = (stage, now + RELAY_ANSWER_MS);
    }

    fn request(&mut self, now: MonoMs, subject: &str, headers: Headers, payload: &[u8], request: Request) {
        let number = self.next;
        self.next += 1;
        let reply = format!("{}.{number}", self.answers);
        self.say(&ClientOp::Publish { subject, reply: Some(&reply), headers, payload });
        self.requests.insert(number, (now + RELAY_ANSWER_MS, request));
    }

    /// Wakes when nothing was heard for long.
    fn poll_timeout(&self) -> MonoMs {
        let quiet = if self.is_pinged { RELAY_QUIET_MS + RELAY_ANSWER_MS } else { RELAY_QUIET_MS };
        let own = if self.stage == Stage::Ready { self.heard + quiet } else { self.until };
        self.requests.values().next().map_or(own, |(due, _)| own.min(*due))
    }
}

impl Mailbox {
    /// Begins a session on a new connection.
    pub fn connect(&mut self, now: MonoMs) {
        self.disconnect(now);
        self.session = Some(Session::new(now));
    }

    /// What the relay has said of itself, once: [`Self::log_in`] follows, over TLS where that is
    /// wanted.
    pub fn take_info(&mut self) -> Option<Box<ServerInfo>> {
        self.info.take()
    }

    /// Logs in, by a public key and its signature of the nonce or without one. Answers come below
    /// a subject of the log-in's own.
    pub fn log_in(&mut self, now: MonoMs, key: Option<(&str, String)>, own: &str) {
        let Some(session) = &mut self.session else { return };
        session.answers = format!("_INBOX_{own}");
        session.enter(Stage::LoggingIn, now);
        session.say(&ClientOp::Connect(&Connect::with_signature(key)));
        session.say(&ClientOp::Ping);
    }

    /// Ends the session: its connection is lost. Letters without an answer may be there or not.
    pub fn disconnect(&mut self, now: MonoMs) {
        self.info = None;
        let Some(session) = self.session.take() else { return };
        for (_, request) in session.requests.into_values() {
            self.give_up(now, request);
        }
    }

    /// Handles bytes of the relay.
    ///
    /// # Errors
    /// Why the session cannot go on.
    pub fn receive(&mut self, now: MonoMs, bytes: &[u8]) -> Result<(), MailboxError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        (session.heard, session.is_pinged) = (now, false);
        session.decoder.push(bytes);
        while let Some(session) = &mut self.session
            && let Some(op) = session.decoder.take().map_err(MailboxError::Codec)?
        {
            self.handle(now, op)?;
        }
        self.read(now);
        Ok(())
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Why the session cannot go on.
    pub fn tick(&mut self, now: MonoMs) -> Result<(), MailboxError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let silence = now.since(session.heard);
        if session.stage == Stage::Ready && silence >= RELAY_QUIET_MS && !session.is_pinged {
            session.is_pinged = true;
            session.say(&ClientOp::Ping);
        }
        let is_silent = match session.stage {
            Stage::Ready => silence >= RELAY_QUIET_MS + RELAY_ANSWER_MS,
            _ => now >= session.until,
        };
        if is_silent {
            return Err(MailboxError::Silent);
        }
        while let Some(session) = &mut self.session
            && let Some(first) = session.requests.first_entry().filter(|first| first.get().0 <= now)
        {
            let (_, request) = first.remove();
            self.give_up(now, request);
        }
        self.read(now);
        Ok(())
    }

    /// Moment at which [`Self::tick`] is next due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoMs> {
        let session = self.session.as_ref()?;
        let look = self.looks.first().filter(|_| self.may_read(session)).map(|(at, _)| *at);
        Some(look.map_or(session.poll_timeout(), |look| look.min(session.poll_timeout())))
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<MailboxEvent> {
        self.events.pop_front()
    }

    /// Bytes for the relay.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.session.as_mut().map(|session| std::mem::take(&mut session.out)).unwrap_or_default()
    }

    /// Reads an inbox from behind a number on, in this session and those that follow. Where its
    /// letters come behind those of another, that one is read to its end first.
    pub fn watch(&mut self, now: MonoMs, inbox: &str, after: u64, behind: Option<String>) {
        self.unwatch(inbox);
        let watch = Watch { after, look_at: None, live: None, sid: 0, behind, is_read: false };
        self.watches.insert(inbox.to_owned(), watch);
        self.subscribe(inbox);
        self.look(inbox, now);
        self.read(now);
    }

    /// Reads an inbox no more.
    pub fn unwatch(&mut self, inbox: &str) {
        let Some(watch) = self.watches.remove(inbox) else { return };
        if let Some(at) = watch.look_at {
            self.looks.remove(&(at, inbox.to_owned()));
        }
        if let Some(session) = &mut self.session
            && session.sids.remove(&watch.sid).is_some()
        {
            session.say(&ClientOp::Unsubscribe { sid: watch.sid });
        }
        self.look_behind(inbox, MonoMs(0));
    }

    /// Takes note that the owner has one more of the letters: there is room for others.
    pub fn letter_taken(&mut self, now: MonoMs) {
        self.untaken = self.untaken.saturating_sub(1);
        self.read(now);
    }

    fn handle(&mut self, now: MonoMs, op: ServerOp) -> Result<(), MailboxError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        match (op, session.stage) {
            (ServerOp::Info(info), Stage::Begun) => {
                session.enter(Stage::Presented, now);
                self.info = Some(info);
            }
            (ServerOp::Ping, _) => session.say(&ClientOp::Pong),
            (ServerOp::Pong, Stage::LoggingIn) => {
                let subject = format!("{}.>", session.answers);
                session.say(&ClientOp::Subscribe { subject: &subject, sid: ANSWERS });
                session.say(&ClientOp::Ping);
                session.enter(Stage::Subscribing, now);
            }
            (ServerOp::Pong, Stage::Subscribing) => {
                session.enter(Stage::Ready, now);
                self.events.push_back(MailboxEvent::Ready);
                let inboxes: Vec<_> = self.watches.keys().cloned().collect();
                for inbox in inboxes {
                    self.subscribe(&inbox);
                    self.look(&inbox, now);
                }
            }
            (ServerOp::Message(message), Stage::Ready) => return self.handle_message(now, message),
            (ServerOp::Error(text), Stage::Ready) => return self.handle_error(text),
            (ServerOp::Error(text), _) => return Err(MailboxError::Refused(text)),
            _ => {}
        }
        Ok(())
    }

    /// An operation was refused. Only that a letter may not be left is no end of the session.
    fn handle_error(&mut self, text: String) -> Result<(), MailboxError> {
        let subject = text.strip_prefix("Permissions Violation for Publish to \"");
        let subject = subject.and_then(|rest| rest.strip_suffix('"'));
        let refused = self.session.as_mut().zip(subject).and_then(|(session, subject)| {
            let number = session.requests.iter().find_map(|(number, (_, request))| match request {
                Request::Publish { ticket, subject: of, .. } if of == subject => Some((*number, *ticket)),
                _ => None,
            });
            let (number, ticket) = number?;
            session.requests.remove(&number);
            Some(ticket)
        });
        let Some(ticket) = refused else { return Err(MailboxError::Refused(text)) };
        self.events.push_back(MailboxEvent::Refused { ticket, why: PublishRefusal::Refused(text) });
        Ok(())
    }

    fn handle_message(&mut self, now: MonoMs, message: Message) -> Result<(), MailboxError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if message.sid != ANSWERS {
            let inbox = session.sids.get(&message.sid).cloned();
            if let Some(watch) = inbox.as_ref().and_then(|inbox| self.watches.get_mut(inbox)) {
                (watch.live, watch.is_read) = (Some(Live { hash: hash(&message.payload), looks: 0 }), false);
                let is_awaited = watch.look_at.is_none();
                if let Some(inbox) = inbox.filter(|_| !is_awaited) {
                    self.look(&inbox, now);
                }
            }
            return Ok(());
        }
        let number = message.subject.strip_prefix(&session.answers);
        let number = number.and_then(|rest| rest.strip_prefix('.')?.parse::<u64>().ok());
        match number.and_then(|number| session.requests.remove(&number)) {
            // Of a request that was given up.
            None => Ok(()),
            Some((_, Request::Publish { ticket, stream, .. })) => {
                self.end_publish(ticket, stream, &message);
                Ok(())
            }
            Some((_, Request::Read { inbox, after })) => {
                session.reads -= 1;
                self.handle_read(now, inbox, after, message)
            }
            Some((_, Request::Bundle { name, after, found })) => {
                self.handle_bundle(now, name, (after, found), message)
            }
        }
    }

    fn handle_read(
        &mut self,
        now: MonoMs,
        inbox: String,
        after: u64,
        message: Message,
    ) -> Result<(), MailboxError> {
        let Some(watch) = self.watches.get_mut(&inbox) else { return Ok(()) };
        if watch.after != after {
            // It was begun anew meanwhile.
            self.look(&inbox, now);
            return Ok(());
        }
        match message.headers.status {
            None => {}
            Some(404) => {
                let next = match &mut watch.live {
                    Some(live) if live.looks < LIVE_LOOKS_MS.len() => {
                        live.looks += 1;
                        LIVE_LOOKS_MS.get(live.looks - 1).copied()
                    }
                    _ => None,
                };
                if next.is_none() {
                    watch.live = None;
                    if !std::mem::replace(&mut watch.is_read, true) {
                        self.look_behind(&inbox, now);
                    }
                }
                self.look(&inbox, now + next.unwrap_or(RELAY_LOOK_MS));
                return Ok(());
            }
            Some(_) => {
                self.look(&inbox, now + RELAY_ANSWER_MS);
                return Ok(());
            }
        }
        // The last of a name is the server's own: a writer may have put others before it.
        let is_of_inbox = message.headers.last("Nats-Subject") == Some(&LETTERS.subject(&inbox));
        let number = message.headers.last("Nats-Sequence").and_then(|number| number.parse::<u64>().ok());
        let number = number.filter(|number| is_of_inbox && *number > after).ok_or(MailboxError::Answer)?;
        (watch.after, watch.is_read) = (number, false);
        if watch.live.as_ref().is_some_and(|live| live.hash == hash(&message.payload)) {
            watch.live = None;
        }
        self.look(&inbox, now);
        self.untaken += 1;
        self.events.push_back(MailboxEvent::Letter { inbox, number, bytes: message.payload });
        Ok(())
    }

    /// Sets when an inbox is looked at next.
    fn look(&mut self, inbox: &str, at: MonoMs) {
        let Some(watch) = self.watches.get_mut(inbox) else { return };
        if let Some(before) = watch.look_at.replace(at) {
            self.looks.remove(&(before, inbox.to_owned()));
        }
        self.looks.insert((at, inbox.to_owned()));
    }

    /// Looks at what waits for an inbox that is read.
    fn look_behind(&mut self, inbox: &str, at: MonoMs) {
        let waits = |watch: &Watch| watch.look_at.is_none() && watch.behind.as_deref() == Some(inbox);
        let behind = self.watches.iter().find_map(|(name, watch)| waits(watch).then(|| name.clone()));
        if let Some(behind) = behind {
            self.look(&behind, at);
        }
    }

    fn may_read(&self, session: &Session) -> bool {
        let has_room = session.reads + self.untaken < RELAY_LETTERS_AHEAD;
        session.stage == Stage::Ready && session.reads < RELAY_READS && has_room
    }

    /// Asks for the next letter of each inbox that is to be looked at.
    fn read(&mut self, now: MonoMs) {
        while self.session.as_ref().is_some_and(|session| self.may_read(session))
            && self.looks.first().is_some_and(|(at, _)| *at <= now)
        {
            let Some((_, inbox)) = self.looks.pop_first() else { return };
            let Some(watch) = self.watches.get_mut(&inbox) else { continue };
            watch.look_at = None;
            let (after, behind) = (watch.after, watch.behind.clone());
            if behind.and_then(|behind| self.watches.get(&behind)).is_some_and(|before| !before.is_read) {
                continue;
            }
            let ask = format!("{{\"seq\":{},\"next_by_subj\":\"{}\"}}", after + 1, LETTERS.subject(&inbox));
            let Some(session) = &mut self.session else { return };
            session.reads += 1;
            let request = Request::Read { inbox, after };
            session.request(now, &LETTERS.direct_get(), Headers::default(), ask.as_bytes(), request);
        }
    }

    /// Subscribes to what comes to an inbox, in this session.
    fn subscribe(&mut self, inbox: &str) {
        let (Some(watch), Some(session)) = (self.watches.get_mut(inbox), &mut self.session) else { return };
        if session.stage != Stage::Ready {
            return;
        }
        let sid = session.sids.last_key_value().map_or(ANSWERS, |(last, _)| *last) + 1;
        (watch.sid, watch.is_read) = (sid, false);
        session.sids.insert(sid, inbox.to_owned());
        session.say(&ClientOp::Subscribe { subject: &LETTERS.subject(inbox), sid });
    }

    /// A request has no answer.
    fn give_up(&mut self, now: MonoMs, request: Request) {
        match request {
            Request::Publish { ticket, .. } => {
                let why = PublishRefusal::NoAnswer;
                self.events.push_back(MailboxEvent::Refused { ticket, why });
            }
            Request::Read { inbox, .. } => {
                if let Some(session) = &mut self.session {
                    session.reads -= 1;
                }
                self.look(&inbox, now);
            }
            Request::Bundle { name, found, .. } => {
                self.events.push_back(MailboxEvent::Bundles { name, bundles: found });
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
