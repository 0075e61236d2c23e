//! A whole conversation: lines of a person and orders of programs, records of peers that keep to no
//! rule but their keys, and a machine that answers late or fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::Choices;
use super::model::link::{KEYS, Link, fingerprint, new_chat, own_key};
use super::model::{Caller, NAMES};
use super::text::alphabet;
use crate::chat::{
    AcceptPolicy, Chat, Echo, Effect, ExitRequest, HistoryPolicy, Input, KeyOrigin, NewKey, Notice,
};
use crate::crypto::Seed;
use crate::delivery::{HistoryEntry, Pairs, StoredHistory};
use crate::ids::{ConnId, DialId, FaceId, ListenerId};
use crate::limits;
use crate::peers::book::{Book, ChangedBook};
use crate::peers::invitation::new_token;
use crate::peers::met::MetPeers;
use crate::peers::name::Name;
use crate::session::Role;
use crate::time::{MonoMs, Now, UnixMs};
use crate::wire::{ByeReason, Introduction, Token};

/// Most acts of one input, and most effects of one act.
const ACTS: usize = 60;
const EFFECTS: usize = 20_000;
/// Most waits between the wish to end and the end.
const WAITS: usize = 200;
/// Lines of a person, to which a fuzzer adds its own. `{}` is a name.
const LINES: [&str; 31] = [
    "hello",
    "@{} hi",
    ":to {}",
    ":peers",
    ":verify {}",
    ":trust {}",
    ":block {}",
    ":unblock {}",
    ":forget {}",
    ":connect one.example",
    ":connect {}",
    ":disconnect {}",
    ":listen 8001",
    ":unlisten",
    ":last 5",
    ":search h",
    ":show 1",
    ":copy",
    ":status",
    ":outbox",
    ":nick {}",
    ":keygen",
    ":history keep",
    ":listen 8001 --ask",
    ":invite",
    ":invite {} --for 1m",
    ":invite drop 1",
    ":admit 1",
    ":refuse 1",
    ":connect two.example --knock hi",
    ":quit",
];

/// Something that was done for the chat.
enum Done {
    Input(Input<'static>),
    /// A peer has sent something.
    Sent(ConnId),
}

struct World {
    chat: Chat,
    now: Now,
    ids: u64,
    listener: ListenerId,
    links: BTreeMap<ConnId, Link>,
    dials: BTreeSet<DialId>,
    /// Results that the chat has not got yet.
    results: VecDeque<Done>,
    waits: bool,
    fails: bool,
    book: Book,
    met: MetPeers,
    pairs: Pairs,
    history: Vec<HistoryEntry>,
    /// Token of the last invitation.
    token: Option<Token>,
    is_over: bool,
}

pub fn chat(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut world = World::new(&mut choices);
    for _ in 0..ACTS {
        if choices.is_empty() || world.is_over {
            break;
        }
        world.act(&mut choices);
        world.check();
    }
    world.end();
}

impl World {
    fn new(choices: &mut Choices<'_>) -> Self {
        let mut world = Self {
            chat: new_chat(),
            now: Now { mono: MonoMs(10_000), unix: UnixMs(1_000_000) },
            ids: 0,
            listener: ListenerId(0),
            links: BTreeMap::new(),
            dials: BTreeSet::new(),
            results: VecDeque::new(),
            waits: false,
            fails: false,
            book: Book::new(),
            met: MetPeers::default(),
            pairs: Pairs::new(),
            history: Vec::new(),
            token: None,
            is_over: false,
        };
        let form = choices.byte();
        if form & 1 == 0 {
            world.chat.call_lost_peers();
        }
        if form & 2 == 0 {
            world.chat.set_history(HistoryPolicy::Keep, None);
        }
        if form & 4 == 0 {
            world.handle(Input::Messages {
                pairs: Pairs::new(),
                history: StoredHistory::Empty,
                seed: Seed::new([8; 32]),
                put_aside: None,
            });
        }
        match form & 0b1_1000 {
            0b0_1000 => world.chat.set_callers(AcceptPolicy::KnownOnly),
            0b1_0000 => world.chat.set_callers(AcceptPolicy::Ask),
            _ => {}
        }
        world.handle(Input::Line(":listen 127.0.0.1:8000"));
        world
    }

    fn act(&mut self, choices: &mut Choices<'_>) {
        match choices.below(24) {
            0 | 1 => self.call(choices),
            2..=6 => {
                let name = choices.one_of(&NAMES);
                let line = choices.one_of(&LINES).replace("{}", name);
                self.typed(&line);
            }
            7 => {
                let line = choices.word().replace('\n', "");
                self.typed(&line);
            }
            8 => {
                let text = choices.word();
                self.handle(Input::Text(&text));
            }
            9 => {
                let (name, text) = (choices.one_of(&NAMES), choices.word());
                match choices.below(3) {
                    0 => self.handle(Input::TextTo { name, text: &text }),
                    1 => self.handle(Input::TextUntil { name, text: &text, expire_ms: choices.number() }),
                    _ => {
                        self.handle(Input::Ask { to: Some(name), text: &text, timeout_ms: choices.number() });
                    }
                }
            }
            10..=13 => self.peer_acts(choices),
            14 => self.pass(choices.number() % 200_000),
            15 => self.pass(u64::from(choices.byte())),
            16 => self.fails = choices.byte() >= 128,
            17 => {
                self.waits = choices.byte() >= 128;
                self.follow();
            }
            18 => {
                if let Some(done) = self.results.pop_front() {
                    self.tell(done);
                    self.follow();
                }
            }
            19 => {
                if let Some(conn) = self.nth(choices) {
                    match choices.below(5) {
                        0 => self.cut(conn),
                        1 => self.handle(Input::WriteBlocked { conn }),
                        2 => self.handle(Input::Drained { conn }),
                        3 => self.handle(Input::Dismiss { conn, reason: ByeReason::OutputGone }),
                        _ => self.handle(Input::Reply { conn, text: "reply" }),
                    }
                }
            }
            20 => {
                let dial = self.dials.first().copied();
                if let Some(dial) = dial {
                    self.answer(dial, choices);
                }
            }
            21 => self.handle(Input::Cancel),
            22 => match choices.below(4) {
                0 => self.handle(Input::DropQuestion),
                1 => self.handle(Input::Continued),
                2 => self.handle(Input::LineTooLong { bytes: choices.number() }),
                _ => self.handle(Input::ExitRequest(ExitRequest::EndOfInput)),
            },
            _ => self.pass(0),
        }
    }

    fn typed(&mut self, line: &str) {
        let start = self.chat.view().start;
        self.handle(Input::Typed { line, start: &start, echo: Echo::Message });
    }

    fn seed(&mut self) -> Seed {
        self.ids += 1;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.ids.to_be_bytes());
        Seed::new(bytes)
    }

    fn connect(&mut self, role: Role, dial: Option<DialId>, choices: &mut Choices<'_>) -> ConnId {
        let caller = Caller::chosen(choices);
        let introduction = match (role, choices.below(4)) {
            (Role::Responder, _) | (_, 0) => None,
            (_, 1) => Some(Introduction::Knock(choices.word())),
            (_, 2) => Some(Introduction::Invitation(Token::new([1; 16]))),
            _ => self.token.clone().map(Introduction::Invitation),
        };
        let seed = self.seed();
        let mut link = Link::new(role, caller, dial, introduction, seed, self.now.mono);
        link.work(self.now.mono);
        let conn = ConnId(self.ids);
        self.links.insert(conn, link);
        conn
    }

    fn call(&mut self, choices: &mut Choices<'_>) {
        let conn = self.connect(Role::Initiator, None, choices);
        let (listener, from, seed) = (self.listener, SocketAddr::from(([127, 0, 0, 1], 4711)), self.seed());
        self.handle(Input::Accepted { conn, listener, from, seed });
        self.carry(conn);
    }

    fn answer(&mut self, dial: DialId, choices: &mut Choices<'_>) {
        self.dials.remove(&dial);
        if choices.byte() >= 160 {
            return self.handle(Input::Unreachable { dial, why: "connection refused".to_owned() });
        }
        let conn = self.connect(Role::Responder, Some(dial), choices);
        let (to, seed) = (SocketAddr::from(([127, 0, 0, 1], 8001)), self.seed());
        self.handle(Input::Connected { dial, conn, to: Some(to), seed });
        self.carry(conn);
    }

    fn nth(&self, choices: &mut Choices<'_>) -> Option<ConnId> {
        let number = usize::from(choices.byte());
        self.links.keys().nth(number % self.links.len().max(1)).copied()
    }

    /// The chat reads what a peer has sent.
    fn carry(&mut self, conn: ConnId) {
        while let Some(link) = self.links.get_mut(&conn)
            && !link.unread.is_empty()
            && self.chat.wants_read(conn)
        {
            let bytes = std::mem::take(&mut link.unread);
            self.handle(Input::Bytes { conn, bytes: &bytes });
        }
    }

    /// A peer says something, in a record of its own or in one that no program writes.
    fn peer_acts(&mut self, choices: &mut Choices<'_>) {
        let Some(conn) = self.nth(choices) else { return };
        let now = self.now;
        let Some(link) = self.links.get_mut(&conn) else { return };
        match choices.below(4) {
            0 => {
                let _ = link.session.send(&choices.word(), now.unix);
            }
            1 => link.session.close(choices.one_of(&[
                ByeReason::Leaving,
                ByeReason::Replaced,
                ByeReason::Stopping,
            ])),
            _ if link.session.is_established() => {
                let plaintext = super::session::plaintext(choices);
                let frame = link.session.seal_any(&plaintext);
                link.unread.extend(frame);
            }
            _ => {}
        }
        link.work(now.mono);
        self.carry(conn);
    }

    fn cut(&mut self, conn: ConnId) {
        self.handle(Input::Ended { conn, error: None });
    }

    fn pass(&mut self, ms: u64) {
        self.now = Now { mono: self.now.mono + ms, unix: UnixMs(self.now.unix.0 + ms) };
        self.handle(Input::Tick);
    }

    fn handle(&mut self, input: Input<'_>) {
        if !self.is_over {
            self.chat.handle(self.now, input);
            self.follow();
        }
    }

    fn tell(&mut self, done: Done) {
        match done {
            Done::Input(input) => self.chat.handle(self.now, input),
            Done::Sent(conn) => {
                if let Some(link) = self.links.get_mut(&conn) {
                    let bytes = std::mem::take(&mut link.unread);
                    self.chat.handle(self.now, Input::Bytes { conn, bytes: &bytes });
                }
            }
        }
    }

    fn follow(&mut self) {
        for _ in 0..EFFECTS {
            if self.is_over {
                return;
            }
            if let Some(effect) = self.chat.poll_effect() {
                let result = self.host(effect);
                self.results.extend(result.map(Done::Input));
            } else if self.waits {
                return;
            } else {
                let Some(done) = self.results.pop_front() else { return };
                self.tell(done);
            }
        }
        panic!("the effects have no end");
    }

    fn host(&mut self, effect: Effect) -> Option<Input<'static>> {
        let failure = || "no space left on device".to_owned();
        match effect {
            Effect::Show(notice, receipt) => {
                seen(&notice);
                let shown = if self.fails { Input::NotShown } else { Input::Shown };
                receipt.map(shown)
            }
            Effect::ShowTo(_, notice) => {
                seen(&notice);
                None
            }
            Effect::Listen { listener, .. } if self.fails => {
                Some(Input::ListenFailed { listener, why: failure() })
            }
            Effect::Listen { listener, .. } => {
                self.listener = listener;
                let at = SocketAddr::from(([127, 0, 0, 1], 8000)).into();
                Some(Input::Listening { listener, at, dial: Vec::new() })
            }
            Effect::Connect { dial, .. } => {
                self.dials.insert(dial);
                None
            }
            Effect::CancelConnect(dial) => {
                assert!(self.dials.remove(&dial), "a call that is none is given up");
                None
            }
            Effect::Transmit { conn, bytes } => {
                let link = self.links.get_mut(&conn)?;
                link.session.handle_bytes(self.now.mono, &bytes);
                link.work(self.now.mono);
                self.results.extend((!link.unread.is_empty()).then_some(Done::Sent(conn)));
                None
            }
            Effect::Close(conn) => {
                self.links.remove(&conn);
                None
            }
            Effect::Job { conn, .. } if self.fails => Some(Input::JobRefused { conn }),
            Effect::Job { conn, job, .. } => Some(Input::JobDone { conn, result: job.run(&KEYS[0]) }),
            Effect::TokenSeed => {
                let seed = self.seed();
                self.token = Some(new_token(&seed));
                Some(Input::TokenSeed(seed))
            }
            Effect::Seed { conn } => Some(Input::Seed { conn, seed: self.seed() }),
            Effect::ReadBook { conn } => {
                let book = if self.fails { Err(failure()) } else { Ok(Some(self.book.clone())) };
                Some(Input::Book { conn, book })
            }
            Effect::ChangeBook(_) if self.fails => Some(Input::Changed(Err(failure()))),
            Effect::ChangeBook(changes) => {
                let outcome = self.book.apply_all(&changes);
                Some(Input::Changed(Ok(ChangedBook { book: self.book.clone(), outcome })))
            }
            Effect::ChangeMet(change) => {
                self.met.apply(&change);
                Some(Input::Met(self.met.clone()))
            }
            Effect::MakeKey { .. } if self.fails => Some(Input::KeyMade(Err(failure()))),
            Effect::MakeKey { .. } => {
                let key = own_key();
                Some(Input::KeyMade(Ok(NewKey { key, kept: None, origin: KeyOrigin::Found })))
            }
            Effect::OpenLog(file) => {
                Some(Input::Logging { file, result: if self.fails { Err(failure()) } else { Ok(()) } })
            }
            Effect::Export(face, export) => Some(Input::Exported { face, export, result: Ok(()) }),
            Effect::Commit(..) if self.fails => {
                Some(Input::Committed(Err((failure(), Some(self.pairs.clone())))))
            }
            Effect::Commit(batch, _) => {
                for one in batch.changes {
                    self.pairs.entry(one.peer).or_default().apply(one.change);
                }
                self.history.extend(batch.history);
                Some(Input::Committed(Ok(())))
            }
            Effect::ForgetHistory { before } => {
                self.history.retain(|entry| entry.row.at >= before);
                Some(Input::Committed(Ok(())))
            }
            Effect::ReadHistory(_) if self.fails => Some(Input::History(Err(failure()))),
            Effect::ReadHistory(query) => Some(Input::History(Ok(query.find(&self.history)))),
            Effect::Quit(_) => {
                self.is_over = true;
                None
            }
            _ => None,
        }
    }

    /// What has to hold between two acts.
    fn check(&self) {
        assert_eq!(self.chat.connections(), self.links.keys().copied().collect::<Vec<_>>());
        let view = self.chat.view();
        assert!(view.waiting <= limits::HISTORY_MESSAGES, "{}", view.waiting);
        let names: Vec<_> = self.chat.present().iter().map(|name| Name::parse_local(name).unwrap()).collect();
        for (at, one) in names.iter().enumerate() {
            assert_eq!(names[at + 1..].iter().find(|other| one.looks_like(other)), None, "{one}");
        }
        for link in self.links.values().filter(|link| link.session.is_established()) {
            let key = fingerprint(link.caller.key);
            assert!(self.chat.waiting_to(key, u64::MAX) <= limits::HISTORY_MESSAGES);
        }
        let _ = (self.chat.known_names(), self.chat.view_of(FaceId::OWN), self.chat.past(5));
    }

    /// Whatever was before, a signal ends the program in a bounded time.
    fn end(mut self) {
        (self.waits, self.fails) = (false, false);
        self.follow();
        self.handle(Input::ExitRequest(ExitRequest::Signal(15)));
        for _ in 0..WAITS {
            if self.is_over {
                return;
            }
            let due = self.chat.poll_timeout().map_or(1_000, |due| due.0.saturating_sub(self.now.mono.0));
            self.pass(due.max(1));
        }
        panic!("it does not end");
    }
}

/// A row that is shown has nothing that a terminal obeys.
fn seen(notice: &Notice) {
    for row in notice.rows().iter().chain(&notice.sentences()) {
        alphabet(row);
    }
}
