//! What a typed line does: text goes to the addressed peer, commands are carried out.

use super::command::{self, Command, Keep, Typed};
use super::contract::{Effect, Farewell, NewKey, Origin, Replacing};
use super::core::{Chat, Held, Making};
use super::name::Name;
use super::notice::{Info, Notice, Trouble};
use super::talk::Callers;
use crate::limits;

impl Chat {
    pub(super) fn typed(&mut self, line: &str) {
        match command::parse_line(line) {
            Ok(Typed::Nothing) => {}
            Ok(Typed::Text(text)) => self.say(&text),
            Ok(Typed::Command(command)) => self.perform(command),
            Err(mistake) => self.trouble(Trouble::Mistake { what: mistake.to_string() }),
        }
    }

    pub(super) fn perform(&mut self, command: Command) {
        match command {
            Command::Listen { at, family, callers } => self.hold_or(Held::Listen(at, family, callers)),
            Command::Connect { target, family, pin, callers } => {
                self.hold_or(Held::Connect(target, family, pin, callers));
            }
            Command::Keygen { bits, keep } => self.keygen(bits, keep),
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
            Command::Status => self.show_status(),
            Command::Limits => self.show(Notice::Answer(super::tables::limits(self.capacity))),
            Command::Help { topic } => self.show(Notice::Answer(command::help(topic))),
            Command::Quit => self.handle(self.now, super::Input::Farewell(Farewell::Quit)),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        let Some(link) = self.addressed_link() else {
            self.unsent += 1;
            self.trouble(match self.addressed_name() {
                Some(name) => Trouble::NotConnected { name },
                None => Trouble::NobodyToSendTo,
            });
            return;
        };
        self.say_on(link, text);
        if text == "exit" && !self.hinted_quit {
            self.hinted_quit = true;
            self.info(Info::QuitHint);
        }
    }

    fn say_on(&mut self, link: super::Link, text: &str) {
        let Some(talk) = self.talks.get_mut(&link) else { return };
        if !talk.has_room() {
            let (name, waiting) = (talk.name().unwrap_or_default().to_owned(), talk.waiting());
            self.unsent += 1;
            self.trouble(Trouble::QueueFull { name, waiting });
            return;
        }
        match talk.session.say(text, self.now.unix_ms) {
            Ok(seq) => talk.remember(seq, text, self.now.mono_ms),
            Err(fault) => {
                self.unsent += 1;
                self.trouble(Trouble::Mistake { what: format!("not sent: {fault}") });
            }
        }
        self.with_session(link, |_, _| ());
    }

    /// `:all TEXT`
    fn all(&mut self, text: &str) {
        let links: Vec<_> = self.talks.iter().filter(|(_, talk)| talk.open()).map(|(l, _)| *l).collect();
        if links.is_empty() {
            self.unsent += 1;
            self.trouble(Trouble::NobodyToSendTo);
        }
        for link in links {
            self.say_on(link, text);
        }
    }

    /// `:to NAME`
    fn to(&mut self, name: &str) {
        let Some((name, fingerprint)) = self.find(name) else { return };
        let talk = self.link_of(fingerprint).and_then(|link| self.talks.get(&link));
        match talk.and_then(|talk| talk.partner.as_ref()).map(|partner| partner.assurance) {
            Some(assurance) => {
                self.addressed = Some(fingerprint);
                self.info(Info::Addressed { name, assurance });
            }
            None => self.trouble(Trouble::NotConnected { name }),
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
    }

    /// `:close [NAME]`: the goodbye waits for receipts, but not for long.
    fn close(&mut self, name: Option<&str>) {
        let found = match name {
            Some(name) => self.find(name),
            None => self.addressed.and_then(|fp| self.addressed_name().map(|name| (name, fp))),
        };
        let Some((_, fingerprint)) = found else {
            if name.is_none() {
                self.trouble(Trouble::NobodyToClose);
            }
            return;
        };
        let Some(link) = self.link_of(fingerprint) else {
            self.trouble(Trouble::NobodyToClose);
            return;
        };
        if let Some(talk) = self.talks.get_mut(&link) {
            talk.leaving = Some(self.now.mono_ms + limits::FAREWELL_MS);
        }
    }

    fn hold_or(&mut self, held: Held) {
        if self.own_key.is_some() {
            self.start(held);
            return;
        }
        self.held.push(held);
        if self.making.is_none() {
            self.make_key(limits::KEY_BITS_DEFAULT, Replacing::Never);
        }
    }

    fn start(&mut self, held: Held) {
        match held {
            Held::Listen(at, family, callers) => self.listen(at, family, callers),
            Held::Connect(target, family, pin, callers) => self.connect(target, family, pin, callers),
        }
    }

    fn connect(
        &mut self,
        target: super::address::Target,
        family: super::address::Family,
        pin: Option<crate::crypto::Fingerprint>,
        callers: Callers,
    ) {
        let dial = super::Dial(self.fresh());
        self.info(Info::Connecting { target: target.to_string() });
        self.dials.insert(dial, super::core::Dialling { target: target.clone(), pin, callers });
        self.effects.push_back(Effect::Connect { dial, target, family });
    }

    fn listen(&mut self, at: super::address::ListenAt, family: super::address::Family, callers: Callers) {
        let listener = super::Listener(self.fresh());
        let listening = super::core::Listening { asked: at.clone(), at: None, callers };
        self.listeners.insert(listener, listening);
        self.effects.push_back(Effect::Listen { listener, at, family });
    }

    pub(super) fn listening(&mut self, listener: super::Listener, at: std::net::SocketAddr) {
        if let Some(listening) = self.listeners.get_mut(&listener) {
            listening.at = Some(at);
            self.info(Info::Listening { at });
        }
    }

    pub(super) fn listen_failed(&mut self, listener: super::Listener, why: String) {
        if let Some(listening) = self.listeners.remove(&listener) {
            self.trouble(Trouble::ListenFailed { at: listening.asked.to_string(), why });
            self.effects.push_back(Effect::DialOver(super::Verdict::Deaf));
        }
    }

    /// `:keygen [BITS] [--replace]`
    fn keygen(&mut self, bits: u32, keep: Keep) {
        match (&self.own_key, keep) {
            _ if self.making.is_some() => self.trouble(Trouble::KeyUnderway),
            (Some(key), Keep::Existing) => {
                let file = key.file.clone();
                self.trouble(Trouble::KeyExists { file });
            }
            (_, Keep::Existing) => self.make_key(bits, Replacing::Never),
            (_, Keep::Aside) => self.make_key(bits, Replacing::KeepOld),
        }
    }

    fn make_key(&mut self, bits: u32, replacing: Replacing) {
        let now_ms = self.now.mono_ms;
        self.making = Some(Making { since_ms: now_ms, told_ms: now_ms });
        self.info(Info::MakingKey { bits });
        self.effects.push_back(Effect::MakeKey { bits, replacing });
    }

    pub(super) fn key_made(&mut self, made: Result<NewKey, String>) {
        if self.making.take().is_none() {
            return;
        }
        match made {
            Ok(NewKey { key, kept, origin }) => {
                let (fingerprint, bits) = (key.public.fingerprint(), key.public.bits());
                let file = key.file.clone();
                self.info(match origin {
                    Origin::Made => Info::KeyMade { fingerprint, bits, file },
                    Origin::Found => Info::KeyFound { fingerprint, file },
                });
                if let Some(file) = kept {
                    self.info(Info::KeyKept { file });
                }
                self.own_key = Some(key);
                for held in std::mem::take(&mut self.held) {
                    self.start(held);
                }
            }
            Err(why) => {
                let held = std::mem::take(&mut self.held);
                self.trouble(Trouble::KeyFailed { why });
                for _ in held {
                    self.effects.push_back(Effect::DialOver(super::Verdict::Unreachable));
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
            command::KeyForm::Line => super::tables::key(key, &self.own_name.to_string()),
            command::KeyForm::Pem => key.public.to_spki_pem().lines().map(str::to_owned).collect(),
        };
        self.show(Notice::Answer(rows));
    }

    fn addressed_name(&self) -> Option<String> {
        let fingerprint = self.addressed?;
        let partner = self.talks.values().filter_map(|talk| talk.partner.as_ref());
        let connected = partner.into_iter().find(|p| p.fingerprint == fingerprint).map(|p| p.name.clone());
        connected.or_else(|| self.book.by_fingerprint(&fingerprint).map(|peer| peer.name.to_string()))
    }
}
