//! Inputs of the conversation core and the effects that it asks for.
//!
//! The host performs effects in their order and reports results as inputs. An interactive prompt, a
//! replayed script and a one-shot command differ only in the host.

use std::net::SocketAddr;

use super::addressee::{Echo, LineStart};
use super::command::Command;
use super::notice::{Message, Notice};
use super::types::{
    DialOutcome, ExitRequest, KeyFor, KeyReplacement, KeygenCause, NewKey, Protocol, ReceiptDue,
};
use crate::crypto::{Fingerprint, JobResult, RsaJob, Seed};
use crate::ids::{ConnId, DialId, JobQueue, ListenerId};
use crate::peers::address::{BoundAddresses, Family, ListenAt, Target};
use crate::peers::book::{Book, Change, ChangedBook};
use crate::peers::met::{MetChange, MetPeers};
use crate::text::safe::SafeText;
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
    /// Line of input that means nothing; it was dropped whole.
    LineRefused { what: String },
    /// Line of input that is longer than can be read; it was dropped whole.
    LineTooLong { bytes: u64 },
    /// Line of input that is not UTF-8; it was dropped whole.
    LineNotText { row: SafeText },
    /// Texts that were read and have no way to go any more, and whom they were for.
    Undeliverable { to: &'a str, texts: Vec<String> },
    /// A connection whose messages can no longer be delivered here is to be closed; the peer is
    /// told the reason.
    Dismiss { conn: ConnId, reason: ByeReason },
    /// Ctrl-C on an empty line: cancel what is pending.
    Cancel,
    /// The user, the end of input or a signal ends the program.
    ExitRequest(ExitRequest),
    /// Result of [`Effect::Listen`], with the real addresses and port.
    Listening { listener: ListenerId, at: BoundAddresses },
    /// Failure of [`Effect::Listen`].
    ListenFailed { listener: ListenerId, why: String },
    /// New inbound connection, with all its randomness.
    Accepted { conn: ConnId, listener: ListenerId, from: SocketAddr, seed: Seed },
    /// Caller that was turned away before anything was read.
    TurnedAway { from: SocketAddr, why: String, callers: u64 },
    /// Result of [`Effect::Connect`]: a new outbound connection, with all its randomness.
    Connected { dial: DialId, conn: ConnId, to: SocketAddr, seed: Seed },
    /// Failure of [`Effect::Connect`]: the addresses tried and their errors.
    Unreachable { dial: DialId, why: String },
    /// Bytes that arrived on a connection.
    Bytes { conn: ConnId, bytes: &'a [u8] },
    /// End of a connection's stream, by an error or without one.
    Ended { conn: ConnId, error: Option<String> },
    /// Result of [`Effect::Job`].
    JobDone { conn: ConnId, result: JobResult },
    /// Result of [`Effect::Seed`].
    Seed { conn: ConnId, seed: Seed },
    /// Refusal of [`Effect::Job`]: its queue is full.
    JobRefused { conn: ConnId },
    /// A notice with a receipt ([`Effect::Show`]) has reached the screen, or was written and
    /// flushed.
    Shown(ReceiptDue),
    /// A notice with a receipt is not shown here, to nobody: none is sent.
    NotShown(ReceiptDue),
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
    /// After an [`Effect::Transmit`] the kernel took less than everything.
    WriteBlocked { conn: ConnId },
    /// The kernel has taken everything that was sent.
    Drained { conn: ConnId },
    /// The process is out of file descriptors.
    OutOfFds { open: usize },
    /// Passage of time.
    Tick,
}

/// Text of ours on its way. `number` counts from 1 on each connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub struct SentMessage {
    /// The text, under our own name.
    pub message: Message,
    pub to: String,
    /// Key of the peer; the raw wire proves none.
    pub fingerprint: Option<Fingerprint>,
    pub number: u64,
}

/// Effect that a chat asks for.
#[expect(missing_debug_implementations, reason = "carries jobs")]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum Effect {
    /// Show a notice; if it has a receipt, report [`Input::Shown`] once it has been shown.
    Show(Notice, Option<ReceiptDue>),
    /// Put a text back into the line: it was not sent.
    ReturnLine(String),
    /// Notify the user, on a desktop that others may see.
    Alert(SafeText),
    /// A text of ours was accepted for a peer: for logs and programs. A user has typed it and
    /// knows.
    Sent(SentMessage),
    /// A peer has shown our messages up to this number: for programs. Users are shown only what is
    /// still unacknowledged.
    Received { name: String, fingerprint: Option<Fingerprint>, upto: u64 },
    /// Write messages to this file too, instead of the one before; report [`Input::Logging`].
    OpenLog(String),
    /// Close the log.
    CloseLog,
    /// Bind and listen.
    Listen { listener: ListenerId, at: ListenAt, family: Family },
    /// Stop listening. Connections that came of it stay.
    Unlisten(ListenerId),
    /// Look the host up and connect.
    Connect { dial: DialId, target: Target, family: Family },
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
    /// Read the peer book as it is now and report [`Input::Book`]: the judgement of a key waits for
    /// it, once when the key is known and again when the connection is established.
    ReadBook { conn: ConnId },
    /// Change the peer book for all processes, in one write, and report [`Input::Changed`]: one for
    /// each of these effects, in their order.
    ChangeBook(Vec<Change>),
    /// Change the list of the peers that called and were not chosen, for all processes; nothing
    /// depends on it.
    ChangeMet(MetChange),
    /// Generate a key, store it and report [`Input::KeyMade`].
    MakeKey { of: KeyFor, bits: u32, replacing: KeyReplacement, cause: KeygenCause },
    /// Discard the key that is being generated.
    CancelKey,
    /// A connection that was dialled has ended or was never established, or a listener has failed.
    /// A command without a user may exit when this happens.
    DialFinished(DialOutcome),
    /// End with this exit code.
    Quit(u8),
}
