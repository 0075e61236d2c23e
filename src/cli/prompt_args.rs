//! Options of the prompt, and what follows from them alone.

use std::fs::{DirBuilder, File};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::args;
use crate::app::error::{AppError, code, describe, shown};
use crate::chat::{AcceptPolicy, NotifyWhen, Protocol, ViaRule};
use crate::config::{ColourWhen, EditorMode, Layer, Settings, TimeFormat, YesNo, word_of};
use crate::crypto::Fingerprint;
use crate::peers::address::ListenAt;
use crate::peers::name::Name;
use crate::peers::via::Via;
use crate::render::colour;
use crate::render::cut::RowLimit;
use crate::render::layout::{Layout, OutputMode};
use crate::store::safe_file;
use crate::text::redaction::Redaction;
use crate::ui::terminal::{self, OpenedTerminal};

#[derive(Args, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct PromptArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub(crate) name: Option<Name>,
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "addresses")]
    pub(crate) listen: Vec<String>,
    /// Do not listen on the addresses in the configuration file
    #[arg(long, conflicts_with = "listen")]
    pub(crate) no_listen: bool,
    /// Turn away keys that are not in the book, on every address
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) known_only: Option<YesNo>,
    /// Accept any caller, and send the input to whoever calls first
    #[arg(long, conflicts_with_all = ["known_only", "ask"])]
    pub(crate) anybody: bool,
    /// Turn away unknown keys, but let strangers knock: :admit lets them in
    #[arg(long, conflicts_with = "known_only")]
    pub(crate) ask: bool,
    /// Call somebody: a peer in your book, host:port, or an invitation (rsachat://…)
    #[arg(long, value_name = "NAME|ADDR|URL", value_hint = ValueHint::Hostname, groups = ["addresses", "calls"])]
    pub(crate) connect: Option<String>,
    /// Call somebody, as --connect does
    #[arg(value_name = "NAME|ADDR|URL", value_hint = ValueHint::Hostname, groups = ["addresses", "calls"])]
    pub(crate) callee: Option<String>,
    /// Show TEXT to whoever listens, where your key is not known, and wait to be admitted
    #[arg(long, value_name = "TEXT", requires = "calls", conflicts_with = "wire")]
    pub(crate) knock: Option<String>,
    /// Accept only this key
    #[arg(long, value_name = "SHA256:…", value_parser = args::fingerprint, requires = "calls")]
    pub(crate) pin: Option<Fingerprint>,
    /// Call by a proxy that looks names up, or by a shell command with %h and %p; none: directly
    #[arg(long, value_name = "PROXY|CMD", value_parser = args::via)]
    pub(crate) via: Option<Via>,
    /// Record the session in a new file, as a script with every participant
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Replace what matches REGEX with [NAME], or [redacted], in --record
    #[arg(long, value_name = "REGEX[=NAME]", requires = "record")]
    pub(crate) redact: Vec<Redaction>,
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody
    #[arg(long, value_name = "WIRE", requires = "addresses")]
    pub(crate) wire: Option<Protocol>,
    /// On the raw wire, send no key: for the tutorial's server
    #[arg(long, requires_all = ["calls", "wire"])]
    pub(crate) one_way: bool,
    /// Keep typed lines in this file from one session to the next
    #[arg(long, alias = "history", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) line_history: Option<PathBuf>,
    /// Allow this many peers to be connected at once [default: 1024, 672 with line editing]
    #[arg(long, value_name = "N", value_parser = args::peers)]
    pub(crate) peers: Option<usize>,
    /// Colour the output [default: auto]
    #[arg(long, alias = "color", value_name = "WHEN")]
    pub(crate) colour: Option<ColourWhen>,
    /// Show the time before each message, in strftime format, or `none` [default: %H:%M]
    #[arg(long, value_name = "FORMAT", value_parser = TimeFormat::parse)]
    pub(crate) time_format: Option<TimeFormat>,
    /// Show no time before messages
    #[arg(long, conflicts_with = "time_format")]
    pub(crate) no_time: bool,
    /// Edit the line with these key bindings [default: emacs]
    #[arg(long, value_name = "KEYS")]
    pub(crate) editor_mode: Option<EditorMode>,
    /// Notify you of these messages [default: mention]
    #[arg(long, value_name = "WHICH")]
    pub(crate) notify: Option<NotifyWhen>,
    /// Show the peer's name and the unread count in the title of the terminal
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) title: Option<YesNo>,
    /// Also log what is said to this file, as :log does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log: Option<String>,
    /// For screen readers: one event per line, in words, without an editor or cursor movement
    #[arg(long)]
    pub(crate) plain: bool,
    /// For programs: events out and orders in, one JSON object per line (docs/EVENTS.md)
    #[arg(long, conflicts_with_all = ["plain", "record", "line_history", "editor_mode", "colour", "time_format", "no_time", "notify"])]
    pub(crate) json: bool,
}

impl PromptArgs {
    /// Whom to call.
    pub(crate) fn call(&self) -> Option<&str> {
        self.connect.as_deref().or(self.callee.as_deref())
    }

    /// The word that stands where a subcommand may.
    pub(crate) fn word(&self) -> Option<&str> {
        self.callee.as_deref()
    }

    /// Option that only the process that has the home open can take, which has this name.
    pub(crate) fn of_owner(&self, owner: Option<&str>) -> Option<&'static str> {
        let options = [
            ("--name", self.name.is_some() && self.name.as_ref().map(Name::as_str) != owner),
            ("--record", self.record.is_some()),
            ("--anybody", self.anybody && self.listen.is_empty()),
            ("--known-only", self.known_only.is_some() && self.listen.is_empty()),
            ("--ask", self.ask && self.listen.is_empty()),
            ("--peers", self.peers.is_some()),
            ("--notify", self.notify.is_some()),
            ("--via", self.via.is_some() && self.call().is_none()),
        ];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// Commands that the command line asks for, each with its arguments.
    pub(crate) fn orders(&self) -> Vec<(&'static str, Vec<String>)> {
        let wire = self.wire.map(|wire| ["--wire".to_owned(), word_of(&wire)]);
        let callers = match self.known_only {
            _ if self.anybody => Some("--anybody"),
            _ if self.ask => Some("--ask"),
            Some(YesNo::Yes) => Some("--known"),
            Some(YesNo::No) => Some("--anybody"),
            None => None,
        };
        let listen = self.listen.iter().map(|at| {
            let wire = wire.clone().into_iter().flatten();
            ("listen", [at.clone()].into_iter().chain(wire).chain(callers.map(str::to_owned)).collect())
        });
        let log = self.log.iter().map(|file| ("log", vec![file.clone()]));
        let pin = self.pin.map(|pin| ["--pin".to_owned(), pin.to_string()]);
        let one_way = self.one_way.then(|| "--one-way".to_owned());
        let knock = self.knock.iter().flat_map(|text| ["--knock".to_owned(), text.clone()]);
        let connect = self.call().map(|callee| {
            let options = pin.into_iter().chain(wire.clone()).flatten().chain(one_way);
            let options = options.chain(args::via_arguments(self.via.as_ref())).chain(knock);
            ("connect", [callee.to_owned()].into_iter().chain(options).collect())
        });
        listen.chain(log).chain(connect).collect()
    }

    /// Settings on the command line. To listen or to connect replaces the listeners of the file; a
    /// way is that of the one call, if there is one.
    pub(crate) fn layer(&self) -> Result<Layer, AppError> {
        let listen: Result<Vec<_>, _> = self.listen.iter().map(|at| at.parse::<ListenAt>()).collect();
        let listen = listen.map_err(|error| AppError::new(code::USAGE, format!("--listen: {error}")))?;
        let time = if self.no_time { Some(TimeFormat::none()) } else { self.time_format.clone() };
        let asked = !listen.is_empty() || self.no_listen || self.call().is_some();
        Ok(Layer {
            name: self.name.clone(),
            listen: asked.then_some(listen),
            callers: if self.ask { Some(AcceptPolicy::Ask) } else { self.known_only.map(YesNo::callers) },
            colour: self.colour,
            history: None,
            history_days: None,
            invite_at: None,
            inbox: None,
            take: None,
            via: self
                .via
                .clone()
                .filter(|_| self.call().is_none())
                .map(|via| vec![ViaRule { peer: None, via }]),
            line_history: self.line_history.clone(),
            time,
            editor: self.editor_mode,
            notify: self.notify,
            title: self.title.map(YesNo::title),
            relay: None,
            relay_key: None,
            relay_ca: None,
            relay_via: None,
            sandbox: None,
        })
    }
}

/// Layout of what is shown, by the command line, the environment and the terminal.
pub(crate) fn layout(args: &PromptArgs, config: &Settings, edited: bool) -> Layout {
    let mode = match (args.plain, edited) {
        (true, _) => OutputMode::Words,
        (false, true) => OutputMode::Screen,
        (false, false) => OutputMode::Lines,
    };
    let style =
        if args.plain { colour::ColourDepth::Monochrome } else { colour::depth(config.colour, edited) };
    let limit = if io::stdout().is_terminal() { RowLimit::Terminal } else { RowLimit::None };
    Layout::new(mode, style, config.time.clone()).with_limit(limit)
}

/// Opens the terminal of a prompt that is edited, before a thread starts and before the process is
/// confined.
pub(crate) fn open_terminal(config: &Settings) -> Result<OpenedTerminal, AppError> {
    terminal::block_signals()?;
    config.line_history.as_deref().map(prepare_history).transpose()?;
    Ok(OpenedTerminal::open())
}

/// Creates the history file, and the folders above it, if they do not exist. That lines cannot be
/// kept is better reported now than lost with the session.
fn prepare_history(path: &Path) -> Result<(), AppError> {
    let cannot = |why: &str| {
        let what = format!("cannot keep typed lines in {}: {why}", shown(path));
        AppError::new(code::MACHINE, what)
            .hint("name another file with --line-history FILE, or in the settings")
    };
    let failed = |error: io::Error| cannot(&describe(&error));
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(safe_file::FOLDER_MODE).create(folder).map_err(failed)?;
    }
    // Not blocking: opening a pipe would wait for its reader. A link is not followed: whoever may
    // write in the folder would choose the file that lines are appended to.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let mut options = File::options();
    let options = options.read(true).append(true).create(true).mode(safe_file::FILE_MODE).custom_flags(flags);
    let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => cannot("it is a symbolic link"),
        _ => failed(error),
    })?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(cannot("not a regular file"));
    }
    match io::read_to_string(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(cannot("it is not UTF-8 text")),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_history_is_made_with_its_folders_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/rsachat/history");
        prepare_history(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        std::fs::write(&path, "#V2\nhi\n").unwrap();
        prepare_history(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "#V2\nhi\n", "what is there stays");
    }

    #[test]
    fn a_history_that_cannot_be_kept_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, b"\xff").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (path, why) in [
            (folder.path(), "is a directory"),
            (&link, "it is a symbolic link"),
            (&file.join("x"), ""),
            (Path::new("/dev/null"), "not a regular file"),
            (&text, "it is not UTF-8 text"),
        ] {
            let said = prepare_history(path).unwrap_err().to_string();
            let begins = format!("rsachat: error: cannot keep typed lines in {}: {why}", shown(path));
            assert!(
                said.starts_with(&begins) && said.contains("\nrsachat: hint: name another file"),
                "{said}"
            );
        }
    }
}
