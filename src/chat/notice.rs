//! Notices: everything that the program can tell its user while it runs, as values.

use std::net::SocketAddr;

use super::addressee::HoldReason;
use super::lobby::{InvitationWarning, InvitationsInfo, LobbyInfo};
use super::redial::AfterLoss;
use super::relays::RelayInfo;
use super::trust_policy::KeyRefusal;
use super::types::{HistoryPolicy, KeyFor, LaterBy, NotifyPolicy, ReceiptDue, TrustLevel};
use crate::crypto::{Fingerprint, SafetyNumber};
use crate::delivery::{Direction, Exposure, HistoryRow, Withdrawal, WithdrawalOutcome};
use crate::limits;
use crate::peers::address::BoundAddresses;
use crate::session::CloseReason;
use crate::text::duration::span;
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::transfer::FileName;
use crate::wire::{CancelReason, DeclineReason, Lifetime, Offer, OfferKind};

/// Something to show. Text of a peer comes in only as [`SafeText`], names only as checked names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Message of a peer.
    Message(Message),
    /// Message of ours that was not shown as its line was typed.
    Own(Message),
    /// Event that is good or neutral.
    Info(Info),
    /// Event that is not: something failed, or was refused.
    Warning(Warning),
    /// Warning that only programs are told: a person has had a row for its kind, and a count.
    Counted(Warning),
    /// Answer to a command: rows as they are.
    Answer(Vec<String>),
    /// Answer in columns of cells, the first row with their heads.
    Table(Vec<Vec<String>>),
    /// One message with all its rows, however many they are.
    Whole(Message),
    /// Earlier messages, oldest first.
    History {
        /// The messages, ours under our own name.
        messages: Vec<Message>,
        /// Number of still earlier ones that match too.
        earlier: usize,
    },
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Local name of its author.
    pub name: String,
    /// Names of those whom we sent it to; none where the message is a peer's.
    pub to: Vec<String>,
    /// Key of its author; the raw wire proves none.
    pub fingerprint: Option<Fingerprint>,
    /// Degree of certainty that the key is the author's.
    pub trust_level: TrustLevel,
    /// Lifetime of the connection that it came by.
    pub lifetime: Lifetime,
    /// Arrival, by our clock.
    pub arrived: UnixMs,
    /// Departure, by the peer's clock: a claim. The raw wire has none: then the arrival.
    pub sent: UnixMs,
    /// How it came.
    pub arrival: Arrival,
    /// Exact text. Never for a terminal.
    pub text: Vec<u8>,
    /// Text to show, a row for each line of the message.
    pub rows: Vec<SafeText>,
    /// Number in this session, by which it is asked for.
    pub number: u64,
}

/// How a message came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Arrival {
    /// As it was typed.
    #[default]
    Prompt,
    /// Long after: it waited for a connection.
    Late,
    /// Once more: who showed it ended before that was known.
    Again,
    /// The same of a command that had it.
    Retaken,
}

impl Arrival {
    /// How a message of the pair came that was typed at `sent`.
    pub(crate) fn of(due: ReceiptDue, sent: UnixMs, arrived: UnixMs) -> Self {
        if due.peer.is_some() && is_late(sent, arrived) { Self::Late } else { Self::Prompt }
    }

    /// Rows of the text of such a message, with a remark behind the last.
    pub(crate) fn rows(self, text: &[u8], sent: UnixMs, arrived: UnixMs) -> Vec<SafeText> {
        let rows = SafeText::rows_from_bytes(text);
        match self.remark(sent, arrived) {
            Some(remark) => with_remark(rows, &remark),
            None => rows,
        }
    }

    /// Words behind the text of such a message, if there are any.
    fn remark(self, sent: UnixMs, arrived: UnixMs) -> Option<String> {
        match self {
            Self::Prompt => None,
            Self::Late => Some(format!("(typed {} earlier)", span(arrived.since(sent)))),
            Self::Again | Self::Retaken if is_late(sent, arrived) => {
                Some(format!("(again, typed {} earlier)", span(arrived.since(sent))))
            }
            Self::Again | Self::Retaken => Some("(again)".to_owned()),
        }
    }
}

/// Remark behind a message of the history that was taken back.
pub(crate) const TAKEN_BACK: &str = "(taken back)";

/// Rows of a text with a remark behind the last.
pub(crate) fn with_remark(mut rows: Vec<SafeText>, remark: &str) -> Vec<SafeText> {
    if let Some(last) = rows.last_mut() {
        *last = SafeText::line(&format!("{last} {remark}"));
    }
    rows
}

/// Rows of a message of the history.
pub(crate) fn history_rows(row: &HistoryRow) -> Vec<SafeText> {
    let rows = SafeText::rows_from_bytes(&row.text);
    if row.direction == Direction::TakenBack { with_remark(rows, TAKEN_BACK) } else { rows }
}

fn is_late(sent: UnixMs, arrived: UnixMs) -> bool {
    arrived.since(sent) >= limits::LATE_MESSAGE_MS
}

impl Message {
    /// Takes note that it comes once more, if somebody may have had it.
    pub(crate) fn mark_again(&mut self, exposure: Exposure) {
        self.arrival = match exposure {
            Exposure::None => return,
            Exposure::Shown => self.arrival.max(Arrival::Again),
            Exposure::Taken => Arrival::Retaken,
        };
        self.rows = self.arrival.rows(&self.text, self.sent, self.arrived);
    }

    /// Who may have had it before.
    pub(crate) fn had(&self) -> Exposure {
        match self.arrival {
            Arrival::Prompt | Arrival::Late => Exposure::None,
            Arrival::Again => Exposure::Shown,
            Arrival::Retaken => Exposure::Taken,
        }
    }

    /// Whether it came long after it was typed.
    pub(crate) fn is_late(&self) -> bool {
        self.arrival != Arrival::Prompt && is_late(self.sent, self.arrived)
    }

    /// Author as its rows begin: with those who got it, where the message is ours.
    #[must_use]
    pub fn author(&self) -> String {
        author(&self.author_name(), &self.to)
    }

    /// Name of the author: who only sends is not there to be answered.
    pub(crate) fn author_name(&self) -> String {
        match self.lifetime {
            Lifetime::Lasting => self.name.clone(),
            Lifetime::Short => format!("{} (send)", self.name),
        }
    }
}

/// Beginning of the rows of a message: its author, and those who got it.
pub(crate) fn author(name: &str, to: &[String]) -> String {
    match to {
        [] => name.to_owned(),
        to => format!("{name} → {}", to.join(", ")),
    }
}

/// State of a peer's key in our book as the peer joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyStatus {
    /// New: remembered now.
    New,
    /// Seen before, of a peer whom nobody has chosen.
    Met,
    /// Known from before.
    Known(TrustLevel),
    /// New: it came with an invitation of ours.
    Invited,
    /// New: it is the one that an invitation named.
    AsInvited,
}

/// Event that is good or neutral.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum Info {
    // Where others can call, if it waits at every address of the machine.
    Listening { at: BoundAddresses, dial: Vec<SocketAddr> },
    Unlistened { at: String },
    MakingKey { of: KeyFor, bits: u32 },
    StillMaking { seconds: u64 },
    KeyMade { of: KeyFor, fingerprint: Fingerprint, bits: u32, file: String },
    KeyFound { fingerprint: Fingerprint, file: String },
    KeyKept { file: String },
    KeyCancelled,
    // To whom our next key was announced.
    KeyAnnounced { names: Vec<String> },
    // As the peer says.
    NextKey { name: String, fingerprint: Option<Fingerprint>, next: Fingerprint },
    // Whom, where it is called by its key.
    Connecting { name: Option<String>, target: String, via: Option<String> },
    ConnectCancelled { target: String },
    Busy { target: String, seconds: u64 },
    Joined { name: String, fingerprint: Fingerprint, status: KeyStatus, trust_level: TrustLevel },
    // The raw wire proves no key.
    Left { name: String, fingerprint: Option<Fingerprint> },
    SameClaim { claimed: String },
    // Of a book from before.
    MetBefore { count: usize },
    // Somebody new, who only sends.
    Strangers { joined: u64, left: u64 },
    // The first of the callers that came to nothing without a key; see `Notice::Counted`.
    Probe { remote: String, reason: CloseReason, error: Option<String> },
    NewSender { name: String, fingerprint: Fingerprint },
    Replaced { name: String },
    Closed { name: String, then: AfterLoss },
    AlreadyConnected { name: String },
    // Who was lost and called again.
    NotCalling { name: String },
    // Who was called as the program ended, without anybody's wish.
    CallsStand { name: String },
    Addressed { name: String, trust_level: TrustLevel },
    NowTalking { name: String, status: KeyStatus },
    AddressedAway { name: String },
    Trusted { name: String },
    // `waiting` lines wait for the key before.
    Accepted { name: String, fingerprint: Fingerprint, waiting: usize },
    AddressMoved { name: String, address: String, fingerprint: Fingerprint },
    Forgotten { name: String },
    Blocked { name: String },
    Unblocked { name: String, trust_level: TrustLevel },
    Nick { name: String },
    Named { old: String, name: String },
    Safety { name: String, number: SafetyNumber, fingerprint: Fingerprint, trust_level: TrustLevel },
    Notify { set: NotifyPolicy },
    Logging { file: String },
    LogClosed { file: String },
    // `label` says which message.
    Copied { label: String, bytes: usize },
    Saved { label: String, bytes: usize, file: String },
    NoLog,
    NoHistory,
    Greeting,
    Told { words: String },
    QuitHint,
    ExitHint,
    Recording { file: String },
    Oaep(OaepInfo),
    Delivery(DeliveryInfo),
    File(FileInfo),
    Lobby(LobbyInfo),
    Invitations(InvitationsInfo),
    Relay(RelayInfo),
}

/// Event of a file transfer. `number` is the one by which it is accepted, declined and cancelled.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum FileInfo {
    // To a peer; one that is away gets the offer later.
    Offered { to: String, number: u32, what: OfferedFiles, when: OfferTime },
    // Again, and it has not changed since.
    OfferedAlready { to: String, number: u32, what: OfferedFiles },
    Offers { from: String, number: u32, what: OfferedFiles },
    // By a rule.
    Taking { from: String, number: u32, what: OfferedFiles },
    Taken { by: String, number: u32, file: FileName },
    // By us, of a peer that is away.
    TakenLater { from: String, number: u32 },
    TakenAlready { number: u32 },
    NotTaken { from: String, number: u32, file: FileName },
    // The peer has it on its disk.
    Delivered { to: String, number: u32, file: FileName, bytes: u64 },
    // It is on our disk.
    Received { from: String, number: u32, path: String, bytes: u64 },
    Cancelled { with: String, number: u32, file: FileName },
    // With a peer that is forgotten.
    Dropped { with: String, offers: usize },
    // As the program ends: what a later process goes on with, each with its peer.
    LeftUnfinished { transfers: Vec<String> },
    // Nobody has accepted it for seven days.
    Expired { with: String, number: u32, file: FileName },
    NoTransfers,
    // What is in the folder of a peer that is away.
    ListedLater { from: String, number: u32 },
}

/// When a peer gets an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfferTime {
    /// It is connected.
    Now,
    /// As soon as it is connected.
    Later,
}

/// A file or a folder that is offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferedFiles {
    /// The name that it gets.
    pub name: FileName,
    /// What it is.
    pub kind: OfferKind,
    /// Files and empty folders in a folder.
    pub entries: u32,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl OfferedFiles {
    /// What an offer says.
    #[must_use]
    pub fn of(offer: &Offer) -> Self {
        let (kind, entries, bytes) = (offer.kind, offer.entries, offer.total);
        Self { name: FileName::of_peer(&offer.name), kind, entries, bytes }
    }
}

/// Event on the raw wire, where nobody is authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum OaepInfo {
    Banner,
    Joined { name: String, at: String, key: Option<(u32, Fingerprint)> },
    NoReceipts { name: String },
    Parts { count: usize },
    Waits { name: String },
    Answered { name: String },
}

/// Event of messages that are kept until the other side has them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum DeliveryInfo {
    // Text to somebody away is kept.
    AddressedLater { name: String, by: LaterBy },
    // Text that waits until the peer is connected.
    Queued { name: String, by: LaterBy },
    // Messages that go out to a peer who has come.
    GoesOut { name: String, fingerprint: Fingerprint, count: usize },
    // Lines that wait as the program ends, by their receivers, and how many these have on disk.
    LeftWaiting { waiting: Vec<(String, usize)>, delivered: usize },
    // The peer has not chosen us: its program keeps nothing for it.
    NotChosen { name: String },
    // The store, which could not be opened, is open.
    StoreOpened,
    // How texts to a peer that nobody chose are kept.
    KeptOnceChosen { name: String },
    // The program of the peer cannot keep messages.
    KeepsNothing { name: String },
    NothingWaits,
    // What `:history` has set.
    History { policy: HistoryPolicy, days: Option<u32> },
    // At the wish of a user.
    TakenBack { name: String, numbers: Numbers, withdrawal: Withdrawal },
    // The history of a peer who is forgotten, if there is one.
    HistoryStays { name: String, fingerprint: Fingerprint },
    // What became of texts that were taken back while the peer may have had them.
    Settled { name: String, numbers: Numbers, outcome: WithdrawalOutcome },
}

/// Numbers of messages that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// Messages that were searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchedHistory {
    /// Those of this session.
    Session,
    /// These, and those that the store has kept of earlier ones.
    Kept,
}

impl SearchedHistory {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Session => "this session",
            Self::Kept => "this or earlier sessions",
        }
    }
}

/// Event that is a failure or a refusal.
///
/// `remote` is the other side by its address, or by its name once it has one; `error` is what the
/// system said.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum Warning {
    CommandError { what: String },
    LineTooLong { bytes: u64 },
    LineNotText { row: SafeText },
    NoKeyYet,
    KeyExists { of: KeyFor, file: String },
    KeyFailed { why: String },
    KeyUnderway,
    ListenFailed { at: String, why: String },
    AlreadyListening { at: String },
    // `at` is what was asked for, if anything was.
    NotListening { at: Option<String>, listening: Vec<String> },
    NothingDialled,
    Unreachable { target: String, why: String },
    CommandSaid { target: String, row: SafeText },
    // Another name of a host led to the same place, where another key answered.
    SharedPlace { name: String, at: String, other: String, address: String },
    // Of one address of a peer, while another is tried.
    AddressFailed { warning: Box<Warning> },
    Refused(KeyRefusal),
    Book { why: String },
    // `name` is the peer that it is about.
    NotSaved { name: String, change: UnsavedChange, why: String },
    // At the end of the program.
    BlocksLost { names: String, why: String },
    // `known` is the imitated name as its owner has it.
    Impostor { name: String, claimed: SafeText, known: String, of: Impersonated },
    HandshakeFailed { remote: String, reason: CloseReason, error: Option<String> },
    ConnectionLost { name: String, reason: CloseReason, error: Option<String>, then: AfterLoss },
    // Who was lost has not answered for long; `why` is the last reason.
    StillCalling { name: String, calls: u32, minutes: u64, why: String },
    // Who was lost cannot be talked to any more; the reason was shown.
    NotCallingAgain { name: String },
    NotReceived { name: String, rows: Vec<SafeText>, more: usize },
    // On the raw wire: not handed to the socket. Without a name, the texts were for nobody yet.
    NotSent { name: Option<String>, rows: Vec<SafeText>, more: usize },
    NoKeyOf { name: String },
    OaepPeer { name: String },
    NotDecrypted { remote: String, in_a_row: u32 },
    // Text that looks like CP949.
    KoreanWindows { name: String },
    NobodyToSendTo,
    NobodyAddressed,
    // The line waits for another Enter.
    Held { reason: HoldReason, to: String },
    // The line would wait if there were somebody to ask.
    NotAsked { reason: HoldReason, to: String },
    // By `:all`: who joined after the line was begun, and whom the user has not chosen.
    LeftOut { later: Vec<String>, not_chosen: Vec<String> },
    NobodyToClose,
    NotConnected { name: String },
    AddresseeBlocked { name: String },
    QueueFull { name: String, waiting: usize },
    // By a question of a program.
    NotAnswered { name: String, timeout_ms: u64 },
    NoSuchPeer { name: String, nearest: Option<String> },
    NotRefused { name: String, known: Fingerprint, given: Fingerprint },
    // Its number was not shown before.
    NotCompared { name: String },
    // The number that was shown was of the key before.
    NumberOfAnother { name: String, shown: Fingerprint, now: Fingerprint },
    KeyPending { name: String, known: Fingerprint, now: Fingerprint },
    NotBlocked { name: String },
    StillBlocked { name: String },
    NothingFound { searched: SearchedHistory },
    NoSuchMessage { number: u64 },
    // Of so many as `:copy` and `:save` look at.
    FewerMessages { kept: usize },
    NoClipboard,
    // `:copy` and `:save` of a program at the socket of a home.
    NotForPrograms,
    SaveFailed { file: String, why: String },
    NoEditor,
    LogFailed { file: String, why: String },
    SameName { name: String, other: String },
    TooManyPeers { limit: usize },
    NoSeat,
    TooManySenders { name: String },
    TurnedAway { remote: String, why: String },
    OutOfFds { open: usize },
    // The home, to other processes.
    NotServed { why: String },
    Told { words: String },
    // Warnings that the rate limit held back.
    Suppressed { times: u64 },
    Delivery(DeliveryWarning),
    File(FileWarning),
    Invitation(InvitationWarning),
}

/// Event of a file transfer that fails or ends before its end.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum FileWarning {
    // `file` is the path as the user wrote it.
    NotOffered { file: String, why: String },
    // What of a folder is not sent.
    Skipped { file: FileName, skipped: u64 },
    RawWire,
    TakesNoFiles { name: String },
    // What a peer offers, which is refused: `most` bytes are taken.
    TooLarge { from: String, what: OfferedFiles, most: u64 },
    Declined { by: String, number: u32, file: FileName, reason: DeclineReason },
    Cancelled { by: String, number: u32, file: FileName, reason: CancelReason },
    // Of ours; it goes on once the peer accepts it again.
    Stopped { by: String, number: u32, file: FileName, reason: CancelReason },
    // Of ours, since it cannot be read.
    SourceFailed { number: u32, file: FileName, why: String },
    // Of a peer's, since it cannot be written for now.
    NotFinished { from: String, number: u32, file: FileName, why: String },
    // Of a peer's, since it is not what was offered.
    NotReceived { from: String, number: u32, file: FileName, why: String },
    // The place where a transfer was to go; the offer stands.
    NotAccepted { from: String, number: u32, file: FileName, why: String },
    NoSuchTransfer { number: u32 },
    // What a command names is over.
    Arrived { number: u32, path: String },
    DeclinedBefore { number: u32 },
    CancelledBefore { number: u32 },
    OwnOffer { number: u32 },
}

/// Event of messages that are not kept, or not as they were.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum DeliveryWarning {
    // A text of ours.
    NotKept { name: String, why: String },
    // A text of a peer.
    NotKeptFrom { name: String, why: String },
    OutboxFull { name: String },
    NotInOutbox { name: String, number: u64 },
    // Nobody was there for it in time.
    Expired { name: String, numbers: Numbers, withdrawal: Withdrawal },
    // By another front end than the one that had said them.
    Dropped { name: String, numbers: Numbers },
    // What the user wanted to take back.
    NotTakenBack { name: String, why: String },
    DeliveredAlready { name: String, number: u64 },
    AtRelay { name: String, number: u64 },
    NothingIsKept { why: Option<String> },
    // The peer has lines on disk, and nobody has seen them.
    NotInTime { name: String },
    // The peer is not forgotten.
    LinesWait { name: String, count: usize },
    // A message that is shown all the same.
    NotInHistory { why: String },
    HistoryUnreadable { why: String },
    StoreUnusable { why: String },
    // A damaged store was put aside, and another begun.
    StoreDamaged { why: String },
    // The home was restored from a backup: the peer has more of ours.
    OlderThanPeer { name: String },
    // The same: what the peer sent meanwhile is not in it.
    MissingHere { name: String, first: u64, last: u64 },
    // The home of the peer was restored from a backup.
    PeerOlder { name: String },
    TwoPlaces { name: String },
}

/// Change of the peer book that was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum UnsavedChange {
    Remembered,
    Verified,
    KeyAccepted,
    Forgotten,
    Blocked,
    Unblocked,
    Named,
}

/// Owner of a name that a new peer claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Impersonated {
    /// A peer whose key was compared.
    Verified,
    /// A peer in the book.
    Known,
    /// We ourselves.
    Ours,
    /// Nobody: a word of this program.
    Word,
}
