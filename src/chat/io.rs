//! What comes into a [`super::Chat`] and what it wants done. The front end performs effects in their order
//! and reports back; a prompt, a replayed script and a one-shot command differ only in how.

use std::net::SocketAddr;

use super::command::Command;
use super::kinds::{KeyFor, Protocol};
use super::notice::{Message, Notice};
use crate::crypto::{JobResult, PublicKey, RsaJob, Seed};
use crate::ids::{ConnId, DialId, JobQueue, ListenerId};
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::{Book, Change};
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

/// Our own key as the store knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnKey {
    /// The public half.
    pub public: PublicKey,
    /// Where it is kept, as it may be shown.
    pub file: String,
}

/// How a new key came to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// The key and its file.
    pub key: OwnKey,
    /// Where the key before it is kept now, if there was one.
    pub kept: Option<String>,
    /// Whether it was made here or found: another process may have made the first key meanwhile.
    pub origin: KeyOrigin,
}

/// Where a key came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOrigin {
    /// Made just now.
    Made,
    /// Found in its file.
    Found,
}

/// What happens to a chat.
#[expect(missing_debug_implementations, reason = "carries seeds and shared secrets")]
pub enum Input<'a> {
    /// A line was typed, commands included.
    Line(&'a str),
    /// A command that was not typed: the command line asks for it.
    Command(Command),
    /// Text for the addressed peer, whatever it looks like.
    Text(&'a str),
    /// Text for a peer by its name, whatever it looks like; who is addressed stays so.
    TextTo {
        /// The peer.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
    /// A line of input means nothing; it was dropped whole.
    LineRefused {
        /// Which, why, and what to write instead.
        what: String,
    },
    /// A line of input was longer than can be read; it was dropped whole.
    LineTooLong {
        /// Its length in bytes.
        bytes: u64,
    },
    /// A line of input was not UTF-8; it was dropped whole.
    LineNotText {
        /// The line as it can be shown.
        row: SafeText,
    },
    /// What came on a connection cannot be kept: end it, and say why.
    Dismiss {
        /// Which connection.
        conn: ConnId,
        /// What the peer is told.
        reason: ByeReason,
    },
    /// Ctrl-C on an empty line: cancel what is pending.
    Cancel,
    /// The person, the end of input or a signal ends the program.
    ExitRequest(ExitRequest),
    /// [`Effect::Listen`] worked.
    Listening {
        /// Which.
        listener: ListenerId,
        /// The real address, with its real port.
        at: SocketAddr,
    },
    /// [`Effect::Listen`] failed.
    ListenFailed {
        /// Which.
        listener: ListenerId,
        /// The system's reason, in words.
        why: String,
    },
    /// Somebody called.
    Accepted {
        /// The new connection.
        conn: ConnId,
        /// On which listener.
        listener: ListenerId,
        /// From where.
        from: SocketAddr,
        /// This connection's randomness.
        seed: Seed,
    },
    /// A caller was turned away before anything was read.
    TurnedAway {
        /// From where.
        from: SocketAddr,
        /// Why, in words.
        why: String,
    },
    /// [`Effect::Connect`] reached a socket.
    Connected {
        /// Which.
        dial: DialId,
        /// The new connection.
        conn: ConnId,
        /// Where it ended up.
        to: SocketAddr,
        /// This connection's randomness.
        seed: Seed,
    },
    /// [`Effect::Connect`] reached nothing.
    Unreachable {
        /// Which.
        dial: DialId,
        /// What was tried and how it failed, in words.
        why: String,
    },
    /// Bytes arrived.
    Bytes {
        /// On which connection.
        conn: ConnId,
        /// As they came.
        bytes: &'a [u8],
    },
    /// The stream of a connection ended, well or by an error.
    Ended {
        /// Which connection.
        conn: ConnId,
        /// The error in words, if it was one.
        error: Option<String>,
    },
    /// [`Effect::Job`] is done.
    JobDone {
        /// For which connection.
        conn: ConnId,
        /// The result.
        result: JobResult,
    },
    /// [`Effect::Job`] was refused: too many strangers wait.
    JobRefused {
        /// For which connection.
        conn: ConnId,
    },
    /// [`Effect::Show`] with a receipt has reached the screen, or was written and flushed.
    Shown(ReceiptDue),
    /// [`Effect::ReadBook`] is done.
    Book {
        /// The connection whose judgement waits for it.
        conn: ConnId,
        /// The book, or why it cannot be used.
        book: Result<Book, String>,
    },
    /// [`Effect::ChangeBook`] is done, with the book as it now is for all processes.
    Changed(Result<Book, String>),
    /// [`Effect::MakeKey`] is done, or failed with words.
    KeyMade(Result<NewKey, String>),
    /// [`Effect::OpenLog`] is done with the file as it may be shown, or the log failed, now or later.
    Logging {
        /// The file as it was asked for.
        file: String,
        /// The system's reason in words if it failed.
        result: Result<(), String>,
    },
    /// After an [`Effect::Transmit`] the kernel took less than everything.
    WriteBlocked {
        /// Which connection.
        conn: ConnId,
    },
    /// The kernel has taken everything that was sent.
    Drained {
        /// Which connection.
        conn: ConnId,
    },
    /// The machine is out of descriptors.
    OutOfFds {
        /// How many connections are open.
        open: usize,
    },
    /// Time has passed.
    Tick,
}

/// Why the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitRequest {
    /// The person said so.
    Quit,
    /// The input has ended: everything accepted is to be delivered first.
    EndOfInput,
    /// A signal, by its number.
    Signal(u8),
    /// What the program was started for has failed; end with this code.
    Failure(u8),
}

/// A receipt that is owed once a message has been shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptDue {
    /// To which connection.
    pub conn: ConnId,
    /// Up to which number.
    pub upto: u64,
}

/// A text of ours on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentMessage {
    /// The text, under our own name.
    pub said: Message,
    /// The peer that it goes to.
    pub to: String,
    /// Its number on the connection, which counts up from 1. A new connection begins anew.
    pub number: u64,
}

/// What a chat wants done.
#[expect(missing_debug_implementations, reason = "carries jobs")]
pub enum Effect {
    /// Show this; when it asks for one, report [`Input::Shown`] once it has been.
    Show(Notice, Option<ReceiptDue>),
    /// Call the person's attention; this may be told on a desktop that others see.
    Alert(SafeText),
    /// A text of ours was accepted for a peer: for logs and programs, and for nothing that a typist must see.
    Sent(SentMessage),
    /// A peer has shown what we sent: for programs; a person sees what is not received yet.
    Received {
        /// The peer.
        name: String,
        /// Everything up to this [`SentMessage::number`].
        upto: u64,
    },
    /// Write what is said to this file too, instead of the one before; report [`Input::Logging`].
    OpenLog(String),
    /// Write it to no file any more.
    CloseLog,
    /// Bind and listen.
    Listen {
        /// The name for it.
        listener: ListenerId,
        /// Where.
        at: ListenAt,
        /// Which address family.
        family: Family,
    },
    /// Look the host up and connect.
    Connect {
        /// The name for it.
        dial: DialId,
        /// Where to.
        target: Target,
        /// Which address family.
        family: Family,
    },
    /// Forget an attempt to connect.
    CancelConnect(DialId),
    /// Bytes for a connection.
    Transmit {
        /// Which.
        conn: ConnId,
        /// In order.
        bytes: Vec<u8>,
    },
    /// It stands, on this wire, and no longer counts as a stranger's; only on ours each side asks for signs of life.
    Authenticated(ConnId, Protocol),
    /// Close a connection after what was transmitted has gone out.
    Close(ConnId),
    /// Run a job off the loop.
    Job {
        /// For which connection.
        conn: ConnId,
        /// The job.
        job: RsaJob,
        /// Whose turn it is in the queue.
        queue: JobQueue,
    },
    /// Read the peer book as it stands now and report [`Input::Book`].
    ReadBook {
        /// The connection whose judgement waits for it.
        conn: ConnId,
    },
    /// Change the peer book for all processes and report [`Input::Changed`].
    ChangeBook(Vec<Change>),
    /// Make a key and store it.
    MakeKey {
        /// What for.
        of: KeyFor,
        /// Bits of its modulus.
        bits: u32,
        /// What to do with a key that is there.
        replacing: Replacing,
    },
    /// Throw the key away that is being made.
    CancelKey,
    /// A connection that we dialled is over or never came to be, or nobody can call us; a front end without a person may end
    /// with this code.
    DialFinished(DialOutcome),
    /// Everything is said: end with this code.
    Quit(u8),
}

/// How a connection that we dialled ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialOutcome {
    /// Nothing can be listened on.
    ListenFailed,
    /// No socket was reached.
    Unreachable,
    /// Not the peer asked for, or the handshake was refused by either side.
    Refused,
    /// Lost, or silent.
    Lost,
    /// The peer left in order, before everything was acknowledged.
    PeerLeftEarly,
    /// The peer could not keep what it got.
    Failed,
    /// The peer ended it well, everything acknowledged.
    Left,
    /// We ended it well, everything acknowledged.
    Done,
}

/// What to do when a key exists already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacing {
    /// Nothing: use the one that is there.
    Never,
    /// Keep the old one beside the new one.
    KeepOld,
}

/// How sure we are that a key belongs to the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustLevel {
    /// Taken at first sight.
    Unverified,
    /// Compared by the person.
    Verified,
    /// Not at all: on the raw wire anybody can write in anybody's name.
    Unauthenticated,
}

impl TrustLevel {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Unauthenticated => "raw",
        }
    }
}
