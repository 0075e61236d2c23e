//! Sentences of invitations, and of strangers in the lobby.

use super::recording_class::RecordingClass::{self, AnyRows, Omitted, Special};
use crate::chat::change_reply::MadeInvitation;
use crate::chat::lobby::{InvitationWarning, InvitationsInfo, KnockEnd, LobbyInfo};
use crate::limits;
use crate::peers::book::{InvitationRefusal, InvitationUses};
use crate::text::duration::span;

impl LobbyInfo {
    pub(super) fn describe(&self) -> (RecordingClass<'_>, String) {
        match self {
            Self::Knocks { number, fingerprint, text } => (
                AnyRows,
                format!("a stranger knocks: {fingerprint}, \"{text}\" (:admit {number}, :refuse {number})"),
            ),
            Self::Gone { number, end, .. } => (AnyRows, gone(*number, *end)),
            Self::Knocked { target } => (
                Omitted,
                format!(
                    "knocked at {target}; somebody there has {} s to answer, Ctrl-C gives up",
                    limits::LOBBY_TIMEOUT_MS / 1_000
                ),
            ),
        }
    }
}

fn gone(number: u32, end: KnockEnd) -> String {
    match end {
        KnockEnd::Admitted => format!("stranger {number} is admitted"),
        KnockEnd::Refused => format!("stranger {number} is refused"),
        KnockEnd::Left => format!("stranger {number} has left without waiting"),
        KnockEnd::TimedOut => {
            let seconds = limits::LOBBY_TIMEOUT_MS / 1_000;
            format!("stranger {number} is gone: nobody has answered in {seconds} s")
        }
    }
}

impl InvitationsInfo {
    pub(super) fn describe(&self) -> (RecordingClass<'_>, String) {
        match self {
            Self::Made { made } => (Special, format!("{}\n{}", made_for(made), made.invitation)),
            Self::Dropped { number } => {
                (AnyRows, format!("invitation {number} is taken back; who has come by it stays in your book"))
            }
            Self::None => (AnyRows, "no invitation is open; :invite makes one".to_owned()),
        }
    }
}

/// For whom an invitation is, how long, and how it is taken back.
fn made_for(made: &MadeInvitation) -> String {
    let kept = &made.kept;
    let whom = match (&kept.name, kept.uses) {
        (Some(name), _) => format!("for {name}"),
        (None, InvitationUses::Many) => "for everybody who has it".to_owned(),
        (None, _) => "for the first who comes with it".to_owned(),
    };
    let once = if kept.uses == InvitationUses::Many { "" } else { ", once" };
    let number = kept.number;
    let open = span(made.open_ms);
    format!("invitation {number} {whom}{once}, open for {open} (:invite drop {number} takes it back):")
}

impl InvitationWarning {
    pub(super) fn describe(&self) -> (RecordingClass<'_>, &'static str, String) {
        match self {
            Self::NoAddress => (
                AnyRows,
                "trouble",
                "not invited: nobody could call; :listen PORT first, or name an address with --at HOST:PORT"
                    .to_owned(),
            ),
            Self::TooMany => (
                AnyRows,
                "trouble",
                format!("not invited: {} invitations are open; :invite drop N takes one back", limits::INVITATIONS),
            ),
            Self::NotMade { why } => (AnyRows, "book", format!("no invitation was made: {why}")),
            Self::NotDropped { number, why } => {
                (AnyRows, "book", format!("invitation {number} is still open: {why}"))
            }
            Self::NoSuchInvitation { number } => {
                (AnyRows, "trouble", format!("there is no invitation {number}; :invite list shows them"))
            }
            Self::NotTaken { remote, fingerprint, why } => {
                let why = match why {
                    InvitationRefusal::Unknown => "that is not kept here, or not any more",
                    InvitationRefusal::Expired => "that has expired",
                    InvitationRefusal::Used => "that somebody else has used before",
                };
                (Omitted, "invitation", format!("{remote} came with an invitation {why}: {fingerprint}"))
            }
            Self::NotAdmitted { fingerprint, why } => {
                (AnyRows, "book", format!("a stranger is not admitted: {fingerprint}: {why}"))
            }
            Self::NobodyKnocks { number } => {
                (AnyRows, "trouble", format!("no stranger {number} waits; it may have left"))
            }
            Self::LobbyFull { remote } => (
                Omitted,
                "trouble",
                format!("{remote} was turned away: {} strangers wait already", limits::LOBBY_CALLERS),
            ),
            Self::NotAsked => (
                AnyRows,
                "not_sent",
                "nobody was called: an invitation in an input is not used by itself; :connect INVITATION calls, \
                 and :: before it sends it as text"
                    .to_owned(),
            ),
        }
    }
}
