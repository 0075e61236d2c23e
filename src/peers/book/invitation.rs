//! Invitation that is kept in the book, in a line of its own: of its token only the hash. Programs
//! from before take the line for a comment.

use crate::crypto::{Fingerprint, Inbox};
use crate::peers::invitation::TokenHash;
use crate::peers::name::Name;
use crate::time::UnixMs;

/// Invitation that its maker keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptInvitation {
    /// Number by which it is taken back; no other has it.
    pub number: u32,
    /// Hash of its token.
    pub hash: TokenHash,
    /// Moment from which it is not taken any more.
    pub until: UnixMs,
    /// How often it is taken.
    pub uses: InvitationUses,
    /// Name that its bearer gets.
    pub name: Option<Name>,
    /// Where a first letter with it is left, if it names a relay.
    pub inbox: Option<Inbox>,
}

/// How often an invitation is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitationUses {
    /// By everybody who has it, until it expires.
    Many,
    /// By one key.
    Once,
    /// By one key, this one, which has come.
    UsedBy(Fingerprint),
}

/// Why an invitation is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvitationRefusal {
    /// None with this token is kept: it was taken back, has expired long ago, or was never made.
    Unknown,
    /// It has expired.
    Expired,
    /// Another key has used it.
    Used,
}

/// Beginning of its line.
const BEGINS: &str = "# invitation ";
const UNTIL: &str = "until=";
const ONCE: &str = "once";
const USED_BY: &str = "used-by=";
const FOR: &str = "for=";
const INBOX: &str = "inbox=";

impl KeptInvitation {
    /// Whether it has expired.
    #[must_use]
    pub fn is_expired(&self, now: UnixMs) -> bool {
        now >= self.until
    }

    /// Whether somebody can still use it.
    #[must_use]
    pub fn is_open(&self, now: UnixMs) -> bool {
        !self.is_expired(now) && !matches!(self.uses, InvitationUses::UsedBy(_))
    }

    /// Reads its line; none on any other, and on one that is damaged, which then invites nobody.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end().strip_prefix(BEGINS)?.split(' ');
        let (number, hash) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let until = UnixMs(words.next()?.strip_prefix(UNTIL)?.parse().ok()?);
        let (mut uses, mut name, mut inbox) = (InvitationUses::Many, None, None);
        for word in words {
            if word == ONCE {
                uses = InvitationUses::Once;
            } else if let Some(key) = word.strip_prefix(USED_BY) {
                uses = InvitationUses::UsedBy(key.parse().ok()?);
            } else if let Some(name) = word.strip_prefix(INBOX) {
                inbox = Some(Inbox::parse(name)?);
            } else {
                name = Some(Name::parse(word.strip_prefix(FOR)?).ok()?);
            }
        }
        Some(Self { number, hash, until, uses, name, inbox })
    }

    /// Its line.
    pub(super) fn to_line(&self) -> String {
        let Self { number, hash, until, uses, name, inbox } = self;
        let uses = match uses {
            InvitationUses::Many => String::new(),
            InvitationUses::Once => format!(" {ONCE}"),
            InvitationUses::UsedBy(key) => format!(" {USED_BY}{key}"),
        };
        let name = name.as_ref().map(|name| format!(" {FOR}{name}")).unwrap_or_default();
        let inbox = inbox.as_ref().map(|inbox| format!(" {INBOX}{inbox}")).unwrap_or_default();
        format!("{BEGINS}{number} {hash} {UNTIL}{}{uses}{name}{inbox}\n", until.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Seed;
    use crate::wire::Token;

    #[test]
    fn what_is_written_is_read_and_a_damaged_line_invites_nobody() {
        let hash = TokenHash::of(&Token::new([7; 16]));
        let key = Fingerprint::of(b"bob");
        for (uses, name, inbox) in [
            (InvitationUses::Many, None, None),
            (InvitationUses::Once, Some("민지"), None),
            (InvitationUses::UsedBy(key), Some("bob"), Some(Inbox::random(&Seed::new([1; 32])))),
        ] {
            let name = name.map(|name| Name::parse(name).unwrap());
            let kept = KeptInvitation { number: 3, hash, until: UnixMs(1_000), uses, name, inbox };
            let line = kept.to_line();
            assert_eq!(KeptInvitation::parse(&line), Some(kept), "{line}");
            for bad in [
                line.replace("until=", "until "),
                line.replace("# invitation 3", "# invitation x"),
                line.replace("1000", "1000 twice"),
                line.replace("1000", "-1"),
                line.replace("1000", "1000 inbox=a"),
            ] {
                assert_eq!(KeptInvitation::parse(&bad), None, "{bad}");
            }
        }
    }
}
