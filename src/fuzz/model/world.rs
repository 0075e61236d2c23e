//! World around a chat: its host, the peers at the other ends, the book on disk, and what the
//! person has seen and chosen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::chat::{Chat, Echo, Effect, Info, Input, LineStart, Notice};
use crate::crypto::{Fingerprint, Seed};
use crate::ids::{ConnId, DialId, ListenerId};
use crate::limits;
use crate::peers::address::Target;
use crate::peers::book::{Book, Change, Trust};
use crate::peers::met::MetPeers;
use crate::peers::name::Name;
use crate::session::Role;
use crate::time::{MonoMs, Now, UnixMs};

use super::act::{Act, Caller, NAMES};
use super::disk::{Disk, DiskJob};
use super::link::{KEYS, Link, fingerprint, new_chat};

/// Bytes of a text of a flood.
const LONG_TEXT: usize = 16_000;

/// Whom a text may reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Addressee {
    NobodyYet,
    Nobody,
    Dialled(DialId),
    Key(Fingerprint),
}

pub(super) struct World {
    pub(super) chat: Chat,
    now: Now,
    ids: u64,
    listener: ListenerId,
    pub(super) disk: Disk,
    /// Book as the chat was last told, with the blocks that are not on disk.
    known: Book,
    met: MetPeers,
    pub(super) links: BTreeMap<ConnId, Link>,
    /// Who answers the next dial, and who answered the earlier ones.
    next_answer: Option<Caller>,
    pub(super) dials: BTreeMap<DialId, Option<Fingerprint>>,
    /// Addresses of the dials.
    targets: BTreeMap<DialId, Target>,
    /// Names that the rows show.
    pub(super) shown: BTreeMap<Fingerprint, Name>,
    pub(super) addressee: Addressee,
    question: Option<(String, Addressee, MonoMs)>,
    begun: Vec<(LineStart, Addressee)>,
    put_back: Option<String>,
    /// Whom each text was for, and who got it.
    pub(super) chosen: BTreeMap<String, Addressee>,
    pub(super) heard: BTreeMap<String, Fingerprint>,
    /// Who was dialled, or stood in the book, at any time.
    pub(super) ever_chosen: BTreeSet<Fingerprint>,
    /// Names that the book ever had, as the chat was told.
    named: BTreeSet<(Fingerprint, String)>,
    /// Key that the present change of the book is about, and the notices of the present act.
    subject: Option<Fingerprint>,
    pub(super) notices: Vec<Notice>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            chat: new_chat(),
            now: Now { mono: MonoMs(10_000), unix: UnixMs(1_000_000) },
            ids: 0,
            listener: ListenerId(0),
            disk: Disk::default(),
            known: Book::new(),
            met: MetPeers::default(),
            links: BTreeMap::new(),
            next_answer: None,
            dials: BTreeMap::new(),
            targets: BTreeMap::new(),
            shown: BTreeMap::new(),
            addressee: Addressee::NobodyYet,
            question: None,
            begun: Vec::new(),
            put_back: None,
            chosen: BTreeMap::new(),
            heard: BTreeMap::new(),
            ever_chosen: BTreeSet::new(),
            named: BTreeSet::new(),
            subject: None,
            notices: Vec::new(),
        };
        world.chat.call_lost_peers();
        world.handle(Input::Line(":listen 127.0.0.1:8000"));
        world
    }

    pub(super) fn perform(&mut self, act: Act) {
        self.begin_act(if let Act::EnterAgain { after } = act { after } else { 2_000 });
        match act {
            Act::Call(caller) => {
                let (conn, seed) = (self.connect(caller, None), self.seed());
                let (listener, from) = (self.listener, "127.0.0.1:4711".parse().unwrap());
                self.handle(Input::Accepted { conn, listener, from, seed });
            }
            Act::PeerText { link } => {
                let text = self.new_text("");
                self.peer_says(link, &text);
            }
            Act::PeerFlood { link } => {
                for _ in 0..limits::HISTORY_MET_BYTES / LONG_TEXT + 2 {
                    let text = self.new_text(&"x".repeat(LONG_TEXT));
                    self.peer_says(link, &text);
                }
                self.command(":last 10000");
            }
            Act::Cut { link } => {
                if let Some(conn) = self.nth_link(link) {
                    self.handle(Input::Ended { conn, error: None });
                }
            }
            Act::Drip { link, bytes } => {
                let slow = |(conn, link): (&ConnId, &Link)| link.caller.is_slow.then_some(*conn);
                let slow: Vec<_> = self.links.iter().filter_map(slow).collect();
                if let Some(conn) = slow.get(link % slow.len().max(1)) {
                    self.read(*conn, bytes);
                }
            }
            Act::Begin => self.begun.push((self.chat.view().start, self.addressee)),
            Act::Enter { begun } => {
                let text = self.new_text("");
                match self.begun.get(begun).cloned() {
                    Some((start, addressee)) => self.enter(&text, &start, addressee),
                    None => self.enter_now(&text),
                }
            }
            Act::EnterAgain { .. } => {
                let line = self.put_back.take().unwrap_or_default();
                if line.starts_with('@') {
                    self.enter_at(&line);
                } else {
                    self.enter(&line, &self.chat.view().start, self.addressee);
                }
            }
            Act::Flood => {
                for _ in 0..limits::QUEUE_BYTES / LONG_TEXT + 4 {
                    let text = self.new_text(&"x".repeat(LONG_TEXT));
                    self.enter_now(&text);
                }
            }
            Act::At { name } => {
                let (name, text) = (self.nth_name(name), self.new_text(""));
                self.enter_at(&format!("@{name} {text}"));
            }
            Act::Command { word, name } => self.command_about(word, &self.nth_name(name)),
            Act::Rename { name, new } => self.command(&format!(":name {} {new}", self.nth_name(name))),
            Act::Connect { host, answer } => {
                self.next_answer = answer;
                self.command(&format!(":connect {host}"));
                self.next_answer = None;
            }
            Act::Answer(answer) => {
                let waits = |(dial, by): (&DialId, &Option<_>)| by.is_none().then_some(*dial);
                if let Some(dial) = self.dials.iter().find_map(waits) {
                    let input = self.answer(dial, answer);
                    self.handle(input);
                }
            }
            Act::Cancel => self.handle(Input::Cancel),
            Act::Elsewhere { change, key, name } => {
                let (fingerprint, name) = (fingerprint(key), Name::parse(name).unwrap());
                let changes = [
                    Change::Meet { fingerprint, name: name.clone(), address: None },
                    Change::Block { fingerprint },
                    Change::Unblock { fingerprint },
                    Change::Verify { fingerprint },
                    Change::Forget { fingerprint },
                    Change::Rename { fingerprint, name },
                ];
                let _ = self.disk.book.apply(&changes[change]);
            }
            Act::Poll => {
                self.learn(self.disk.book.clone());
                self.handle(Input::BookChanged(Ok(self.disk.book.clone())));
            }
            Act::Store { fails } => self.disk.fails = fails,
            Act::Disk { waits } => {
                self.disk.waits = waits;
                self.follow();
            }
            Act::DiskOnce => {
                if let Some(job) = self.disk.jobs.pop_front() {
                    let done = self.work_on_disk(job);
                    self.handle(done);
                }
            }
        }
        self.settle();
    }

    /// The chat reads everything of the quick peers.
    fn settle(&mut self) {
        while let Some(conn) = self.links.iter().find(|(_, link)| link.is_readable()).map(|(conn, _)| *conn) {
            self.read(conn, usize::MAX);
        }
    }

    /// Hands an input over, and does what follows from it.
    fn handle(&mut self, input: Input<'_>) {
        self.chat.handle(self.now, input);
        self.follow();
    }

    /// Does what the chat asks for, and hands over the results.
    fn follow(&mut self) {
        let mut results = VecDeque::new();
        loop {
            while let Some(effect) = self.chat.poll_effect() {
                results.extend(self.host(effect));
            }
            if results.is_empty() && !self.disk.waits {
                let job = self.disk.jobs.pop_front();
                results.extend(job.map(|job| self.work_on_disk(job)));
            }
            let Some(input) = results.pop_front() else { return };
            self.chat.handle(self.now, input);
        }
    }

    fn host(&mut self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Listen { listener, .. } => {
                self.listener = listener;
                {
                    let at = SocketAddr::from(([127, 0, 0, 1], 8000)).into();
                    Some(Input::Listening { listener, at, dial: Vec::new() })
                }
            }
            Effect::Connect { dial, target, .. } => {
                self.dials.insert(dial, None);
                self.targets.insert(dial, target);
                self.addressee = Addressee::Dialled(dial);
                self.next_answer.take().map(|caller| self.answer(dial, Some(caller)))
            }
            Effect::CancelConnect(dial) => {
                self.give_up(dial);
                None
            }
            Effect::Transmit { conn, bytes } => {
                let link = self.links.get_mut(&conn)?;
                link.session.handle_bytes(self.now.mono, &bytes);
                let (key, texts) = (link.key(), link.work(self.now.mono));
                for text in texts {
                    self.a_text_goes_only_to_whom_the_person_chose(text, key);
                }
                None
            }
            Effect::Authenticated(conn, _) => {
                let link = self.links.get_mut(&conn)?;
                link.is_established = true;
                let (key, dial) = (link.key(), link.dial);
                self.ever_chosen.extend(dial.map(|_| key));
                let is_chosen = match self.addressee {
                    Addressee::NobodyYet => dial.is_none(),
                    Addressee::Dialled(dialled) => dial == Some(dialled),
                    _ => false,
                };
                self.addressee = if is_chosen { Addressee::Key(key) } else { self.addressee };
                None
            }
            Effect::Close(conn) => {
                let link = self.links.remove(&conn)?;
                let dial = link.dial.filter(|dial| self.addressee == Addressee::Dialled(*dial))?;
                if link.is_replaced && self.is_connected(link.key()) {
                    self.addressee = Addressee::Key(link.key());
                } else {
                    self.give_up(dial);
                }
                None
            }
            Effect::Job { conn, job, .. } => Some(Input::JobDone { conn, result: job.run(&KEYS[0]) }),
            Effect::Seed { conn } => Some(Input::Seed { conn, seed: Seed::new([11; 32]) }),
            Effect::ReadBook { conn } => {
                self.disk.jobs.push_back(DiskJob::Read(conn));
                None
            }
            Effect::ChangeBook(changes) => {
                self.ids += 1;
                self.disk.note_blocks(self.ids, &changes);
                self.learn(self.known.clone());
                self.disk.jobs.push_back(DiskJob::Change(self.ids, changes));
                None
            }
            Effect::ChangeMet(change) => {
                self.met.apply(&change);
                Some(Input::Met(self.met.clone()))
            }
            Effect::ShowTo(_, notice) => {
                self.see(notice);
                None
            }
            Effect::ReturnLine(_, line) => {
                self.put_back = Some(line.text);
                None
            }
            Effect::Show(notice, receipt) => {
                self.see(notice);
                receipt.map(Input::Shown)
            }
            _ => None,
        }
    }

    fn see(&mut self, notice: Notice) {
        let keys = self.keys_of(&notice);
        self.each_sentence_is_in_the_book_file(&notice, &keys);
        self.nobody_blocked_is_heard(&notice);
        match &notice {
            Notice::Info(Info::Joined { name, fingerprint, .. }) => {
                self.shown.insert(*fingerprint, Name::parse_local(name).unwrap());
            }
            Notice::Info(Info::Named { name, .. }) => {
                let named = keys.iter().find(|key| self.is_in_the_book_file(&notice, key));
                self.shown.extend(named.map(|key| (*key, Name::parse_local(name).unwrap())));
            }
            Notice::Info(Info::AlreadyConnected { name }) => {
                let shown = |(key, shown): (&Fingerprint, &Name)| (shown.as_str() == name).then_some(*key);
                self.addressee = self.shown.iter().find_map(shown).map_or(self.addressee, Addressee::Key);
            }
            Notice::History { messages, .. } => self.the_history_is_within_bounds(messages),
            _ => {}
        }
        self.notices.push(notice);
    }

    /// Keys that a row about the book may mean: that of our own change, then those that have or had
    /// the name, since another process may have changed theirs.
    fn keys_of(&self, notice: &Notice) -> Vec<Fingerprint> {
        let Notice::Info(
            Info::Blocked { name }
            | Info::Unblocked { name, .. }
            | Info::Trusted { name }
            | Info::Forgotten { name }
            | Info::Named { old: name, .. },
        ) = notice
        else {
            return Vec::new();
        };
        let has_it = |key: &Fingerprint| {
            let is_shown = self.shown.get(key).is_some_and(|shown| shown.as_str() == name);
            self.subject == Some(*key) || is_shown || self.named.contains(&(*key, name.clone()))
        };
        let mut keys: Vec<_> = (1..KEYS.len()).map(fingerprint).filter(has_it).collect();
        keys.sort_by_key(|key| (self.subject != Some(*key), !self.is_connected(*key)));
        keys
    }

    fn work_on_disk(&mut self, job: DiskJob) -> Input<'static> {
        self.subject = job.subject();
        let done = self.disk.work(job);
        if !matches!(done, Input::Changed(Err(_))) {
            self.learn(self.disk.book.clone());
        }
        done
    }

    /// The book as the chat has it from now on.
    fn learn(&mut self, book: Book) {
        let book = self.disk.with_unsaved_blocks(book);
        let chosen = book.peers().filter(|entry| entry.trust != Trust::Met);
        self.ever_chosen.extend(chosen.map(|entry| entry.fingerprint));
        self.named.extend(book.peers().map(|entry| (entry.fingerprint, entry.name.to_string())));
        self.known = book;
    }

    /// Enter on a line that was begun for somebody.
    fn enter(&mut self, line: &str, start: &LineStart, begun: Addressee) {
        let is_for = self.is_same(begun, self.addressee) || begun == Addressee::NobodyYet;
        let question = self.question.take().filter(|(asked, ..)| asked == line);
        let chosen = match &question {
            Some((.., at)) if self.now.mono.since(*at) < 500 => Addressee::Nobody,
            Some((_, to, _)) => *to,
            None if is_for => self.addressee,
            None => Addressee::Nobody,
        };
        let is_away = matches!(chosen, Addressee::Key(key) if !self.is_connected(key));
        self.chosen.insert(line.to_owned(), if is_away { Addressee::Nobody } else { chosen });
        self.handle(Input::Typed { line, start, echo: Echo::Message });
        self.question = question.filter(|_| self.chat.is_asking());
        if self.chat.is_asking() && self.question.is_none() {
            self.question = Some((line.to_owned(), self.addressee, self.now.mono));
        }
    }

    /// Enter on a line that was begun now: whoever is addressed, connected and quick gets it.
    fn enter_now(&mut self, text: &str) {
        let is_quick = |link: &&Link| link.is_established && !link.caller.is_slow;
        let mut keys = self.links.values().filter(is_quick).map(Link::key);
        let to = keys.find(|key| self.addressee == Addressee::Key(*key));
        self.enter(text, &self.chat.view().start, self.addressee);
        if to.is_some() {
            self.settle();
            assert_eq!(self.heard.get(text).copied(), to, "who is addressed gets the text");
        }
    }

    /// Enter on `@NAME TEXT`.
    fn enter_at(&mut self, line: &str) {
        let (name, text) = line[1..].split_once(' ').unwrap();
        let to = self.key_of(name).filter(|key| self.is_connected(*key));
        self.chosen.insert(text.to_owned(), to.map_or(Addressee::Nobody, Addressee::Key));
        self.command(line);
    }

    /// A typed command, which drops the question.
    fn command(&mut self, line: &str) {
        self.question = None;
        let start = self.chat.view().start;
        self.handle(Input::Typed { line, start: &start, echo: Echo::Line });
    }

    fn command_about(&mut self, word: &str, name: &str) {
        let key = self.key_of(name);
        let was_blocked = key.is_some_and(|key| self.is_blocked(key));
        match (word, key) {
            ("to", _) => self.addressee = key.map_or(Addressee::Nobody, Addressee::Key),
            // This one is to be written, whatever was before.
            ("block", Some(key)) => self.disk.forget_block(key),
            _ => {}
        }
        self.command(&format!(":{word} {name}"));
        let is_said = self.notices.iter().any(|notice| {
            let is_it = match notice {
                Notice::Info(Info::Blocked { .. }) => word == "block",
                Notice::Info(Info::Unblocked { .. }) => word == "unblock",
                _ => false,
            };
            is_it && key.is_some_and(|key| self.keys_of(notice).contains(&key))
        });
        let is_due = word == "block" || word == "unblock" && was_blocked;
        if !self.disk.waits {
            assert_eq!(is_said, is_due && key.is_some() && !self.disk.fails, ":{word} {name}");
        }
    }

    /// A text of an established peer: it is shown if the peer is quick.
    fn peer_says(&mut self, link: usize, text: &str) {
        let Some(conn) = self.nth_link(link) else { return };
        let Some(link) = self.links.get_mut(&conn).filter(|link| link.session.is_established()) else {
            return;
        };
        link.session.send(text, self.now.unix).unwrap();
        link.work(self.now.mono);
        if link.is_established && !link.caller.is_slow {
            self.read(conn, usize::MAX);
            let is_it = |shown: &Notice| matches!(shown, Notice::Message(one) if one.text == text.as_bytes());
            assert!(self.notices.iter().any(is_it), "who is connected is heard");
        }
    }

    /// The chat reads so many bytes of a connection.
    fn read(&mut self, conn: ConnId, bytes: usize) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.unacked = 0;
        let bytes: Vec<_> = link.unread.drain(..bytes.min(link.unread.len())).collect();
        self.handle(Input::Bytes { conn, bytes: &bytes });
    }

    fn answer(&mut self, dial: DialId, by: Option<Caller>) -> Input<'static> {
        let Some(caller) = by else {
            self.give_up(dial);
            return Input::Unreachable { dial, why: "connection refused".to_owned() };
        };
        let (conn, to) = (self.connect(caller, Some(dial)), "127.0.0.1:8001".parse().unwrap());
        self.dials.insert(dial, Some(fingerprint(caller.key)));
        Input::Connected { dial, conn, to: Some(to), seed: self.seed() }
    }

    /// A dial comes to nothing. The chosen peer of its address stays addressed, unless whoever
    /// answered was refused: that, the chat tells.
    fn give_up(&mut self, dial: DialId) {
        let (by, target) = (self.dials.remove(&dial).flatten(), self.targets.remove(&dial));
        if self.addressee != Addressee::Dialled(dial) {
            return;
        }
        let is_there = by.is_none() || self.chat.view().addressed.is_some();
        let callee = target.filter(|_| is_there).and_then(|target| self.known.by_address(&target));
        let callee = callee.filter(|entry| matches!(entry.trust, Trust::Unverified | Trust::Verified));
        let key = callee.map(|entry| entry.fingerprint);
        self.addressee = key.map_or(Addressee::Nobody, Addressee::Key);
        // A line that was begun for the dial is one for that peer.
        self.dials.extend(key.map(|key| (dial, Some(key))));
    }

    fn connect(&mut self, caller: Caller, dial: Option<DialId>) -> ConnId {
        let role = if dial.is_some() { Role::Responder } else { Role::Initiator };
        let mut link = Link::new(role, caller, dial, None, self.seed(), self.now.mono);
        link.work(self.now.mono);
        let conn = ConnId(self.ids);
        self.links.insert(conn, link);
        conn
    }

    pub(super) fn is_blocked(&self, key: Fingerprint) -> bool {
        self.known.by_fingerprint(&key).is_some_and(|entry| entry.trust.is_blocked())
    }

    pub(super) fn is_connected(&self, key: Fingerprint) -> bool {
        self.links.values().any(|link| link.is_established && link.key() == key)
    }

    fn is_same(&self, one: Addressee, other: Addressee) -> bool {
        let key = |to| match to {
            Addressee::Dialled(dial) => self.dials.get(&dial).copied().flatten().map(Addressee::Key),
            to => Some(to),
        };
        one == other || key(one).is_some_and(|one| key(other) == Some(one))
    }

    /// Whether a key stands in the book, or called.
    pub(super) fn is_known(&self, key: Fingerprint) -> bool {
        self.known.by_fingerprint(&key).is_some() || self.met.by_fingerprint(&key).is_some()
    }

    /// Who has a name: who is connected under it, who was shown under it and is known, whose name
    /// it is in the book, or, if nobody was shown under it, who called with it last.
    pub(super) fn key_of(&self, name: &str) -> Option<Fingerprint> {
        let name = Name::parse_local(name).ok()?;
        let shown = || self.shown.iter().filter(|(_, shown)| shown.same_as(&name)).map(|(key, _)| *key);
        let of_book = || self.known.by_name(&name).map(|entry| entry.fingerprint);
        let of_met =
            || self.met.by_name(&name).filter(|_| shown().next().is_none()).map(|peer| peer.fingerprint);
        let connected = shown().find(|key| self.is_connected(*key));
        connected.or_else(|| shown().find(|key| self.is_known(*key))).or_else(of_book).or_else(of_met)
    }

    /// One of the names that there are, or that somebody could type.
    fn nth_name(&self, number: usize) -> String {
        let names = if number.is_multiple_of(4) {
            Vec::new()
        } else {
            self.chat.known_names().iter().map(str::to_owned).collect()
        };
        let any = NAMES[number % NAMES.len()].to_owned();
        names.get(number % names.len().max(1)).cloned().unwrap_or(any)
    }

    fn nth_link(&self, number: usize) -> Option<ConnId> {
        self.links.keys().nth(number % self.links.len().max(1)).copied()
    }

    fn new_text(&mut self, padding: &str) -> String {
        self.ids += 1;
        format!("text {} {padding}", self.ids).trim_end().to_owned()
    }

    /// Randomness that was not given before.
    fn seed(&mut self) -> Seed {
        self.ids += 1;
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.ids.to_be_bytes());
        Seed::new(bytes)
    }

    /// Forgets what was of the act before, so many milliseconds ago.
    fn begin_act(&mut self, ms: u64) {
        self.notices.clear();
        self.subject = None;
        self.now = Now { mono: self.now.mono + ms, unix: UnixMs(self.now.unix.0 + ms) };
    }
}
