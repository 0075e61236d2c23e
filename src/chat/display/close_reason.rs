//! Sentences of close reasons: why a handshake failed, and why an established connection was lost.

use super::delivery;
use crate::chat::notice::{Info, Warning};
use crate::chat::redial::AfterLoss;
use crate::limits;
use crate::session::{CloseReason, OaepCloseReason};
use crate::text::safe::{SafeText, safe_rows};
use crate::wire::{ByeReason, Introduction, Purpose, SUITE, VERSION, WireError};

/// Beginning of every PEM, as far as the first bytes of a peer are kept.
pub(crate) const PEM_BEGINS: &[u8] = b"-----BEGIN";

/// Version and suite of the native protocol.
pub(crate) fn version_and_suite() -> String {
    format!("version {VERSION}, suite {SUITE}")
}

/// Failure of a peer to keep what it got, if that is why it left.
pub(crate) fn output_failure(reason: &CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Bye(ByeReason::OutputGone) => Some("the reader of its output has gone"),
        CloseReason::Bye(ByeReason::OutputFull) => Some("no space left on its disk"),
        CloseReason::Bye(ByeReason::OutputFailed) => Some("its output failed"),
        _ => None,
    }
}

/// Cause of a loss that no system error explains.
pub(crate) fn loss_cause(reason: &CloseReason) -> String {
    match reason {
        CloseReason::IdleTimeout => format!("nothing heard for {} s", limits::DEAD_AFTER_MS / 1_000),
        CloseReason::RekeyTimeout => {
            format!("it did not renew its keys within {} s", limits::REKEY_TIMEOUT_MS / 1_000)
        }
        CloseReason::Record => "a record failed authentication".to_owned(),
        _ => "it violated the protocol".to_owned(),
    }
}

/// Call of a busy listener that is repeated.
pub(super) fn busy(target: &str, seconds: u64) -> String {
    format!("{target} is busy; calling again in {seconds} s, Ctrl-C gives up")
}

impl Info {
    /// The sentence where nobody types the commands of the prompt.
    pub(crate) fn sentence_of_command(&self) -> String {
        safe_rows(&match self {
            Self::Delivery(info) => info.describe(delivery::ON_COMMAND_LINE).1,
            Self::File(info) => info.sentence_of_command(),
            other => other.sentence(),
        })
    }
}

impl Warning {
    /// The sentence where nobody types the commands of the prompt.
    pub(crate) fn sentence_of_command(&self) -> String {
        safe_rows(&match self {
            Self::ConnectionLost { name, reason, error, then } => loss(name, reason, error.as_deref(), *then),
            Self::Delivery(warning) => warning.describe(delivery::ON_COMMAND_LINE).2,
            Self::File(warning) => warning.sentence_of_command(),
            other => other.sentence(),
        })
    }
}

/// Loss of an established connection, at a prompt.
pub(super) fn connection_loss(
    name: &str,
    reason: &CloseReason,
    error: Option<&str>,
    then: AfterLoss,
) -> String {
    with_way_out(loss(name, reason, error, then), name, then)
}

/// End of a conversation on this side, at a prompt.
pub(super) fn closed(name: &str, then: AfterLoss) -> String {
    let closed = format!("conversation with {name} closed");
    let closed = match then {
        AfterLoss::Nothing => closed,
        AfterLoss::CallingAgain => format!("{closed}; calling again"),
        AfterLoss::AwaitingCall => format!("{closed}; it goes on when {name} calls again"),
    };
    with_way_out(closed, name, then)
}

fn with_way_out(lost: String, name: &str, then: AfterLoss) -> String {
    match then {
        AfterLoss::Nothing | AfterLoss::AwaitingCall => lost,
        AfterLoss::CallingAgain => format!("{lost} (:close {name} stops that)"),
    }
}

fn loss(name: &str, reason: &CloseReason, error: Option<&str>, then: AfterLoss) -> String {
    let because = because(error);
    let lost = match reason {
        CloseReason::ConnectionLost { mid_record: true } => {
            format!("lost {name} in the middle of a message{because}")
        }
        CloseReason::ConnectionLost { mid_record: false } | CloseReason::LostInHandshake => {
            format!("lost {name}: connection cut{because}")
        }
        CloseReason::Oaep(reason) => oaep_failure(name, reason, &because),
        CloseReason::Bye(ByeReason::Refused) => format!("{name} no longer accepts this key"),
        CloseReason::Bye(ByeReason::Stopping) => format!("lost {name}: rsachat was stopped there"),
        CloseReason::Bye(ByeReason::Replaced) => {
            format!("{name} closed this connection: you are connected from elsewhere")
        }
        reason => match (output_failure(reason), then) {
            (Some(failure), AfterLoss::Nothing) => {
                format!("{name} could not store what it received: {failure}")
            }
            (Some(failure), _) => {
                format!("{name} could not store what it received: {failure}; your lines wait here")
            }
            (None, AfterLoss::CallingAgain) => format!("lost {name}: {}", loss_cause(reason)),
            (None, _) => format!("lost {name}: {}; link closed", loss_cause(reason)),
        },
    };
    match then {
        AfterLoss::Nothing => lost,
        AfterLoss::CallingAgain => format!("{lost}; calling again"),
        AfterLoss::AwaitingCall => format!("{lost} until {name} calls again"),
    }
}

/// Kind of a failed handshake in JSON.
pub(crate) fn handshake_failure_kind(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::VersionMismatch(_) | CloseReason::Oaep(OaepCloseReason::Native) => "mismatch",
        CloseReason::Key(_)
        | CloseReason::Oaep(OaepCloseReason::Key(_))
        | CloseReason::PeerAbort
        | CloseReason::NotAdmitted(_)
        | CloseReason::Bye(ByeReason::Refused) => "refused",
        CloseReason::PeerBusy => "busy",
        _ => "handshake",
    }
}

/// End of a connection before the peer was known.
pub(crate) fn handshake_failure(remote: &str, reason: &CloseReason, error: Option<&str>) -> String {
    let timeout_s = limits::HANDSHAKE_TIMEOUT_MS / 1_000;
    match reason {
        CloseReason::HandshakeTimeout => format!("{remote} did not finish the handshake in {timeout_s} s"),
        CloseReason::JudgementTimeout => {
            format!(
                "{remote} did not continue the handshake within {} s",
                limits::JUDGEMENT_TIMEOUT_MS / 1_000
            )
        }
        CloseReason::LobbyTimeout => {
            format!("nobody at {remote} has answered the knock in {} s", limits::LOBBY_TIMEOUT_MS / 1_000)
        }
        CloseReason::NotAdmitted(Introduction::Invitation(_)) => format!(
            "{remote} does not take this invitation: it was used, taken back, or has expired; ask for another"
        ),
        CloseReason::NotAdmitted(Introduction::Knock(_)) => format!("{remote} does not admit you"),
        // On the raw wire the listener begins, so that both sides would wait.
        CloseReason::NoData => format!(
            "{remote} said nothing and did not finish the handshake in {timeout_s} s; if it speaks the raw wire, \
             add --wire oaep"
        ),
        CloseReason::Bye(ByeReason::Leaving | ByeReason::Stopping | ByeReason::Other(_)) => {
            format!("{remote} left before it let you in; try again later")
        }
        CloseReason::PeerAbort | CloseReason::Bye(_) => {
            format!("{remote} refused the handshake: it may not know or accept your key")
        }
        CloseReason::NotRsachat(first) if first.starts_with(PEM_BEGINS) => {
            format!("{remote} speaks the raw wire; for that, add --wire oaep to :connect or :listen")
        }
        CloseReason::NotRsachat(first) => {
            format!("{remote} does not speak rsachat; it began with \"{}\"", quoted(first))
        }
        CloseReason::VersionMismatch(WireError::Purpose(theirs)) => {
            let ours = match theirs {
                Purpose::Chat => Purpose::Pipe,
                Purpose::Pipe => Purpose::Chat,
            };
            format!("{remote} wants a {theirs}, this is a {ours}; not connected")
        }
        CloseReason::VersionMismatch(error) => {
            format!("{remote} is not compatible: {error}, this is {}", version_and_suite())
        }
        CloseReason::Handshake
        | CloseReason::Wire(_)
        | CloseReason::ProtocolViolation
        | CloseReason::Record
        | CloseReason::NonceExhausted => format!("the handshake with {remote} failed; nothing was sent"),
        CloseReason::Oaep(reason) => oaep_failure(remote, reason, &because(error)),
        CloseReason::PeerBusy => {
            format!("{remote} is busy: it has too many callers; try again later")
        }
        CloseReason::Overloaded => format!("too many callers at once; {remote} was turned away"),
        CloseReason::Key(error) => format!("the key of {remote} is refused: {error}"),
        CloseReason::ConnectionLost { .. } | CloseReason::LostInHandshake => {
            format!("{remote} hung up during the handshake{}", because(error))
        }
        CloseReason::LocalClose
        | CloseReason::LocalReject
        | CloseReason::IdleTimeout
        | CloseReason::RekeyTimeout => {
            format!("{remote} was disconnected")
        }
    }
}

/// End of a connection on the raw wire, established or not.
fn oaep_failure(remote: &str, reason: &OaepCloseReason, because: &str) -> String {
    match reason {
        OaepCloseReason::Native => {
            format!("{remote} speaks rsachat's own wire, this is the raw one; leave out --wire oaep")
        }
        OaepCloseReason::NoPem(first) => {
            format!("{remote} sent no public key in PEM form; it began with \"{}\"", quoted(first))
        }
        OaepCloseReason::NoKey => format!(
            "{remote} sent no public key{because}; if it is rsachat on its own wire, leave out --wire oaep"
        ),
        OaepCloseReason::EndlessKey => format!("{remote} sent an unterminated public key; closed"),
        OaepCloseReason::Key(error) => format!("the key of {remote} is refused, and not kept: {error}"),
        OaepCloseReason::UnfinishedBlock => {
            format!(
                "{remote} began a block and did not finish it within {} s; closed",
                limits::OAEP_BLOCK_MS / 1_000
            )
        }
        OaepCloseReason::OutOfStep => format!("the stream from {remote} is out of sync; closed"),
        OaepCloseReason::NoReply => format!(
            "lost {remote}: it hung up before saying anything{because}; if it is the tutorial's server, \
             connect with --one-way"
        ),
        OaepCloseReason::Gone => format!("{remote} hung up before saying anything{because}"),
        OaepCloseReason::NoData => {
            format!("{remote} said nothing for {} min; closed", limits::OAEP_SILENT_MS / 60_000)
        }
    }
}

/// What the other end of a foreign protocol began with, if that is why the connection ended.
pub(super) fn first_words(reason: &CloseReason) -> Option<SafeText> {
    match reason {
        CloseReason::NotRsachat(first) | CloseReason::Oaep(OaepCloseReason::NoPem(first)) => {
            Some(quoted(first))
        }
        _ => None,
    }
}

/// First bytes of a peer, without the end of their line.
fn quoted(first: &[u8]) -> SafeText {
    SafeText::line_from_bytes(first.trim_ascii_end())
}

/// Error of the system in parentheses, if there was one.
fn because(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| format!(" ({error})"))
}
