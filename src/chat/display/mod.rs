//! Display of notices: of each the sentence, the kind in JSON and the class in recordings.
//!
//! Sentences are in lower case, without a full stop: what happened, to whom, what to do next. Rows
//! of a peer's text begin with its name, so that none can pass for another's.

mod close_reason;
mod delivery;
mod export;
mod files;
mod listener;
mod lobby;
mod questions;
mod recording_class;
mod relay;
mod rows;
mod safety_card;
mod short;
mod trust;

use super::callee::nobody;
use super::notice::{Info, OaepInfo, Warning};
use super::types::{KeyFor, NotifyContent, NotifyPolicy, NotifyWhen};
use crate::limits;
use crate::text::duration::span;
use crate::text::safe::{SafeText, safe_rows};
pub(crate) use close_reason::{PEM_BEGINS, loss_cause, output_failure, version_and_suite};
pub(crate) use delivery::{
    OWNER_SENDS, history_stays, left_at_relay, left_waiting, none_seen, not_in_time, not_kept,
};
pub(crate) use files::left_unfinished;
pub(crate) use listener::{listener, listening};
pub(crate) use questions::{BLOCK_ANSWERS, block_hint, block_question, block_rest};
pub(crate) use recording_class::RecordingClass;
use recording_class::RecordingClass::{AnyRows, Omitted, Rows, RowsAbout, Special};
pub(crate) use rows::{
    NOTHING, PEER_COLUMNS, aligned, earlier_messages, more_rows, said_rows, table_of_people,
};
pub(crate) use safety_card::SafetyCard;
use trust::{impostor, joined, not_saved, now_talking, same_name};

impl Info {
    /// The sentence, in rows. A path or a reason of the system in it is made safe here.
    pub(crate) fn sentence(&self) -> String {
        safe_rows(&self.describe().1)
    }

    /// The class in recordings.
    pub(crate) fn recording_class(&self) -> RecordingClass<'_> {
        self.describe().0
    }

    #[expect(clippy::too_many_lines, reason = "a table, one entry for each variant")]
    fn describe(&self) -> (RecordingClass<'_>, String) {
        match self {
            Self::Listening { at, dial } => (Special, listener(at, dial)),
            Self::Unlistened { at } => {
                (AnyRows, format!("no longer listening on {at}; connected peers stay connected"))
            }
            Self::MakingKey { of, bits } => {
                (Omitted, format!("generating a {bits}-bit key{}; Ctrl-C cancels", key_for(*of)))
            }
            Self::StillMaking { seconds } => (Omitted, format!("still generating the key ({seconds} s)")),
            Self::KeyMade { of, fingerprint, bits, file } => {
                let of = key_for(*of);
                (Omitted, format!("new {bits}-bit key{of}, {fingerprint}, kept in {file}"))
            }
            Self::KeyFound { fingerprint, file } => {
                (Omitted, format!("using the key {fingerprint} from {file}"))
            }
            Self::KeyKept { file } => (Omitted, format!("the old key is kept as {file}")),
            Self::KeyAnnounced { names } => {
                (AnyRows, format!("announced the next key to {}", names.join(", ")))
            }
            Self::NextKey { name, next, .. } => (
                AnyRows,
                format!(
                    "{name} says that the next key is {next}; like any changed key, it has to be accepted"
                ),
            ),
            Self::KeyCancelled => (Omitted, "key generation cancelled; nothing was changed".to_owned()),
            Self::Connecting { name, target, via } => {
                let name = name.as_ref().map(|name| format!("{name} at ")).unwrap_or_default();
                let via = via.as_ref().map(|via| format!(" via {}", SafeText::line(via))).unwrap_or_default();
                (Omitted, format!("connecting to {name}{target}{via}; Ctrl-C cancels"))
            }
            Self::NotCalling { name } => (AnyRows, format!("no longer calling {name}")),
            Self::CallsStand { name } => {
                (AnyRows, format!("calling {name} again, as before rsachat ended (:close {name} stops that)"))
            }
            Self::AlreadyConnected { name } => {
                (AnyRows, format!("{name} is already connected; plain text goes to {name}"))
            }
            Self::Busy { target, seconds } => (Omitted, close_reason::busy(target, *seconds)),
            Self::ConnectCancelled { target } => (Omitted, format!("gave up connecting to {target}")),
            Self::Joined { name, fingerprint, status, .. } => (Special, joined(name, fingerprint, status)),
            Self::Left { name, .. } => (Special, format!("{name} left")),
            Self::MetBefore { count } => (
                AnyRows,
                format!(
                    "peers in your book that have only called: {count}; they count as strangers until you choose them with :to or :name"
                ),
            ),
            Self::SameClaim { claimed } => {
                (AnyRows, format!("two callers claim to be {claimed}; compare keys"))
            }
            Self::NewSender { name, fingerprint } => {
                (Omitted, format!("{name} (send) has a new key, not verified, {fingerprint}"))
            }
            Self::Probe { remote, reason, error } => (
                Omitted,
                format!(
                    "{}; more like this are only counted (:status)",
                    close_reason::handshake_failure(remote, reason, error.as_deref())
                ),
            ),
            Self::Strangers { joined, left } => {
                (Omitted, format!("… and {joined} more callers joined, {left} left"))
            }
            Self::Replaced { name } => {
                (AnyRows, format!("{name} reconnected; the older connection was closed"))
            }
            Self::Closed { name, then } => (Rows, close_reason::closed(name, *then)),
            Self::Addressed { name, trust_level } => {
                (AnyRows, format!("plain text now goes to {name}, {}", trust_level.word()))
            }
            Self::AddressedAway { name } => (
                AnyRows,
                format!(
                    "plain text now goes to {name}, who is away; nothing can be sent until {name} is back"
                ),
            ),
            Self::NowTalking { name, status } => (RowsAbout(name), now_talking(name, status)),
            Self::Trusted { name } => (RowsAbout(name), format!("{name} is marked verified")),
            Self::Accepted { name, fingerprint, waiting } => {
                let waiting = match waiting {
                    0 => String::new(),
                    1 => {
                        "; 1 line waits for the key before, and does not go to this one (:outbox)".to_owned()
                    }
                    _ => format!(
                        "; {waiting} lines wait for the key before, and do not go to this one (:outbox)"
                    ),
                };
                (
                    AnyRows,
                    format!(
                        "{fingerprint} is now the key of {name}, unverified; connect again, and compare with \
                         :verify {name}{waiting}"
                    ),
                )
            }
            Self::AddressMoved { name, address, fingerprint } => (
                AnyRows,
                format!(
                    "{fingerprint} is the key of {name}, and {address} is now an address of {name}; connect \
                     again, and compare with :verify {name}"
                ),
            ),
            Self::Forgotten { name } => (RowsAbout(name), format!("{name} is forgotten")),
            Self::Blocked { name } => {
                (RowsAbout(name), format!("{name} is blocked; :unblock {name} undoes that"))
            }
            Self::Unblocked { name, trust_level } => {
                (RowsAbout(name), format!("{name} is no longer blocked, and is {} again", trust_level.word()))
            }
            Self::Nick { name } => (
                Rows,
                format!(
                    "new connections will know you as {name}; --name {name}, or name = \"{name}\" in the settings, keeps it"
                ),
            ),
            Self::Named { old, name } => (RowsAbout(old), format!("{old} is now called {name}")),
            Self::Safety { name, number, trust_level, .. } => (
                Special,
                format!(
                    "safety number with {name}: {number}\n\
                     compare it by voice; {}",
                    safety_card::once_compared(name, *trust_level, "you both see the same")
                ),
            ),
            Self::Notify { set } => (Rows, notify_setting(*set)),
            Self::Logging { file } => (AnyRows, format!("logging to {file}; :log off stops")),
            Self::LogClosed { file } => (AnyRows, format!("stopped logging to {file}")),
            Self::Copied { label, bytes } => (AnyRows, export::copied(label, *bytes)),
            Self::Saved { label, bytes, file } => (AnyRows, export::saved(label, *bytes, file)),
            Self::NoLog => (AnyRows, "there is no log; :log FILE starts one".to_owned()),
            Self::NoHistory => (Rows, "nothing has been said in this session yet".to_owned()),
            Self::Greeting => (
                Omitted,
                "nobody is connected yet: :connect HOST:PORT calls, :listen PORT waits; :help shows the rest"
                    .to_owned(),
            ),
            Self::Told { words } => (Omitted, words.clone()),
            Self::QuitHint => (Rows, "`exit` was sent as text; :quit leaves".to_owned()),
            Self::ExitHint => (AnyRows, "to leave, type :quit or press Ctrl-D".to_owned()),
            Self::Recording { file } => (
                Omitted,
                format!(
                    "recording to {file}: everything said is written there in plain text, readable only by its owner"
                ),
            ),
            Self::Oaep(info) => info.describe(),
            Self::Delivery(info) => info.describe(delivery::AT_PROMPT),
            Self::File(info) => info.describe(),
            Self::Lobby(info) => info.describe(),
            Self::Invitations(info) => info.describe(),
            Self::Relay(info) => (Omitted, info.sentence()),
        }
    }
}

impl OaepInfo {
    fn describe(&self) -> (RecordingClass<'_>, String) {
        match self {
            Self::Banner => (
                Omitted,
                "raw wire: no authentication, no forward secrecy, no integrity of order or count; \
                 for the tutorial's programs and for learning"
                    .to_owned(),
            ),
            Self::Joined { name, at, key: Some((bits, fingerprint)) } => (
                Special,
                format!(
                    "{name} is at {at}, raw, {bits}-bit key {fingerprint}; nothing is signed: anyone on the \
                     path can write under this name"
                ),
            ),
            Self::Joined { name, at, key: None } => (
                Special,
                format!(
                    "{name} is at {at}, raw, without a key: you can read what it sends, but not answer; nothing is signed: \
                     anyone can write under this name"
                ),
            ),
            Self::NoReceipts { name } => (
                Rows,
                format!("sent to {name}; the raw wire acknowledges nothing, neither this nor what follows"),
            ),
            // How a text is cut and when it leaves depends on the other side's key and program.
            Self::Parts { count } => (AnyRows, format!("sent as {count} parts")),
            Self::Waits { name } => (
                AnyRows,
                format!("{name} takes one line at a time: this one is sent once the last has been answered"),
            ),
            Self::Answered { name } => (
                AnyRows,
                format!(
                    "{name} answered, sealed to its own key: nobody but {name} can read that, or anything else \
                     it answers (said once)"
                ),
            ),
        }
    }
}

impl Warning {
    /// The sentence, in rows. A path or a reason of the system in it is made safe here.
    pub(crate) fn sentence(&self) -> String {
        safe_rows(&self.describe().2)
    }

    /// The kind in JSON, by which programs tell warnings apart.
    pub(crate) fn kind(&self) -> &'static str {
        self.describe().1
    }

    /// The class in recordings.
    pub(crate) fn recording_class(&self) -> RecordingClass<'_> {
        self.describe().0
    }

    #[expect(clippy::too_many_lines, reason = "a table, one entry for each variant")]
    fn describe(&self) -> (RecordingClass<'_>, &'static str, String) {
        match self {
            Self::CommandError { what } => (Rows, "input", what.clone()),
            Self::LineTooLong { bytes } => (
                Omitted,
                "input",
                format!(
                    "a line of {bytes} bytes is too long and was not sent; a message has at most {}",
                    limits::MESSAGE_BYTES
                ),
            ),
            Self::LineNotText { row } => {
                (Omitted, "input", format!("a line is not UTF-8 and was not sent: {row}"))
            }
            Self::NoKeyYet => (AnyRows, "trouble", "no key yet; :keygen generates one".to_owned()),
            Self::KeyExists { of, file } => {
                let raw = match of {
                    KeyFor::Identity => "",
                    KeyFor::Oaep => " --raw",
                };
                let advice = format!("`:keygen{raw} --replace` generates a new one and keeps the old file");
                (AnyRows, "trouble", format!("there is a key in {file}; {advice}"))
            }
            Self::KeyFailed { why } => (AnyRows, "key", format!("no new key: {why}")),
            Self::KeyUnderway => {
                (AnyRows, "trouble", "a key is already being generated; Ctrl-C cancels it".to_owned())
            }
            Self::ListenFailed { at, why } => {
                (AnyRows, "cannot_listen", format!("cannot listen on {at}: {why}"))
            }
            Self::AlreadyListening { at } => {
                (AnyRows, "cannot_listen", format!("you are already listening on {at}"))
            }
            Self::NotListening { at, listening } => {
                (AnyRows, "trouble", not_listening(at.as_deref(), listening))
            }
            Self::NothingDialled => (
                Rows,
                "trouble",
                "nobody has been called in this session yet; :connect HOST:PORT calls somebody".to_owned(),
            ),
            Self::Unreachable { target, why } => {
                (Omitted, "unreachable", format!("cannot reach {target}: {why}"))
            }
            Self::CommandSaid { target, row } => {
                (Omitted, "via", format!("{target}: the command says: {row}"))
            }
            Self::SharedPlace { name, at, other, address } => (
                AnyRows,
                "shared_address",
                format!(
                    "{at} leads to where {other} answered as {address}, with another key; compare with :verify {name}"
                ),
            ),
            Self::AddressFailed { warning } => warning.describe(),
            Self::Refused(refusal) => refusal.describe(),
            Self::Delivery(warning) => warning.describe(delivery::AT_PROMPT),
            Self::File(warning) => warning.describe(),
            Self::Invitation(warning) => warning.describe(),
            Self::Book { why } => {
                (Omitted, "book", format!("{why}; nobody is accepted until it is repaired"))
            }
            Self::BlocksLost { names, why } => {
                (AnyRows, "book", format!("not saved: the block of {names}; :block again next time: {why}"))
            }
            Self::NotSaved { name, change, why } => (AnyRows, "book", not_saved(name, *change, why)),
            Self::Impostor { name, claimed, known, of } => {
                (AnyRows, "impostor", impostor(name, claimed, known, *of))
            }
            Self::HandshakeFailed { remote, reason, error } => (
                Omitted,
                close_reason::handshake_failure_kind(reason),
                close_reason::handshake_failure(remote, reason, error.as_deref()),
            ),
            Self::ConnectionLost { name, reason, error, then } => {
                (Special, "lost", close_reason::connection_loss(name, reason, error.as_deref(), *then))
            }
            Self::StillCalling { name, calls, minutes, why } => (
                Omitted,
                "still_calling",
                format!("still calling {name} ({calls} calls in {minutes} min): {why}"),
            ),
            Self::NotCallingAgain { name } => {
                (AnyRows, "not_calling", format!("not calling {name} again; :connect {name} does that"))
            }
            Self::NotReceived { name, rows, more } => {
                (AnyRows, "not_received", listed(&format!("not acknowledged by {name}:"), rows, *more))
            }
            Self::NotSent { name, rows, more } => (
                AnyRows,
                "not_sent",
                listed(&format!("not sent to {}:", name.as_deref().unwrap_or("anybody")), rows, *more),
            ),
            Self::NoKeyOf { name } => (
                AnyRows,
                "not_sent",
                format!(
                    "not sent: {name} gave no key, so nothing can be sealed to it, and the tutorial's client \
                     would crash on an answer; :close hangs up"
                ),
            ),
            Self::OaepPeer { name } => {
                (Rows, "trouble", format!("{name} is on the raw wire, which proves no keys"))
            }
            Self::KoreanWindows { name } => (
                AnyRows,
                "encoding",
                format!(
                    "the text of {name} is not UTF-8 but CP949, as from Windows in Korean; its bytes are shown as \
                     \\xb0; on that side, chcp 65001 or PYTHONUTF8=1 makes it UTF-8"
                ),
            ),
            Self::NotDecrypted { remote, in_a_row } => (
                Omitted,
                "unread",
                format!(
                    "a message from {remote} could not be read ({in_a_row} of {})",
                    limits::OAEP_UNDECRYPTED
                ),
            ),
            Self::NobodyToSendTo => (
                Rows,
                "not_sent",
                "not sent: nobody is connected; :connect HOST:PORT or :listen PORT first".to_owned(),
            ),
            Self::NobodyAddressed => (
                Rows,
                "nobody_addressed",
                "not sent: nobody is addressed; :to NAME chooses somebody, @NAME TEXT sends one text"
                    .to_owned(),
            ),
            Self::Held { reason, to } => (AnyRows, "held", reason.question(to)),
            Self::NotAsked { reason, to } => {
                (AnyRows, "not_sent", format!("not sent: {}", reason.describe(to)))
            }
            Self::LeftOut { later, not_chosen } => (AnyRows, "left_out", left_out(later, not_chosen)),
            Self::NobodyToClose => {
                (Rows, "trouble", "no such conversation is open; :peers lists them".to_owned())
            }
            Self::NotConnected { name } => (
                RowsAbout(name),
                "not_sent",
                format!("{name} is not connected; nothing was sent; :peers shows where to call"),
            ),
            Self::AddresseeBlocked { name } => (
                RowsAbout(name),
                "not_sent",
                format!("{name} is blocked; nothing was sent; :unblock {name} first"),
            ),
            Self::QueueFull { name, waiting } => {
                (AnyRows, "not_sent", format!("not sent: {waiting} messages already wait for {name}"))
            }
            Self::NotAnswered { name, timeout_ms } => {
                let time = if *timeout_ms < 1_000 { format!("{timeout_ms} ms") } else { span(*timeout_ms) };
                (RowsAbout(name), "not_answered", format!("{name} has not answered in {time}"))
            }
            Self::NoSuchPeer { name, nearest: None } => {
                (AnyRows, "no_such_peer", format!("{}; :peers lists them", nobody(name)))
            }
            Self::NoSuchPeer { name, nearest: Some(nearest) } => {
                (AnyRows, "no_such_peer", format!("{} (did you mean {nearest}?)", nobody(name)))
            }
            Self::NotRefused { name, known, given } => (
                AnyRows,
                "trouble",
                format!(
                    "no such key was refused for {name}; connect first, then repeat the command that it shows\n\
                     known: {known}\n\
                     given: {given}"
                ),
            ),
            Self::NotCompared { name } => (
                AnyRows,
                "trouble",
                format!(
                    "{name} is not marked verified yet: compare this number first, then repeat :trust {name}"
                ),
            ),
            Self::NumberOfAnother { name, shown, now } => (
                AnyRows,
                "trouble",
                format!(
                    "the number that :verify {name} showed belongs to another key; nothing was changed\n\
                     shown: {shown}\n\
                     now:   {now}\n\
                     :verify {name} shows the number of this one"
                ),
            ),
            Self::KeyPending { name, known, now } => (
                AnyRows,
                "trouble",
                format!(
                    "{name} presented a different key from the one that you know; nothing was changed\n\
                     known: {known}\n\
                     now:   {now}\n\
                     :trust {name} {now} accepts the new one; :trust {name} {known} verifies the known one"
                ),
            ),
            Self::NotBlocked { name } => {
                (RowsAbout(name), "trouble", format!("{name} is not blocked; nothing was changed"))
            }
            Self::StillBlocked { name } => {
                (RowsAbout(name), "trouble", format!("{name} is blocked; :unblock {name} first"))
            }
            Self::NothingFound { searched } => (Rows, "trouble", format!("no match in {}", searched.words())),
            Self::NoSuchMessage { number } => {
                (Rows, "trouble", format!("message {number} is not kept; :last shows the newest"))
            }
            Self::NoEditor => {
                (Rows, "trouble", "`:edit` needs a terminal with an editor; nothing was sent".to_owned())
            }
            Self::FewerMessages { kept } => (Rows, "trouble", export::fewer_messages(*kept)),
            Self::NoClipboard => (AnyRows, "trouble", export::NO_CLIPBOARD.to_owned()),
            Self::NotForPrograms => (AnyRows, "trouble", export::NOT_FOR_PROGRAMS.to_owned()),
            Self::SaveFailed { file, why } => {
                (AnyRows, "trouble", format!("the message was not saved as {file}: {why}"))
            }
            Self::LogFailed { file, why } => {
                (AnyRows, "trouble", format!("cannot log to {file}: {why}; no log is kept"))
            }
            Self::SameName { name, other } => (AnyRows, "trouble", same_name(name, other)),
            Self::TooManyPeers { limit } => {
                (Omitted, "trouble", format!("a caller was refused: {limit} connections are open"))
            }
            Self::NoSeat => (
                Omitted,
                "trouble",
                "a caller was refused: too many callers that you have not chosen are connected from there"
                    .to_owned(),
            ),
            Self::TooManySenders { name } => (
                Omitted,
                "trouble",
                format!(
                    "a connection from {name} (send) was refused: {} are open",
                    limits::SHORT_CONNECTIONS
                ),
            ),
            Self::TurnedAway { remote, why } => (Omitted, "trouble", format!("turned away {remote}: {why}")),
            Self::NotServed { why } => (
                Omitted,
                "trouble",
                format!("other processes cannot use this home while it is open here: {why}"),
            ),
            Self::Told { words } => (Omitted, "trouble", words.clone()),
            Self::OutOfFds { open } => (
                Omitted,
                "trouble",
                format!("out of file descriptors: {open} connections are open, new callers wait"),
            ),
            Self::Suppressed { times } => (Omitted, "trouble", format!("… and {times} more like this")),
        }
    }
}

fn not_listening(at: Option<&str>, listening: &[String]) -> String {
    let there = at.map(|at| format!(" on {at}")).unwrap_or_default();
    match listening {
        [] => format!("you are not listening{there}; :listen PORT waits for callers"),
        listening => format!("you are not listening{there}, but on {}", listening.join(" and ")),
    }
}

fn notify_setting(policy: NotifyPolicy) -> String {
    let when = match policy.when {
        NotifyWhen::Never => return "notifications are off".to_owned(),
        NotifyWhen::Mentioned => "you are notified of messages with your name",
        NotifyWhen::Always => "you are notified of every message",
    };
    match policy.content {
        NotifyContent::Hidden => format!("{when}; the text is not shown"),
        NotifyContent::Shown => format!("{when}; the text is shown"),
    }
}

fn key_for(of: KeyFor) -> &'static str {
    match of {
        KeyFor::Identity => "",
        KeyFor::Oaep => " for the raw wire",
    }
}

fn listed(title: &str, rows: &[SafeText], more: usize) -> String {
    let rows = rows.iter().map(|row| format!("\n  {row}"));
    let more = (more > 0).then(|| format!("\n  … and {more} more"));
    std::iter::once(title.to_owned()).chain(rows).chain(more).collect()
}

fn left_out(later: &[String], not_chosen: &[String]) -> String {
    let joined = |names: &[String], why: &str| match names {
        [] => None,
        names => Some(format!("{} ({why})", names.join(", "))),
    };
    let parts =
        [joined(later, "joined after the line was begun"), joined(not_chosen, "not chosen; :to NAME first")];
    format!("not sent to {}", parts.into_iter().flatten().collect::<Vec<_>>().join(" and "))
}

/// Row after a block or an edited text was dropped.
pub(crate) const DROPPED: &str = "* dropped; nothing was sent";

/// Row after a line that the editor could not lay out.
pub(crate) const NOT_SHOWN: &str =
    "* this line cannot be shown, and was not sent; the last line of the history (Up) is its text";

/// Row after an external editor failed.
pub(crate) fn editor_failed(editor: &str, why: &str) -> String {
    let editor = SafeText::line(editor);
    format!("! the editor {editor} failed ({why}); nothing was sent; VISUAL or EDITOR names another")
}
