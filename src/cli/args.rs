//! Options that subcommands share: home and passphrase, output, peer, protocol. A command without a
//! prompt can ask nobody, so it refuses an unknown peer unless the command line says otherwise.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::app::broker::{self, Purpose};
use crate::app::client::UserStore;
use crate::app::error::{AppError, code, describe};
use crate::app::keyring::PassphraseSource;
use crate::app::output;
use crate::app::sandbox::{self, Confinement, Reach};
use crate::chat::command::{Command, ONE_WAY_ON_NATIVE};
use crate::chat::{
    AcceptPolicy, CallOptions, CalleeError, Info, KeyExchange, ListenOptions, OaepInfo, OwnName, Protocol,
    nobody,
};
use crate::config::{Layer, Sandbox, SettingSources, Settings};
use crate::crypto::Fingerprint;
use crate::events::{OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::process;
use crate::peers::address::{AddressError, Family, Target};
use crate::peers::book::{Book, PeerEntry};
use crate::peers::name::Name;
use crate::peers::relay_url::{RelayUrl, RelayUrlError};
use crate::peers::via::{Via, ViaError};
use crate::script::{HOW_TO_WRITE, milliseconds};
use crate::store::{Home, book_file};
use crate::wire::ByeReason;

/// Options of every subcommand.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    // A subcommand's own options come first in its help; clap orders by number, and would mix both.
    /// Folder with the key and the peers [default: `RSACHAT_HOME`, else the XDG data folder]
    #[arg(long, value_name = "DIR", global = true, display_order = 900, value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,
    /// Settings file, or `none` for no file [default: `RSACHAT_CONFIG`, else rsachat/config.toml
    /// in the XDG config folder]
    #[arg(long, value_name = "FILE", global = true, display_order = 901, value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// File whose first line is the passphrase of the key
    #[arg(long, value_name = "FILE", global = true, display_order = 902, value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// File descriptor whose first line is that passphrase
    #[arg(long, value_name = "N", global = true, display_order = 903, conflicts_with = "passphrase_file")]
    pub(crate) passphrase_fd: Option<u32>,
    /// Do not give up the files and system calls that the command does not need (docs/SECURITY.md)
    #[arg(long, global = true, display_order = 904)]
    pub(crate) no_sandbox: bool,
}

impl GlobalArgs {
    pub(crate) fn passphrase_source(&self) -> Option<PassphraseSource> {
        let descriptor = self.passphrase_fd.map(PassphraseSource::Descriptor);
        descriptor.or_else(|| self.passphrase_file.clone().map(PassphraseSource::File))
    }

    /// Settings of the command line, these options among them.
    pub(crate) fn layer(&self, of_command: Layer) -> Layer {
        Layer { sandbox: self.no_sandbox.then_some(Sandbox::Off), ..of_command }
    }
}

/// Home and settings that a subcommand with a chat runs on.
pub(crate) struct Context<'a> {
    pub(crate) home: Home,
    pub(crate) settings: SettingSources,
    pub(crate) global: &'a GlobalArgs,
    /// Descriptors that the program was started with, until they are closed.
    pub(crate) inherited: Cell<Vec<RawFd>>,
    /// Way that the command line names.
    pub(crate) via: Option<Via>,
    /// What the process has given up, once it has.
    pub(crate) confinement: OnceCell<Confinement>,
}

/// Number of peers that may be connected at once: the one asked for, for which this machine must
/// have descriptors, or by default as many as it has.
pub(crate) fn seats(asked: Option<usize>, default: usize) -> Result<usize, AppError> {
    // Without it fewer connections fit; the limit is reported when it is met.
    let limit = process::raise_fd_limit().ok().flatten();
    let Some(asked) = asked else { return Ok(default) };
    let needed = asked + limits::UNAUTHENTICATED_CONNECTIONS + limits::OTHER_DESCRIPTORS;
    match limit {
        Some(limit) if (needed as u64) > limit => {
            let why = format!("--peers {asked} takes {needed} open files, but {limit} are allowed");
            Err(AppError::new(code::MACHINE, why).hint("raise the limit with ulimit -n, or ask for fewer"))
        }
        _ => Ok(asked),
    }
}

/// Number of messages to wait for.
pub(crate) fn at_least_one(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a number of 1 or more".to_owned())
}

/// Fingerprint of the command line.
pub(crate) fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(|_| "write SHA256: and 43 characters, as rsachat key show prints it".to_owned())
}

/// Arguments of an order that calls by a way, if one is named.
pub(crate) fn via_arguments(via: Option<&Via>) -> impl Iterator<Item = String> {
    via.into_iter().flat_map(|via| ["--via".to_owned(), via.written()])
}

/// Value of `--via`.
pub(crate) fn via(text: &str) -> Result<Via, String> {
    text.parse().map_err(|error: ViaError| error.to_string())
}

/// Value of `--relay`.
pub(crate) fn relay(text: &str) -> Result<RelayUrl, String> {
    text.parse().map_err(|error: RelayUrlError| error.to_string())
}

/// Value of `--peers`.
pub(crate) fn peers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=limits::PEERS_MAX).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {}", limits::PEERS_MAX))
}

/// What a confined process that transfers files reaches besides.
const FILES: &str = "it also reads the files that are offered, and writes where they are received";

impl Context<'_> {
    /// Reads the keys. From here on nothing but the standard descriptors is inherited by a command:
    /// the others are closed, now that every file of the command line has been read.
    pub(crate) fn unlock(&self) -> Result<UserStore, AppError> {
        let store = UserStore::unlock(&self.home, self.global.passphrase_source().as_ref())?
            .calling_via(self.settings.resolve().via);
        let of_passphrase = self.global.passphrase_fd.and_then(|number| RawFd::try_from(number).ok());
        let mut inherited = self.inherited.take();
        // That one was closed when it was read.
        inherited.retain(|descriptor| Some(*descriptor) != of_passphrase);
        process::close_descriptors(inherited);
        Ok(store)
    }

    /// Checks that there is somebody to call, before anything is begun.
    pub(crate) fn check_callee(&self, command: &Command, book: &Book) -> Result<(), AppError> {
        let Command::Connect(call) = command else { return Ok(()) };
        let rules = self.settings.resolve().via;
        match call.resolve(book, &rules, |name| Some(book.by_name(name)?.fingerprint)) {
            Ok(_) => Ok(()),
            Err(CalleeError::Blocked { name }) => Err(blocked(&name)),
            Err(error) => Err(AppError::new(code_of_callee(&error), error.to_string())),
        }
    }

    /// Confines the process to its home, unless the settings say otherwise. To be called once
    /// every other file is open, before a thread starts and before a peer is heard.
    pub(crate) fn confine(&self) -> Result<Confinement, AppError> {
        self.confine_reaching(&Reach::default())
    }

    /// The same for one that sends or receives files elsewhere.
    pub(crate) fn confine_reaching(&self, reach: &Reach) -> Result<Confinement, AppError> {
        if self.settings.resolve().sandbox == Sandbox::Off {
            return Ok(Confinement::switched_off());
        }
        let commands = self.via_commands();
        if !commands.is_empty() {
            return self.confine_with_broker(Purpose::Via(commands), reach);
        }
        Ok(match self.confine_now(reach)? {
            Confinement::Whole if *reach != Reach::default() => Confinement::ExceptFor(FILES),
            confinement => confinement,
        })
    }

    /// Commands by which calls may go: those of the command line, the settings and the book.
    pub(crate) fn via_commands(&self) -> Vec<String> {
        let Settings { via: rules, relay_via, .. } = self.settings.resolve();
        // Of a book that cannot be read nobody is called.
        let book = book_file::read(&self.home).unwrap_or_default();
        let remembered = book.peers().flat_map(PeerEntry::targets).filter_map(Target::way);
        let ways =
            self.via.iter().chain(rules.iter().map(|rule| &rule.via)).chain(&relay_via).chain(remembered);
        let commands: BTreeSet<_> =
            ways.filter_map(Via::command).map(|command| command.text().to_owned()).collect();
        commands.into_iter().collect()
    }

    /// The same for a process that opens or starts something later, by a broker. A kernel without
    /// rules for files would leave it as it is.
    pub(crate) fn confine_with_broker(
        &self,
        purpose: Purpose,
        reach: &Reach,
    ) -> Result<Confinement, AppError> {
        if self.settings.resolve().sandbox == Sandbox::Off {
            return Ok(Confinement::switched_off());
        }
        if !sandbox::has_landlock() {
            return Ok(Confinement::without_landlock());
        }
        let words = purpose.words();
        if let Err(error) = broker::start(purpose) {
            let why = format!("its second process does not start: {}", describe(&error));
            return Ok(Confinement::Missing(why));
        }
        Ok(match self.confine_now(reach)? {
            Confinement::Whole => Confinement::ExceptFor(words),
            confinement => confinement,
        })
    }

    fn confine_now(&self, reach: &Reach) -> Result<Confinement, AppError> {
        // The rules are for a folder that is there.
        self.home.prepare()?;
        output::end_stderr_thread();
        Ok(sandbox::confine(self.home.path(), reach))
    }

    /// The same where a program is told what came of it.
    pub(crate) fn confine_and_say(&self, format: OutputFormat) -> Result<(), AppError> {
        if self.confinement.get().is_none() {
            let confinement = self.confine()?;
            emit(&OutputEvent::sandbox(self.confinement.get_or_init(|| confinement)), format);
        }
        Ok(())
    }
}

/// Own name, address family and output of a subcommand.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct OutputArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub(crate) name: Option<Name>,
    /// Use IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// Use IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// Call by a proxy that looks names up, or by a shell command with %h and %p; none: directly
    #[arg(long, value_name = "PROXY|CMD", value_parser = via)]
    pub(crate) via: Option<Via>,
    /// Report events as JSON objects, one per line (docs/EVENTS.md)
    #[arg(long)]
    json: bool,
    /// Also report what goes well
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PeerArgs {
    /// Accept only the holder of this key
    #[arg(long, value_name = "SHA256:…", value_parser = fingerprint)]
    pin: Option<Fingerprint>,
    /// Accept only this peer in your book
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    to: Option<String>,
    /// Also accept a peer that is not in your book yet
    #[arg(long, conflicts_with_all = ["pin", "to"])]
    accept_new: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ProtocolArgs {
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody
    /// and acknowledges nothing
    #[arg(long, value_name = "WIRE")]
    pub(crate) wire: Option<Protocol>,
    /// On the raw wire, send no key: for the tutorial's server
    #[arg(long)]
    pub(crate) one_way: bool,
}

impl ProtocolArgs {
    /// Protocol, unless it cannot keep what else is asked for: `by_key` is the option that chooses
    /// the peer by its key.
    pub(crate) fn protocol(&self, by_key: Option<&str>) -> Result<Protocol, AppError> {
        let usage = |words: String| AppError::new(code::USAGE, words);
        match (self.wire.unwrap_or_default(), by_key) {
            (Protocol::Native, _) if self.one_way => Err(usage(ONE_WAY_ON_NATIVE.to_owned())),
            (Protocol::Native, _) => Ok(Protocol::Native),
            (Protocol::Oaep(_), Some(option)) => {
                Err(usage(format!("the raw wire proves no keys; {option} cannot be used with it")))
            }
            (Protocol::Oaep(_), None) if self.one_way => Ok(Protocol::Oaep(KeyExchange::ListenerOnly)),
            (Protocol::Oaep(direction), None) => Ok(Protocol::Oaep(direction)),
        }
    }
}

/// Warns of what the raw wire does not give, with its consequence for this command.
pub(crate) fn warn_of_raw(protocol: Protocol, consequence: &str, format: OutputFormat) {
    if protocol != Protocol::Native {
        let banner = Info::Oaep(OaepInfo::Banner).sentence();
        emit(&OutputEvent::Warning { kind: "raw_wire", message: format!("{banner}; {consequence}") }, format);
    }
}

impl OutputArgs {
    /// Name given here, else the one of the prompt's options and of the configuration.
    pub(crate) fn own_name(&self, settings: &SettingSources) -> OwnName {
        self.name.clone().map_or_else(|| settings.resolve().own_name(), OwnName::from)
    }

    pub(crate) fn family(&self) -> Family {
        family(self.v4, self.v6)
    }

    pub(crate) fn format(&self) -> OutputFormat {
        match (self.json, self.verbose) {
            (true, _) => OutputFormat::Json,
            (_, true) => OutputFormat::VerboseWords,
            _ => OutputFormat::Words,
        }
    }
}

/// Address family by the flags `-4` and `-6`.
pub(crate) fn family(v4: bool, v6: bool) -> Family {
    match (v4, v6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Any,
    }
}

impl PeerArgs {
    pub(crate) fn selection(&self) -> PeerSelection<'_> {
        let named = self.to.as_deref().map(|name| ("--to", name));
        PeerSelection { pin: self.pin, named, accept_new: self.accept_new }
    }
}

/// Selection of the peer by the command line.
pub(crate) struct PeerSelection<'a> {
    pub(crate) pin: Option<Fingerprint>,
    /// Name in the book, after the option that gives it.
    pub(crate) named: Option<(&'static str, &'a str)>,
    pub(crate) accept_new: bool,
}

impl PeerSelection<'_> {
    /// Option that selects by key, if one was given.
    pub(crate) fn option(&self) -> Option<&'static str> {
        let named = self.named.map(|(option, _)| option);
        self.pin.map(|_| "--pin").or(named).or(self.accept_new.then_some("--accept-new"))
    }

    pub(crate) fn accept_policy(&self, protocol: Protocol, book: &Book) -> Result<AcceptPolicy, AppError> {
        match (self.pin, self.named) {
            (Some(pin), _) => {
                book.by_fingerprint(&pin).map_or(Ok(()), refuse_blocked)?;
                Ok(AcceptPolicy::Pinned(pin))
            }
            (None, Some((_, name))) => fingerprint_of(name, book).map(AcceptPolicy::Key),
            // On the raw wire nobody can be known.
            (None, None) if self.accept_new || protocol != Protocol::Native => Ok(AcceptPolicy::Anyone),
            (None, None) => Ok(AcceptPolicy::Unattended),
        }
    }
}

/// Command of the chat that listens or connects.
pub(crate) fn listen_or_connect(
    listen: Option<&str>,
    connect: Option<&str>,
    output: &OutputArgs,
    callers: AcceptPolicy,
    wire: Protocol,
) -> Result<Command, AppError> {
    let usage = |error: AddressError| AppError::new(code::USAGE, error.to_string());
    let (family, via) = (output.family(), output.via.clone().map(Box::new));
    if let Some(at) = listen {
        if via.is_some() {
            let what = "--via is the way of a call; --listen waits for calls";
            return Err(AppError::new(code::USAGE, what).hint("leave it out"));
        }
        let (at, accept) = (at.parse().map_err(usage)?, Some(callers));
        return Ok(Command::Listen(ListenOptions { at, family, accept, protocol: wire }));
    }
    let callee = connect.unwrap_or_default().parse();
    let callee = callee.map_err(|error: CalleeError| AppError::new(code::USAGE, error.to_string()))?;
    let (pin, protocol, knock) = (None, wire, None);
    Ok(Command::Connect(CallOptions { callee, via, family, pin, accept: callers, protocol, knock }))
}

/// Exit code where nobody can be called: bad usage is what no book would make good.
fn code_of_callee(error: &CalleeError) -> u8 {
    match error {
        CalleeError::Blocked { .. }
        | CalleeError::OtherKey { .. }
        | CalleeError::InvitationOfAnother { .. } => code::REFUSED,
        CalleeError::NobodyWithKey { key } => code_of_nobody(key),
        CalleeError::Nobody { .. } | CalleeError::NoAddress { .. } => code::FAILED,
        CalleeError::Address(_)
        | CalleeError::Invitation(_)
        | CalleeError::Onion { .. }
        | CalleeError::RawInvitation
        | CalleeError::RawWire { .. } => code::USAGE,
    }
}

/// Gathers entropy for the handshake while the key is read and the peer is reached: this takes
/// longer than everything else that a short command does.
pub(crate) fn warm_up_rng() {
    // Without the thread the handshake does it.
    let _ = thread::Builder::new().name("entropy".into()).spawn(crate::crypto::warm_up_rng);
}

/// Reason for the peer, when our output cannot be written.
pub(crate) fn output_bye(error: &io::Error) -> ByeReason {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ByeReason::OutputGone,
        io::ErrorKind::StorageFull => ByeReason::OutputFull,
        _ => ByeReason::OutputFailed,
    }
}

/// Parses a duration of the command line, as scripts write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = milliseconds(text).map(Duration::from_millis);
    time.filter(|time| !time.is_zero()).ok_or_else(|| HOW_TO_WRITE.to_owned())
}

/// Key of a peer in the book.
fn fingerprint_of(name: &str, book: &Book) -> Result<Fingerprint, AppError> {
    let peer = book.find(name);
    let peer = peer.ok_or_else(|| {
        unknown_peer(
            name,
            "rsachat peers list shows your book; --accept-new and --pin accept peers that are not in it",
        )
    })?;
    refuse_blocked(peer)?;
    Ok(peer.fingerprint)
}

/// A name, or a fingerprint, that nobody in the book has.
pub(crate) fn unknown_peer(name: &str, hint: &str) -> AppError {
    AppError::new(code_of_nobody(name), nobody(name)).hint(hint)
}

/// Exit code where nobody is meant: what is no whole fingerprint is nobody's in any book.
fn code_of_nobody(word: &str) -> u8 {
    let is_cut = Fingerprint::is_meant_by(word) && word.parse::<Fingerprint>().is_err();
    if is_cut { code::USAGE } else { code::FAILED }
}

/// Refuses a blocked peer of the book: a block is ended by its own command only.
fn refuse_blocked(peer: &PeerEntry) -> Result<(), AppError> {
    if peer.trust.is_blocked() { Err(blocked(&peer.name)) } else { Ok(()) }
}

pub(crate) fn blocked(name: &Name) -> AppError {
    let hint = format!("rsachat peers unblock {name}");
    AppError::new(code::REFUSED, format!("{name} is blocked")).hint(hint)
}
