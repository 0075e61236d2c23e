//! Handlers of typed lines: text to the addressed peer, and the commands.

use crate::chat::account::KeygenProgress;
use crate::chat::addressee::Addressee;
use crate::chat::command::{self, Command, KeyForm};
use crate::chat::conversation::Conversation;
use crate::chat::export::ExportTarget;
use crate::chat::io::Effect;
use crate::chat::notice::{Info, Notice, Warning};
use crate::chat::types::{
    AcceptPolicy, DialOutcome, ExitRequest, KeyFor, KeyOrigin, KeyReplacement, KeygenCause, ListenOptions,
    NewKey, NotifyPolicy, PeerId, Protocol, TrustLevel,
};
use crate::chat::{Chat, OaepInfo, WaitingCommand};
use crate::crypto::Fingerprint;
use crate::ids::FaceId;
use crate::limits;
use crate::peers::name::Name;

impl Chat {
    pub(crate) fn handle_command(&mut self, command: Command) {
        match command {
            Command::Listen(ListenOptions { accept: None, protocol: Protocol::Oaep(_), .. })
                if matches!(self.accept, AcceptPolicy::KnownOnly | AcceptPolicy::Ask) =>
            {
                self.effects.warn(Warning::CommandError { what: command::KNOWN_ON_RAW.to_owned() });
            }
            Command::Listen(options) => self.listen(options),
            Command::Unlisten { at } => self.unlisten(at.as_ref()),
            Command::Invite(options) => self.invite(options),
            Command::Invitations => self.show_invitations(),
            Command::DropInvitation { number } => self.drop_invitation(number),
            Command::Admit { number } => self.admit_stranger(number),
            Command::RefuseStranger { number } => self.refuse_stranger(number),
            Command::Connect(options) => self.connect(options),
            Command::ConnectAgain => self.connect_again(),
            Command::Keygen { of, bits, replacing } => self.keygen(of, bits, replacing),
            Command::Showkey { form } => self.show_key(form),
            Command::Verify { name } => self.verify(&name),
            Command::Trust { name, fingerprint } => self.trust(&name, fingerprint),
            Command::Forget { name } => self.forget(&name),
            Command::To { name } => self.address_by_name(&name),
            Command::All { text } => self.send_to_all(&text, u64::MAX),
            Command::Peers => self.show_peers(),
            Command::MetPeers => self.show_met(),
            Command::Nick { name } => self.set_own_name(name),
            Command::Close { name } => self.close(name.as_deref()),
            Command::Block { name } => self.block(&name),
            Command::Unblock { name } => self.unblock(&name),
            Command::Name { peer, name } => self.rename(&peer, &name),
            Command::Outbox => self.show_outbox(),
            Command::OutboxDrop { name, number } => self.drop_from_outbox(&name, number),
            Command::Last { count, name } => self.show_last(count, name.as_deref()),
            Command::Search { text } => self.search(&text),
            Command::History { policy } => self.set_or_show_history(policy),
            Command::Show { number } => self.show_message(number),
            Command::Copy { number } => self.export(ExportTarget::Clipboard, number),
            Command::Save { file, number } => self.export(ExportTarget::File(file), number),
            Command::SendFiles { paths, to, name, known } => {
                self.send_files(paths, to.as_deref(), name.as_deref(), known);
            }
            Command::Files { number: None } => self.show_files(),
            Command::Files { number: Some(number) } => self.list_files(number),
            Command::AcceptFiles { number, place, room } => self.accept_files(number, place, room),
            Command::DeclineFiles { number } => self.decline_files(number),
            Command::CancelFiles { number } => self.cancel_files(number),
            Command::Log { to } => self.set_log(to),
            Command::Notify { policy } => self.set_or_show_notify(policy),
            // A front end with an editor performs this command itself.
            Command::Edit => self.effects.warn(Warning::NoEditor),
            Command::Status => self.show_status(),
            Command::Relay => self.show_relays(),
            Command::Limits => self.show_limits(),
            Command::Help { topic } => self.effects.show(Notice::Answer(command::help(topic))),
            Command::Quit => self.begin_shutdown(ExitRequest::Quit),
        }
    }

    /// `:nick NAME`
    fn set_own_name(&mut self, name: Name) {
        let known = self.book.by_name(&name).map(|entry| &entry.name);
        let other = known.or_else(|| self.names.of(self.names.owner(&name)?));
        if let Some(other) = other {
            let (name, other) = (name.to_string(), other.to_string());
            return self.effects.warn(Warning::SameName { name, other });
        }
        self.effects.info(Info::Nick { name: name.to_string() });
        self.account.choose_name(name);
        self.counters.roster += 1;
    }

    /// `:close [NAME]`: waits for receipts, but not for long.
    fn close(&mut self, name: Option<&str>) {
        let peer = match name {
            Some(name) => match self.find(name) {
                Some((_, peer)) => Some(peer),
                None => return,
            },
            None => match *self.conversations.addressee() {
                Addressee::Dialled(id) => return self.cancel_dial(id),
                Addressee::Connecting(conn) => return self.cancel_connecting(conn),
                _ => self.conversations.addressed_peer(),
            },
        };
        let now = self.now.mono;
        let at_latest = Some(now + limits::SHUTDOWN_GRACE_MS);
        // Short-lived ones too: whoever sends is told that nobody takes more.
        let is_called = matches!(peer, Some(PeerId::Key(peer)) if self.stop_calling(peer));
        let conns: Vec<_> = peer
            .map(|peer| self.conversations.with_peer(peer).map(|(conn, _)| conn).collect())
            .unwrap_or_default();
        if conns.is_empty() && !is_called {
            return self.effects.warn(Warning::NobodyToClose);
        }
        for conn in conns {
            if let Some(conversation) = self.conversations.get_mut(conn) {
                conversation.begin_close(now, at_latest);
            }
        }
    }

    /// `:notify [WHEN] [--content]`; without arguments shows the setting.
    fn set_or_show_notify(&mut self, policy: Option<NotifyPolicy>) {
        self.notify = policy.unwrap_or(self.notify);
        self.effects.info(Info::Notify { set: self.notify });
    }

    /// Names the guarantees that the raw wire does not give, where it is asked for.
    pub(crate) fn show_oaep_banner(&mut self, protocol: Protocol) {
        if protocol != Protocol::Native {
            self.effects.info(Info::Oaep(OaepInfo::Banner));
        }
    }

    /// `:keygen [BITS] [--raw] [--replace]`
    fn keygen(&mut self, of: KeyFor, bits: Option<u32>, replacing: KeyReplacement) {
        match (self.account.key(of), replacing) {
            _ if self.keygen.is_some() => self.effects.warn(Warning::KeyUnderway),
            (Some(key), KeyReplacement::Never) => {
                self.effects.warn(Warning::KeyExists { of, file: key.file.clone() });
            }
            _ => {
                let bits = bits.unwrap_or(of.default_bits());
                self.generate_key(of, bits, replacing, KeygenCause::Command);
            }
        }
    }

    pub(crate) fn generate_key(
        &mut self,
        of: KeyFor,
        bits: u32,
        replacing: KeyReplacement,
        cause: KeygenCause,
    ) {
        self.keygen = Some(KeygenProgress::new(of, self.now.mono));
        self.effects.info(Info::MakingKey { of, bits });
        self.effects.push(Effect::MakeKey { of, bits, replacing, cause });
    }

    pub(crate) fn handle_new_key(&mut self, made: Result<NewKey, String>) {
        let Some(KeygenProgress { of, .. }) = self.keygen.take() else { return };
        let waiting = std::mem::take(&mut self.waiting_for_key);
        match made {
            Ok(NewKey { key, kept, origin }) => {
                let (fingerprint, bits) = (key.public.fingerprint(), key.public.bits());
                let (file, is_replacement) = (key.file.clone(), kept.is_some());
                self.effects.info(match origin {
                    KeyOrigin::Made => Info::KeyMade { of, fingerprint, bits, file },
                    KeyOrigin::Found => Info::KeyFound { fingerprint, file },
                });
                if let Some(file) = kept {
                    self.effects.info(Info::KeyKept { file });
                }
                self.account.set_key(of, key);
                if of == KeyFor::Identity && is_replacement {
                    self.announce_key(fingerprint);
                }
                for command in waiting {
                    match command {
                        WaitingCommand::Listen(options) => self.listen(options),
                        WaitingCommand::Connect(dial) => self.begin_dial(dial),
                    }
                }
            }
            Err(why) => {
                self.effects.warn(Warning::KeyFailed { why });
                for command in waiting {
                    let mut face = FaceId::OWN;
                    if let WaitingCommand::Connect(id) = command
                        && let Some(dial) = self.dials.remove(&id)
                    {
                        self.give_up_dial(id, &dial);
                        face = dial.options.face;
                    }
                    self.finish_dial(face, DialOutcome::Unreachable);
                }
            }
        }
    }

    /// Tells the verified peers that are connected, under the key that they know, which one comes
    /// next.
    fn announce_key(&mut self, next: Fingerprint) {
        let is_told = |one: &Conversation| {
            one.is_open() && one.peer.as_ref().is_some_and(|peer| peer.trust_level == TrustLevel::Verified)
        };
        let conns = self.conversations.conns(is_told);
        let names: Vec<_> = conns.iter().filter_map(|conn| self.conversations.peer_of(*conn)).collect();
        let names: Vec<_> = names.into_iter().map(|peer| peer.name.to_string()).collect();
        for conn in conns {
            self.with_session(conn, |session| session.announce_key(next));
        }
        if !names.is_empty() {
            self.effects.info(Info::KeyAnnounced { names });
        }
    }

    /// `:showkey [--pem]`
    fn show_key(&mut self, form: KeyForm) {
        let Some(key) = self.account.key(KeyFor::Identity) else {
            return self.effects.warn(Warning::NoKeyYet);
        };
        let rows = match form {
            KeyForm::Line => vec![
                format!("fingerprint {}", key.public.fingerprint()),
                format!("bits        {}", key.public.bits()),
                format!("file        {}", key.file),
                key.public.to_openssh(self.account.name.as_str()),
            ],
            KeyForm::Pem => key.public.to_spki_pem().lines().map(str::to_owned).collect(),
        };
        self.effects.show(Notice::Answer(rows));
    }
}
