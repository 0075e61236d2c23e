//! Inputs of the conversation core and the effects that it asks for.
//!
//! The host performs effects in their order and reports results as inputs. An interactive prompt, a
//! replayed script and a one-shot command differ only in the host.

use std::net::SocketAddr;

use super::addressee::{Echo, LineStart};
use super::command::Command;
use super::export::{Export, ExportError};
use super::file_io::{FileAnswer, FileRequest};
use super::notice::{Message, Notice, Numbers};
use super::questions::{QuestionId, ReadingProof};
use super::relays::{RelayNews, RelayOrder};
use super::types::{
    Audience, DialOutcome, ExitRequest, ExposureRecord, HeldMessage, KeyFor, KeyReplacement, KeygenCause,
    NewKey, Protocol, ReceiptDue,
};
use crate::crypto::{Fingerprint, FirstLetterJob, FirstLetterResult, JobResult, RsaJob, Seed};
use crate::delivery::{
    FoundEntries, HistoryEntry, HistoryQuery, MessageState, Pairs, StoreBatch, StoredHistory,
};
use crate::ids::{ConnId, DialId, FaceId, JobQueue, ListenerId};
use crate::peers::address::{BoundAddresses, Family, ListenAt, Target};
use crate::peers::book::{Book, Change, ChangedBook};
use crate::peers::met::{MetChange, MetPeers};
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::wire::ByeReason;

/// Input of a chat. `why`, `what` and `error` are words for the user.
#[expect(missing_debug_implementations, reason = "carries seeds and shared secrets")]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum Input<'a> {
    /// Line of an input whose writer cannot be asked, commands included.
    Line(&'a str),
    /// Line of a person, commands included; `start` is the prompt as it was begun.
    Typed { line: &'a str, start: &'a LineStart, echo: Echo },
    /// Ctrl-C on a line that was held: it stays in the editor.
    DropQuestion,
    /// Command that was not typed: of the command line or of a program.
    Command(Command),
    /// Text for the addressed peer, whatever it looks like.
    Text(&'a str),
    /// Text for a peer by its name, whatever it looks like; the addressed peer stays.
    TextTo { name: &'a str, text: &'a str },
    /// The same for a text that is taken back where it was not delivered in so many milliseconds.
    TextUntil { name: &'a str, text: &'a str, expire_ms: u64 },
    /// Question of a program to a peer by its name, or to the addressed one: a text whose answer it
    /// waits for, so many milliseconds.
    Ask { to: Option<&'a str>, text: &'a str, timeout_ms: u64 },
    /// Text for whoever is at the other end of a connection, where
    /// [`super::Chat::takes_reply`] allows it.
    Reply { conn: ConnId, text: &'a str },
    /// Line of input that means nothing; it was dropped whole.
    LineRefused { what: String },
    /// Line of input that is longer than can be read; it was dropped whole.
    LineTooLong { bytes: u64 },
    /// Line of input that is not UTF-8; it was dropped whole.
    LineNotText { row: SafeText },
    /// Texts that were read and have no way to go any more, and whom they were for.
    Undeliverable { to: Option<&'a str>, texts: Vec<String> },
    /// A connection whose messages can no longer be delivered here is to be closed; the peer is
    /// told the reason.
    Dismiss { conn: ConnId, reason: ByeReason },
    /// Ctrl-C on an empty line: cancel what is pending.
    Cancel,
    /// The user, the end of input or a signal ends the program.
    ExitRequest(ExitRequest),
    /// Result of [`Effect::Listen`], with the real addresses and port.
    // `dial` is where others can call it, if it waits at every address of the machine.
    Listening { listener: ListenerId, at: BoundAddresses, dial: Vec<SocketAddr> },
    /// Failure of [`Effect::Listen`].
    ListenFailed { listener: ListenerId, why: String },
    /// New inbound connection, with all its randomness.
    Accepted { conn: ConnId, listener: ListenerId, from: SocketAddr, seed: Seed },
    /// Caller that was turned away before anything was read.
    TurnedAway { from: SocketAddr, why: String, callers: u64 },
    /// Result of [`Effect::Connect`]: a new outbound connection, with all its randomness; `to` is
    /// the address that answered a direct call.
    Connected { dial: DialId, conn: ConnId, to: Option<SocketAddr>, seed: Seed },
    /// Failure of [`Effect::Connect`]: the addresses tried and their errors.
    Unreachable { dial: DialId, why: String },
    /// Bytes that arrived on a connection.
    Bytes { conn: ConnId, bytes: &'a [u8] },
    /// End of a connection's stream, by an error or without one.
    Ended { conn: ConnId, error: Option<String> },
    /// Line of the standard error of the command by which a connection goes.
    CommandSaid { conn: ConnId, row: SafeText },
    /// Result of [`Effect::Job`].
    JobDone { conn: ConnId, result: JobResult },
    /// Result of [`Effect::Seed`].
    Seed { conn: ConnId, seed: Seed },
    /// Result of [`Effect::TokenSeed`].
    TokenSeed(Seed),
    /// Refusal of [`Effect::Job`]: its queue is full.
    JobRefused { conn: ConnId },
    /// A notice with a receipt ([`Effect::Show`]) has reached the screen, or was written and
    /// flushed.
    Shown(ReceiptDue),
    /// A notice with a receipt is not shown here, to nobody: none is sent.
    NotShown(ReceiptDue),
    /// Messages that were given to nobody, as the program ends: they are not shown "again" later.
    NeverGiven(Vec<HeldMessage>),
    /// Somebody is there who sees what comes, or nobody is any more.
    Audience(Audience),
    /// Messages of [`Effect::Hold`] are wanted; [`Effect::Give`] follows.
    Giving(Vec<HeldMessage>),
    /// A caller that had not proved a key had to make room for another; its connection is gone.
    Evicted { conn: ConnId },
    /// Result of [`Effect::ReadBook`]: the book, unless it is as before, or why it cannot be used.
    Book { conn: ConnId, book: Result<Option<Book>, String> },
    /// Peer book that could not be used when the chat began.
    BookUnusable { why: String },
    /// Result of [`Effect::ChangeBook`]: the book as it now is for all processes.
    Changed(Result<ChangedBook, String>),
    /// List after [`Effect::ChangeMet`].
    Met(MetPeers),
    /// Book that another process has changed.
    BookChanged(Result<Book, String>),
    /// Result of [`Effect::MakeKey`].
    KeyMade(Result<NewKey, String>),
    /// Result of [`Effect::OpenLog`] for the file as it was asked for, or a later failure of the
    /// log.
    Logging { file: String, result: Result<(), String> },
    /// Result of [`Effect::Export`].
    Exported { face: FaceId, export: Export, result: Result<(), ExportError> },
    /// After an [`Effect::Transmit`] the kernel took less than everything.
    WriteBlocked { conn: ConnId },
    /// The kernel has taken everything that was sent.
    Drained { conn: ConnId },
    /// The process was stopped, and goes on.
    Continued,
    /// The process is out of file descriptors.
    OutOfFds { open: usize },
    /// Messages are kept from here on, with those that were kept before; `seed` is for names of
    /// counts. A damaged store was put aside.
    Messages { pairs: Pairs, history: StoredHistory, seed: Seed, put_aside: Option<String> },
    /// Other processes cannot use the home while it is open here.
    NotServed { why: String },
    /// Messages are not kept, as long as the store cannot be opened.
    MessagesUnusable { why: String },
    /// The oldest commit is on disk, or is not: then with what is kept, where that could be read.
    Committed(Result<(), (String, Option<Pairs>)>),
    /// Message for the history, of a command without a store ([`Effect::Remember`]).
    Remember(HistoryEntry),
    /// Result of [`Effect::ReadHistory`], in their order.
    History(Result<FoundEntries, String>),
    /// Answer to an [`Effect::File`].
    File(FileAnswer),
    /// News of the relays.
    Relay(RelayNews),
    /// Result of [`Effect::LetterSeed`].
    LetterSeed(Seed),
    /// Result of [`Effect::FirstLetter`].
    FirstLetter(FirstLetterResult),
    /// Passage of time.
    Tick,
}

/// Text of ours on its way, or kept until the peer is there. `number` counts from 1: for the peer
/// where messages are kept, else on each connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub struct SentMessage {
    /// The text, under our own name.
    pub message: Message,
    pub to: String,
    /// Key of the peer; the raw wire proves none.
    pub fingerprint: Option<Fingerprint>,
    pub number: u64,
    pub state: MessageState,
    /// Front end that it was typed at.
    pub face: FaceId,
}

/// Report about messages of ours to a peer, for programs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub struct DeliveryReport {
    pub to: String,
    /// Key of the peer; the raw wire proves none.
    pub fingerprint: Option<Fingerprint>,
    pub progress: DeliveryProgress,
}

/// Progress of messages of ours to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryProgress {
    /// The peer is no longer connected.
    Away {
        /// Messages that wait for it.
        waiting: usize,
        /// Whether this side has ended the connection.
        closed_here: bool,
    },
    /// A letter with the message of this number is at the relay, and so are those before it.
    AtRelay(u64),
    /// The peer has everything up to this number on disk.
    Delivered(u64),
    /// The peer has shown everything up to this number.
    Received(u64),
    /// These were taken back: dropped, or their time has passed.
    TakenBack(Numbers),
}

/// Moment of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CommitTiming {
    /// At once: something follows from it.
    AtOnce,
    /// With the next one, or after [`COMMIT_DELAY_MS`](crate::limits::COMMIT_DELAY_MS).
    #[default]
    Deferred,
}

/// Effect that a chat asks for.
#[expect(missing_debug_implementations, reason = "carries jobs")]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum Effect {
    /// Show a notice; if it has a receipt, report [`Input::Shown`] once it has been shown.
    Show(Notice, Option<ReceiptDue>),
    /// Hold a message for whoever comes, and report [`Input::Giving`] before somebody gets it:
    /// until then it is on disk that nobody has seen it.
    Hold(Message, ReceiptDue),
    /// Give messages that were held to who wants them. Where the disk does not take that, they may
    /// be exposed more than once, and are marked already.
    Give { held: Vec<HeldMessage>, record: ExposureRecord },
    /// The peer has read the question of a process that was started to ask. A text that arrived
    /// before the `Pong` is no answer. A peer without `Pong` only acknowledges the question
    /// ([`ReadingProof::Receipt`]), and an answer may arrive before that.
    QuestionRead(ReadingProof),
    /// A question of a program was accepted.
    Asked(QuestionId),
    /// The next notice is the answer to this question, or gives it up.
    Answers(QuestionId),
    /// Show a notice at one face, which it answers.
    ShowTo(FaceId, Notice),
    /// Show the message that a line of a face became in the place of the line
    /// ([`Echo::Pending`]).
    Said(FaceId, Message),
    /// Put a text back into the line of a face: it was not sent.
    ReturnLine(FaceId, ReturnedLine),
    /// End a face that is not the own one: it has asked for that.
    EndFace(FaceId),
    /// Notify the user, on a desktop that others may see.
    Alert(SafeText),
    /// A text of ours was accepted for a peer: for logs and programs. A user has typed it and
    /// knows.
    Sent(SentMessage),
    /// How far our messages to a peer are: for programs. Users are shown only what is still
    /// unacknowledged.
    Delivery(DeliveryReport),
    /// Write messages to this file too, instead of the one before; report [`Input::Logging`].
    OpenLog(String),
    /// Close the log.
    CloseLog,
    /// Take a message to a place of the process that a face belongs to, and report
    /// [`Input::Exported`]; a process at the socket of a home tells its user itself.
    Export(FaceId, Export),
    /// Bind and listen.
    Listen { listener: ListenerId, at: ListenAt, family: Family },
    /// Stop listening. Connections that came of it stay.
    Unlisten(ListenerId),
    /// Look the host up and connect, or connect by the way of the target, which looks it up.
    /// `callee` is the name of a peer of the book that is called.
    Connect { dial: DialId, target: Target, family: Family, callee: Option<String> },
    /// Abandon an attempt to connect.
    CancelConnect(DialId),
    /// Send bytes on a connection, in order.
    Transmit { conn: ConnId, bytes: Vec<u8> },
    /// The peer has proved its key, or has shown itself on the raw wire: the limits of
    /// unauthenticated connections no longer apply. Keepalives exist on the native protocol only.
    Authenticated(ConnId, Protocol),
    /// The peer of a connection is one that the user chose: room is kept for callers from its
    /// address.
    ChosenPeer(ConnId),
    /// Close a connection after everything transmitted has gone out.
    Close(ConnId),
    /// Run a job off the loop.
    Job { conn: ConnId, job: RsaJob, queue: JobQueue },
    /// Report [`Input::Seed`] with fresh randomness.
    Seed { conn: ConnId },
    /// Report [`Input::TokenSeed`] with fresh randomness, for the token of an invitation.
    TokenSeed,
    /// Read the peer book as it is now and report [`Input::Book`]: the judgement of a key waits for
    /// it, once when the key is known and again when the connection is established.
    ReadBook { conn: ConnId },
    /// Change the peer book for all processes, in one write, and report [`Input::Changed`]: one for
    /// each of these effects, in their order.
    ChangeBook(Vec<Change>),
    /// Change the list of the peers that called and were not chosen, for all processes; nothing
    /// depends on it.
    ChangeMet(MetChange),
    /// Keep changes of messages, all or none, and report [`Input::Committed`]: one for each of
    /// these effects, in their order.
    Commit(StoreBatch, CommitTiming),
    /// Append a message to the history of the home: there is no store here.
    Remember(HistoryEntry),
    /// Look into the history on disk and report [`Input::History`].
    ReadHistory(HistoryQuery),
    /// Delete what of the history is older than a moment, and report [`Input::Committed`] as for a
    /// commit.
    ForgetHistory { before: UnixMs },
    /// Generate a key, store it and report [`Input::KeyMade`].
    MakeKey { of: KeyFor, bits: u32, replacing: KeyReplacement, cause: KeygenCause },
    /// Discard the key that is being generated.
    CancelKey,
    /// Open the store of messages, which could not be opened before. Its result is
    /// [`Input::Messages`] or [`Input::MessagesUnusable`], now or later.
    OpenMessages,
    /// Do this with a file that is sent or received. Requests about one transfer are done in their
    /// order.
    File(FileRequest),
    /// Do this at the relays, whose news are [`Input::Relay`].
    Relay(RelayOrder),
    /// Report [`Input::LetterSeed`] with fresh randomness, for a key of letters or for a letter.
    LetterSeed,
    /// Do this with our private key, in their order, and report [`Input::FirstLetter`].
    FirstLetter(FirstLetterJob),
    /// A connection that was dialled has ended or was never established, or a listener has failed.
    /// A command without a user may exit when this happens.
    DialFinished(DialOutcome),
    /// End with this exit code.
    Quit(u8),
}

/// Text that goes back into the line of a face.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReturnedLine {
    /// The text.
    pub text: String,
    /// Why it was not sent.
    pub cause: ReturnCause,
}

/// Why a text was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReturnCause {
    /// It was refused.
    Refused,
    /// It waits for another Enter; Ctrl-C drops the question, and leaves the text.
    Asked,
}
