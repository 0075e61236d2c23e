//! Notices as events: those of a command in terms of its options, those of the prompt in its own.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{
    InvitationEvent, MessageEvent, OutputEvent, OutputFormat, OwnText, PastMessage, PromptEvent, emit,
    of_files,
};
use crate::app::error::hint_at_home;
use crate::app::host::{Behind, MessageUse, NoticeSink};
use crate::app::os::moment;
use crate::chat::{
    AfterLoss, Arrival, DeliveryInfo, DeliveryProgress, DeliveryReport, Export, ExportTarget, FileInfo, Info,
    InvitationsInfo, KeyRefusal, KeyStatus, LobbyInfo, Message, Notice, Numbers, OaepInfo, PromptView,
    ReceiptDue, RelayInfo, ReturnCause, ReturnedLine, SentMessage, TrustLevel, Warning,
};
use crate::delivery::MessageState;
use crate::peers::book::InvitationUses;
use crate::session::CloseReason;
use crate::text::safe::{SafeText, with_bad_bytes};
use crate::wire::{ByeReason, Lifetime};

/// Protocols as events name them.
const NATIVE: &str = "native";
const OAEP: &str = "oaep";
/// State of a stranger who waits.
const KNOCK_WAITS: &str = "waiting";

/// Notices of a command, on standard error.
#[derive(Debug)]
pub(crate) struct EventReporter {
    pub(crate) form: OutputFormat,
    pub(crate) severity: Severity,
    /// Home folder that the command line names, for the commands in hints.
    pub(crate) home: Option<PathBuf>,
}

/// Severity of a warning about a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    /// It ends the program, which is for this one connection.
    Ends,
    /// It passes: other connections come and go.
    Passes,
}

impl NoticeSink for EventReporter {
    fn show(&mut self, notice: &Notice, _: Option<ReceiptDue>) {
        // A person is told of the first, and a program of each.
        let is_of_other_form = match self.form {
            OutputFormat::Json => matches!(notice, Notice::Info(Info::Probe { .. })),
            _ => matches!(notice, Notice::Counted(_)),
        };
        if let Some(event) = of_command(notice, self.severity).filter(|_| !is_of_other_form) {
            emit(&self.at_home(event), self.form);
        }
    }

    /// A command that sends shows no messages.
    fn messages(&self) -> MessageUse {
        MessageUse::Dropped
    }

    fn behind(&self) -> Behind {
        Behind::NONE
    }
}

impl EventReporter {
    /// Words with commands that work on the home folder that the command line names.
    pub(crate) fn named(&self, words: &str) -> String {
        hint_at_home(words, self.home.as_deref())
    }

    /// The same event with commands that work on the home folder that the command line names.
    fn at_home(&self, event: OutputEvent) -> OutputEvent {
        let named = |words: &str| self.named(words);
        match event {
            OutputEvent::Warning { kind, message } => OutputEvent::Warning { kind, message: named(&message) },
            OutputEvent::Error { kind, message, hint } => {
                OutputEvent::Error { kind, message: named(&message), hint: hint.as_deref().map(named) }
            }
            event => event,
        }
    }
}

/// Event of a notice for a command; none if the notice is of the prompt alone.
fn of_command(notice: &Notice, severity: Severity) -> Option<OutputEvent> {
    match notice {
        // The command itself has warned of the raw wire, and has no prompt to leave.
        Notice::Info(
            Info::Oaep(OaepInfo::Banner | OaepInfo::NoReceipts { .. })
            | Info::QuitHint
            | Info::ExitHint
            | Info::Delivery(DeliveryInfo::LeftWaiting { .. })
            | Info::File(FileInfo::LeftUnfinished { .. })
            | Info::Relay(RelayInfo::Holds { .. })
            | Info::Closed { .. },
        )
        // The command itself counts the messages that were not received. Why nobody is called
        // again, another warning has said.
        | Notice::Warning(
            Warning::NotReceived { .. } | Warning::NotSent { .. } | Warning::NotCallingAgain { .. },
        )
        | Notice::Message(_)
        | Notice::Own(_)
        | Notice::Answer(_)
        | Notice::Table(_)
        | Notice::Whole(_)
        | Notice::History { .. } => None,
        Notice::Info(Info::MakingKey { bits, .. }) => {
            Some(OutputEvent::Notice { message: format!("generating a {bits}-bit key") })
        }
        // Blocked or forgotten by another process: a command has no other way to stop the calls.
        Notice::Info(Info::NotCalling { name }) => Some(OutputEvent::Error {
            kind: "not_calling",
            message: format!("no longer calling {name}: it is blocked, or forgotten"),
            hint: None,
        }),
        // There is no `:status` to count more of them.
        Notice::Info(Info::Probe { remote, reason, error }) => {
            let (remote, reason, error) = (remote.clone(), reason.clone(), error.clone());
            of_command(&Notice::Warning(Warning::HandshakeFailed { remote, reason, error }), severity)
        }
        Notice::Info(info @ Info::File(file)) => Some(of_files::of_info(file, info.sentence_of_command())),
        Notice::Info(info) => Some(match of_info(info) {
            OutputEvent::Notice { .. } => OutputEvent::Notice { message: info.sentence_of_command() },
            event => event,
        }),
        Notice::Warning(warning @ Warning::File(file))
            if let Some(event) = of_files::of_warning(file, warning.sentence_of_command()) =>
        {
            Some(event)
        }
        Notice::Warning(warning) | Notice::Counted(warning) => {
            let kind = warning.kind();
            let (message, hint) = in_terms_of_options(warning);
            // A name that is not believed ends nothing, nor does an address that is not the last,
            // nor a block that cannot be opened, nor a peer that is not remembered, nor a loss
            // after which the peer is called again.
            let passes = matches!(
                warning,
                Warning::Impostor { .. }
                    | Warning::SharedPlace { .. }
                    | Warning::AddressFailed { .. }
                    | Warning::NotDecrypted { .. }
                    | Warning::NotSaved { .. }
                    | Warning::KoreanWindows { .. }
                    | Warning::ConnectionLost {
                        then: AfterLoss::CallingAgain | AfterLoss::AwaitingCall, ..
                    }
                    | Warning::StillCalling { .. }
            );
            Some(if passes {
                OutputEvent::Warning { kind, message }
            } else if severity == Severity::Passes {
                OutputEvent::Warning { kind, message: with_hint(message, hint) }
            } else {
                OutputEvent::Error { kind, message, hint }
            })
        }
    }
}

fn with_hint(message: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    }
}

/// Event of a notice for a process at the socket that sends, as it would have it without an owner.
pub(crate) fn of_sender(notice: &Notice) -> Option<OutputEvent> {
    match notice {
        Notice::Info(Info::File(_)) | Notice::Warning(Warning::File(_)) => {
            of_command(notice, Severity::Passes)
        }
        Notice::Warning(warning) | Notice::Counted(warning) => {
            let (message, hint) = in_terms_of_options(warning);
            Some(OutputEvent::Warning { kind: warning.kind(), message: with_hint(message, hint) })
        }
        Notice::Info(info @ Info::Delivery(_)) => match of_prompt(notice)? {
            OutputEvent::Notice { .. } => Some(OutputEvent::Notice { message: info.sentence_of_command() }),
            event => Some(event),
        },
        _ => of_prompt(notice),
    }
}

/// Event of a notice for the prompt, if it is one.
pub(crate) fn of_prompt(notice: &Notice) -> Option<OutputEvent> {
    Some(match notice {
        // An event of its own names each that it was sent to, or kept for, and each probe.
        Notice::Own(_) | Notice::Info(Info::Delivery(DeliveryInfo::Queued { .. }) | Info::Probe { .. }) => {
            return None;
        }
        Notice::Message(received) => OutputEvent::Message(message(received)),
        Notice::Info(Info::Safety { name, number, fingerprint, trust_level }) => OutputEvent::Safety {
            name: name.clone(),
            number: number.groups().iter().map(|group| format!("{group:05}")).collect(),
            fingerprint: fingerprint.to_string(),
            standing: trust_level.standing(),
        },
        Notice::Info(info @ Info::File(file)) => of_files::of_info(file, info.sentence()),
        Notice::Info(info) => of_info(info),
        Notice::Warning(warning @ Warning::File(file))
            if let Some(event) = of_files::of_warning(file, warning.sentence()) =>
        {
            event
        }
        Notice::Warning(warning) | Notice::Counted(warning) => {
            OutputEvent::Warning { kind: warning.kind(), message: warning.sentence() }
        }
        Notice::Answer(rows) => OutputEvent::Answer { rows: rows.clone() },
        Notice::Table(table) => {
            let (columns, rows) = table
                .split_first()
                .map_or_else(Default::default, |(head, rest)| (head.clone(), rest.to_vec()));
            OutputEvent::Table { columns, rows }
        }
        Notice::Whole(one) => OutputEvent::Past { earlier: 0, messages: vec![past(one)] },
        Notice::History { messages, earlier } => {
            OutputEvent::Past { earlier: *earlier, messages: messages.iter().map(past).collect() }
        }
    })
}

/// Event of a text of ours on its way, or kept until the peer is there.
pub(crate) fn sent(sent: &SentMessage) -> OutputEvent {
    let own = OwnText {
        to: sent.to.clone(),
        fingerprint: sent.fingerprint.map(|key| key.to_string()),
        number: sent.number,
        text: String::from_utf8_lossy(&sent.message.text).into_owned(),
    };
    if sent.state == MessageState::Queued { OutputEvent::Queued(own) } else { OutputEvent::Sent(own) }
}

/// Event of how far messages to a peer are.
pub(crate) fn delivery(report: &DeliveryReport) -> OutputEvent {
    let (to, fingerprint) = (report.to.clone(), report.fingerprint.map(|key| key.to_string()));
    match report.progress {
        DeliveryProgress::Away { waiting, closed_here } => {
            OutputEvent::Away { to, fingerprint, waiting, closed_here }
        }
        DeliveryProgress::AtRelay(upto) => OutputEvent::Relayed { to, fingerprint, upto },
        DeliveryProgress::Delivered(upto) => OutputEvent::Delivered { to, fingerprint, upto },
        DeliveryProgress::Received(upto) => OutputEvent::Received { to, fingerprint, upto },
        DeliveryProgress::TakenBack(Numbers { first, last }) => {
            OutputEvent::Withdrawn { to, fingerprint, first, last }
        }
    }
}

/// Event of a text that goes back into the line.
pub(crate) fn returned(line: ReturnedLine) -> OutputEvent {
    OutputEvent::Returned { text: line.text, asked: line.cause == ReturnCause::Asked }
}

/// Event of a message that the prompt at the socket is to take out of the chat.
pub(crate) fn export(export: &Export) -> OutputEvent {
    let file = match &export.to {
        ExportTarget::Clipboard => None,
        ExportTarget::File(file) => Some(file.clone()),
    };
    let (text, bytes) = exact_text(&export.text);
    OutputEvent::Export { file, label: export.label.clone(), text, bytes }
}

pub(crate) fn state(view: &PromptView) -> PromptEvent {
    let addressed = view.addressed.as_ref();
    PromptEvent {
        name: view.own_name.clone(),
        to: addressed.map(|to| to.name.clone()),
        trust: addressed.and_then(|to| to.trust_level).map(TrustLevel::word),
        presence: addressed.map(|to| to.presence.word()),
        waiting: view.waiting,
        unread: view.unread,
        editor: None,
    }
}

/// Message as it came.
pub(crate) fn message(received: &Message) -> MessageEvent {
    let (text, bytes) = exact_text(&received.text);
    let is_authenticated = received.trust_level != TrustLevel::Unauthenticated;
    MessageEvent {
        from: received.name.clone(),

        fingerprint: received.fingerprint.filter(|_| is_authenticated).map(|key| key.to_string()),
        verified: received.trust_level == TrustLevel::Verified,
        standing: received.trust_level.standing(),
        sent: moment(received.sent.0),
        wire: if is_authenticated { NATIVE } else { OAEP },
        short: received.lifetime == Lifetime::Short,
        again: received.arrival >= Arrival::Again,
        late: received.is_late(),
        bytes,
        text,
        number: None,
        sent_number: None,
    }
}

/// A text, and its bytes in base64 where they are not UTF-8.
fn exact_text(text: &[u8]) -> (String, Option<String>) {
    let bytes = std::str::from_utf8(text).is_err().then(|| BASE64_STANDARD.encode(text));
    (with_bad_bytes(text, str::to_owned), bytes)
}

/// Earlier message, or one of ours.
pub(crate) fn past(one: &Message) -> PastMessage {
    let to = one.to.first().cloned();
    PastMessage { time: moment(one.arrived.0), to, message: message_as_shown(one) }
}

/// Message of the history, which keeps what was shown.
fn message_as_shown(earlier: &Message) -> MessageEvent {
    let rows: Vec<_> = earlier.rows.iter().map(SafeText::as_str).collect();
    MessageEvent { text: rows.join("\n"), bytes: None, ..message(earlier) }
}

fn of_info(info: &Info) -> OutputEvent {
    match info {
        Info::Listening { at, dial } => {
            let all: Vec<_> = at.iter().map(|address| address.to_string()).collect();
            let address = all.first().cloned().unwrap_or_default();
            let dial = dial.iter().map(ToString::to_string).collect();
            OutputEvent::Listening { address, addresses: Some(all).filter(|all| all.len() > 1), dial }
        }
        Info::Connecting { target, via, .. } => {
            OutputEvent::Connecting { address: target.clone(), via: via.clone() }
        }
        Info::Joined { name, fingerprint, status, trust_level } => OutputEvent::Connected {
            name: name.clone(),
            fingerprint: Some(fingerprint.to_string()),
            verified: *status == KeyStatus::Known(TrustLevel::Verified),
            standing: trust_level.standing(),
            new: !matches!(status, KeyStatus::Known(_)),
            first: matches!(status, KeyStatus::New | KeyStatus::Invited | KeyStatus::AsInvited),
            invitation: match status {
                KeyStatus::Invited => Some("ours"),
                KeyStatus::AsInvited => Some("theirs"),
                KeyStatus::New | KeyStatus::Met | KeyStatus::Known(_) => None,
            },
            wire: NATIVE,
        },
        Info::Oaep(OaepInfo::Joined { name, .. }) => {
            let (name, fingerprint) = (name.clone(), None);
            let standing = TrustLevel::Unauthenticated.standing();
            let (verified, new, first, invitation, wire) = (false, false, false, None, OAEP);
            OutputEvent::Connected { name, fingerprint, verified, standing, new, first, invitation, wire }
        }
        Info::Lobby(LobbyInfo::Knocks { number, fingerprint, text }) => OutputEvent::Knock {
            number: *number,
            fingerprint: fingerprint.to_string(),
            state: KNOCK_WAITS,
            text: Some(text.to_string()),
        },
        Info::Lobby(LobbyInfo::Gone { number, fingerprint, end }) => {
            let (number, fingerprint, state) = (*number, fingerprint.to_string(), end.word());
            OutputEvent::Knock { number, fingerprint, state, text: None }
        }
        Info::Invitations(InvitationsInfo::Made { made }) => OutputEvent::Invitation(InvitationEvent {
            number: made.kept.number,
            url: made.invitation.to_string(),
            name: made.kept.name.as_ref().map(ToString::to_string),
            once: made.kept.uses != InvitationUses::Many,
            expires: moment(made.kept.until.0),
        }),
        Info::Left { name, fingerprint } => {
            OutputEvent::Left { name: name.clone(), fingerprint: fingerprint.map(|key| key.to_string()) }
        }
        Info::NextKey { name, fingerprint, next } => OutputEvent::Rollover {
            name: name.clone(),
            fingerprint: fingerprint.map(|key| key.to_string()),
            next: next.to_string(),
        },
        Info::Delivery(DeliveryInfo::GoesOut { name, fingerprint, count }) => OutputEvent::Back {
            to: name.clone(),
            fingerprint: Some(fingerprint.to_string()),
            waiting: *count,
        },
        Info::Relay(RelayInfo::Connected { relay }) => {
            OutputEvent::Relay { relay: relay.to_string(), state: "connected", message: info.sentence() }
        }
        Info::Relay(RelayInfo::Lost { relay, .. }) => {
            OutputEvent::Relay { relay: relay.to_string(), state: "lost", message: info.sentence() }
        }
        info => OutputEvent::Notice { message: info.sentence() },
    }
}

/// Sentence of a warning and what to do next, in terms of a command's options.
fn in_terms_of_options(warning: &Warning) -> (String, Option<String>) {
    match warning {
        Warning::AddressFailed { warning } => in_terms_of_options(warning),
        Warning::Refused(KeyRefusal::UnknownKey { remote, fingerprint }) => (
            format!("{remote} has a key that is not in your book: {fingerprint}; nothing was sent"),
            Some(format!("--accept-new accepts it; --pin {fingerprint} accepts it and no other")),
        ),
        Warning::Refused(KeyRefusal::NotVerified { remote, name, fingerprint }) => (
            format!(
                "{remote} has the key of {name}, which is unverified; if the peer gave you the \
                 same: rsachat peers trust {name} {fingerprint}"
            ),
            None,
        ),
        Warning::Refused(KeyRefusal::Blocked { name }) => {
            (format!("{name} is blocked and was refused"), Some(format!("rsachat peers unblock {name}")))
        }
        Warning::Refused(KeyRefusal::KeyChanged { name, address, known, now }) => (
            format!(
                "the key at {address} has CHANGED from that of {name}, {known}, to {now}; nothing was sent"
            ),
            Some(format!(
                "if you are sure that this is {name}: rsachat peers forget {name}, then --pin {now}"
            )),
        ),
        Warning::Refused(KeyRefusal::PinMismatch { address, pinned, now }) => {
            (format!("{address} has the key {now}, not the pinned {pinned}; nothing was sent"), None)
        }
        Warning::HandshakeFailed {
            reason: CloseReason::PeerAbort | CloseReason::Bye(ByeReason::Refused),
            ..
        } => {
            let hint = "the other side must know your key: rsachat key show".to_owned();
            (warning.sentence(), Some(hint))
        }
        warning => (warning.sentence_of_command(), None),
    }
}
