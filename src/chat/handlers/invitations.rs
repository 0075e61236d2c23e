//! Handlers of `:invite`: invitations that are made, listed and taken back.

use std::net::SocketAddr;

use crate::chat::Chat;
use crate::chat::change_reply::{ChangeReply, MadeInvitation};
use crate::chat::io::Effect;
use crate::chat::lobby::{InvitationWarning, InvitationsInfo, InviteFor, InviteOptions};
use crate::chat::notice::{Info, Notice, Warning};
use crate::chat::types::{KeyFor, Protocol};
use crate::crypto::{Inbox, Seed};
use crate::limits;
use crate::peers::address::{BoundAddresses, Target};
use crate::peers::book::{Change, InvitationUses, KeptInvitation};
use crate::peers::invitation::{INVITATION_ADDRESSES, Invitation, InvitationRelay, TokenHash, new_token};
use crate::text::duration::span;
use crate::time::UnixMs;

impl Chat {
    /// `:invite [NAME] [--once] [--for TIME] [--at ADDR]`
    pub(super) fn invite(&mut self, options: InviteOptions) {
        let at = match [&options.at, &self.invite_at].into_iter().find(|at| !at.is_empty()) {
            Some(at) => at.clone(),
            None => self.addresses_of_listeners(),
        };
        if at.is_empty() {
            return self.refuse_line(Warning::Invitation(InvitationWarning::NoAddress));
        }
        if self.account.key(KeyFor::Identity).is_none() {
            return self.refuse_line(Warning::NoKeyYet);
        }
        let open = self.book.invitations().filter(|kept| !kept.is_expired(self.now.unix));
        if open.count() >= limits::INVITATIONS {
            return self.refuse_line(Warning::Invitation(InvitationWarning::TooMany));
        }
        let face = self.conversations.current_face();
        self.lobby.being_made.push_back((face, options, at));
        self.effects.push(Effect::TokenSeed);
    }

    /// Addresses at which others can call; those of this machine alone only where there is no
    /// other.
    fn addresses_of_listeners(&self) -> Vec<Target> {
        let native = self.listeners.values().filter(|one| one.options.protocol == Protocol::Native);
        let bound = native.flat_map(|one| match one.dial.as_slice() {
            [] => one.bound.iter().flat_map(BoundAddresses::iter).collect::<Vec<_>>(),
            dial => dial.to_vec(),
        });
        let callable = |at: &SocketAddr| !at.ip().is_unspecified();
        let (local, others): (Vec<_>, Vec<_>) =
            bound.filter(callable).partition(|at| at.ip().to_canonical().is_loopback());
        let at = if others.is_empty() { local } else { others };
        at.into_iter().take(INVITATION_ADDRESSES).map(Target::from).collect()
    }

    /// Makes the invitation that waits for its token, which comes of this seed alone. It is shown
    /// once it is on disk.
    pub(crate) fn make_invitation(&mut self, seed: &Seed) {
        let token = new_token(seed);
        let Some((face, options, addresses)) = self.lobby.being_made.pop_front() else { return };
        let Some(key) = self.account.fingerprint() else { return };
        let InviteOptions { name, once, time_ms, .. } = options;
        let now = self.now.unix;
        let uses = match once {
            InviteFor::Everybody => InvitationUses::Many,
            InviteFor::FirstKey => InvitationUses::Once,
        };
        let until = UnixMs(now.0.saturating_add(time_ms));
        // Letters are read where messages are kept.
        let url = self.relays.first().filter(|_| self.kept.is_some()).cloned();
        let relay = url.map(|url| InvitationRelay { url, inbox: Inbox::random(&seed.derive("inbox")) });
        let inbox = relay.as_ref().map(|relay| relay.inbox.clone());
        let kept = KeptInvitation { number: 0, hash: TokenHash::of(&token), until, uses, name, inbox };
        let own_name = Some(self.account.name.clone());
        let invitation = Invitation { name: own_name, addresses, token, key, relay };
        let made = MadeInvitation { invitation, kept: kept.clone(), open_ms: time_ms };
        self.in_face(face, |chat| {
            let change = Change::Invite { invitation: kept, now };
            chat.change_book(vec![change], ChangeReply::Invited(Box::new(made)));
        });
    }

    /// Shows an invitation, which is on disk now, with its number.
    pub(super) fn show_invitation(&mut self, made: MadeInvitation) {
        let of_book = self.book.invitations().find(|kept| kept.hash == made.kept.hash).cloned();
        let kept = of_book.unwrap_or(made.kept);
        let made = MadeInvitation { kept, ..made };
        self.effects.info(Info::Invitations(InvitationsInfo::Made { made: Box::new(made) }));
    }

    /// `:invite list`
    pub(super) fn show_invitations(&mut self) {
        let now = self.now.unix;
        let rows: Vec<Vec<String>> = self.book.invitations().map(|kept| self.row_of(kept, now)).collect();
        if rows.is_empty() {
            return self.effects.info(Info::Invitations(InvitationsInfo::None));
        }
        let head = ["number", "for", "uses", "open"].map(str::to_owned).to_vec();
        self.effects.show(Notice::Table([vec![head], rows].concat()));
    }

    fn row_of(&self, kept: &KeptInvitation, now: UnixMs) -> Vec<String> {
        let uses = match kept.uses {
            InvitationUses::Many => "many".to_owned(),
            InvitationUses::Once => "once".to_owned(),
            InvitationUses::UsedBy(key) => {
                let user = self.book.by_fingerprint(&key).map(|peer| peer.name.to_string());
                format!("used by {}", user.unwrap_or_else(|| key.to_string()))
            }
        };
        let open = if kept.is_expired(now) { "expired".to_owned() } else { span(kept.until.since(now)) };
        let name = kept.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![kept.number.to_string(), name, uses, open]
    }

    /// `:invite drop N`
    pub(super) fn drop_invitation(&mut self, number: u32) {
        if !self.book.invitations().any(|kept| kept.number == number) {
            let warning = InvitationWarning::NoSuchInvitation { number };
            return self.refuse_line(Warning::Invitation(warning));
        }
        self.change_book(vec![Change::Uninvite { number }], ChangeReply::Uninvited { number });
    }
}
