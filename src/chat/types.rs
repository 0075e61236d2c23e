//! Types that the parts of the conversation core share: protocols, keys, policies, origins,
//! outcomes.

use std::fmt;
use std::net::SocketAddr;

use crate::crypto::{Fingerprint, PublicKey};
use crate::delivery::Exposure;
use crate::ids::{ConnId, FaceId};
use crate::limits;
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::Trust;
use crate::peers::invitation::Invitation;
use crate::peers::name::Name;
use crate::wire::{Count, Introduction};

/// Protocol of a connection. The user chooses it; it is never negotiated, and there is no
/// fallback.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// Our own.
    #[default]
    Native,
    /// The raw OAEP blocks of the Python tutorial.
    Oaep(KeyExchange),
}

/// Whether the side that dials on the raw wire gives its key as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyExchange {
    /// Each side has the other's key.
    Mutual,
    /// Only the listener's key is known.
    ListenerOnly,
}

/// Purpose of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFor {
    /// The identity of the user.
    Identity,
    /// The raw wire, and nothing else.
    Oaep,
}

impl KeyFor {
    /// Bits of such a key where none are named.
    #[must_use]
    pub fn default_bits(self) -> u32 {
        match self {
            Self::Identity => limits::KEY_BITS_DEFAULT,
            Self::Oaep => limits::OAEP_KEY_BITS_DEFAULT,
        }
    }
}

/// Key of our own as the store has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnKey {
    /// The public half.
    pub public: PublicKey,
    /// Its file, as it may be shown.
    pub file: String,
}

/// Result of key generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// The key and its file.
    pub key: OwnKey,
    /// File of the key before it, if there was one.
    pub kept: Option<String>,
    /// Where the key came from: another process may have made the first key meanwhile.
    pub origin: KeyOrigin,
}

/// Source of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOrigin {
    /// Generated just now.
    Made,
    /// Found in its file.
    Found,
}

/// Occasion on which a key is generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeygenCause {
    /// A person asked for a key.
    Command,
    /// A command needed a key that was missing.
    MissingKey,
}

/// Treatment of a key that exists when another is generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyReplacement {
    /// The existing key stays in use, and none is generated.
    Never,
    /// The old key is kept beside the new one.
    KeepOld,
}

/// Peers that are accepted at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptPolicy {
    /// Every peer.
    Anyone,
    /// Peers with a key in the book.
    KnownOnly,
    /// The same, and strangers whom the user admits when they knock.
    Ask,
    /// Peers that a command takes which nobody watches: verified, or dialled before and found at
    /// that address.
    Unattended,
    /// The holder of this key, chosen by name.
    Key(Fingerprint),
    /// The holder of this key, which the user typed or pasted: a listener verifies it by that.
    Pinned(Fingerprint),
}

/// Degree of certainty that a key belongs to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustLevel {
    /// None yet: it called, and nobody chose it.
    Met,
    /// Chosen, and not compared.
    Unverified,
    /// Compared by the user.
    Verified,
    /// Refused by the user, whatever it was before.
    Blocked,
    /// None: on the raw wire anybody can write in anybody's name.
    Unauthenticated,
}

impl TrustLevel {
    /// The standing of the key: how it came to be known.
    #[must_use]
    pub fn standing(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Met | Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Blocked => "blocked",
            Self::Unauthenticated => "raw",
        }
    }
}

impl From<Trust> for TrustLevel {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Verified => Self::Verified,
            Trust::Met => Self::Met,
            Trust::Unverified => Self::Unverified,
            Trust::Blocked | Trust::BlockedVerified => Self::Blocked,
        }
    }
}

/// Options of an outbound connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialOptions {
    /// The address.
    pub target: Target,
    /// Addresses to try when this one fails, in their order.
    pub then: Vec<Target>,
    /// The address family.
    pub family: Family,
    /// Key that `:connect --pin` names: it is accepted and marked verified.
    pub pin: Option<Fingerprint>,
    /// Peers that are accepted.
    pub accept: AcceptPolicy,
    /// The protocol.
    pub protocol: Protocol,
    /// Front end that calls, and is told what comes of it.
    pub face: FaceId,
    /// Others that have asked for the same call while it goes on, and are told too.
    pub joined: Vec<FaceId>,
    /// What is presented to a listener that does not know our key.
    pub introduction: Option<Introduction>,
    /// Every address that an invitation names for the peer, who is to be called at them from then
    /// on.
    pub invited_to: Vec<Target>,
    /// Invitation that is followed, if it names a relay: a letter is left there where nobody
    /// answers.
    pub invitation: Option<Box<Invitation>>,
}

impl DialOptions {
    /// Options of a call to one address that presents nothing.
    pub(crate) fn new(target: Target, accept: AcceptPolicy) -> Self {
        Self {
            target,
            then: Vec::new(),
            family: Family::Any,
            pin: None,
            accept,
            protocol: Protocol::Native,
            face: FaceId::OWN,
            joined: Vec::new(),
            introduction: None,
            invited_to: Vec::new(),
            invitation: None,
        }
    }

    /// Whether it is the same call, whoever asks for it.
    pub(crate) fn is_same_call(&self, other: &Self) -> bool {
        *self == Self { face: self.face, joined: self.joined.clone(), ..other.clone() }
    }

    /// The same for the next address, if there is one.
    pub(crate) fn next(&self) -> Option<Self> {
        let (target, then) = self.then.split_first()?;
        Some(Self { target: target.clone(), then: then.to_vec(), ..self.clone() })
    }
}

/// Options of a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenOptions {
    /// The address.
    pub at: ListenAt,
    /// The address family.
    pub family: Family,
    /// Callers that are accepted; by default those of [`super::Chat::set_callers`].
    pub accept: Option<AcceptPolicy>,
    /// The protocol.
    pub protocol: Protocol,
}

impl ListenOptions {
    /// Arguments of `:listen` behind the address, each with a blank before it.
    pub(crate) fn flags(&self) -> String {
        let accept = match self.accept {
            Some(AcceptPolicy::KnownOnly) => " --known",
            Some(AcceptPolicy::Ask) => " --ask",
            Some(_) => " --anybody",
            None => "",
        };
        let wire = if self.protocol == Protocol::Native { "" } else { " --wire oaep" };
        let family = match self.family {
            Family::Any => "",
            Family::V4 => " -4",
            Family::V6 => " -6",
        };
        [accept, wire, family].concat()
    }
}

/// Origin of a connection, shown as the address of the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Dialled by us.
    Outbound {
        /// What was asked for.
        dial: DialOptions,
        /// Address that answered a direct call.
        to: Option<SocketAddr>,
    },
    /// Accepted by a listener.
    Inbound {
        /// Address of the caller.
        from: SocketAddr,
        /// Callers that the listener accepts.
        accept: AcceptPolicy,
    },
}

impl Origin {
    /// The address of the other side, with the way to it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Outbound { dial, .. } => dial.target.shown(),
            Self::Inbound { .. } => self.to_string(),
        }
    }

    /// Whether the connection was accepted by a listener.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        matches!(self, Self::Inbound { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outbound { dial, .. } => dial.target.fmt(f),
            Self::Inbound { from, .. } => from.fmt(f),
        }
    }
}

/// Identity of a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum PeerId {
    /// The key that the peer has proved.
    Key(Fingerprint),
    /// The connection alone: the raw wire proves no key.
    Conn(ConnId),
}

/// Reason why the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitRequest {
    /// Command of the user.
    Quit,
    /// End of the input: everything accepted is to be delivered first.
    EndOfInput,
    /// Stop of a program that serves, which is to be started again.
    Stop,
    /// Signal, by its number.
    Signal(u8),
    /// Failure of what the program was started for, with its exit code.
    Failure(u8),
}

/// Our own name, as peers are told it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnName {
    /// The name.
    pub name: Name,
    /// Who chose it.
    pub origin: NameOrigin,
}

/// Who chose our own name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameOrigin {
    /// The user: whoever claims it may be an impostor.
    Chosen,
    /// Nobody: it is the login, and others have the same.
    Login,
}

impl From<Name> for OwnName {
    fn from(name: Name) -> Self {
        Self { name, origin: NameOrigin::Chosen }
    }
}

/// Where the lines of a face come from, which decides what those that were refused mean at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InputOrigin {
    /// A person, who was told of each: who leaves leaves.
    #[default]
    Person,
    /// A pipe, a file or a program: its input arrives whole, or the exit code says so.
    Stream,
}

/// Reason why a reply is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoReply {
    /// The connection of the message has ended.
    #[error("its connection has ended")]
    Left,
    /// The peer has more texts without a receipt than may wait.
    #[error("it receives nothing")]
    Full,
}

/// Ways on which text goes later that waits for somebody who is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaterBy {
    /// The next connection.
    Connection,
    /// That or a letter by the relay, whichever comes first.
    ConnectionOrRelay,
}

/// What becomes of several lasting connections with one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rivals {
    /// One stays.
    OneStays,
    /// At most [`crate::limits::CONNECTIONS_SIDE_BY_SIDE`] stay, the newest.
    SideBySide,
}

/// Outcome of a connection that was dialled, or of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialOutcome {
    /// The address cannot be listened on.
    ListenFailed,
    /// Nobody was called: whom to call was a mistake.
    NotCalled,
    /// No address accepted a connection.
    Unreachable,
    /// Another peer than the one asked for, or a handshake that either side refused.
    Refused,
    /// The connection was lost, or timed out.
    Lost,
    /// The peer left in order, before everything was acknowledged.
    PeerLeftEarly,
    /// The peer could not keep what it got.
    Failed,
    /// The peer left in order, everything acknowledged.
    Left,
    /// We left in order, everything acknowledged, or kept until it is.
    Done,
}

/// Receipt that is due once a message has been shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptDue {
    /// Connection that it goes to; a message that was kept may come by none.
    pub conn: Option<ConnId>,
    /// Author of a message that is kept until then.
    pub peer: Option<Fingerprint>,
    /// Number of the last message that it covers.
    pub upto: Count,
}

/// Message that is not known to be shown, and who has it, or is about to be given it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldMessage {
    /// Its number here.
    pub number: u64,
    /// Its receipt.
    pub due: ReceiptDue,
    /// Who may have had it then.
    pub exposure: Exposure,
}

/// Whether the disk says who is about to be given messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExposureRecord {
    /// It does.
    Written,
    /// It could not be written.
    Failed,
}

/// Presence of somebody who sees each message as it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Audience {
    /// Somebody may have seen what has come: the program may be killed as it shows that.
    #[default]
    Present,
    /// Nobody sees anything before it is given to somebody ([`Input::Giving`](super::Input)).
    Absent,
}

/// Setting of `:notify`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotifyPolicy {
    /// Messages that notify.
    pub when: NotifyWhen,
    /// Content of the notification.
    pub content: NotifyContent,
}

/// Messages that notify.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NotifyWhen {
    /// None.
    Never,
    /// Those that have our name as a word.
    #[default]
    Mentioned,
    /// All.
    Always,
}

impl NotifyWhen {
    /// Every value.
    pub(crate) const ALL: [Self; 3] = [Self::Never, Self::Mentioned, Self::Always];

    /// The word for it, in `:notify` and in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Never => "off",
            Self::Mentioned => "mention",
            Self::Always => "all",
        }
    }
}

/// Whether messages stay on disk once they were received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HistoryPolicy {
    /// They do not.
    #[default]
    Forget,
    /// Those of chosen peers do, sealed.
    Keep,
}

impl HistoryPolicy {
    /// Every value.
    pub(crate) const ALL: [Self; 2] = [Self::Forget, Self::Keep];

    /// The word for it, in `:history` and in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Forget => "forget",
            Self::Keep => "keep",
        }
    }
}

/// Content of a notification, which is seen by whoever sees the desktop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyContent {
    /// That there is a message, without its sender.
    Hidden,
    /// Sender and text.
    Shown,
}

impl Default for NotifyPolicy {
    fn default() -> Self {
        Self { when: NotifyWhen::default(), content: NotifyContent::Hidden }
    }
}
