//! Handlers of the lobby: who gets in, what a caller presents, and how its wait ends.

use crate::chat::Chat;
use crate::chat::change_reply::ChangeReply;
use crate::chat::io::Effect;
use crate::chat::lobby::{IntroducedBy, InvitationWarning, KnockEnd, LobbyInfo};
use crate::chat::notice::{Info, KeyStatus, Warning};
use crate::chat::types::{AcceptPolicy, Origin, Protocol};
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::limits;
use crate::peers::book::{Change, Trust};
use crate::peers::invitation::TokenHash;
use crate::peers::name::Name;
use crate::session::CloseReason;
use crate::text::safe::SafeText;
use crate::wire::{ByeReason, Introduction};

impl Chat {
    /// Whether a caller that asks for it gets into the lobby: its key is a stranger's, and somebody
    /// may come there; who comes too late is told so. Commands that nobody watches have no lobby.
    pub(super) fn begins_in_lobby(&self, conn: ConnId, key: Fingerprint) -> bool {
        let Some(conversation) = self.conversations.get(conn) else { return false };
        let Origin::Inbound { accept, .. } = conversation.origin else { return false };
        let is_expected = match accept {
            AcceptPolicy::Ask => true,
            AcceptPolicy::Anyone | AcceptPolicy::KnownOnly => self.book.invitations().next().is_some(),
            AcceptPolicy::Unattended | AcceptPolicy::Key(_) | AcceptPolicy::Pinned(_) => false,
        };
        let is_stranger = self.book.by_fingerprint(&key).is_none_or(|peer| peer.trust == Trust::Met);
        is_expected && is_stranger && conversation.session.asks_for_lobby()
    }

    /// Lets a caller into the lobby, where nothing of it is shown.
    pub(super) fn let_into_lobby(&mut self, conn: ConnId, key: Fingerprint) {
        let now = self.now.mono;
        // One seat for each key: the latest call is the one that somebody waits at.
        if let Some(earlier) = self.lobby.of_key(key) {
            self.turn_away(earlier);
        }
        if self.lobby.is_full() {
            let remote = self.remote_of(conn);
            self.count_refused("too many were in the lobby", 1);
            self.warn_limited(Warning::Invitation(InvitationWarning::LobbyFull { remote }));
            return self.with_session(conn, |session| session.reject_key(now));
        }
        self.lobby.enter(conn, key);
        self.effects.push(Effect::Authenticated(conn, Protocol::Native));
        self.with_session(conn, |session| session.accept_into_lobby(now));
    }

    /// Takes what a caller in the lobby presents.
    pub(super) fn handle_introduction(&mut self, conn: ConnId, introduction: Introduction, name: &[u8]) {
        let now = self.now.unix;
        let claim = Name::claimed(name);
        let Some(caller) = self.lobby.get_mut(conn) else { return };
        caller.claim = Some(claim.clone());
        let fingerprint = caller.fingerprint;
        match introduction {
            Introduction::Invitation(token) => {
                caller.introduced = IntroducedBy::Invitation;
                let hash = TokenHash::of(&token);
                match self.book.invitation(&hash, &fingerprint, now) {
                    Ok(_) => {
                        let change = Change::Welcome { hash, fingerprint, claim, now };
                        self.change_book(vec![change], ChangeReply::Welcomed { conn, fingerprint });
                    }
                    Err(why) => {
                        let remote = self.remote_of(conn);
                        let warning = InvitationWarning::NotTaken { remote, fingerprint, why };
                        self.warn_limited(Warning::Invitation(warning));
                        self.admit_or_turn_away(conn);
                    }
                }
            }
            Introduction::Knock(_) if !self.may_be_knocked_at(conn) => self.admit_or_turn_away(conn),
            Introduction::Knock(text) => {
                let text: String = text.chars().take(limits::KNOCK_CHARACTERS).collect();
                if let Some(number) = self.lobby.knock(conn) {
                    let text = SafeText::line(&text);
                    self.effects.info(Info::Lobby(LobbyInfo::Knocks { number, fingerprint, text }));
                }
            }
        }
    }

    /// Admits a caller as the stranger that it is, where the listener takes anybody.
    fn admit_or_turn_away(&mut self, conn: ConnId) {
        if self.takes_anybody(conn) {
            self.lobby.leave(conn);
            self.admit(conn);
        } else {
            self.count_refused("they are neither known nor invited", 1);
            self.turn_away(conn);
        }
    }

    /// Whether the user is asked about strangers at the listener of a connection.
    fn may_be_knocked_at(&self, conn: ConnId) -> bool {
        let origin = self.conversations.get(conn).map(|conversation| &conversation.origin);
        match origin {
            Some(Origin::Inbound { accept: AcceptPolicy::Ask, .. }) => true,
            Some(Origin::Inbound { accept: AcceptPolicy::KnownOnly, .. }) => {
                self.book.has_open_invitation(self.now.unix)
            }
            _ => false,
        }
    }

    fn takes_anybody(&self, conn: ConnId) -> bool {
        let origin = self.conversations.get(conn).map(|conversation| &conversation.origin);
        matches!(origin, Some(Origin::Inbound { accept: AcceptPolicy::Anyone, .. }))
    }

    fn remote_of(&self, conn: ConnId) -> String {
        self.conversations.get(conn).map(|conversation| conversation.origin.to_string()).unwrap_or_default()
    }

    /// Admits a caller from the lobby: its connection is established.
    pub(super) fn admit(&mut self, conn: ConnId) {
        let now = self.now.mono;
        self.with_session(conn, |session| session.admit(now));
    }

    /// Ends the wait of a caller in the lobby.
    pub(super) fn turn_away(&mut self, conn: ConnId) {
        self.close_session(conn, ByeReason::Refused);
    }

    /// `:admit N`: the stranger is chosen by that.
    pub(super) fn admit_stranger(&mut self, number: u32) {
        let Some((conn, caller)) = self.lobby.numbered(number) else { return self.nobody_knocks(number) };
        let fingerprint = caller.fingerprint;
        let name = caller.claim.clone().unwrap_or_else(|| Name::of_key(fingerprint.as_bytes()));
        // A second :admit is of nobody.
        if let Some(caller) = self.lobby.get_mut(conn) {
            caller.number = None;
        }
        let meet = Change::Meet { fingerprint, name, address: None };
        self.change_book(vec![meet], ChangeReply::Admitted { conn, number, fingerprint });
    }

    /// `:refuse N`
    pub(super) fn refuse_stranger(&mut self, number: u32) {
        let Some((conn, caller)) = self.lobby.numbered(number) else { return self.nobody_knocks(number) };
        let (fingerprint, end) = (caller.fingerprint, KnockEnd::Refused);
        self.lobby.leave(conn);
        self.effects.info(Info::Lobby(LobbyInfo::Gone { number, fingerprint, end }));
        self.turn_away(conn);
    }

    fn nobody_knocks(&mut self, number: u32) {
        self.refuse_line(Warning::Invitation(InvitationWarning::NobodyKnocks { number }));
    }

    /// Takes note that a connection has ended. Returns whether it was in the lobby, of which all is
    /// said by that.
    pub(super) fn leave_lobby(&mut self, conn: ConnId, reason: &CloseReason) -> bool {
        let Some(caller) = self.lobby.leave(conn) else { return false };
        if let Some(number) = caller.number {
            let end = if *reason == CloseReason::LobbyTimeout { KnockEnd::TimedOut } else { KnockEnd::Left };
            let fingerprint = caller.fingerprint;
            self.effects.info(Info::Lobby(LobbyInfo::Gone { number, fingerprint, end }));
        }
        true
    }

    /// Says that a call waits in the lobby of a listener.
    pub(super) fn show_knocked(&mut self, conn: ConnId) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        if let Origin::Outbound { dial, .. } = &conversation.origin
            && matches!(dial.introduction, Some(Introduction::Knock(_)))
        {
            let (face, target) = (dial.face, dial.target.to_string());
            self.in_face(face, |chat| chat.effects.info(Info::Lobby(LobbyInfo::Knocked { target })));
        }
    }

    /// State of the key of a peer that joins from the lobby, or by an invitation, where that says
    /// more than the book.
    pub(super) fn status_of_introduced(&mut self, conn: ConnId, status: KeyStatus) -> KeyStatus {
        let is_new = |status: &KeyStatus| matches!(status, KeyStatus::New | KeyStatus::Met);
        match self.lobby.leave(conn).map(|caller| caller.introduced) {
            Some(IntroducedBy::Invitation) => return KeyStatus::Invited,
            Some(IntroducedBy::Knock) => return KeyStatus::New,
            Some(IntroducedBy::Nothing) | None => {}
        }
        let origin = self.conversations.get(conn).map(|conversation| &conversation.origin);
        match origin {
            Some(Origin::Outbound { dial, .. })
                if matches!(dial.introduction, Some(Introduction::Invitation(_))) && is_new(&status) =>
            {
                KeyStatus::AsInvited
            }
            _ => status,
        }
    }
}
