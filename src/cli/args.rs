//! What the commands without a prompt have in common: their options and whom they may meet. Nobody can be asked here, so whoever is not known is refused unless the command line says otherwise.

use std::thread;
use std::time::Duration;

use clap::Args;

use crate::app::error::{AppError, code};
use crate::chat::command::{Command, ONE_WAY_ON_NATIVE, protocol_of};
use crate::chat::{AcceptPolicy, DialOptions, Direction, Info, ListenOptions, Protocol, RawInfo};
use crate::config::SettingSources;
use crate::crypto::Fingerprint;
use crate::events::from_notice::words;
use crate::events::{Detail, Event, OutputFormat, emit};
use crate::peers::address::{AddressError, Family};
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::script::{HOW_TO_WRITE, milliseconds};

/// How to speak, and to whom what is going on is told.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct OutputArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// Tell what happens as JSON objects, one a line (docs/EVENTS.md)
    #[arg(long)]
    json: bool,
    /// Tell also what goes well
    #[arg(short, long)]
    verbose: bool,
}

/// Who may be at the other end.
#[derive(Args, Debug)]
pub(crate) struct PeerArgs {
    /// The holder of this key and nobody else
    #[arg(long, value_name = "SHA256:…")]
    pin: Option<String>,
    /// This peer of your book and nobody else
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    to: Option<String>,
    /// A peer that is not in your book yet as well
    #[arg(long, conflicts_with_all = ["pin", "to"])]
    accept_new: bool,
}

/// Which wire is spoken.
#[derive(Args, Debug)]
pub(crate) struct ProtocolArgs {
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody and has no receipts
    #[arg(long, value_name = "WIRE")]
    wire: Option<String>,
    /// On the raw wire, give no key of yours: for the tutorial's server
    #[arg(long)]
    one_way: bool,
}

impl ProtocolArgs {
    /// The wire, unless it cannot keep what else is asked for: `by_key` is the option given that chooses the other
    /// side by its key.
    pub(crate) fn wire(&self, by_key: Option<&str>) -> Result<Protocol, AppError> {
        let usage = |words: String| AppError::new(code::USAGE, words);
        let wire = self
            .wire
            .as_deref()
            .map(protocol_of)
            .transpose()
            .map_err(|mistake| usage(mistake.to_string()))?;
        match (wire.unwrap_or_default(), by_key) {
            (Protocol::Native, _) if self.one_way => Err(usage(ONE_WAY_ON_NATIVE.to_owned())),
            (Protocol::Native, _) => Ok(Protocol::Native),
            (Protocol::Oaep(_), Some(option)) => {
                Err(usage(format!("the raw wire proves nobody's key; {option} cannot be kept on it")))
            }
            (Protocol::Oaep(_), None) if self.one_way => Ok(Protocol::Oaep(Direction::OneWay)),
            (Protocol::Oaep(direction), None) => Ok(Protocol::Oaep(direction)),
        }
    }
}

/// Says once what the raw wire does not give, and what follows from that for this command.
pub(crate) fn warn_of_raw(wire: Protocol, so: &str, form: OutputFormat) {
    if wire != Protocol::Native {
        let banner = words(&Notice::Info(Info::Raw(RawInfo::Banner)));
        emit(&Event::Warning { kind: "raw_wire", message: format!("{banner}; {so}") }, form);
    }
}

impl OutputArgs {
    /// The name given here, else the one of the prompt's options and of the configuration.
    pub(crate) fn own_name(&self, sources: &SettingSources) -> Result<Name, AppError> {
        match &self.name {
            Some(name) => {
                Name::parse(name).map_err(|error| AppError::new(code::USAGE, format!("--name: {error}")))
            }
            None => Ok(sources.resolve().own_name()),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match (self.v4, self.v6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }

    pub(crate) fn form(&self) -> OutputFormat {
        match (self.json, self.verbose) {
            (true, _) => OutputFormat::Json,
            (_, true) => OutputFormat::Words(Detail::Everything),
            _ => OutputFormat::Words(Detail::Needed),
        }
    }
}

impl PeerArgs {
    /// As the chat has it.
    pub(crate) fn callers(&self, wire: Protocol, book: &Book) -> Result<AcceptPolicy, AppError> {
        callers(self.pin.as_deref(), self.to.as_deref(), others(self.accept_new, wire), book)
    }

    /// The option that was given here, if one was.
    pub(crate) fn option(&self) -> Option<&'static str> {
        match (&self.pin, &self.to) {
            (Some(_), _) => Some("--pin"),
            (None, Some(_)) => Some("--to"),
            (None, None) => self.accept_new.then_some("--accept-new"),
        }
    }
}

/// Who is taken where no one is named. On the raw wire nobody can be known.
pub(crate) fn others(accept_new: bool, wire: Protocol) -> AcceptPolicy {
    if accept_new || wire != Protocol::Native { AcceptPolicy::Anyone } else { AcceptPolicy::KnownOnly }
}

/// The holder of a pinned key, or a peer of the book, or whoever else is meant.
pub(crate) fn callers(
    pin: Option<&str>,
    name: Option<&str>,
    others: AcceptPolicy,
    book: &Book,
) -> Result<AcceptPolicy, AppError> {
    match (pin, name) {
        (Some(pin), _) => {
            let wrong = |error| AppError::new(code::USAGE, format!("--pin: {error}"));
            Ok(AcceptPolicy::Pinned(pin.parse::<Fingerprint>().map_err(wrong)?))
        }
        (None, Some(name)) => known(name, book).map(AcceptPolicy::Key),
        (None, None) => Ok(others),
    }
}

/// Listening or calling, as a command of the chat.
pub(crate) fn way(
    listen: Option<&str>,
    connect: Option<&str>,
    family: Family,
    callers: AcceptPolicy,
    wire: Protocol,
) -> Result<Command, AppError> {
    let usage = |error: AddressError| AppError::new(code::USAGE, error.to_string());
    if let Some(at) = listen {
        let (at, accept) = (at.parse().map_err(usage)?, Some(callers));
        return Ok(Command::Listen(ListenOptions { at, family, accept, protocol: wire }));
    }
    let target = connect.unwrap_or_default().parse().map_err(usage)?;
    Ok(Command::Connect(DialOptions { target, family, pin: None, accept: callers, protocol: wire }))
}

/// Lets the noise for the handshake be gathered while the key is read and the other side is looked for: this
/// takes longer than everything else that a short command does.
pub(crate) fn warm_up_rng() {
    // Without the thread the handshake does it.
    let _ = thread::Builder::new().name("noise".into()).spawn(crate::crypto::warm_up_rng);
}

/// A time on the command line, in the language of scripts.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = milliseconds(text).map(Duration::from_millis);
    time.filter(|time| !time.is_zero()).ok_or_else(|| HOW_TO_WRITE.to_owned())
}

/// The key of somebody in the book.
fn known(name: &str, book: &Book) -> Result<Fingerprint, AppError> {
    book.find(name).map(|peer| peer.fingerprint).ok_or_else(|| {
        AppError::new(code::FAILED, format!("no peer is called {}", name.escape_debug()))
            .hint("rsachat peers list shows your book; --accept-new and --pin take who is not in it")
    })
}
