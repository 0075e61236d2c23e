//! Sentences about messages that wait: for the receipts of a peer that is there, or in the home.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::app::error::{code, hint_at_home};
use crate::chat::display::{left_at_relay, none_seen};
use crate::crypto::Fingerprint;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::peers::book::PeerEntry;

/// Time for the receipts of a peer that is connected ([`limits::RECEIPT_MS`]).
pub(super) const RECEIPT_TIME: Duration = Duration::from_millis(limits::RECEIPT_MS);
/// Time without a receipt after which it is said what is waited for.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(3);
/// The peer, where it is called at an address.
pub(super) const OTHER_SIDE: &str = "the other side";

/// How the connection of a peer that was waited for has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Departure {
    /// The other side left, or was lost.
    There,
    /// The owner of the home closed it.
    Here,
}

impl Departure {
    /// That of an `away` or `left` event (`docs/EVENTS.md`).
    pub(super) fn of(event: &Value) -> Self {
        if event.get("closed_here") == Some(&Value::Bool(true)) { Self::Here } else { Self::There }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::There => "the other side left",
            Self::Here => "the connection was closed here",
        })
    }
}

/// Says what is waited for.
pub(super) fn tell_waiting(who: &str, format: OutputFormat) {
    let what =
        "is connected, and has not acknowledged everything yet: it has to be shown or written there first";
    emit(&OutputEvent::Warning { kind: "waiting", message: format!("{who} {what}") }, format);
}

/// Exit code of a call after which messages wait, by the kind of its last warning
/// (`docs/EVENTS.md`): where another key answers, nothing goes until a person acts.
pub(super) fn code_of_waiting(kind: &str) -> u8 {
    if matches!(kind, "key_changed" | "wrong_key") { code::REFUSED } else { code::QUEUED }
}

/// The same with the reason, where the code has one.
pub(super) fn with_reason(code: u8, waiting: String) -> String {
    match code {
        code::REFUSED => format!("another key answered than the one that is known; {waiting}"),
        _ => waiting,
    }
}

/// Says how many messages wait, how many of these waited before, and how many are on the disk of
/// their receivers, where nobody has seen them.
pub(super) fn not_received(waiting: usize, before: usize, delivered: usize) -> String {
    let what = match (waiting, before) {
        (1, 1) => "a message from before is".to_owned(),
        (1, _) => "1 message is".to_owned(),
        (_, before) if before == waiting => format!("{waiting} messages from before are"),
        _ => format!("{waiting} messages are"),
    };
    let of_before = if (1..waiting).contains(&before) {
        format!(", {before} of them from before")
    } else {
        String::new()
    };
    let (not_received, of_delivered) = match delivered {
        0 => (" and not received yet", String::new()),
        _ if delivered == waiting => ("", none_seen(waiting).to_owned()),
        1 => (" and not received yet", "; 1 of them is delivered, and nobody has seen it yet".to_owned()),
        _ => {
            let delivered = format!("; {delivered} of them are delivered, and nobody has seen them yet");
            (" and not received yet", delivered)
        }
    };
    format!("{what} kept in the home{not_received}{of_before}{of_delivered}")
}

/// Says how many messages are at the relay, where nobody has seen them.
pub(super) fn tell_at_relay(messages: usize, name: &str, format: OutputFormat) {
    if messages > 0 {
        let message = left_at_relay(&[(name.to_owned(), messages)]);
        emit(&OutputEvent::Notice { message }, format);
    }
}

/// Why no letter can be left for a peer.
pub(super) fn no_letters(name: &str) -> String {
    format!(
        "no letter can be left for {name} yet: connect with {name} once, when both of you have a relay in the \
         settings"
    )
}

/// Says that a connection took messages whose receipts did not come: it does not tell whether they
/// are on a disk.
pub(super) fn may_be_there(messages: usize) -> String {
    match messages {
        0 => String::new(),
        1 => "; 1 may be on the other side's disk and be shown later: sent again, it comes twice".to_owned(),
        _ => format!(
            "; {messages} may be on the other side's disk and be shown later: sent again, they come twice"
        ),
    }
}

/// Says that messages which cannot be taken back any more are on the disk of a peer.
pub(super) fn are_there(messages: usize, name: &str) -> String {
    match messages {
        1 => format!("1 is on {name}'s disk and may be shown later: do not send it again"),
        _ => format!("{messages} are on {name}'s disk and may be shown later: do not send them again"),
    }
}

/// Tells that messages wait for a peer that is blocked, whom nobody calls, and what helps.
pub(super) fn tell_blocked(name: &str, format: OutputFormat, home: Option<&Path>) {
    let message = format!("messages wait for {name}, who is blocked");
    let hint = format!("rsachat peers unblock {name} lets them go, rsachat outbox drop {name} drops them");
    let hint = Some(hint_at_home(&hint, home));
    emit(&OutputEvent::Error { kind: "refused", message, hint }, format);
}

/// Says why a peer is not called.
pub(super) fn warn(message: String, format: OutputFormat) {
    emit(&OutputEvent::Warning { kind: "trouble", message }, format);
}

/// What becomes of messages that are kept for a key that is in the book no more: another was
/// accepted in its place.
pub(super) fn not_known(key: &Fingerprint) -> String {
    format!("messages wait for {key}, which is not in your book: rsachat outbox drop {key} drops them")
}

/// What becomes of messages that are kept for a peer that cannot be called.
pub(super) fn no_address(peer: &PeerEntry) -> String {
    let name = &peer.name;
    format!("no address is known for {name}; what waits goes out when {name} calls you (rsachat serve)")
}
