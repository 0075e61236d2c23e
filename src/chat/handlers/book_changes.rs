//! Results of changes of the peer book: what is said once they are on disk, or are not.

use crate::chat::Chat;
use crate::chat::change_reply::ChangeReply;
use crate::chat::io::Effect;
use crate::chat::lobby::{InvitationWarning, InvitationsInfo, KnockEnd, LobbyInfo};
use crate::chat::notice::{Info, UnsavedChange, Warning};
use crate::chat::relays::RelayInfo;
use crate::chat::types::PeerId;
use crate::crypto::Fingerprint;
use crate::peers::book::{ChangeOutcome, ChangedBook};
use crate::peers::met::MetChange;
use crate::peers::name::Name;
use crate::wire::ByeReason;

/// Reasons why a change was not written that are not the store's.
const BLOCKED_ELSEWHERE: &str = "it has been blocked in the meantime by another of your programs";
const CHANGED_ELSEWHERE: &str = "the book was changed in the meantime by another of your programs; try again";

impl Chat {
    /// Takes the result of a change, and says what holds now.
    pub(crate) fn handle_change(&mut self, changed: Result<ChangedBook, String>) {
        let Some((face, reply)) = self.book_changes.pop_front() else { return };
        self.in_face(face, |chat| chat.finish_change(reply, changed));
    }

    fn finish_change(&mut self, reply: ChangeReply, changed: Result<ChangedBook, String>) {
        let outcome = match changed {
            Ok(ChangedBook { book, outcome }) => {
                self.drop_saved_blocks(&reply);
                let before = self.replace_book(book);
                self.adopt_changes(&before, &reply.keys());
                Ok(outcome)
            }
            Err(why) => Err(why),
        };
        match outcome {
            Ok(ChangeOutcome::Changed | ChangeOutcome::Same) => self.say_changed(reply),
            // Another process was faster.
            Ok(ChangeOutcome::Blocked) => self.say_not_changed(reply, BLOCKED_ELSEWHERE.to_owned()),
            Ok(ChangeOutcome::Unknown) => self.say_not_changed(reply, CHANGED_ELSEWHERE.to_owned()),
            Err(why) => self.say_not_changed(reply, why),
        }
    }

    /// Drops the blocks that this change has written, or ended. One that is to be written once more
    /// holds until then.
    fn drop_saved_blocks(&mut self, reply: &ChangeReply) {
        let settled = match reply {
            ChangeReply::Unblocked { fingerprint, .. } => std::slice::from_ref(fingerprint),
            reply => reply.blocks(),
        };
        for key in settled {
            if !self.book_changes.iter().any(|(_, later)| later.blocks().contains(key)) {
                self.unsaved_blocks.remove(key);
            }
        }
    }

    /// Says what is on disk now.
    fn say_changed(&mut self, reply: ChangeReply) {
        match reply {
            ChangeReply::Remembered { .. } => self.not_remembered = None,
            ChangeReply::Retried { .. } | ChangeReply::Unasked => {}
            ChangeReply::Invited(made) => self.show_invitation(*made),
            ChangeReply::Uninvited { number } => {
                self.effects.info(Info::Invitations(InvitationsInfo::Dropped { number }));
            }
            ChangeReply::Welcomed { conn, .. } => self.admit(conn),
            ChangeReply::Writable(invitation) => self.hold_invitation(*invitation),
            ChangeReply::WelcomedByLetter { fingerprint } => self.read_first_letter(fingerprint),
            ChangeReply::Admitted { conn, number, fingerprint } => {
                let end = KnockEnd::Admitted;
                self.effects.info(Info::Lobby(LobbyInfo::Gone { number, fingerprint, end }));
                self.admit(conn);
            }
            ChangeReply::Chosen { fingerprint, .. } => drop(self.update_trust_level(fingerprint)),
            ChangeReply::Verified { name, fingerprint } => {
                self.update_trust_level(fingerprint);
                self.effects.info(Info::Trusted { name });
            }
            ChangeReply::Rekeyed { name, old, fingerprint } => {
                self.refused_keys.remove(&name);
                self.pass_name_on(old, fingerprint);
                let waiting = self.waiting_for(PeerId::Key(old));
                self.effects.info(Info::Accepted { name, fingerprint, waiting });
            }
            ChangeReply::AddressMoved { name, address, fingerprint } => {
                self.refused_keys.retain(|_, refused| refused.fingerprint != fingerprint);
                self.effects.info(Info::AddressMoved { name, address, fingerprint });
            }
            ChangeReply::Forgotten { name, fingerprint } => {
                self.met.apply(&MetChange::Drop(fingerprint));
                self.effects.push(Effect::ChangeMet(MetChange::Drop(fingerprint)));
                self.refused_keys.remove(&name);
                self.close_key(fingerprint, ByeReason::Leaving);
                self.forget_kept(&name, fingerprint);
                self.effects.info(Info::Forgotten { name });
            }
            ChangeReply::Blocked { name, .. } => self.effects.info(Info::Blocked { name }),
            ChangeReply::Unblocked { name, fingerprint } => {
                let trust_level = self.update_trust_level(fingerprint);
                self.effects.info(Info::Unblocked { name, trust_level });
            }
            ChangeReply::Named { old, name, fingerprint } => {
                self.names.release(PeerId::Key(fingerprint), &name);
                // The name has a number if another process gave it to somebody else meanwhile.
                let name = self.book.by_fingerprint(&fingerprint).map_or(name, |entry| entry.name.clone());
                self.show_renamed(fingerprint, &old, &name);
            }
        }
    }

    /// Shows a peer under the name that the book has for it now, and says so.
    pub(super) fn show_renamed(&mut self, fingerprint: Fingerprint, old: &str, name: &Name) {
        self.names.rename(PeerId::Key(fingerprint), name);
        self.conversations.update_peer(fingerprint, |peer| peer.name = name.clone());
        // Who is given a name is chosen.
        self.update_trust_level(fingerprint);
        if let Some(refused) = self.refused_keys.remove(old) {
            self.refused_keys.insert(name.to_string(), refused);
        }
        if let Some(shown) = self.shown_numbers.remove(old) {
            self.shown_numbers.insert(name.to_string(), shown);
        }
        self.effects.info(Info::Named { old: old.to_owned(), name: name.to_string() });
    }

    /// Says what is not on disk, and what holds.
    fn say_not_changed(&mut self, reply: ChangeReply, why: String) {
        let (name, change) = match reply {
            ChangeReply::Remembered { name, .. } | ChangeReply::Chosen { name, .. } => {
                // Any caller can cause it: once for each reason.
                if self.not_remembered.as_ref() == Some(&why) {
                    return;
                }
                self.not_remembered = Some(why.clone());
                (name, UnsavedChange::Remembered)
            }
            ChangeReply::Verified { name, .. } => (name, UnsavedChange::Verified),
            ChangeReply::Rekeyed { name, .. } | ChangeReply::AddressMoved { name, .. } => {
                (name, UnsavedChange::KeyAccepted)
            }
            ChangeReply::Forgotten { name, .. } => (name, UnsavedChange::Forgotten),
            ChangeReply::Blocked { name, .. } => (name, UnsavedChange::Blocked),
            ChangeReply::Unblocked { name, .. } => (name, UnsavedChange::Unblocked),
            ChangeReply::Named { old, name, fingerprint } => {
                self.names.release(PeerId::Key(fingerprint), &name);
                (old, UnsavedChange::Named)
            }
            ChangeReply::Invited(_) => {
                return self.effects.warn(Warning::Invitation(InvitationWarning::NotMade { why }));
            }
            ChangeReply::Uninvited { number } => {
                return self.effects.warn(Warning::Invitation(InvitationWarning::NotDropped { number, why }));
            }
            ChangeReply::Welcomed { conn, fingerprint } | ChangeReply::Admitted { conn, fingerprint, .. } => {
                self.effects.warn(Warning::Invitation(InvitationWarning::NotAdmitted { fingerprint, why }));
                return self.turn_away(conn);
            }
            ChangeReply::Writable(invitation) => {
                let name = invitation.key.to_string();
                return self.effects.info(Info::Relay(RelayInfo::NoFirstLetter { name, why }));
            }
            ChangeReply::WelcomedByLetter { fingerprint } => {
                self.warn_limited(Warning::Invitation(InvitationWarning::NotAdmitted { fingerprint, why }));
                return self.fail_first_letter();
            }
            // Nobody asked for it, and it holds as long as the program runs.
            ChangeReply::Unasked => return,
            // It was said already, and is said once more at the end.
            ChangeReply::Retried { .. } if self.shutdown.is_none() => return,
            ChangeReply::Retried { .. } => {
                let names: Vec<_> = self.unsaved_blocks.values().map(Name::to_string).collect();
                if let Some(shutdown) = &mut self.shutdown {
                    shutdown.set_not_saved();
                }
                return self.effects.warn(Warning::BlocksLost { names: names.join(", "), why });
            }
        };
        self.effects.warn(Warning::NotSaved { name, change, why });
    }
}
