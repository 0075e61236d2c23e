//! Notices as events. What programs are told of peers is decided here: which event it is, of which kind, and in
//! whose words. Commands without a prompt speak of their own options, the prompt speaks of its commands.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Event, MessageEvent, OutputFormat, PastMessage, StateEvent, emit};
use crate::app::clock::moment;
use crate::app::sink::NoticeSink;
use crate::chat::{
    Info, KeyStatus, Message, Notice, PromptView, RawInfo, ReceiptDue, SentMessage, TrustLevel, Warning,
};
use crate::session::{CloseReason, OaepCloseReason};
use crate::text::safe::SafeText;

/// The wires as events name them.
const NATIVE: &str = "native";
const OAEP: &str = "oaep";

/// The notices of a command, on standard error.
#[derive(Debug)]
pub(crate) struct EventReporter {
    pub(crate) form: OutputFormat,
    /// What a trouble is to the program: its end, or not.
    pub(crate) gravity: Severity,
}

/// Whether trouble with a peer is the program's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    /// There is one connection, and it is what the program is for.
    Ends,
    /// Others come and go.
    Passes,
}

impl NoticeSink for EventReporter {
    fn show(&mut self, notice: &Notice, _: Option<ReceiptDue>) {
        if let Some(event) = of_command(notice, self.gravity) {
            emit(&event, self.form);
        }
    }

    fn is_behind(&self) -> bool {
        false
    }
}

/// A notice as a command tells it; those of the prompt alone are none.
fn of_command(notice: &Notice, gravity: Severity) -> Option<Event> {
    match notice {
        // Of the raw wire the command has said it, and how to leave a prompt is nothing to it.
        Notice::Info(
            Info::Raw(RawInfo::Banner | RawInfo::NoReceipts { .. })
            | Info::QuitHint
            | Info::HowToLeave
            | Info::Closed { .. },
        ) => None,
        Notice::Info(Info::MakingKey { bits, .. }) => {
            Some(Event::Notice { message: format!("making a key of {bits} bits") })
        }
        Notice::Info(info) => Some(good(info, notice)),
        Notice::Warning(trouble)
            if !matches!(trouble, Warning::NotReceived { .. } | Warning::NotSent { .. }) =>
        {
            let kind = kind(trouble);
            let (message, hint) = advice(trouble, notice);
            // A name that is not believed ends nothing, nor does one block that does not open.
            let ends_nothing = matches!(trouble, Warning::Impostor { .. } | Warning::Unread { .. });
            let passes = gravity == Severity::Passes || ends_nothing;
            Some(if passes { Event::Warning { kind, message } } else { Event::Error { kind, message, hint } })
        }
        // Of messages that were not received the command says how many they were, and does not repeat them.
        Notice::Warning(_)
        | Notice::Message(_)
        | Notice::Answer(_)
        | Notice::Table(_)
        | Notice::History { .. } => None,
    }
}

/// A notice as the prompt tells it.
pub(crate) fn of_prompt(notice: &Notice) -> Event {
    match notice {
        Notice::Message(said) => Event::Message(message(said)),
        Notice::Info(Info::Safety { name, number, fingerprint }) => Event::Safety {
            name: name.clone(),
            number: number.groups().iter().map(|group| format!("{group:05}")).collect(),
            fingerprint: fingerprint.to_string(),
        },
        Notice::Info(info) => good(info, notice),
        Notice::Warning(trouble) => Event::Warning { kind: kind(trouble), message: words(notice) },
        Notice::Answer(rows) => Event::Answer { rows: rows.clone() },
        Notice::Table(table) => {
            let (columns, rows) = table
                .split_first()
                .map_or_else(Default::default, |(head, rest)| (head.clone(), rest.to_vec()));
            Event::Table { columns, rows }
        }
        Notice::History { said, earlier } => Event::Past {
            earlier: *earlier,
            messages: said
                .iter()
                .map(|said| PastMessage { time: moment(said.arrived_ms), message: as_shown(said) })
                .collect(),
        },
    }
}

/// A text of ours on its way.
pub(crate) fn sent(sent: &SentMessage) -> Event {
    let text = String::from_utf8_lossy(&sent.said.text).into_owned();
    Event::Sent { to: sent.to.clone(), number: sent.number, text }
}

/// What a prompt says before its cursor.
pub(crate) fn state(view: &PromptView) -> StateEvent {
    let (to, trust) = view.addressed.clone().map(|(to, trust_level)| (to, trust_level.word())).unzip();
    StateEvent { name: view.own_name.clone(), to, trust, waiting: view.waiting, unread: view.unread }
}

/// A message as it came.
pub(crate) fn message(said: &Message) -> MessageEvent {
    let exact = std::str::from_utf8(&said.text);
    let proved = said.fingerprint.filter(|_| said.trust_level != TrustLevel::Unauthenticated);
    MessageEvent {
        from: said.name.clone(),
        fingerprint: proved.map(|key| key.to_string()),
        verified: said.trust_level == TrustLevel::Verified,
        sent: moment(said.sent_ms),
        wire: if said.trust_level == TrustLevel::Unauthenticated { OAEP } else { NATIVE },
        bytes: exact.is_err().then(|| BASE64_STANDARD.encode(&said.text)),
        text: exact.map_or_else(|_| String::from_utf8_lossy(&said.text).into_owned(), str::to_owned),
    }
}

/// A message of the session's memory, which keeps what was shown.
fn as_shown(said: &Message) -> MessageEvent {
    let rows: Vec<_> = said.rows.iter().map(SafeText::as_str).collect();
    MessageEvent { text: rows.join("\n"), bytes: None, ..message(said) }
}

/// Something good or neutral.
fn good(info: &Info, notice: &Notice) -> Event {
    match info {
        Info::Listening { at } => Event::Listening { address: at.to_string() },
        Info::Connecting { target } => Event::Connecting { address: target.clone() },
        Info::Joined { name, fingerprint, known } => Event::Connected {
            name: name.clone(),
            fingerprint: Some(fingerprint.to_string()),
            verified: *known == KeyStatus::Known(TrustLevel::Verified),
            new: *known == KeyStatus::New,
            wire: NATIVE,
        },
        Info::Raw(RawInfo::Joined { name, .. }) => Event::Connected {
            name: name.clone(),
            fingerprint: None,
            verified: false,
            new: false,
            wire: OAEP,
        },
        Info::Left { name } => Event::Left { name: name.clone() },
        _ => Event::Notice { message: words(notice) },
    }
}

/// The kind of a trouble, as programs tell troubles apart.
fn kind(trouble: &Warning) -> &'static str {
    match trouble {
        Warning::UnknownCaller { .. } => "unknown_key",
        Warning::Changed { .. } => "key_changed",
        Warning::PinDiffers { .. } | Warning::OtherPerson { .. } => "wrong_key",
        Warning::Ourselves { .. } | Warning::BlockedCaller { .. } => "refused",
        Warning::Impostor { .. } => "impostor",
        Warning::Early { ending, .. } => match ending {
            CloseReason::VersionMismatch(_) | CloseReason::Oaep(OaepCloseReason::Native) => "mismatch",
            CloseReason::Key(_)
            | CloseReason::Oaep(OaepCloseReason::Key(_))
            | CloseReason::PeerAbort
            | CloseReason::Bye(_) => "refused",
            _ => "handshake",
        },
        Warning::Unread { .. } => "unread",
        Warning::Lost { .. } => "lost",
        Warning::Unreachable { .. } => "unreachable",
        Warning::ListenFailed { .. } | Warning::AlreadyListening { .. } => "cannot_listen",
        Warning::KeyFailed { .. } => "key",
        Warning::Book { .. } => "book",
        Warning::LineTooLong { .. } | Warning::LineNotText { .. } | Warning::CommandError { .. } => "input",
        Warning::NotReceived { .. } => "not_received",
        Warning::NotSent { .. }
        | Warning::NobodyToSendTo
        | Warning::NotConnected { .. }
        | Warning::NoKeyOf { .. }
        | Warning::QueueFull { .. } => "not_sent",
        Warning::NoSuchPeer { .. } => "no_such_peer",
        _ => "trouble",
    }
}

/// What a command says of a trouble, and what to do next in terms of its options.
fn advice(trouble: &Warning, notice: &Notice) -> (String, Option<String>) {
    match trouble {
        Warning::UnknownCaller { whom, fingerprint } => (
            format!("{whom} has a key that is not in your book: {fingerprint}; nothing was sent"),
            Some(format!("--accept-new takes it; --pin {fingerprint} takes it and no other")),
        ),
        Warning::Changed { name, address, known, now } => (
            format!(
                "the key at {address} has CHANGED from that of {name}, {known}, to {now}; nothing was sent"
            ),
            Some(format!(
                "if you are sure that this is {name}: rsachat peers forget {name}, then --pin {now}"
            )),
        ),
        Warning::PinDiffers { address, pinned, now } => {
            (format!("{address} has the key {now}, not the pinned {pinned}; nothing was sent"), None)
        }
        Warning::Early { ending: CloseReason::PeerAbort | CloseReason::Bye(_), .. } => {
            (words(notice), Some("the other side must know your key: rsachat key show".to_owned()))
        }
        _ => (words(notice), None),
    }
}

/// The sentence of a notice, without its mark.
pub(crate) fn words(notice: &Notice) -> String {
    let rows: Vec<_> = notice.rows().iter().map(|row| row.get(2..).unwrap_or_default().to_owned()).collect();
    rows.join("\n")
}
