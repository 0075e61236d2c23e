//! Everything the program can tell a person while it runs, as values; `words.rs` has the sentences.

use std::net::SocketAddr;

use super::handlers::notify::Notify;
use super::io::TrustLevel;
use super::kinds::KeyFor;
use crate::crypto::{Fingerprint, SafetyNumber};
use crate::session::CloseReason;
use crate::text::safe::SafeText;

/// Something to show. Text of a peer comes in only as [`SafeText`], names only as checked names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A peer's message.
    Message(Message),
    /// Something good or neutral happened.
    Info(Info),
    /// Something did not work, or was refused.
    Warning(Warning),
    /// An answer to a question of the person: rows as they are.
    Answer(Vec<String>),
    /// An answer in columns of cells, the first row with their heads.
    Table(Vec<Vec<String>>),
    /// What was said before, oldest first.
    History {
        /// The messages, ours under our own name.
        said: Vec<Message>,
        /// How many earlier ones fit the question too.
        earlier: usize,
    },
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Local name of the one who said it.
    pub name: String,
    /// Its key; the raw wire proves none.
    pub fingerprint: Option<Fingerprint>,
    /// How sure we are that the key is the person's.
    pub trust_level: TrustLevel,
    /// When it arrived, in milliseconds since 1970 in UTC, by our clock.
    pub arrived_ms: u64,
    /// When it was sent, by the peer's clock: a claim. The raw wire has none: then when it arrived.
    pub sent_ms: u64,
    /// The text as it came. Never for a terminal.
    pub text: Vec<u8>,
    /// The text, a row for each line of the message.
    pub rows: Vec<SafeText>,
}

/// Where a peer stands in our book as it joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyStatus {
    /// Never seen before; remembered now.
    New,
    /// Seen before.
    Known(TrustLevel),
}

/// Something good or neutral.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `words.rs`")]
pub enum Info {
    Listening {
        at: SocketAddr,
    },
    MakingKey {
        of: KeyFor,
        bits: u32,
    },
    StillMaking {
        seconds: u64,
    },
    KeyMade {
        of: KeyFor,
        fingerprint: Fingerprint,
        bits: u32,
        file: String,
    },
    KeyFound {
        fingerprint: Fingerprint,
        file: String,
    },
    KeyKept {
        file: String,
    },
    KeyCancelled,
    Connecting {
        target: String,
    },
    ConnectCancelled {
        target: String,
    },
    Joined {
        name: String,
        fingerprint: Fingerprint,
        known: KeyStatus,
    },
    Left {
        name: String,
    },
    Replaced {
        name: String,
    },
    Closed {
        name: String,
    },
    Addressed {
        name: String,
        trust_level: TrustLevel,
    },
    Trusted {
        name: String,
    },
    Accepted {
        name: String,
        fingerprint: Fingerprint,
    },
    Forgotten {
        name: String,
    },
    Blocked {
        name: String,
    },
    Unblocked {
        name: String,
    },
    Nick {
        name: String,
    },
    Named {
        old: String,
        name: String,
    },
    Safety {
        name: String,
        number: SafetyNumber,
        fingerprint: Fingerprint,
    },
    Notify {
        set: Notify,
    },
    Logging {
        file: String,
    },
    LogClosed {
        file: String,
    },
    NoLog,
    NothingSaid,
    PrefaceProgress,
    QuitHint,
    /// What happens on the raw wire only.
    Raw(RawInfo),
    HowToLeave,
    Recording {
        file: String,
    },
}

/// Something on the raw wire, where nobody is authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `words/raw.rs`")]
pub enum RawInfo {
    /// What this wire does not give, at the moment that it is asked for.
    Banner,
    Joined {
        name: String,
        at: String,
        key: Option<(u32, Fingerprint)>,
    },
    NoReceipts {
        name: String,
    },
    Parts {
        count: usize,
    },
    Waits {
        name: String,
    },
    Answered {
        name: String,
    },
}

/// Something that did not work, or was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `words.rs`")]
pub enum Warning {
    CommandError {
        what: String,
    },
    LineTooLong {
        bytes: u64,
    },
    LineNotText {
        row: SafeText,
    },
    NoKeyYet,
    KeyExists {
        of: KeyFor,
        file: String,
    },
    KeyFailed {
        why: String,
    },
    KeyUnderway,
    ListenFailed {
        at: String,
        why: String,
    },
    AlreadyListening {
        at: String,
    },
    Unreachable {
        target: String,
        why: String,
    },
    Changed {
        name: String,
        address: String,
        known: Fingerprint,
        now: Fingerprint,
    },
    PinDiffers {
        address: String,
        pinned: Fingerprint,
        now: Fingerprint,
    },
    OtherPerson {
        whom: String,
        name: String,
        now: Fingerprint,
    },
    Ourselves {
        whom: String,
    },
    BlockedCaller {
        name: String,
    },
    UnknownCaller {
        whom: String,
        fingerprint: Fingerprint,
    },
    Book {
        why: String,
    },
    Impostor {
        name: String,
        claimed: SafeText,
        /// The name that it imitates, as its owner has it.
        known: String,
        of: Impersonated,
    },
    /// A connection ended before anybody was known.
    Early {
        whom: String,
        ending: CloseReason,
        why: Option<String>,
    },
    /// A conversation ended otherwise than by a goodbye.
    Lost {
        name: String,
        ending: CloseReason,
        why: Option<String>,
    },
    NotReceived {
        name: String,
        rows: Vec<SafeText>,
        more: usize,
    },
    /// Said on the raw wire, and not handed to the socket.
    NotSent {
        name: String,
        rows: Vec<SafeText>,
        more: usize,
    },
    /// A peer of the raw wire that gave no key.
    NoKeyOf {
        name: String,
    },
    /// Asked for the key of a peer of the raw wire.
    RawPeer {
        name: String,
    },
    /// A block of the raw wire did not open.
    Unread {
        whom: String,
        in_a_row: u32,
    },
    NobodyToSendTo,
    NobodyToClose,
    NotConnected {
        name: String,
    },
    QueueFull {
        name: String,
        waiting: usize,
    },
    NoSuchPeer {
        name: String,
        nearest: Option<String>,
    },
    NotRefused {
        name: String,
    },
    NotBlocked {
        name: String,
    },
    StillBlocked {
        name: String,
    },
    NothingFound,
    NoEditor,
    LogFailed {
        file: String,
        why: String,
    },
    SameName {
        name: String,
    },
    TooManyPeers {
        limit: usize,
    },
    TurnedAway {
        whom: String,
        why: String,
    },
    OutOfFds {
        open: usize,
    },
    /// The same trouble happened this often since it was last shown.
    Suppressed {
        times: u64,
    },
}

/// Whose name a newcomer claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Impersonated {
    /// A peer whose key was compared.
    Verified,
    /// A peer in the book.
    Known,
    /// Our own.
    Ours,
}
