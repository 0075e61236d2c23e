//! What a typed line does: text goes to the addressed peer, commands are carried out.

use std::net::SocketAddr;

use crate::chat::command::{self, Command, Keep, Typed};
use crate::chat::conversation::{Callers, Tie};
use crate::chat::io::{Effect, Farewell, NewKey, Origin, Replacing};
use crate::chat::kinds::{Direction, KeyFor, Wire};
use crate::chat::notice::{Info, Notice, Trouble};
use crate::chat::state::{Chat, Held, Making};
use crate::limits;
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::name::Name;
use crate::session::SayFault;

impl Chat {
    pub(crate) fn typed(&mut self, line: &str) {
        match command::parse_line(line) {
            Ok(Typed::Nothing) => {}
            Ok(Typed::Text(text)) => self.say(&text),
            Ok(Typed::Command(command)) => self.perform(command),
            Err(mistake) => {
                self.not_taken(Trouble::Mistake { what: mistake.to_string() });
            }
        }
    }

    pub(crate) fn perform(&mut self, command: Command) {
        match command {
            Command::Listen { callers: None, wire, .. }
                if wire != Wire::Native && self.callers == Callers::Known =>
            {
                self.trouble(Trouble::Mistake { what: command::KNOWN_ON_RAW.to_owned() });
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
            Command::Edit => self.trouble(Trouble::NoEditor),
            Command::Status => self.show_status(),
            Command::Limits => self.show(Notice::Answer(super::listings::limits(self.capacity))),
            Command::Help { topic } => self.show(Notice::Answer(command::help(topic))),
            Command::Quit => self.handle(self.now, crate::chat::Input::Farewell(Farewell::Quit)),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let Some(link) = self.addressed_link() else {
            self.not_taken(match self.addressed_name() {
                Some(name) => Trouble::NotConnected { name },
                None => Trouble::NobodyToSendTo,
            });
            if matches!(text.trim(), "exit" | "quit") {
                self.info(Info::HowToLeave);
            }
            return;
        };
        let raw = self.talks.get(&link).is_some_and(crate::chat::conversation::Talk::is_raw);
        self.say_on(link, text);
        if text == "exit" && !raw && !self.hinted_quit {
            self.hinted_quit = true;
            self.info(Info::QuitHint);
        }
    }

    /// Text for somebody by name.
    pub(crate) fn say_to(&mut self, name: &str, text: &str) {
        let Some((name, tie)) = self.find(name) else {
            self.unsent += 1;
            return;
        };
        if let Some(link) = self.link_to(tie) {
            self.say_on(link, text);
        } else {
            self.not_taken(Trouble::NotConnected { name });
        }
    }

    fn say_on(&mut self, link: crate::chat::Link, text: &str) {
        let Some(talk) = self.talks.get_mut(&link) else { return };
        if !talk.has_room() {
            let (name, waiting) = (talk.name().unwrap_or_default().to_owned(), talk.waiting());
            self.not_taken(Trouble::QueueFull { name, waiting });
            return;
        }
        match talk.session.say(text, self.now.unix_ms) {
            Ok(seq) => {
                talk.remember(seq, text, self.now.mono_ms);
                self.note_own(link, text, seq);
                self.raw_said(link);
            }
            Err(SayFault::NoKey) => {
                let name = talk.name().unwrap_or_default().to_owned();
                self.not_taken(Trouble::NoKeyOf { name });
            }
            Err(fault) => {
                self.not_taken(Trouble::Mistake { what: format!("not sent: {fault}") });
            }
        }
        self.with_session(link, |_, _| ());
    }

    /// `:all TEXT`
    fn all(&mut self, text: &str) {
        let links: Vec<_> = self.talks.iter().filter(|(_, talk)| talk.open()).map(|(l, _)| *l).collect();
        if links.is_empty() {
            self.not_taken(Trouble::NobodyToSendTo);
        }
        for link in links {
            self.say_on(link, text);
        }
    }

    /// `:to NAME`
    fn to(&mut self, name: &str) {
        let Some((name, tie)) = self.find(name) else { return };
        let talk = self.link_to(tie).and_then(|link| self.talks.get(&link));
        match talk.and_then(|talk| talk.partner.as_ref()).map(|partner| partner.assurance) {
            Some(assurance) => {
                self.address(tie);
                self.info(Info::Addressed { name, assurance });
            }
            None => self.trouble(Trouble::NotConnected { name }),
        }
    }

    /// Plain text goes to this peer from now on, and what it said has been read.
    pub(crate) fn address(&mut self, tie: Tie) {
        self.addressed = Some(tie);
        if let Some(talk) = self.link_to(tie).and_then(|link| self.talks.get_mut(&link)) {
            talk.unread = 0;
        }
    }

    /// `:nick NAME`
    fn nick(&mut self, name: Name) {
        if self.book.by_name(&name).is_some() {
            self.trouble(Trouble::SameName { name: name.to_string() });
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
            None => self.addressed.and_then(|tie| self.addressed_name().map(|name| (name, tie))),
        };
        let Some((_, tie)) = found else {
            if name.is_none() {
                self.trouble(Trouble::NobodyToClose);
            }
            return;
        };
        let Some(link) = self.link_to(tie) else {
            self.trouble(Trouble::NobodyToClose);
            return;
        };
        if let Some(talk) = self.talks.get_mut(&link) {
            talk.leaving = Some(self.now.mono_ms + limits::FAREWELL_MS);
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
            Wire::Native if self.own_key.is_none() => Some(KeyFor::Identity),
            Wire::Oaep(Direction::Both) if self.raw_key.is_none() => Some(KeyFor::RawWire),
            Wire::Native | Wire::Oaep(_) => None,
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
        callers: Callers,
        wire: Wire,
    ) {
        let dial = crate::chat::Dial(self.fresh());
        self.info(Info::Connecting { target: target.to_string() });
        self.warn_of(wire);
        self.dials.insert(dial, crate::chat::state::Dialling { target: target.clone(), pin, callers, wire });
        self.effects.push_back(Effect::Connect { dial, target, family });
    }

    fn listen(&mut self, at: ListenAt, family: Family, callers: Callers, wire: Wire) {
        if let Some(at) = self.awaited_at(&at, family) {
            self.trouble(Trouble::AlreadyListening { at: at.to_string() });
            return;
        }
        let listener = crate::chat::Listener(self.fresh());
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

    pub(crate) fn listening(&mut self, listener: crate::chat::Listener, at: SocketAddr) {
        if let Some(listening) = self.listeners.get_mut(&listener) {
            listening.at = Some(at);
            let wire = listening.wire;
            self.info(Info::Listening { at });
            self.warn_of(wire);
        }
    }

    pub(crate) fn listen_failed(&mut self, listener: crate::chat::Listener, why: String) {
        if let Some(listening) = self.listeners.remove(&listener) {
            self.trouble(Trouble::ListenFailed { at: listening.asked.to_string(), why });
            self.effects.push_back(Effect::DialOver(crate::chat::Verdict::Deaf));
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
            _ if self.making.is_some() => self.trouble(Trouble::KeyUnderway),
            (Some(key), Keep::Existing) => {
                let file = key.file.clone();
                self.trouble(Trouble::KeyExists { of, file });
            }
            (_, Keep::Existing) => self.make_key(of, bits, Replacing::Never),
            (_, Keep::Aside) => self.make_key(of, bits, Replacing::KeepOld),
        }
    }

    fn make_key(&mut self, of: KeyFor, bits: u32, replacing: Replacing) {
        let now_ms = self.now.mono_ms;
        self.making = Some(Making { of, since_ms: now_ms, told_ms: now_ms });
        self.info(Info::MakingKey { of, bits });
        self.effects.push_back(Effect::MakeKey { of, bits, replacing });
    }

    pub(crate) fn key_made(&mut self, made: Result<NewKey, String>) {
        let Some(Making { of, .. }) = self.making.take() else { return };
        match made {
            Ok(NewKey { key, kept, origin }) => {
                let (fingerprint, bits) = (key.public.fingerprint(), key.public.bits());
                let file = key.file.clone();
                self.info(match origin {
                    Origin::Made => Info::KeyMade { of, fingerprint, bits, file },
                    Origin::Found => Info::KeyFound { fingerprint, file },
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
                self.trouble(Trouble::KeyFailed { why });
                for _ in held {
                    self.effects.push_back(Effect::DialOver(crate::chat::Verdict::Unreachable));
                }
            }
        }
    }

    /// `:showkey [--pem]`
    fn showkey(&mut self, form: command::KeyForm) {
        let Some(key) = &self.own_key else {
            self.trouble(Trouble::NoKeyYet);
            return;
        };
        let rows = match form {
            command::KeyForm::Line => super::listings::key(key, &self.own_name.to_string()),
            command::KeyForm::Pem => key.public.to_spki_pem().lines().map(str::to_owned).collect(),
        };
        self.show(Notice::Answer(rows));
    }

    fn addressed_name(&self) -> Option<String> {
        let tie = self.addressed?;
        let mut partners = self.talks.values().filter_map(|talk| talk.partner.as_ref());
        let connected = partners.find(|partner| partner.tie == tie).map(|partner| partner.name.clone());
        connected.or_else(|| match tie {
            Tie::Key(fingerprint) => self.book.by_fingerprint(&fingerprint).map(|peer| peer.name.to_string()),
            Tie::Raw(_) => None,
        })
    }
}
