//! Lobby of the listeners: callers whose keys are not known, who present themselves and wait; and
//! the invitations that are being made.

use std::collections::{BTreeMap, VecDeque};

use super::change_reply::MadeInvitation;
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, FaceId};
use crate::limits;
use crate::peers::address::Target;
use crate::peers::book::InvitationRefusal;
use crate::peers::name::Name;
use crate::text::safe::SafeText;

/// Options of an invitation that is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteOptions {
    /// Name that its bearer gets.
    pub name: Option<Name>,
    /// Whether one key can use it, or everybody who has it.
    pub once: InviteFor,
    /// Time for which it is open, in milliseconds.
    pub time_ms: u64,
    /// Addresses that it names; by default those of the listeners.
    pub at: Vec<Target>,
}

/// For whom an invitation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteFor {
    /// For everybody who has it.
    Everybody,
    /// For the first key that comes with it.
    FirstKey,
}

/// Who waits in the lobby, and the invitations that wait for their tokens.
#[derive(Default)]
pub(crate) struct Lobby {
    callers: BTreeMap<ConnId, LobbyCaller>,
    /// Number of the last that knocked: none is given twice, so that nobody else is admitted by it.
    last_number: u32,
    pub(crate) being_made: VecDeque<(FaceId, InviteOptions, Vec<Target>)>,
}

/// Caller in the lobby.
#[derive(Clone)]
pub(crate) struct LobbyCaller {
    pub(crate) fingerprint: Fingerprint,
    /// Number by which it is admitted, once it has knocked.
    pub(crate) number: Option<u32>,
    /// Name that it claims, once it has presented itself.
    pub(crate) claim: Option<Name>,
    pub(crate) introduced: IntroducedBy,
}

/// What a caller has presented, as far as it was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IntroducedBy {
    /// Nothing yet.
    Nothing,
    /// An invitation of ours, which is being marked as used.
    Invitation,
    /// A line for the user.
    Knock,
}

impl Lobby {
    pub(crate) fn is_full(&self) -> bool {
        self.callers.len() >= limits::LOBBY_CALLERS
    }

    pub(crate) fn enter(&mut self, conn: ConnId, fingerprint: Fingerprint) {
        let introduced = IntroducedBy::Nothing;
        self.callers.insert(conn, LobbyCaller { fingerprint, number: None, claim: None, introduced });
    }

    pub(crate) fn of_key(&self, key: Fingerprint) -> Option<ConnId> {
        self.callers.iter().find(|(_, one)| one.fingerprint == key).map(|(conn, _)| *conn)
    }

    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut LobbyCaller> {
        self.callers.get_mut(&conn)
    }

    /// Gives the caller its number.
    pub(crate) fn knock(&mut self, conn: ConnId) -> Option<u32> {
        let caller = self.callers.get_mut(&conn)?;
        self.last_number += 1;
        (caller.number, caller.introduced) = (Some(self.last_number), IntroducedBy::Knock);
        caller.number
    }

    /// Number and key of one that has knocked.
    pub(crate) fn waiting(&self, conn: ConnId) -> Option<(u32, Fingerprint)> {
        let caller = self.callers.get(&conn)?;
        Some((caller.number?, caller.fingerprint))
    }

    /// The caller that has this number.
    pub(crate) fn numbered(&self, number: u32) -> Option<(ConnId, &LobbyCaller)> {
        self.callers.iter().find(|(_, one)| one.number == Some(number)).map(|(conn, one)| (*conn, one))
    }

    pub(crate) fn leave(&mut self, conn: ConnId) -> Option<LobbyCaller> {
        self.callers.remove(&conn)
    }
}

/// Event of the lobby.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum LobbyInfo {
    // A stranger at a listener of ours.
    Knocks { number: u32, fingerprint: Fingerprint, text: SafeText },
    Gone { number: u32, fingerprint: Fingerprint, end: KnockEnd },
    // We at a listener of somebody.
    Knocked { target: String },
}

/// How the wait of a stranger in the lobby has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KnockEnd {
    /// The user has admitted it.
    Admitted,
    /// The user has refused it.
    Refused,
    /// It has left.
    Left,
    /// Nobody has answered.
    TimedOut,
}

impl KnockEnd {
    const ALL: [Self; 4] = [Self::Admitted, Self::Refused, Self::Left, Self::TimedOut];

    /// The word for it in events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Left => "left",
            Self::TimedOut => "timeout",
        }
    }

    /// The end of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.word() == word)
    }
}

/// Event of invitations.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum InvitationsInfo {
    Made { made: Box<MadeInvitation> },
    Dropped { number: u32 },
    None,
}

/// Failure of an invitation, or of somebody in the lobby.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum InvitationWarning {
    // Nobody could call.
    NoAddress,
    TooMany,
    NotMade { why: String },
    NotDropped { number: u32, why: String },
    NoSuchInvitation { number: u32 },
    // A caller whose invitation is not taken.
    NotTaken { remote: String, fingerprint: Fingerprint, why: InvitationRefusal },
    NotAdmitted { fingerprint: Fingerprint, why: String },
    NobodyKnocks { number: u32 },
    LobbyFull { remote: String },
    // An invitation in an input whose writer cannot be asked.
    NotAsked,
}
