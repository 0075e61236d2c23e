//! What a typed line does: text goes to the addressed peer, commands are carried out.

use std::net::SocketAddr;

use crate::chat::command::{self, Command, Keep, ParsedLine};
use crate::chat::conversation::{AcceptPolicy, PeerId};
use crate::chat::io::{Effect, ExitRequest, KeyOrigin, NewKey, Replacing};
use crate::chat::kinds::{Direction, KeyFor, Protocol};
use crate::chat::notice::{Info, Notice, Warning};
use crate::chat::state::{Chat, Held, KeygenProgress};
use crate::limits;
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::name::Name;
use crate::session::SendError;

impl Chat {
    pub(crate) fn typed(&mut self, line: &str) {
        match command::parse_line(line) {
            Ok(ParsedLine::Nothing) => {}
            Ok(ParsedLine::Text(text)) => self.say(&text),
            Ok(ParsedLine::Command(command)) => self.perform(command),
            Err(mistake) => {
                self.not_taken(Warning::CommandError { what: mistake.to_string() });
            }
        }
    }

    pub(crate) fn perform(&mut self, command: Command) {
        match command {
            Command::Listen { callers: None, wire, .. }
                if wire != Protocol::Native && self.callers == AcceptPolicy::KnownOnly =>
            {
                self.warn(Warning::CommandError { what: command::KNOWN_ON_RAW.to_owned() });
            }
            Command::Listen { at, family, callers, wire } => {
                let callers = callers.unwrap_or(self.callers);
                self.hold_or(Held::Listen(at, family, callers, wire));
            }
            Command::Connect { target, family, pin, callers, wire } => {
                self.hold_or(Held::Connect(target, family, pin, callers, wire));
            }
            Command::Keygen { of, bits, keep } => self.keygen(of, bits, keep),
            Command::Showkey { form } => self.showkey(form),
            Command::Verify { name } => self.verify(&name),
            Command::Trust { name, fingerprint } => self.trust(&name, fingerprint),
            Command::Forget { name } => self.forget(&name),
            Command::To { name } => self.to(&name),
            Command::All { text } => self.all(&text),
            Command::Peers => self.show_peers(),
            Command::Nick { name } => self.nick(name),
            Command::Close { name } => self.close(name.as_deref()),
            Command::Block { name } => self.block(&name),
            Command::Unblock { name } => self.unblock(&name),
            Command::Name { peer, name } => self.rename(&peer, &name),
            Command::Last { count, name } => self.last(count, name.as_deref()),
            Command::Search { text } => self.search(&text),
            Command::Log { to } => self.keep_log(to),
            Command::Notify { wanted } => self.notify(wanted),
            // A front end with an editor keeps this command for itself.
            Command::Edit => self.warn(Warning::NoEditor),
            Command::Status => self.show_status(),
            Command::Limits => self.show(Notice::Answer(super::listings::limits(self.capacity))),
            Command::Help { topic } => self.show(Notice::Answer(command::help(topic))),
            Command::Quit => self.handle(self.now, crate::chat::Input::ExitRequest(ExitRequest::Quit)),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let Some(conn) = self.addressed_link() else {
            self.not_taken(match self.addressed_name() {
                Some(name) => Warning::NotConnected { name },
                None => Warning::NobodyToSendTo,
            });
            if matches!(text.trim(), "exit" | "quit") {
                self.info(Info::HowToLeave);
            }
            return;
        };
        let raw = self.conversations.get(&conn).is_some_and(crate::chat::conversation::Conversation::is_raw);
        self.say_on(conn, text);
        if text == "exit" && !raw && !self.hinted_quit {
            self.hinted_quit = true;
            self.info(Info::QuitHint);
        }
    }

    /// Text for somebody by name.
    pub(crate) fn say_to(&mut self, name: &str, text: &str) {
        let Some((name, peer_id)) = self.find(name) else {
            self.unsent += 1;
            return;
        };
        if let Some(conn) = self.link_to(peer_id) {
            self.say_on(conn, text);
        } else {
            self.not_taken(Warning::NotConnected { name });
        }
    }

    fn say_on(&mut self, conn: crate::ids::ConnId, text: &str) {
        let Some(conversation) = self.conversations.get_mut(&conn) else { return };
        if !conversation.has_room() {
            let (name, waiting) =
                (conversation.name().unwrap_or_default().to_owned(), conversation.waiting());
            self.not_taken(Warning::QueueFull { name, waiting });
            return;
        }
        match conversation.session.send(text, self.now.unix) {
            Ok(seq) => {
                conversation.remember(seq, text, self.now.mono.0);
                self.note_own(conn, text, seq);
                self.raw_said(conn);
            }
            Err(SendError::NoKey) => {
                let name = conversation.name().unwrap_or_default().to_owned();
                self.not_taken(Warning::NoKeyOf { name });
            }
            Err(error) => {
                self.not_taken(Warning::CommandError { what: format!("not sent: {error}") });
            }
        }
        self.with_session(conn, |_, _| ());
    }

    /// `:all TEXT`
    fn all(&mut self, text: &str) {
        let connections: Vec<_> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.open())
            .map(|(l, _)| *l)
            .collect();
        if connections.is_empty() {
            self.not_taken(Warning::NobodyToSendTo);
        }
        for conn in connections {
            self.say_on(conn, text);
        }
    }

    /// `:to NAME`
    fn to(&mut self, name: &str) {
        let Some((name, peer_id)) = self.find(name) else { return };
        let conversation = self.link_to(peer_id).and_then(|conn| self.conversations.get(&conn));
        match conversation.and_then(|conversation| conversation.peer.as_ref()).map(|peer| peer.trust_level) {
            Some(trust_level) => {
                self.address(peer_id);
                self.info(Info::Addressed { name, trust_level });
            }
            None => self.warn(Warning::NotConnected { name }),
        }
    }

    /// Plain text goes to this peer from now on, and what it said has been read.
    pub(crate) fn address(&mut self, peer_id: PeerId) {
        self.addressed = Some(peer_id);
        if let Some(conversation) = self.link_to(peer_id).and_then(|conn| self.conversations.get_mut(&conn)) {
            conversation.unread = 0;
        }
    }

    /// `:nick NAME`
    fn nick(&mut self, name: Name) {
        if self.book.by_name(&name).is_some() {
            self.warn(Warning::SameName { name: name.to_string() });
            return;
        }
        self.info(Info::Nick { name: name.to_string() });
        self.own_name = name;
        self.roster += 1;
    }

    /// `:close [NAME]`: the goodbye waits for receipts, but not for long.
    fn close(&mut self, name: Option<&str>) {
        let found = match name {
            Some(name) => self.find(name),
            None => self.addressed.and_then(|peer_id| self.addressed_name().map(|name| (name, peer_id))),
        };
        let Some((_, peer_id)) = found else {
            if name.is_none() {
                self.warn(Warning::NobodyToClose);
            }
            return;
        };
        let Some(conn) = self.link_to(peer_id) else {
            self.warn(Warning::NobodyToClose);
            return;
        };
        if let Some(conversation) = self.conversations.get_mut(&conn) {
            conversation.leaving = Some(self.now.mono.0 + limits::FAREWELL_MS);
        }
    }

    fn hold_or(&mut self, held: Held) {
        let Some(of) = self.missing_key(&held) else { return self.start(held) };
        self.held.push(held);
        if self.making.is_none() {
            self.make_key(of, of.default_bits(), Replacing::Never);
        }
    }

    /// The key that must be made first.
    fn missing_key(&self, held: &Held) -> Option<KeyFor> {
        let (Held::Listen(_, _, _, wire) | Held::Connect(_, _, _, _, wire)) = held;
        match wire {
            Protocol::Native if self.own_key.is_none() => Some(KeyFor::Identity),
            Protocol::Oaep(Direction::Both) if self.raw_key.is_none() => Some(KeyFor::RawWire),
            Protocol::Native | Protocol::Oaep(_) => None,
        }
    }

    fn start(&mut self, held: Held) {
        match held {
            Held::Listen(at, family, callers, wire) => self.listen(at, family, callers, wire),
            Held::Connect(target, family, pin, callers, wire) => {
                self.connect(target, family, pin, callers, wire);
            }
        }
    }

    fn connect(
        &mut self,
        target: Target,
        family: Family,
        pin: Option<crate::crypto::Fingerprint>,
        callers: AcceptPolicy,
        wire: Protocol,
    ) {
        let dial = crate::ids::DialId(self.fresh());
        self.info(Info::Connecting { target: target.to_string() });
        self.warn_of(wire);
        self.dials.insert(dial, crate::chat::state::Dialling { target: target.clone(), pin, callers, wire });
        self.effects.push_back(Effect::Connect { dial, target, family });
    }

    fn listen(&mut self, at: ListenAt, family: Family, callers: AcceptPolicy, wire: Protocol) {
        if let Some(at) = self.awaited_at(&at, family) {
            self.warn(Warning::AlreadyListening { at: at.to_string() });
            return;
        }
        let listener = crate::ids::ListenerId(self.fresh());
        let listening = crate::chat::state::Listening { asked: at.clone(), at: None, callers, wire };
        self.listeners.insert(listener, listening);
        self.effects.push_back(Effect::Listen { listener, at, family });
    }

    /// The very address, where we wait at it already. What only overlaps with it is the machine's to refuse.
    fn awaited_at(&self, at: &ListenAt, family: Family) -> Option<SocketAddr> {
        let is_it = |there: &SocketAddr| match &at.host {
            _ if at.port != there.port() => false,
            None => there.ip().is_unspecified() && there.is_ipv4() == (family == Family::V4),
            Some(host) => host.parse() == Ok(there.ip()),
        };
        self.listeners.values().filter_map(|listening| listening.at).find(is_it)
    }

    pub(crate) fn listening(&mut self, listener: crate::ids::ListenerId, at: SocketAddr) {
        if let Some(listening) = self.listeners.get_mut(&listener) {
            listening.at = Some(at);
            let wire = listening.wire;
            self.info(Info::Listening { at });
            self.warn_of(wire);
        }
    }

    pub(crate) fn listen_failed(&mut self, listener: crate::ids::ListenerId, why: String) {
        if let Some(listening) = self.listeners.remove(&listener) {
            self.warn(Warning::ListenFailed { at: listening.asked.to_string(), why });
            self.effects.push_back(Effect::DialFinished(crate::chat::DialOutcome::ListenFailed));
        }
    }

    /// `:keygen [BITS] [--raw] [--replace]`
    fn keygen(&mut self, of: KeyFor, bits: Option<u32>, keep: Keep) {
        let bits = bits.unwrap_or(of.default_bits());
        let there = match of {
            KeyFor::Identity => &self.own_key,
            KeyFor::RawWire => &self.raw_key,
        };
        match (there, keep) {
            _ if self.making.is_some() => self.warn(Warning::KeyUnderway),
            (Some(key), Keep::Existing) => {
                let file = key.file.clone();
                self.warn(Warning::KeyExists { of, file });
            }
            (_, Keep::Existing) => self.make_key(of, bits, Replacing::Never),
            (_, Keep::Aside) => self.make_key(of, bits, Replacing::KeepOld),
        }
    }

    fn make_key(&mut self, of: KeyFor, bits: u32, replacing: Replacing) {
        let now_ms = self.now.mono.0;
        self.making = Some(KeygenProgress { of, since_ms: now_ms, told_ms: now_ms });
        self.info(Info::MakingKey { of, bits });
        self.effects.push_back(Effect::MakeKey { of, bits, replacing });
    }

    pub(crate) fn key_made(&mut self, made: Result<NewKey, String>) {
        let Some(KeygenProgress { of, .. }) = self.making.take() else { return };
        match made {
            Ok(NewKey { key, kept, origin }) => {
                let (fingerprint, bits) = (key.public.fingerprint(), key.public.bits());
                let file = key.file.clone();
                self.info(match origin {
                    KeyOrigin::Made => Info::KeyMade { of, fingerprint, bits, file },
                    KeyOrigin::Found => Info::KeyFound { fingerprint, file },
                });
                if let Some(file) = kept {
                    self.info(Info::KeyKept { file });
                }
                match of {
                    KeyFor::Identity => self.own_key = Some(key),
                    KeyFor::RawWire => self.raw_key = Some(key),
                }
                for held in std::mem::take(&mut self.held) {
                    self.hold_or(held);
                }
            }
            Err(why) => {
                let held = std::mem::take(&mut self.held);
                self.warn(Warning::KeyFailed { why });
                for _ in held {
                    self.effects.push_back(Effect::DialFinished(crate::chat::DialOutcome::Unreachable));
                }
            }
        }
    }

    /// `:showkey [--pem]`
    fn showkey(&mut self, form: command::KeyForm) {
        let Some(key) = &self.own_key else {
            self.warn(Warning::NoKeyYet);
            return;
        };
        let rows = match form {
            command::KeyForm::Line => super::listings::key(key, &self.own_name.to_string()),
            command::KeyForm::Pem => key.public.to_spki_pem().lines().map(str::to_owned).collect(),
        };
        self.show(Notice::Answer(rows));
    }

    fn addressed_name(&self) -> Option<String> {
        let peer_id = self.addressed?;
        let mut partners = self.conversations.values().filter_map(|conversation| conversation.peer.as_ref());
        let connected = partners.find(|peer| peer.id == peer_id).map(|peer| peer.name.clone());
        connected.or_else(|| match peer_id {
            PeerId::Key(fingerprint) => {
                self.book.by_fingerprint(&fingerprint).map(|peer| peer.name.to_string())
            }
            PeerId::Raw(_) => None,
        })
    }
}
