//! Handlers of names: which one a peer is shown under, and warnings of imitations.

use crate::chat::Chat;
use crate::chat::change_reply::ChangeReply;
use crate::chat::notice::{Impersonated, Info, Warning};
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::ids::ConnId;
use crate::peers::book::{PeerEntry, Trust};
use crate::peers::name::Name;
use crate::text::safe::SafeText;

/// Claim of a key in an earlier session, or in another process, which met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClaimBefore {
    /// The same: who claims our own name was named then.
    Same,
    /// None, or another.
    Other,
}

impl Chat {
    /// Claim with which a caller was met before this call.
    pub(crate) fn claim_before(&self, fingerprint: Fingerprint, claimed: &Name) -> ClaimBefore {
        match self.met.by_fingerprint(&fingerprint) {
            Some(met) if met.claimed.same_as(claimed) => ClaimBefore::Same,
            _ => ClaimBefore::Other,
        }
    }

    /// Name that the holder of a key is shown under from now on: that of the book, else the one of
    /// before, else the claimed one, with a number if it is, or looks like, another's.
    pub(crate) fn show_name(&mut self, fingerprint: Fingerprint, claimed: &Name) -> Name {
        let peer = PeerId::Key(fingerprint);
        let known = self.book.by_fingerprint(&fingerprint);
        let name = match (self.kept_name(fingerprint), known) {
            (Some(name), _) => name.clone(),
            (None, _) if self.names.is_full() => Name::of_key(fingerprint.as_bytes()),
            (None, known) => self.free_name(known.map_or(claimed, |entry| &entry.name), peer),
        };
        self.names.show(peer, &name);
        name
    }

    /// Name that a key has already: that of the book, else the one that it was shown under.
    pub(crate) fn kept_name(&self, fingerprint: Fingerprint) -> Option<&Name> {
        let known = self.book.by_fingerprint(&fingerprint).filter(|entry| self.may_be_shown(entry));
        known.map(|entry| &entry.name).or_else(|| self.names.of(PeerId::Key(fingerprint)))
    }

    /// Whether a peer can be shown under its name in the book: nobody else was shown under one that
    /// looks like it. Where both stand in the book they were there before: each keeps its own.
    pub(super) fn may_be_shown(&self, entry: &PeerEntry) -> bool {
        let mut others = self.names.shown_alike(&entry.name, PeerId::Key(entry.fingerprint));
        others.all(|(other, shown)| match other {
            PeerId::Key(key) => self.book.by_fingerprint(&key).is_some_and(|other| other.name == *shown),
            PeerId::Conn(_) => false,
        })
    }

    /// Passes the name of a key on to another, which the user has accepted in its place.
    pub(crate) fn pass_name_on(&mut self, from: Fingerprint, to: Fingerprint) {
        let (from, to) = (PeerId::Key(from), PeerId::Key(to));
        let Some(name) = self.names.pass_on(from, to) else { return };
        if let PeerId::Key(old) = from
            && self.conversations.peers().any(|peer| peer.id == from)
        {
            let numbered = self.free_name(&name, from);
            self.names.show(from, &numbered);
            self.conversations.update_peer(old, |peer| peer.name = numbered.clone());
        }
    }

    /// Name of a newcomer on the raw wire, which nobody else ever has.
    pub(crate) fn show_oaep_name(&mut self, conn: ConnId) -> Name {
        let name = self.names.next_oaep();
        self.names.show(PeerId::Conn(conn), &name);
        name
    }

    /// The wanted name, with a number if that is taken.
    pub(super) fn free_name(&self, wanted: &Name, peer: PeerId) -> Name {
        wanted.first_free(|name| self.name_like(name, peer).is_some())
    }

    /// Name of somebody else that a name is, or looks like: ours, one in the book, one that was
    /// shown or is claimed by a known peer, or one that is being written.
    pub(crate) fn name_like(&self, name: &Name, peer: PeerId) -> Option<&Name> {
        let being_given = || {
            self.book_changes.iter().find_map(|(_, reply)| match reply {
                ChangeReply::Named { name: given, fingerprint, .. } if PeerId::Key(*fingerprint) != peer => {
                    Some(given).filter(|given| given.looks_like(name))
                }
                _ => None,
            })
        };
        let of_book = || self.book.lookalikes(name).find(|entry| PeerId::Key(entry.fingerprint) != peer);
        let own = Some(&self.account.name).filter(|own| own.looks_like(name));
        own.or_else(being_given)
            .or_else(|| of_book().map(|entry| entry.name_like(name)))
            .or_else(|| self.names.others(name, peer).find_map(|other| self.names.like(name, other)))
    }

    /// Warns of a new peer that claims a name that is, or looks like, another's; also with a number
    /// or a sign behind it.
    pub(crate) fn warn_of_impostor(
        &mut self,
        fingerprint: Fingerprint,
        name: &Name,
        claimed: &Name,
        before: ClaimBefore,
    ) {
        let looks = [claimed.clone(), claimed.stem()];
        let of_trust = |entry: &PeerEntry| match entry.trust {
            Trust::Verified => Impersonated::Verified,
            _ => Impersonated::Known,
        };
        let own = self.account.chosen_name().filter(|own| looks.iter().any(|look| own.looks_like(look)));
        let (of, known) = if let Some(own) = own {
            if before == ClaimBefore::Same {
                return;
            }
            (Impersonated::Ours, own.to_string())
        } else if let Some(entry) = self.imitated(fingerprint, &looks) {
            // Who is called otherwise by the user is known by its claim.
            let is_look = looks.iter().any(|look| entry.name.looks_like(look));
            (of_trust(entry), if is_look { &entry.name } else { claimed }.to_string())
        } else if let Some(word) = claimed.misleads_as() {
            (Impersonated::Word, word.to_owned())
        } else {
            if self.names.others(claimed, PeerId::Key(fingerprint)).next().is_some() {
                self.effects.info(Info::SameClaim { claimed: claimed.to_string() });
            }
            return;
        };
        let (name, claimed) = (name.to_string(), SafeText::line(claimed.as_str()));
        self.effects.warn(Warning::Impostor { name, claimed, known, of });
    }

    /// Known peer whose name, or claim, one of these looks is or imitates: before others the one
    /// with that very name, and one that is verified.
    fn imitated(&self, fingerprint: Fingerprint, looks: &[Name]) -> Option<&PeerEntry> {
        let of_book = looks.iter().flat_map(|look| self.book.lookalikes(look));
        let by_claim = looks.iter().flat_map(|look| self.names.others(look, PeerId::Key(fingerprint)));
        let by_claim = by_claim.filter_map(|peer| match peer {
            PeerId::Key(key) => self.book.by_fingerprint(&key),
            PeerId::Conn(_) => None,
        });
        let others = of_book.chain(by_claim).filter(|entry| entry.fingerprint != fingerprint);
        let others = others.filter(|entry| entry.trust != Trust::Met);
        let is_very = |entry: &PeerEntry| looks.first().is_some_and(|claim| entry.name.same_as(claim));
        others.min_by_key(|entry| (!is_very(entry), entry.trust != Trust::Verified))
    }
}
