//! What the commands without a prompt have in common: their options and whom they may meet. Nobody can be asked here, so whoever is not known is refused unless the command line says otherwise.

use std::thread;
use std::time::Duration;

use clap::Args;

use crate::app::error::{Fault, code};
use crate::chat::command::{Command, ONE_WAY_ON_NATIVE, wire_of};
use crate::chat::{Callers, Direction, Info, Notice, RawInfo, Wire};
use crate::config::Sources;
use crate::crypto::Fingerprint;
use crate::events::from_notice::words;
use crate::events::{Detail, Event, Form, tell};
use crate::peers::address::{AddressFault, Family};
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::script::{HOW_TO_WRITE, milliseconds};

/// How to speak, and to whom what is going on is told.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Manner {
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
pub(crate) struct Whom {
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
pub(crate) struct WireChoice {
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody and has no receipts
    #[arg(long, value_name = "WIRE")]
    wire: Option<String>,
    /// On the raw wire, give no key of yours: for the tutorial's server
    #[arg(long)]
    one_way: bool,
}

impl WireChoice {
    /// The wire, unless it cannot keep what else is asked for: `by_key` is the option given that chooses the other
    /// side by its key.
    pub(crate) fn wire(&self, by_key: Option<&str>) -> Result<Wire, Fault> {
        let usage = |words: String| Fault::new(code::USAGE, words);
        let wire =
            self.wire.as_deref().map(wire_of).transpose().map_err(|mistake| usage(mistake.to_string()))?;
        match (wire.unwrap_or_default(), by_key) {
            (Wire::Native, _) if self.one_way => Err(usage(ONE_WAY_ON_NATIVE.to_owned())),
            (Wire::Native, _) => Ok(Wire::Native),
            (Wire::Oaep(_), Some(option)) => {
                Err(usage(format!("the raw wire proves nobody's key; {option} cannot be kept on it")))
            }
            (Wire::Oaep(_), None) if self.one_way => Ok(Wire::Oaep(Direction::OneWay)),
            (Wire::Oaep(direction), None) => Ok(Wire::Oaep(direction)),
        }
    }
}

/// Says once what the raw wire does not give, and what follows from that for this command.
pub(crate) fn warn_of_raw(wire: Wire, so: &str, form: Form) {
    if wire != Wire::Native {
        let banner = words(&Notice::Info(Info::Raw(RawInfo::Banner)));
        tell(&Event::Warning { kind: "raw_wire", message: format!("{banner}; {so}") }, form);
    }
}

impl Manner {
    /// The name given here, else the one of the prompt's options and of the configuration.
    pub(crate) fn own_name(&self, sources: &Sources) -> Result<Name, Fault> {
        match &self.name {
            Some(name) => {
                Name::parse(name).map_err(|fault| Fault::new(code::USAGE, format!("--name: {fault}")))
            }
            None => Ok(sources.settle().own_name()),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match (self.v4, self.v6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }

    pub(crate) fn form(&self) -> Form {
        match (self.json, self.verbose) {
            (true, _) => Form::Json,
            (_, true) => Form::Words(Detail::Everything),
            _ => Form::Words(Detail::Needed),
        }
    }
}

impl Whom {
    /// As the chat has it.
    pub(crate) fn callers(&self, wire: Wire, book: &Book) -> Result<Callers, Fault> {
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
pub(crate) fn others(accept_new: bool, wire: Wire) -> Callers {
    if accept_new || wire != Wire::Native { Callers::Anybody } else { Callers::Known }
}

/// The holder of a pinned key, or a peer of the book, or whoever else is meant.
pub(crate) fn callers(
    pin: Option<&str>,
    name: Option<&str>,
    others: Callers,
    book: &Book,
) -> Result<Callers, Fault> {
    match (pin, name) {
        (Some(pin), _) => {
            let wrong = |fault| Fault::new(code::USAGE, format!("--pin: {fault}"));
            Ok(Callers::Pinned(pin.parse::<Fingerprint>().map_err(wrong)?))
        }
        (None, Some(name)) => known(name, book).map(Callers::Only),
        (None, None) => Ok(others),
    }
}

/// Listening or calling, as a command of the chat.
pub(crate) fn way(
    listen: Option<&str>,
    connect: Option<&str>,
    family: Family,
    callers: Callers,
    wire: Wire,
) -> Result<Command, Fault> {
    let usage = |fault: AddressFault| Fault::new(code::USAGE, fault.to_string());
    if let Some(at) = listen {
        return Ok(Command::Listen { at: at.parse().map_err(usage)?, family, callers: Some(callers), wire });
    }
    let target = connect.unwrap_or_default().parse().map_err(usage)?;
    Ok(Command::Connect { target, family, pin: None, callers, wire })
}

/// Lets the noise for the handshake be gathered while the key is read and the other side is looked for: this
/// takes longer than everything else that a short command does.
pub(crate) fn get_ready() {
    // Without the thread the handshake does it.
    let _ = thread::Builder::new().name("noise".into()).spawn(crate::crypto::get_ready);
}

/// A time on the command line, in the language of scripts.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = milliseconds(text).map(Duration::from_millis);
    time.filter(|time| !time.is_zero()).ok_or_else(|| HOW_TO_WRITE.to_owned())
}

/// The key of somebody in the book.
fn known(name: &str, book: &Book) -> Result<Fingerprint, Fault> {
    let peer = Name::parse(name).ok().and_then(|name| book.by_name(&name));
    peer.map(|peer| peer.fingerprint).ok_or_else(|| {
        Fault::new(code::FAILED, format!("no peer is called {}", name.escape_debug()))
            .hint("rsachat peers list shows your book; --accept-new and --pin take who is not in it")
    })
}
