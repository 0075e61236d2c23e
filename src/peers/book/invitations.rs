//! Invitations of a book: which one a token is for, and the changes of them.

use super::{Book, ChangeOutcome, InvitationRefusal, InvitationUses, KeptInvitation, Row};
use crate::crypto::Fingerprint;
use crate::limits::INVITATIONS;
use crate::peers::invitation::TokenHash;
use crate::peers::name::Name;
use crate::time::UnixMs;

impl Book {
    /// The invitation with this token, if the holder of a key may use it. Every one is compared,
    /// each in a time that says nothing about it.
    ///
    /// # Errors
    /// [`InvitationRefusal`].
    pub fn invitation(
        &self,
        hash: &TokenHash,
        bearer: &Fingerprint,
        now: UnixMs,
    ) -> Result<&KeptInvitation, InvitationRefusal> {
        let found = self.invitations().filter(|kept| kept.hash == *hash).last();
        let kept = found.ok_or(InvitationRefusal::Unknown)?;
        match kept.uses {
            InvitationUses::UsedBy(key) if key != *bearer => Err(InvitationRefusal::Used),
            _ if kept.is_expired(now) => Err(InvitationRefusal::Expired),
            _ => Ok(kept),
        }
    }

    /// Whether somebody may come with an invitation.
    #[must_use]
    pub fn has_open_invitation(&self, now: UnixMs) -> bool {
        self.invitations().any(|kept| kept.is_open(now))
    }

    pub(super) fn invite(&mut self, invitation: &KeptInvitation, now: UnixMs) -> ChangeOutcome {
        let number = self.invitations().map(|kept| kept.number).max().unwrap_or(0) + 1;
        let _ = self.uninvite(|kept| kept.is_expired(now));
        if self.invitations().count() >= INVITATIONS {
            return ChangeOutcome::Unknown;
        }
        let kept = KeptInvitation { number, ..invitation.clone() };
        let written = kept.to_line();
        self.rows.push(Row::Invitation(kept, written));
        ChangeOutcome::Changed
    }

    pub(super) fn uninvite(&mut self, is_meant: impl Fn(&KeptInvitation) -> bool) -> ChangeOutcome {
        let mut outcome = ChangeOutcome::Unknown;
        for row in &mut self.rows {
            if matches!(row, Row::Invitation(kept, _) if is_meant(kept)) {
                // The rows behind it keep their places.
                *row = Row::Comment(String::new());
                outcome = ChangeOutcome::Changed;
            }
        }
        outcome
    }

    pub(super) fn welcome(
        &mut self,
        hash: &TokenHash,
        fingerprint: Fingerprint,
        claim: &Name,
        now: UnixMs,
    ) -> ChangeOutcome {
        let Ok(kept) = self.invitation(hash, &fingerprint, now).cloned() else {
            return ChangeOutcome::Unknown;
        };
        if kept.uses == InvitationUses::Once {
            let used = KeptInvitation { uses: InvitationUses::UsedBy(fingerprint), ..kept.clone() };
            let is_it = |row: &&mut Row| matches!(row, Row::Invitation(one, _) if one.number == kept.number);
            if let Some(row) = self.rows.iter_mut().find(is_it) {
                let written = used.to_line();
                *row = Row::Invitation(used, written);
            }
        }
        let name = kept.name.as_ref().unwrap_or(claim);
        let _ = self.meet(fingerprint, name, None);
        ChangeOutcome::Changed
    }
}
