//! Sentences about messages that are kept until the other side has them.

use std::fmt;

use super::RecordingClass;
use super::RecordingClass::{AnyRows, RowsAbout};
use crate::chat::notice::{DeliveryInfo, DeliveryWarning, Numbers};
use crate::chat::types::{HistoryPolicy, LaterBy};
use crate::crypto::Fingerprint;
use crate::delivery::{Withdrawal, WithdrawalOutcome};
use crate::limits;

/// How messages that wait are listed at the prompt, and on the command line.
pub(super) const AT_PROMPT: &str = ":outbox";
pub(super) const ON_COMMAND_LINE: &str = "rsachat outbox";

impl DeliveryInfo {
    /// `outbox` is the command that lists what waits.
    pub(super) fn describe(&self, outbox: &str) -> (RecordingClass<'_>, String) {
        match self {
            Self::AddressedLater { name, by } => {
                let way = match by {
                    LaterBy::Connection => "it is kept until you are both connected",
                    LaterBy::ConnectionOrRelay => "it goes by the relay, or once you are both connected",
                };
                (AnyRows, format!("plain text now goes to {name}, who is away; {way}"))
            }
            Self::Queued { name, by } => {
                let way = match by {
                    LaterBy::Connection => "when",
                    LaterBy::ConnectionOrRelay => "by the relay, or when",
                };
                (AnyRows, format!("queued; {name} gets it {way} you are both connected ({outbox})"))
            }
            Self::GoesOut { name, count, .. } => {
                let lines =
                    if *count == 1 { "sending 1 line".to_owned() } else { format!("sending {count} lines") };
                (AnyRows, format!("{name} is back; {lines}"))
            }
            Self::LeftWaiting { waiting, delivered } => {
                (AnyRows, left_waiting(waiting, *delivered, NEXT_SENDS))
            }
            Self::NotChosen { name } => {
                (AnyRows, format!("{name} has not chosen you yet: your lines are kept here only"))
            }
            Self::KeptOnceChosen { name } => {
                (AnyRows, format!(":to {name} keeps your lines until {name} has them"))
            }
            Self::KeepsNothing { name } => (
                AnyRows,
                format!("{name}'s program keeps nothing; a line that is lost on the way is not sent again"),
            ),
            Self::History { policy: HistoryPolicy::Forget, .. } => (
                AnyRows,
                "messages are forgotten at the end of the session; those kept before are still found \
                 (rsachat history)"
                    .to_owned(),
            ),
            Self::History { policy: HistoryPolicy::Keep, days } => {
                let end = match days {
                    None => "until you delete them (rsachat history)".to_owned(),
                    Some(1) => "for a day".to_owned(),
                    Some(days) => format!("for {days} days"),
                };
                (AnyRows, format!("messages exchanged with peers in your book stay on disk, sealed, {end}"))
            }
            Self::HistoryStays { name, fingerprint } => (AnyRows, history_stays(name, *fingerprint)),
            Self::StoreOpened => {
                (AnyRows, "the message store is open: messages are kept from now on".to_owned())
            }
            Self::NothingWaits => (AnyRows, "no messages are waiting".to_owned()),
            Self::TakenBack { name, numbers, withdrawal } => (
                AnyRows,
                match withdrawal {
                    Withdrawal::NeverSent => format!(
                        "{numbers} to {name} {} dropped; {} never sent",
                        numbers.choose("was", "were"),
                        numbers.choose("it was", "they were")
                    ),
                    Withdrawal::InTime => format!(
                        "{numbers} to {name} {} dropped before {} out",
                        numbers.choose("was", "were"),
                        numbers.choose("it went", "they went")
                    ),
                    Withdrawal::Open => format!(
                        "{numbers} to {name} {} taken back; {}",
                        numbers.choose("was", "were"),
                        told_later(*numbers)
                    ),
                },
            ),
            Self::Settled { name, numbers, outcome } => {
                let [were, they] = [numbers.choose("was", "were"), numbers.choose("it", "they")];
                (
                    AnyRows,
                    match outcome {
                        WithdrawalOutcome::TooLate => format!(
                            "{numbers} to {name} {were} taken back too late: {they} had already arrived"
                        ),
                        WithdrawalOutcome::InTime => {
                            format!("{numbers} to {name} {were} taken back in time: {they} never arrived")
                        }
                    },
                )
            }
        }
    }
}

impl Numbers {
    /// The form of a word for one message, or for more.
    fn choose(self, one: &'static str, more: &'static str) -> &'static str {
        if self.first == self.last { one } else { more }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}–{}", self.first, self.last)
        }
    }
}

/// Receivers that are named where lines wait for more.
pub(super) const RECEIVERS_NAMED: usize = 3;

/// What sends lines that wait: nothing runs that could, or the owner of the home goes on.
pub(crate) const NEXT_SENDS: &str = "the next prompt or rsachat serve sends";
pub(crate) const OWNER_SENDS: &str = "the rsachat that serves this home sends";

/// Names in a sentence, and how many others there are.
pub(super) fn enumerated(mut names: Vec<String>, others: usize) -> String {
    match others {
        0 => {}
        1 => names.push("1 other".to_owned()),
        more => names.push(format!("{more} others")),
    }
    let last = names.pop().unwrap_or_default();
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

/// Of lines that wait as a front end ends, and what sends them.
pub(crate) fn left_waiting(waiting: &[(String, usize)], delivered: usize, sends: &str) -> String {
    let all: usize = waiting.iter().map(|(_, count)| count).sum();
    let [lines_wait, them] = if all == 1 { ["line waits", "it"] } else { ["lines wait", "them"] };
    let for_whom = receivers(waiting);
    if delivered == all {
        return format!("{all} {lines_wait} for {for_whom}{}", none_seen(all));
    }
    let (of_delivered, them) = match delivered {
        0 => (String::new(), them),
        delivered => (format!(", {delivered} of them delivered"), "the rest"),
    };
    let flush = match waiting {
        // A key that is in the book no more is not called.
        [(name, _)] if name.parse::<Fingerprint>().is_ok() => String::new(),
        [(name, _)] => format!(", rsachat send --flush {name} calls at once"),
        _ => ", rsachat send --flush calls at once".to_owned(),
    };
    format!(
        "{all} {lines_wait} for {for_whom}{of_delivered}; {sends} {them} when you \
         are connected{flush}"
    )
}

/// Receivers of lines, with the number of each where there are more.
fn receivers(waiting: &[(String, usize)]) -> String {
    let (named, others) = waiting.split_at(waiting.len().min(RECEIVERS_NAMED));
    let receivers: Vec<_> = match named {
        [(name, _)] => vec![name.clone()],
        named => named.iter().map(|(name, count)| format!("{name} ({count})")).collect(),
    };
    enumerated(receivers, others.len())
}

/// Of lines that are at the relay as a front end ends.
pub(crate) fn left_at_relay(waiting: &[(String, usize)]) -> String {
    let for_whom = receivers(waiting);
    match waiting.iter().map(|(_, count)| count).sum() {
        1 => format!("1 line for {for_whom} is at the relay; it is not acknowledged yet"),
        all => format!("{all} lines for {for_whom} are at the relay; they are not acknowledged yet"),
    }
}

/// Of messages that are on the disk of their receivers.
pub(crate) fn none_seen(count: usize) -> &'static str {
    match count {
        1 => ": it is delivered, and nobody has seen it yet",
        _ => ": all are delivered, and nobody has seen them yet",
    }
}

fn not_kept_from(name: &str, why: &str) -> String {
    format!("what {name} sends cannot be kept: {why}; it waits on {name}'s side until there is room")
}

fn at_relay(name: &str, number: u64) -> String {
    format!("{number} to {name} is at the relay, or on its way there; it cannot be taken back")
}

/// Of a peer that has messages on its disk: the time for its receipts has passed.
pub(crate) fn not_in_time(who: &str) -> String {
    format!("{who} is connected, and has not acknowledged everything in time")
}

/// Of messages of a front end that another has dropped.
fn dropped(name: &str, numbers: Numbers) -> String {
    format!("{numbers} to {name}, which you had said, {} dropped elsewhere", numbers.choose("was", "were"))
}

/// Of the messages with a peer who is forgotten.
pub(crate) fn history_stays(name: &str, fingerprint: Fingerprint) -> String {
    format!(
        "the conversation with {name} stays, if it was kept; rsachat history delete --peer {fingerprint} deletes it"
    )
}

/// Of a store that cannot be opened.
pub(crate) fn not_kept(why: &str) -> String {
    let pause = limits::STORE_RETRY_MS / 1_000;
    let why = why.strip_suffix(" and try again").unwrap_or(why);
    format!("messages are not kept: {why}; rsachat tries again every {pause} s")
}

/// Of messages that the peer may have.
fn told_later(numbers: Numbers) -> String {
    format!("when you next connect, you learn whether {} had already arrived", numbers.choose("it", "they"))
}

impl DeliveryWarning {
    /// `outbox` is the command that lists what waits.
    pub(super) fn describe(&self, outbox: &str) -> (RecordingClass<'_>, &'static str, String) {
        match self {
            Self::NotKept { name, why } => {
                (RowsAbout(name), "not_sent", format!("not kept: {why}; nothing was sent to {name}"))
            }
            Self::NotKeptFrom { name, why } => (RowsAbout(name), "not_kept", not_kept_from(name, why)),
            Self::OutboxFull { name } => (
                RowsAbout(name),
                "not_sent",
                format!(
                    "not kept: {} lines or {} MiB already wait for {name}; {outbox} drop {name} makes room",
                    limits::OUTBOX_MESSAGES,
                    limits::OUTBOX_BYTES / (1024 * 1024)
                ),
            ),
            Self::Expired { name, numbers, withdrawal } => {
                let [were, have] = [numbers.choose("was", "were"), numbers.choose("it has", "they have")];
                let then = match withdrawal {
                    Withdrawal::Open => format!("; {}", told_later(*numbers)),
                    Withdrawal::NeverSent | Withdrawal::InTime => String::new(),
                };
                (AnyRows, "expired", format!("{numbers} to {name} {were} taken back: {have} expired{then}"))
            }
            Self::Dropped { name, numbers } => (AnyRows, "dropped", dropped(name, *numbers)),
            Self::NotTakenBack { name, why } => (
                RowsAbout(name),
                "trouble",
                format!("nothing to {name} is taken back: {why}; {outbox} lists what waits"),
            ),
            Self::NotInOutbox { name, number } => (
                AnyRows,
                "trouble",
                format!("no line {number} waits for {name}; {outbox} lists those that wait"),
            ),
            Self::DeliveredAlready { name, number } => {
                (AnyRows, "trouble", format!("{name} has {number} already; it cannot be taken back"))
            }
            Self::AtRelay { name, number } => (AnyRows, "trouble", at_relay(name, *number)),
            Self::NothingIsKept { why: Some(why) } => {
                (AnyRows, "trouble", format!("nothing is kept here: {why}"))
            }
            Self::NothingIsKept { why: None } => {
                (AnyRows, "trouble", "nothing is kept here: this home has no key yet".to_owned())
            }
            Self::NotInTime { name } => (RowsAbout(name), "queued", not_in_time(name)),
            Self::LinesWait { name, count } => (
                RowsAbout(name),
                "trouble",
                format!(
                    "{} for {name}, who was not forgotten; {outbox} drop {name} first",
                    if *count == 1 { "1 line waits".to_owned() } else { format!("{count} lines wait") }
                ),
            ),
            Self::NotInHistory { why } => {
                (AnyRows, "not_kept", format!("what was said is not in the history on disk: {why}"))
            }
            Self::HistoryUnreadable { why } => {
                (AnyRows, "not_kept", format!("only this session was searched: {why}"))
            }
            Self::StoreUnusable { why } => (AnyRows, "not_kept", not_kept(why)),
            Self::StoreDamaged { why } => (AnyRows, "not_kept", why.clone()),
            Self::OlderThanPeer { name } => (
                RowsAbout(name),
                "restored",
                format!("this home is older than what {name} has; it lacks the lines since then"),
            ),
            Self::MissingHere { name, first, last } => {
                let (lines, [were, are]) = if first == last {
                    (format!("line {first} of {name}"), ["was", "is"])
                } else {
                    (format!("{} lines of {name} ({first}–{last})", last - first + 1), ["were", "are"])
                };
                (
                    RowsAbout(name),
                    "restored",
                    format!("{lines} {were} received here once and {are} no longer in this home"),
                )
            }
            Self::PeerOlder { name } => (
                RowsAbout(name),
                "restored",
                format!(
                    "the home of {name} is older than what you have exchanged; it lacks the lines since then"
                ),
            ),
            Self::TwoPlaces { name } => (
                RowsAbout(name),
                "two_places",
                format!(
                    "you or {name} seem to be in two places: your message counts changed three times in an hour; \
                     use only one copy of a home"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_at_the_end_is_counted_for_each_receiver_and_says_what_sends_it() {
        let said_with = |waiting: &[(&str, usize)], delivered| {
            let waiting: Vec<_> = waiting.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            left_waiting(&waiting, delivered, NEXT_SENDS)
        };
        let said = |waiting: &[_]| said_with(waiting, 0);
        let one = said(&[("민지", 1)]);
        assert!(one.starts_with("1 line waits for 민지; the next prompt or rsachat serve sends it"), "{one}");
        assert!(one.ends_with("rsachat send --flush 민지 calls at once"), "{one}");
        let two = said(&[("bob", 2), ("carol", 1)]);
        assert!(two.starts_with("3 lines wait for bob (2) and carol (1); "), "{two}");
        assert!(two.ends_with("rsachat send --flush calls at once"), "{two}");
        let four = said(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        assert!(four.starts_with("4 lines wait for a (1), b (1), c (1) and 1 other; "), "{four}");
        let five = said(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]);
        assert!(five.contains("c (1) and 2 others; "), "{five}");
        let delivered = said_with(&[("민지", 1)], 1);
        assert_eq!(delivered, "1 line waits for 민지: it is delivered, and nobody has seen it yet");
        let some = said_with(&[("bob", 3)], 1);
        assert!(some.starts_with("3 lines wait for bob, 1 of them delivered; "), "{some}");
        assert!(some.contains("sends the rest when"), "{some}");
        let at_relay = |waiting: &[(&str, usize)]| {
            let waiting: Vec<_> = waiting.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            left_at_relay(&waiting)
        };
        assert_eq!(at_relay(&[("민지", 1)]), "1 line for 민지 is at the relay; it is not acknowledged yet");
        let two = at_relay(&[("bob", 2), ("carol", 1)]);
        assert!(two.starts_with("3 lines for bob (2) and carol (1) are at the relay; "), "{two}");
    }
}
