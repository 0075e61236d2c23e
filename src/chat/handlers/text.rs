//! Handlers of typed lines and of text: to the addressee, to one peer, to all.

use crate::chat::Chat;
use crate::chat::addressee::{
    Addressee, EDITOR_COMMANDS, Echo, FirstCaller, HeldLine, HoldReason, LineStart, SLASH_COMMANDS,
    WaitingTexts,
};
use crate::chat::callee::CallOptions;
use crate::chat::command::{self, Command, ParsedLine};
use crate::chat::conversation::{Conversation, Peer};
use crate::chat::io::{Effect, ReturnCause, ReturnedLine};
use crate::chat::kept::{AfterCommit, KeptMessages, TextToAll};
use crate::chat::lobby::InvitationWarning;
use crate::chat::notice::{DeliveryInfo, DeliveryWarning, Info, Message, Notice, Warning};
use crate::chat::types::{AcceptPolicy, Origin, PeerId, Protocol, TrustLevel};
use crate::crypto::Fingerprint;
use crate::delivery::MessageState;
use crate::ids::{ConnId, FaceId};
use crate::limits;
use crate::peers::invitation::Invitation;
use crate::peers::name::Name;
use crate::session::SendError;
use crate::time::UnixMs;

/// Time after a question within which Enter is no answer, in milliseconds: it may have been pressed
/// before the question was seen.
const ANSWER_AFTER_MS: u64 = 500;

impl Chat {
    /// Takes a line of an input that nobody can be asked about.
    pub(crate) fn handle_line(&mut self, line: &str) {
        self.conversations.face_mut().question = None;
        match command::parse_line(line) {
            Ok(ParsedLine::Text(text)) => match self.hold_reason(line, None) {
                Some(reason) => self.refuse_line(Warning::NotAsked { reason, to: self.addressee_name() }),
                None => self.send(&text, Echo::Message),
            },
            parsed => self.handle_parsed(parsed, &self.line_start(), Echo::Message),
        }
    }

    /// Takes a line of a person, which was begun at `start` and stands on the screen as `echo`. A
    /// text that is not sent goes back into the line.
    pub(crate) fn handle_typed(&mut self, line: &str, start: &LineStart, echo: Echo) {
        let face = self.conversations.current_face();
        let (question, refused) = (self.conversations.face_mut().question.take(), self.refused_lines());
        let parsed = command::parse_line(line);
        let is_text = matches!(parsed, Ok(ParsedLine::Text(_) | ParsedLine::TextTo { .. }));
        match (parsed, question) {
            (Ok(ParsedLine::Invitation(invitation)), question) => {
                self.handle_typed_invitation(line, *invitation, question);
            }
            (Ok(ParsedLine::Text(_)), Some(held))
                if held.line == line && self.now.mono.since(held.asked) < ANSWER_AFTER_MS =>
            {
                self.conversations.face_mut().question = Some(held);
                return self.return_line(face, line, ReturnCause::Asked);
            }
            // Asked again, with the line as it was.
            (Ok(ParsedLine::Text(_)), Some(held)) if held.is_answered_in(line) => {
                self.hold(&held.line, held.reason);
                return self.return_line(face, &held.line, ReturnCause::Asked);
            }
            (Ok(ParsedLine::Text(text)), Some(HeldLine { line: asked, to, .. })) if asked == line => {
                self.send_as_asked(&text, &to, echo);
            }
            (Ok(ParsedLine::Text(text)), _) => match self.hold_reason(line, Some(start)) {
                Some(reason) => {
                    self.hold(line, reason);
                    return self.return_line(face, line, ReturnCause::Asked);
                }
                None => self.send(&text, echo),
            },
            (parsed, _) => self.handle_parsed(parsed, start, echo),
        }
        let is_leaving = matches!(line.trim(), "exit" | "quit");
        if is_text && !is_leaving && self.refused_lines() > refused {
            self.return_line(face, line, ReturnCause::Refused);
        }
    }

    /// Takes an invitation that was typed or pasted: it is used when Enter is pressed once more.
    fn handle_typed_invitation(&mut self, line: &str, invitation: Invitation, question: Option<HeldLine>) {
        let face = self.conversations.current_face();
        match question.filter(|held| held.line == line) {
            Some(held) if self.now.mono.since(held.asked) < ANSWER_AFTER_MS => {
                self.conversations.face_mut().question = Some(held);
                self.return_line(face, line, ReturnCause::Asked);
            }
            Some(_) => self.connect(CallOptions::of_invitation(invitation)),
            None => {
                let first = invitation.addresses.first().map(ToString::to_string).unwrap_or_default();
                let of = match &invitation.name {
                    Some(name) => format!("{name} at {first}"),
                    None => first,
                };
                self.hold(line, HoldReason::Invitation { of });
                self.return_line(face, line, ReturnCause::Asked);
            }
        }
    }

    pub(crate) fn return_line(&mut self, face: FaceId, line: &str, cause: ReturnCause) {
        let line = ReturnedLine { text: line.to_owned(), cause };
        self.effects.push(Effect::ReturnLine(face, line));
    }

    fn handle_parsed(
        &mut self,
        parsed: Result<ParsedLine, command::CommandError>,
        start: &LineStart,
        echo: Echo,
    ) {
        match parsed {
            Ok(ParsedLine::Nothing) => {}
            Ok(ParsedLine::Text(text)) => self.send(&text, echo),
            Ok(ParsedLine::TextTo { name, text }) => {
                if let Some((_, id)) = self.find(&name) {
                    self.keep_chosen(id);
                    self.send_to_peer(id, name, &text);
                } else {
                    self.conversations.face_mut().refused_lines += 1;
                }
            }
            Ok(ParsedLine::Command(Command::To { name })) => {
                self.address_by_name(&name);
                if let Some(peer) = self.conversations.addressed_peer() {
                    self.keep_chosen(peer);
                }
            }
            Ok(ParsedLine::Command(Command::All { text })) => self.send_to_all(&text, start.roster),
            Ok(ParsedLine::Command(command)) => self.handle_command(command),
            Ok(ParsedLine::Invitation(_)) => {
                self.refuse_line(Warning::Invitation(InvitationWarning::NotAsked));
            }
            Err(error) => self.refuse_line(Warning::CommandError { what: error.to_string() }),
        }
    }

    /// Lines of the current face that were not accepted.
    pub(crate) fn refused_lines(&self) -> u64 {
        self.conversations.face().refused_lines
    }

    /// Counts a command of a face that was taken and has failed.
    pub(crate) fn count_failed(&mut self, face: FaceId) {
        self.in_face(face, |chat| chat.conversations.face_mut().refused_lines += 1);
    }

    /// Reports a line that is not accepted, and counts it for the end of the input.
    pub(crate) fn refuse_line(&mut self, why: Warning) {
        self.conversations.face_mut().refused_lines += 1;
        self.effects.warn(why);
    }

    /// Reason why the text of a line is not sent before its sender has confirmed it. Nobody is
    /// asked where nothing would be sent, or where `::` begins the line.
    fn hold_reason(&mut self, line: &str, start: Option<&LineStart>) -> Option<HoldReason> {
        let addressed = self.addressed_view(self.conversations.current_face())?;
        if let Some(start) = start.filter(|start| !start.is_for(&self.line_start())) {
            let name = start.name.clone().unwrap_or_else(|| "nobody".to_owned());
            return Some(HoldReason::BegunForAnother { name });
        }
        let first = line.split(char::is_whitespace).next().unwrap_or_default();
        let reason = match first.split_at_checked(1) {
            Some(("/", word)) if SLASH_COMMANDS.contains(&word) => {
                Some(HoldReason::SlashCommand { word: word.to_owned() })
            }
            Some((":", word)) if EDITOR_COMMANDS.contains(&word) => {
                Some(HoldReason::EditorCommand { word: word.to_owned() })
            }
            _ => None,
        };
        if reason.is_some() {
            let is_first = self.conversations.face_mut().asked.insert(first.to_owned());
            return reason.filter(|_| is_first);
        }
        let (name, _) = line.split_once(": ")?;
        let name = Name::parse_local(name).ok()?;
        let is_other = addressed.name != name.as_str() && self.peer_named(&name).is_some();
        (is_other && self.conversations.face_mut().asked.insert(name.folded().to_owned()))
            .then(|| HoldReason::NamesAnother { name: name.to_string() })
    }

    /// Asks whether a line is to be sent.
    fn hold(&mut self, line: &str, reason: HoldReason) {
        let to = self.conversations.addressee().clone();
        self.effects.warn(Warning::Held { reason: reason.clone(), to: self.addressee_name() });
        let question = HeldLine { line: line.to_owned(), reason, to, asked: self.now.mono };
        self.conversations.face_mut().question = Some(question);
    }

    /// Sends a text to whom the question named, whoever is addressed by now.
    fn send_as_asked(&mut self, text: &str, to: &Addressee, echo: Echo) {
        match to {
            to if to == self.conversations.addressee() => self.send(text, echo),
            Addressee::Peer(id, name) => self.send_to_peer(*id, name.to_string(), text),
            _ => self.refuse_line(Warning::NobodyAddressed),
        }
    }

    /// Sends a text to the addressee. One for somebody who is being dialled waits.
    pub(crate) fn send(&mut self, text: &str, echo: Echo) {
        let face = self.conversations.current_face();
        if let Some(peer) = self.keepable_addressee() {
            self.keep_text(peer, text, echo, None);
            return self.hint_at_quit(text);
        }
        let waiting = match *self.conversations.addressee() {
            Addressee::Dialled(dial) => self.dials.get_mut(&dial).map(|dial| &mut dial.waiting),
            Addressee::Connecting(conn) => self.conversations.get_mut(conn).map(|one| &mut one.waiting),
            _ => None,
        };
        if let Some(waiting) = waiting {
            return if waiting.has_room() {
                waiting.push(face, text);
            } else {
                let waiting = waiting.len();
                let name = self.addressee_name();
                self.refuse_line(Warning::QueueFull { name, waiting });
            };
        }
        let Some(conn) = self.conversations.addressed_conn() else {
            match *self.conversations.addressee() {
                Addressee::Peer(id, _) => self.refuse_not_connected(id, self.addressee_name()),
                _ if self.conversations.peers().next().is_some() => {
                    self.refuse_line(Warning::NobodyAddressed);
                }
                _ => self.refuse_line(Warning::NobodyToSendTo),
            }
            if matches!(text.trim(), "exit" | "quit") {
                self.effects.info(Info::ExitHint);
            }
            return;
        };
        let is_oaep = self.conversations.get(conn).is_some_and(Conversation::is_oaep);
        match echo {
            Echo::Line => self.send_shown(conn, text),
            Echo::Message | Echo::Pending => {
                if let Some(message) = self.send_on(conn, text) {
                    self.show_said(message, echo);
                }
            }
        }
        if !is_oaep {
            self.hint_at_quit(text);
        }
    }

    /// The addressee, also one that is being called, where texts for it are kept.
    fn keepable_addressee(&self) -> Option<Fingerprint> {
        let called = match self.conversations.addressee() {
            Addressee::Dialled(dial) => self.callee(&self.dials.get(dial)?.options),
            Addressee::Connecting(conn) => match &self.conversations.get(*conn)?.origin {
                Origin::Outbound { dial, .. } => self.callee(dial),
                Origin::Inbound { .. } => None,
            },
            Addressee::Peer(peer, _) => return self.keeps_for(*peer),
            Addressee::NobodyYet | Addressee::Nobody => None,
        };
        called.and_then(|(key, _)| self.keeps_for(PeerId::Key(key)))
    }

    /// Says, once, that `exit` was sent as a text.
    fn hint_at_quit(&mut self, text: &str) {
        let hints = &mut self.conversations.face_mut().quit_hints;
        if text == "exit" && *hints == 0 {
            *hints += 1;
            self.effects.info(Info::QuitHint);
        }
    }

    /// Sends a text to a peer by its name or its fingerprint; the addressee stays.
    pub(crate) fn send_to(&mut self, name: &str, text: &str) {
        match self.peer_called(name) {
            Some((name, id)) => self.send_to_peer(id, name, text),
            None => self.conversations.face_mut().refused_lines += 1,
        }
    }

    /// Sends a text to a peer by its name or its fingerprint. Where it waits for the peer, it does
    /// not wait longer than that.
    pub(crate) fn send_until(&mut self, name: &str, text: &str, expire_ms: u64) {
        let Some((name, id)) = self.peer_called(name) else {
            self.conversations.face_mut().refused_lines += 1;
            return;
        };
        match self.keeps_for(id) {
            Some(peer) => {
                let expires = UnixMs(self.now.unix.0.saturating_add(expire_ms));
                self.keep_text(peer, text, Echo::Line, Some(expires));
            }
            None => self.send_to_peer(id, name, text),
        }
    }

    /// Peer by its name or its fingerprint. A name that is nobody's is told.
    pub(crate) fn peer_called(&mut self, name: &str) -> Option<(String, PeerId)> {
        match name.parse::<Fingerprint>() {
            Ok(fingerprint) => Some((self.name_of_key(fingerprint), PeerId::Key(fingerprint))),
            Err(_) => self.find(name),
        }
    }

    pub(crate) fn send_to_peer(&mut self, id: PeerId, name: String, text: &str) {
        if let Some(peer) = self.keeps_for(id) {
            return self.keep_text(peer, text, Echo::Line, None);
        }
        match self.conversations.open_with(id) {
            Some(conn) => self.send_shown(conn, text),
            None => self.refuse_not_connected(id, name),
        }
    }

    /// Refuses a text to a peer who is not connected, and for whom nothing is kept.
    fn refuse_not_connected(&mut self, id: PeerId, name: String) {
        let unopened = self.unopened_store.as_ref().filter(|_| self.is_chosen(id));
        self.refuse_line(match (id, unopened) {
            (PeerId::Key(key), _) if self.is_blocked(key) => Warning::AddresseeBlocked { name },
            (PeerId::Key(_), Some(store)) => {
                Warning::Delivery(DeliveryWarning::NotKept { name, why: store.why.clone() })
            }
            _ => Warning::NotConnected { name },
        });
        self.hint_at_keeping(id);
    }

    /// Sends a text that its line did not show as sent, and shows it.
    pub(crate) fn send_shown(&mut self, conn: ConnId, text: &str) {
        let peer = self.conversations.peer_of(conn).map(|peer| peer.id);
        if let Some(peer) = peer.and_then(|peer| self.keeps_for(peer)) {
            return self.keep_text(peer, text, Echo::Line, None);
        }
        if let Some(message) = self.send_on(conn, text) {
            self.effects.show(Notice::Own(message));
        }
    }

    /// Shows a text of ours that was accepted, as its line stands on the screen.
    pub(crate) fn show_said(&mut self, message: Message, echo: Echo) {
        match echo {
            Echo::Message => {}
            Echo::Line => self.effects.show(Notice::Own(message)),
            Echo::Pending => self.effects.push(Effect::Said(self.conversations.current_face(), message)),
        }
    }

    /// Sends a text on a connection. Returns it as it is recorded, if it was accepted.
    pub(crate) fn send_on(&mut self, conn: ConnId, text: &str) -> Option<Message> {
        let conversation = self.conversations.get_mut(conn)?;
        if !conversation.unacked.has_room() {
            let (name, waiting) = (conversation.name(), conversation.unacked.len());
            self.refuse_line(Warning::QueueFull { name, waiting });
            return None;
        }
        let mut sent = None;
        match conversation.session.send(self.now.mono, text, self.now.unix) {
            Ok(seq) => {
                conversation.unacked.push(seq, text, self.now.mono);
                let peer = conversation.peer.as_ref().map(|peer| peer.id);
                sent = peer.map(|peer| self.record_own(peer, text, seq, MessageState::Unconfirmed));
                if let Some(peer) = peer {
                    self.remember_own(peer, text);
                }
                self.hint_at_receipts(conn);
                self.hint_at_loss(conn);
                self.probe_reading(conn);
            }
            Err(error) => {
                let name = conversation.name();
                let why = self.unsent(name, &error);
                self.refuse_line(why);
            }
        }
        self.drain(conn);
        sent
    }

    /// Warning that a session has not taken a text.
    fn unsent(&self, name: String, error: &SendError) -> Warning {
        match error {
            SendError::NoKey => Warning::NoKeyOf { name },
            // What goes to this peer is kept, if the store can be used.
            SendError::WrongCount if self.kept.as_ref().is_some_and(KeptMessages::is_unusable) => {
                let pause = limits::STORE_RETRY_MS / 1_000;
                let why = format!("the message store could not be used; it is tried again every {pause} s");
                Warning::Delivery(DeliveryWarning::NotKept { name, why })
            }
            error => Warning::CommandError { what: format!("not sent: {error}") },
        }
    }

    /// Sends a text on a connection, or keeps it for the peer. Returns it as it is recorded, if it
    /// was accepted.
    pub(crate) fn send_or_keep(&mut self, conn: ConnId, text: &str) -> Option<Message> {
        let peer = self.conversations.peer_of(conn)?.id;
        let Some(kept_for) = self.keeps_for(peer) else { return self.send_on(conn, text) };
        let refused = self.refused_lines();
        self.keep_text(kept_for, text, Echo::Message, None);
        (self.refused_lines() == refused).then(|| self.own_message(peer, text))
    }

    /// `:all TEXT`: to the chosen peers that were connected when the line was begun, at this value
    /// of [`Chat::roster`]. Others are named.
    pub(crate) fn send_to_all(&mut self, text: &str, begun: u64) {
        let mut receivers = Vec::new();
        let (mut later, mut not_chosen) = (Vec::new(), Vec::new());
        for conn in self.conversations.conns(Conversation::is_open) {
            let Some(peer) = self.conversations.peer_of(conn) else { continue };
            match peer {
                Peer { joined, .. } if *joined > begun => later.push(peer.name.to_string()),
                Peer { id, .. } if !self.is_chosen(*id) => not_chosen.push(peer.name.to_string()),
                _ => receivers.push(conn),
            }
        }
        let (mut to, mut at_once, mut own) = (Vec::new(), Vec::new(), None);
        for conn in receivers {
            let peer = self.conversations.peer_of(conn).map(|peer| peer.id);
            let is_kept = peer.is_some_and(|peer| self.keeps_for(peer).is_some());
            let Some(message) = self.send_or_keep(conn, text) else { continue };
            if !is_kept {
                at_once.extend(message.to.clone());
            }
            to.extend(message.to.clone());
            own.get_or_insert(message);
        }
        let is_anybody_left_out = !later.is_empty() || !not_chosen.is_empty();
        let nobody_got_it = own.is_none();
        let warning = match nobody_got_it {
            _ if is_anybody_left_out => Some(Warning::LeftOut { later, not_chosen }),
            true => Some(Warning::NobodyToSendTo),
            false => None,
        };
        let (face, is_kept) = (self.conversations.current_face(), to.len() > at_once.len());
        let message = own.map(|own| Message { to, ..own });
        let text = TextToAll { face, message, at_once, warning };
        if is_kept {
            self.after_commit(AfterCommit::ToAll(text));
        } else {
            self.show_to_all(text);
        }
        self.conversations.face_mut().refused_lines += u64::from(nobody_got_it);
    }

    /// Shows a text to all, once it is accepted, and who does not get it.
    pub(crate) fn show_to_all(&mut self, TextToAll { face, message, warning, .. }: TextToAll) {
        self.in_face(face, |chat| {
            if let Some(message) = message {
                chat.effects.show(Notice::Own(message));
            }
            if let Some(warning) = warning {
                chat.effects.warn(warning);
            }
        });
    }

    /// Whether the user has chosen a peer, blocked or not. On the raw wire nobody can be known.
    pub(crate) fn is_chosen(&self, id: PeerId) -> bool {
        matches!(self.trust_level_of(id), TrustLevel::Unverified | TrustLevel::Verified | TrustLevel::Blocked)
    }

    /// `:to NAME`. A name that is not there leaves nobody addressed.
    pub(crate) fn address_by_name(&mut self, name: &str) {
        let Some((name, id)) = self.find(name) else { return self.conversations.address_nobody() };
        let address_as = Name::parse_local(&name).unwrap_or_else(|_| Name::claimed(name.as_bytes()));
        self.conversations.address(id, address_as);
        let open = self.conversations.open_with(id).and_then(|conn| self.conversations.peer_of(conn));
        self.effects.info(match open.map(|peer| peer.trust_level) {
            Some(trust_level) => Info::Addressed { name, trust_level },
            // Who is addressed is chosen.
            None => match self.can_keep_for(id) {
                Some(peer) => Info::Delivery(DeliveryInfo::AddressedLater { name, by: self.later_by(peer) }),
                None => Info::AddressedAway { name },
            },
        });
    }

    /// Gives back the texts that waited for somebody who did not come.
    pub(crate) fn give_back(&mut self, name: Option<&str>, waiting: &WaitingTexts) {
        for face in waiting.faces() {
            let ((rows, more), name) = (waiting.rows(face), name.map(str::to_owned));
            self.in_face(face, |chat| {
                chat.conversations.face_mut().refused_lines += (rows.len() + more) as u64;
                chat.effects.warn(Warning::NotSent { name, rows, more });
            });
        }
    }

    /// Names the texts of an input that nobody is there for any more.
    pub(crate) fn refuse_undeliverable(&mut self, to: Option<&str>, texts: &[String]) {
        let mut waiting = WaitingTexts::default();
        for text in texts {
            waiting.push(self.conversations.current_face(), text);
        }
        self.give_back(to, &waiting);
    }

    /// Whether a caller becomes addressed at a face because nobody was yet. On the raw wire nobody
    /// is known, and a stranger there does not come before those who are expected on our own.
    pub(crate) fn is_first_caller(&self, face: FaceId, conn: ConnId, id: PeerId) -> bool {
        let Some(conversation) = self.conversations.get(conn) else { return false };
        let listener = conversation.listener.and_then(|listener| self.listeners.get(&listener));
        let face = self.conversations.face_of(face);
        let takes_anybody = face.first_caller == FirstCaller::Anyone
            || listener.is_some_and(|one| one.options.accept == Some(AcceptPolicy::Anyone));
        let is_taken = match id {
            PeerId::Key(_) => takes_anybody || self.is_chosen(id),
            PeerId::Conn(_) => takes_anybody && !self.expects_native(),
        };
        *face.addressee() == Addressee::NobodyYet
            && face.first_caller != FirstCaller::Nobody
            && conversation.origin.is_inbound()
            && is_taken
    }

    /// Whether somebody may come on our own wire.
    fn expects_native(&self) -> bool {
        self.listeners.values().any(|one| one.options.protocol == Protocol::Native)
            || self.dials.values().any(|dial| dial.options.protocol == Protocol::Native)
            || self.conversations.values().any(|one| !one.origin.is_inbound() && !one.is_oaep())
    }

    /// Sends what waited for a peer that was dialled.
    pub(crate) fn send_waiting(&mut self, conn: ConnId, waiting: WaitingTexts) {
        for (face, text) in waiting.into_texts() {
            self.in_face(face, |chat| chat.send_shown(conn, &text));
            self.commit_alone();
        }
    }

    /// Trust in a peer that is connected or in the book.
    pub(crate) fn trust_level_of(&self, id: PeerId) -> TrustLevel {
        if let Some(peer) = self.conversations.connected(id) {
            return peer.trust_level;
        }
        match id {
            PeerId::Key(fingerprint) => {
                self.book.by_fingerprint(&fingerprint).map_or(TrustLevel::Met, |peer| peer.trust.into())
            }
            PeerId::Conn(_) => TrustLevel::Unauthenticated,
        }
    }
}
