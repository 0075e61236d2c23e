//! The sentences: every [`Notice`] in words, and nothing else. Lower case, no full stop; what happened, to
//! whom, what to do next. Rows of a peer's text begin with its name, so that none can pass for another's.

mod raw;

use super::handlers::notify::{Notify, NotifyContent, NotifyWhen};
use super::io::TrustLevel;
use super::kinds::KeyFor;
use super::notice::{Impersonated, Info, KeyStatus, Message, Notice, Warning};
use crate::crypto::{Fingerprint, SafetyNumber};
use crate::session::CloseReason;
use crate::text::safe::SafeText;
use crate::wire::{ByeReason, Purpose, WireError};

impl Notice {
    /// The rows of this notice, without time or colour. Rows of a message begin with the sender's name,
    /// information with `*`, trouble with `!`.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        match self {
            Self::Message(said) => said_rows(said),
            Self::Info(info) => marked('*', &info_words(info)),
            Self::Warning(trouble) => marked('!', &trouble_words(trouble)),
            Self::Answer(rows) => rows.clone(),
            Self::Table(rows) => super::handlers::listings::aligned(rows),
            Self::History { said, earlier } => {
                let before = (*earlier > 0).then(|| earlier_words(*earlier));
                before.into_iter().chain(said.iter().flat_map(said_rows)).collect()
            }
        }
    }

    /// The same for a listener or a log: one line for each event, words in the place of marks.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let said = |said: &Message| {
            let rows: Vec<_> = said.rows.iter().map(SafeText::as_str).collect();
            format!("{} says: {}", said.name, rows.join(" / "))
        };
        let told = |kind: &str, words: &str| {
            let rows: Vec<_> = words.lines().map(|row| row.trim_start().replace("… ", "")).collect();
            vec![format!("{kind}: {}", rows.join("; "))]
        };
        match self {
            Self::Message(one) => vec![said(one)],
            Self::Info(info) => told("note", &info_words(info)),
            Self::Warning(trouble) => told("problem", &trouble_words(trouble)),
            Self::Answer(rows) => rows.clone(),
            Self::Table(rows) => entries(rows),
            Self::History { said: list, .. } => list.iter().map(said).collect(),
        }
    }
}

/// A safety number as it is shown large, with a code for a camera and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafetyCard {
    /// What it is.
    pub title: String,
    /// The groups, four in a row.
    pub groups: Vec<String>,
    /// What the QR code says: the peer's fingerprint.
    pub code: String,
    /// What stands where the code does not fit.
    pub too_small: String,
    /// What to do with it.
    pub how: Vec<String>,
}

impl SafetyCard {
    /// The card of a peer.
    #[must_use]
    pub fn new(name: &str, number: &SafetyNumber, fingerprint: &Fingerprint) -> Self {
        let groups = number.groups().chunks(4);
        Self {
            title: format!("safety number of you and {name}; {name} must see the same"),
            groups: groups
                .map(|row| row.iter().map(|group| format!("{group:05}")).collect::<Vec<_>>().join("   "))
                .collect(),
            code: fingerprint.to_string(),
            too_small: "the QR code of the key needs 37 cells and 20 rows; make the terminal larger".into(),
            how: vec![
                format!("key of {name}: {fingerprint}"),
                format!("call {name} or meet: read the digits to each other, or let {name} scan the code"),
                format!("and compare it with :showkey there; if all is the same, :trust {name}"),
                "if anything differs, somebody is between you: do not go on".into(),
            ],
        }
    }
}

/// The entries of a table, each with the heads of its columns. Where a column has nothing to say, nothing is said.
fn entries(rows: &[Vec<String>]) -> Vec<String> {
    let Some((head, entries)) = rows.split_first() else { return Vec::new() };
    let told = |entry: &Vec<String>| {
        let fields = head.iter().zip(entry).filter(|(_, value)| !matches!(value.as_str(), "" | "-"));
        fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    entries.iter().map(told).collect()
}

fn marked(mark: char, words: &str) -> Vec<String> {
    words.lines().map(|row| format!("{mark} {row}")).collect()
}

/// What stands before a list that leaves its beginning out.
#[must_use]
pub fn earlier_words(earlier: usize) -> String {
    format!("… and {earlier} earlier ones")
}

fn said_rows(said: &Message) -> Vec<String> {
    if said.rows.iter().all(|row| row.as_str().is_empty()) {
        return vec![format!("{}: (empty)", said.name)];
    }
    said.rows.iter().map(|row| format!("{}: {row}", said.name)).collect()
}

fn info_words(info: &Info) -> String {
    match info {
        Info::Listening { at } => format!("listening on {at}"),
        Info::MakingKey { of, bits } => {
            format!("making a key of {bits} bits{}; Ctrl-C cancels", key_for(*of))
        }
        Info::StillMaking { seconds } => format!("still making the key ({seconds} s)"),
        Info::KeyMade { of, fingerprint, bits, file } => {
            format!("new key of {bits} bits{}, {fingerprint}, kept in {file}", key_for(*of))
        }
        Info::KeyFound { fingerprint, file } => format!("using the key {fingerprint} from {file}"),
        Info::KeyKept { file } => format!("the old key is kept as {file}"),
        Info::KeyCancelled => "key making cancelled; nothing was changed".into(),
        Info::Connecting { target } => format!("connecting to {target}; Ctrl-C cancels"),
        Info::ConnectCancelled { target } => format!("gave up connecting to {target}"),
        Info::Joined { name, fingerprint, known: KeyStatus::New } => {
            format!("{name} joined, new key {fingerprint}, unverified; compare with :verify {name}")
        }
        Info::Joined { name, fingerprint, known: KeyStatus::Known(TrustLevel::Unverified) } => {
            format!("{name} joined, known key {fingerprint}, unverified")
        }
        Info::Joined { name, known: KeyStatus::Known(trust_level), .. } => {
            format!("{name} joined, {}", trust_level.word())
        }
        Info::Left { name } => format!("{name} left"),
        Info::Replaced { name } => format!("{name} is connected anew; the older connection was closed"),
        Info::Closed { name } => format!("conversation with {name} closed"),
        Info::Addressed { name, trust_level } => {
            format!("plain text now goes to {name}, {}", trust_level.word())
        }
        Info::Trusted { name } => format!("{name} is marked verified"),
        Info::Accepted { name, fingerprint } => {
            format!("{fingerprint} is now the key of {name}, unverified; connect again")
        }
        Info::Forgotten { name } => format!("{name} is forgotten"),
        Info::Blocked { name } => format!("{name} is blocked; :unblock {name} takes that back"),
        Info::Unblocked { name } => format!("{name} is no longer blocked, and is unverified"),
        Info::Nick { name } => format!("new connections will know you as {name}"),
        Info::Named { old, name } => format!("{old} is called {name} now"),
        Info::Notify { set } => notify_words(*set),
        Info::Logging { file } => format!("what is said is also written to {file} now; :log off ends that"),
        Info::LogClosed { file } => format!("the log {file} is closed"),
        Info::NoLog => "nothing is written to disk; :log FILE begins a log".into(),
        Info::PrefaceProgress => {
            "nobody is connected yet: :connect HOST:PORT calls, :listen PORT waits; :help shows the rest"
                .into()
        }
        Info::NothingSaid => "nothing was said in this session yet".into(),
        Info::Safety { name, number, .. } => format!(
            "safety number with {name}: {number}\n\
             compare it by voice; if both see the same, :trust {name}"
        ),
        Info::Raw(info) => raw::info_words(info),
        Info::QuitHint => "`exit` was sent as text; :quit leaves".into(),
        Info::HowToLeave => "to leave, type :quit or press Ctrl-D".into(),
        Info::Recording { file } => {
            format!("recording in {file}: what is said stands there in plain text, for its owner to read")
        }
    }
}

fn notify_words(notify: Notify) -> String {
    let when = match notify.when {
        NotifyWhen::Never => return "no message notifies you".into(),
        NotifyWhen::Mentioned => "messages with your name notify you",
        NotifyWhen::Always => "every message notifies you",
    };
    match notify.content {
        NotifyContent::Hidden => format!("{when}, without their text"),
        NotifyContent::Shown => format!("{when}, with their text"),
    }
}

fn trouble_words(trouble: &Warning) -> String {
    match trouble {
        Warning::CommandError { what } => what.clone(),
        Warning::LineTooLong { bytes } => {
            format!("a line of {bytes} bytes is too long and was not sent; a message has at most 16384")
        }
        Warning::LineNotText { row } => format!("a line is not UTF-8 and was not sent: {row}"),
        Warning::NoKeyYet => "no key yet; :keygen makes one".into(),
        Warning::KeyExists { of, file } => {
            let raw = raw_flag(*of);
            format!(
                "there is a key in {file}; `:keygen{raw} --replace` makes a new one and keeps the old file"
            )
        }
        Warning::KeyFailed { why } => format!("no new key: {why}"),
        Warning::KeyUnderway => "a key is being made already; Ctrl-C cancels it".into(),
        Warning::ListenFailed { at, why } => format!("cannot listen on {at}: {why}"),
        Warning::AlreadyListening { at } => format!("you are listening on {at} already"),
        Warning::Unreachable { target, why } => format!("cannot reach {target}: {why}"),
        Warning::Changed { name, address, known, now } => format!(
            "the key at {address} has CHANGED; nothing was sent\n\
             known: {known} ({name})\n\
             now:   {now}\n\
             if you are sure that this is {name}: :trust {name} {now}"
        ),
        Warning::PinDiffers { address, pinned, now } => format!(
            "{address} has another key than the pinned one; nothing was sent\n\
             pinned: {pinned}\n\
             now:    {now}"
        ),
        Warning::OtherPerson { whom, name, now } => {
            format!("{whom} has not the key of {name} but {now}; nothing was sent")
        }
        Warning::Ourselves { whom } => format!("{whom} has your own identity; not connected"),
        Warning::BlockedCaller { name } => {
            format!("{name} is blocked and was refused; :unblock {name} takes that back")
        }
        Warning::UnknownCaller { whom, fingerprint } => {
            format!("refused an unknown key from {whom}: {fingerprint}")
        }
        Warning::Book { why } => format!("{why}; nobody is accepted until it is mended"),
        Warning::Impostor { name, claimed, known, of } => impostor_words(name, claimed, known, *of),
        Warning::Early { whom, ending, why } => early_words(whom, ending, why.as_deref()),
        Warning::Lost { name, ending, why } => lost_words(name, ending, why.as_deref()),
        Warning::NotReceived { name, rows, more } => {
            listed_words(&format!("not received by {name}:"), rows, *more)
        }
        Warning::NotSent { name, rows, more } => listed_words(&format!("not sent to {name}:"), rows, *more),
        Warning::NoKeyOf { name } => raw::no_key_words(name),
        Warning::RawPeer { name } => raw::no_identity_words(name),
        Warning::Unread { whom, in_a_row } => raw::unread_words(whom, *in_a_row),
        Warning::NobodyToSendTo => {
            "not sent: nobody is connected; :connect HOST:PORT or :listen PORT first".into()
        }
        Warning::NobodyToClose => "no such conversation is open; :peers lists them".into(),
        Warning::NotConnected { name } => {
            format!("{name} is not connected; nothing was sent; :peers shows where to call")
        }
        Warning::QueueFull { name, waiting } => {
            format!("not sent: {waiting} messages already wait for {name}")
        }
        Warning::NoSuchPeer { name, nearest: None } => {
            format!("no peer is called {name}; :peers lists them")
        }
        Warning::NoSuchPeer { name, nearest: Some(nearest) } => {
            format!("no peer is called {name} (did you mean {nearest}?)")
        }
        Warning::NotRefused { name } => {
            format!("no such key was refused for {name}; connect first, then repeat the command it names")
        }
        Warning::NotBlocked { name } => format!("{name} is not blocked; nothing was changed"),
        Warning::StillBlocked { name } => format!("{name} is blocked; :unblock {name} first"),
        Warning::NothingFound => "nothing in this session fits".into(),
        Warning::NoEditor => "`:edit` needs a terminal with an editor; nothing was sent".into(),
        Warning::LogFailed { file, why } => format!("cannot write the log {file}: {why}; no log is kept"),
        Warning::SameName { name } => format!("a peer is called {name} already; choose another name"),
        Warning::TooManyPeers { limit } => format!("a caller was refused: {limit} connections are open"),
        Warning::TurnedAway { whom, why } => format!("turned away {whom}: {why}"),
        Warning::OutOfFds { open } => {
            format!("out of file descriptors: {open} connections are open, new callers wait")
        }
        Warning::Suppressed { times } => format!("… and {times} more like this"),
    }
}

fn impostor_words(name: &str, claimed: &SafeText, known: &str, of: Impersonated) -> String {
    let like =
        if claimed.as_str() == known { String::new() } else { format!(", which only looks like {known}") };
    match of {
        Impersonated::Verified => format!(
            "WARNING: {name} says it is {claimed}{like}; it is NOT the {known} you verified, its key is another"
        ),
        Impersonated::Known => {
            format!("{name} says it is {claimed}{like}; it is not the {known} you know")
        }
        Impersonated::Ours if like.is_empty() => {
            format!("{name} says it is {claimed}, which is your own name")
        }
        Impersonated::Ours => format!("{name} says it is {claimed}, which looks like your own name"),
    }
}

fn key_for(of: KeyFor) -> &'static str {
    match of {
        KeyFor::Identity => "",
        KeyFor::RawWire => " for the raw wire",
    }
}

fn raw_flag(of: KeyFor) -> &'static str {
    match of {
        KeyFor::Identity => "",
        KeyFor::RawWire => " --raw",
    }
}

fn listed_words(title: &str, rows: &[SafeText], more: usize) -> String {
    let mut words = title.to_owned();
    for row in rows {
        words.push_str("\n  ");
        words.push_str(row.as_str());
    }
    if more > 0 {
        words.push_str("\n  … and ");
        words.push_str(&more.to_string());
        words.push_str(" more");
    }
    words
}

fn output_words(reason: ByeReason) -> &'static str {
    match reason {
        ByeReason::OutputGone => "who read its output has gone",
        ByeReason::OutputFull => "no space left where it writes",
        _ => "its output failed",
    }
}

fn because(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

/// A connection that ended before anybody was known.
fn early_words(whom: &str, ending: &CloseReason, why: Option<&str>) -> String {
    match ending {
        CloseReason::HandshakeTimeout => format!("{whom} did not finish the handshake in 10 s"),
        CloseReason::NoData => raw::mute_words(whom),
        CloseReason::PeerAbort | CloseReason::Bye(_) => {
            format!("{whom} refused the handshake: it may not know or accept your key")
        }
        CloseReason::NotRsachat(first) if first.starts_with(raw::PEM_BEGINS) => raw::at_native_words(whom),
        CloseReason::NotRsachat(first) => {
            format!("{whom} does not speak rsachat; it began with \"{}\"", SafeText::line_from_bytes(first))
        }
        CloseReason::VersionMismatch(WireError::Purpose(theirs)) => {
            let ours = match theirs {
                Purpose::Chat => Purpose::Pipe,
                Purpose::Pipe => Purpose::Chat,
            };
            format!("{whom} wants a {theirs}, this is a {ours}; not connected")
        }
        CloseReason::VersionMismatch(error) => {
            format!("{whom} does not fit: {error}, this is version 1, suite 1")
        }
        CloseReason::Handshake
        | CloseReason::Wire(_)
        | CloseReason::ProtocolViolation
        | CloseReason::Record
        | CloseReason::NonceExhausted => {
            format!("the handshake with {whom} failed; nothing was sent")
        }
        CloseReason::Oaep(ending) => raw::ending_words(whom, ending, &because(why)),
        CloseReason::Overloaded => format!("too many callers at once; {whom} was turned away"),
        CloseReason::Key(error) => format!("the key of {whom} is refused: {error}"),
        CloseReason::ConnectionLost { .. } | CloseReason::LostInHandshake => {
            format!("{whom} hung up during the handshake{}", because(why))
        }
        CloseReason::LocalClose | CloseReason::LocalReject | CloseReason::IdleTimeout => {
            format!("{whom} was disconnected")
        }
    }
}

/// A conversation that ended otherwise than by our own goodbye.
fn lost_words(name: &str, ending: &CloseReason, why: Option<&str>) -> String {
    match ending {
        CloseReason::ConnectionLost { mid_record: true } => {
            format!("lost {name} in the middle of a message{}", because(why))
        }
        CloseReason::ConnectionLost { mid_record: false } | CloseReason::LostInHandshake => {
            format!("lost {name}: connection cut{}", because(why))
        }
        CloseReason::IdleTimeout => format!("lost {name}: no answer for 60 s; link closed"),
        CloseReason::Oaep(ending) => raw::ending_words(name, ending, &because(why)),
        CloseReason::Record => format!("lost {name}: a record failed its check; link closed"),
        CloseReason::Bye(ByeReason::Refused) => format!("{name} no longer wants to talk to this key"),
        CloseReason::Bye(ByeReason::Replaced) => {
            format!("{name} closed this connection: you are connected from elsewhere")
        }
        CloseReason::Bye(
            reason @ (ByeReason::OutputGone | ByeReason::OutputFull | ByeReason::OutputFailed),
        ) => {
            format!("{name} could not keep what it got: {}", output_words(*reason))
        }
        _ => format!("lost {name}: it broke the protocol; link closed"),
    }
}
