//! Commands of the prompt: their types, their parser and the one table of them.

mod habits;
mod help;
mod parse;
mod table;

pub use habits::habits_markdown;
pub use help::{ADDRESSEE_HELP, EDITOR_KEYS, HELD_HELP, HELD_LINES, HelpTopic, TOPICS, help};
pub(crate) use parse::listen_command;
pub use parse::{command_of, invitation_time, knock_of, parse_line, protocol_of};
pub use table::{COMMANDS, CommandSpec, Completion, TransferStage, TransferUse, markdown};

use super::callee::{CallOptions, CalleeError};
use super::lobby::InviteOptions;
use super::types::{HistoryPolicy, KeyFor, KeyReplacement, ListenOptions, NotifyPolicy};
use crate::crypto::Fingerprint;
use crate::delivery::Room;
use crate::limits;
use crate::peers::address::{AddressError, ListenAt};
use crate::peers::invitation::{Invitation, InvitationError};
use crate::peers::name::{Name, NameError};
use crate::peers::via::ViaError;
use crate::text::safe::SafeText;

/// Content of a typed line. A line that looks like a command is never text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParsedLine {
    /// Nothing but blanks.
    Nothing,
    /// Text for the addressed peer.
    Text(String),
    /// Text for one peer by its name: `@NAME TEXT`.
    TextTo {
        /// The name as it was written.
        name: String,
        /// The text.
        text: String,
    },
    /// A command.
    Command(Command),
    /// A whole line that is an invitation of somebody.
    Invitation(Box<Invitation>),
}

/// Command with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the table describes each one")]
pub enum Command {
    Listen(ListenOptions),
    Connect(CallOptions),
    ConnectAgain,
    Unlisten { at: Option<ListenAt> },
    Invite(InviteOptions),
    Invitations,
    DropInvitation { number: u32 },
    Admit { number: u32 },
    RefuseStranger { number: u32 },
    To { name: String },
    All { text: String },
    Peers,
    MetPeers,
    Status,
    Relay,
    Verify { name: String },
    Trust { name: String, fingerprint: Option<Fingerprint> },
    Forget { name: String },
    Block { name: String },
    Unblock { name: String },
    Close { name: Option<String> },
    Nick { name: Name },
    Keygen { of: KeyFor, bits: Option<u32>, replacing: KeyReplacement },
    Showkey { form: KeyForm },
    Name { peer: String, name: Name },
    Last { count: usize, name: Option<String> },
    Search { text: String },
    History { policy: Option<HistoryPolicy> },
    Show { number: u64 },
    Copy { number: usize },
    Save { file: String, number: usize },
    Outbox,
    OutboxDrop { name: String, number: Option<u64> },
    SendFiles { paths: Vec<String>, to: Option<String>, name: Option<String>, known: KnownFiles },
    Files { number: Option<u32> },
    AcceptFiles { number: u32, place: Option<String>, room: Room },
    DeclineFiles { number: u32 },
    CancelFiles { number: u32 },
    Log { to: LogTarget },
    Notify { policy: Option<NotifyPolicy> },
    Edit,
    Limits,
    Help { topic: Option<HelpTopic> },
    Quit,
}

/// What is done with a file that is offered to the same peer already, and has not changed since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KnownFiles {
    /// It is offered once more.
    OfferedAnew,
    /// The transfer goes on.
    GoneOnWith,
}

/// Form in which `:showkey` shows the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyForm {
    /// Fingerprint, bits, file and one line to paste.
    Line,
    /// SPKI PEM.
    Pem,
}

/// Argument of `:log`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTarget {
    /// Show the setting.
    Ask,
    /// Write to this file.
    File(String),
    /// Write no log.
    Off,
}

/// Reason why a line does nothing. Nothing was sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// No such command, and none is near.
    #[error("no such command :{0}; :help lists them, and :: begins a text with a colon")]
    Unknown(SafeText),
    /// No such command, but one is near.
    #[error("no such command :{0} (did you mean :{1}?)")]
    Near(SafeText, &'static str),
    /// No topic of the help.
    #[error("there is no help on {0}; write :help more, :help keys, :help prompt or :help COMMAND")]
    NoTopic(SafeText),
    /// The beginning of several.
    #[error("several commands begin with :{0}; write :{names}", names = .1.join(" or :"))]
    Ambiguous(SafeText, Vec<&'static str>),
    /// The beginning of one that is understood whole only.
    #[error("write :{0} in full; :{1} is too short for it")]
    Whole(&'static str, SafeText),
    /// A command of another program, and what to write.
    #[error("there is no :{0} here; {1}")]
    Instead(SafeText, &'static str),
    /// A command stands after blanks or has blanks after its colon.
    #[error("a command begins with a colon; write :{0}")]
    Blanks(SafeText),
    /// A command that was typed on the Korean layout.
    #[error("that is :{0} on the Korean layout; switch to the Latin one and write :{0}")]
    KoreanLayout(&'static str),
    /// A command behind a colon as wide as a Korean letter.
    #[error("`：` is the full-width colon; write :{0}, or begin with ：： to send it as text")]
    FullWidthColon(&'static str),
    /// A line that begins with an @ and is not `@NAME TEXT`.
    #[error("write @NAME TEXT to send one text to a peer; @@ begins a text with an @")]
    At,
    /// Several lines that begin with a colon.
    #[error("several lines that begin with a colon were not sent; begin with :: to send them as text")]
    Block,
    /// More than one message may have.
    #[error("the text has {0} bytes and was not sent; a message has at most {max}", max = limits::MESSAGE_BYTES)]
    TooLong(usize),
    /// Arguments that do not fit.
    #[error("write {}", .0.written())]
    Usage(&'static CommandSpec),
    /// Quotes that are not closed.
    #[error("a quotation mark is not closed; \\' is one that means itself")]
    Quotes,
    /// A bad address.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A callee that is none.
    #[error("{0}")]
    Callee(#[from] CalleeError),
    /// A bad invitation.
    #[error("{0}; :: before it sends it as text")]
    Invitation(#[from] InvitationError),
    /// A bad time for an invitation.
    #[error("{0} is no time for an invitation; write 30m, 24h or 7d, at most 365d")]
    InvitationTime(SafeText),
    /// More of a knock than is shown.
    #[error("a knock has 1 to {max} characters", max = limits::KNOCK_CHARACTERS)]
    Knock,
    /// A bad way.
    #[error("{0}")]
    Via(#[from] ViaError),
    /// A bad fingerprint.
    #[error("{0} is not a complete fingerprint: it is SHA256: and 43 characters, as :showkey prints it")]
    Fingerprint(SafeText),
    /// A bad name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A bad number of bits.
    #[error("a key has {min} to {max} bits, in steps of 8", min = limits::KEY_BITS_MIN, max = limits::KEY_BITS_MAX)]
    Bits,
    /// A wire that does not exist.
    #[error(
        "no such wire {0}; --wire oaep is the raw wire of the tutorial, and without it rsachat speaks its own"
    )]
    Protocol(SafeText),
    /// An option that the raw wire cannot keep, or that only it has.
    #[error("{0}")]
    WireOption(&'static str),
}

/// Reason why a listener of the raw wire cannot refuse unknown keys.
pub(crate) const KNOWN_ON_RAW: &str = "the raw wire proves no keys; --known and --ask cannot be used with it";

/// Reason why `--one-way` is refused without the raw wire.
pub const ONE_WAY_ON_NATIVE: &str = "--one-way is for the raw wire; add --wire oaep";
