//! The command line: what can be asked for, and who answers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueHint};

use super::completions::CompletionsTask;
use super::config::{self, ConfigTask, EditorMode, Layer, Notify, Sources, TimeFormat, When, YesNo};
use super::doctor::DoctorTask;
use super::fault::{Fault, code};
use super::manual::ManTask;
use super::{completions, doctor, facts, keys, manual, pipe, recv, repl, replay, send};
use crate::chat::address::ListenAt;
use crate::chat::name::Name;
use crate::store::Home;

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = facts::after_help())]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    prompt: Prompt,
    #[command(subcommand)]
    task: Option<Task>,
}

/// What every way in understands.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// Folder with the key and the peers [default: `RSACHAT_HOME`, else the XDG data folder]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(super) home: Option<PathBuf>,
    /// File with settings, `none` for no file [default: `RSACHAT_CONFIG`, else rsachat/config.toml in the XDG config folder]
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// File whose first line is the passphrase of the key
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Open descriptor whose first line is the passphrase of the key
    #[arg(long, value_name = "N", global = true, conflicts_with = "passphrase_file")]
    pub(super) passphrase_fd: Option<u32>,
}

/// What the prompt understands.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Prompt {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Wait for callers: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "addresses")]
    pub(super) listen: Vec<String>,
    /// Do not listen where the configuration file says
    #[arg(long, conflicts_with = "listen")]
    no_listen: bool,
    /// Turn away keys that are not in the book, on every address
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    known_only: Option<YesNo>,
    /// Call somebody: host or host:port
    #[arg(long, value_name = "ADDR", value_hint = ValueHint::Hostname, group = "addresses")]
    pub(super) connect: Option<String>,
    /// Accept this key only
    #[arg(long, value_name = "SHA256:…", requires = "connect")]
    pub(super) pin: Option<String>,
    /// Write the session into a new file, as a script of all who take part
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody
    #[arg(long, value_name = "WIRE", requires = "addresses")]
    pub(super) wire: Option<String>,
    /// On the raw wire, give no key of yours: for the tutorial's server
    #[arg(long, requires_all = ["connect", "wire"])]
    pub(super) one_way: bool,
    /// Keep typed lines in this file from one session to the next
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    history: Option<PathBuf>,
    /// Whether output carries colour [default: auto]
    #[arg(long, alias = "color", value_name = "WHEN")]
    colour: Option<When>,
    /// Time before each message, in the conversions of strftime, or `none` [default: %H:%M]
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// No time before messages
    #[arg(long, conflicts_with = "time_format")]
    no_time: bool,
    /// Whose keys edit the line [default: emacs]
    #[arg(long, value_name = "KEYS")]
    editor_mode: Option<EditorMode>,
    /// Which messages ring [default: mention]
    #[arg(long, value_name = "WHICH")]
    notify: Option<Notify>,
    /// Put the peer's name and what is unread into the title of the terminal
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    title: Option<YesNo>,
    /// Also write what is said to this file, as :log does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log: Option<String>,
    /// For screen readers: one event a line, in words, no editor and no cursor movement
    #[arg(long)]
    pub(super) plain: bool,
    /// For programs: events out and orders in, one JSON object a line (see docs/EVENTS.md)
    #[arg(long, conflicts_with_all = ["plain", "record", "history", "editor_mode", "colour", "time_format", "no_time", "notify"])]
    pub(super) json: bool,
}

impl Prompt {
    /// What the command line says of the things that can be configured. Who names a place to listen or calls
    /// somebody does not mean the places of the file.
    ///
    /// # Errors
    /// A name that is none, an address that is none.
    pub(super) fn layer(&self) -> Result<Layer, Fault> {
        let wrong = |option: &str, fault: String| Fault::new(code::USAGE, format!("{option}: {fault}"));
        let name = self.name.as_deref().map(Name::parse).transpose();
        let listen: Result<Vec<_>, _> = self.listen.iter().map(|at| at.parse::<ListenAt>()).collect();
        let listen = listen.map_err(|fault| wrong("--listen", fault.to_string()))?;
        let time = match &self.time_format {
            _ if self.no_time => Some(TimeFormat::none()),
            Some(format) => Some(TimeFormat::parse(format).map_err(|fault| wrong("--time-format", fault))?),
            None => None,
        };
        let asked = !listen.is_empty() || self.no_listen || self.connect.is_some();
        Ok(Layer {
            name: name.map_err(|fault| wrong("--name", fault.to_string()))?,
            listen: asked.then_some(listen),
            callers: self.known_only.map(YesNo::callers),
            colour: self.colour,
            history: self.history.clone(),
            time,
            editor: self.editor_mode,
            notify: self.notify,
            title: self.title.map(YesNo::title),
        })
    }
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Make, show, protect or export your key
    #[command(subcommand, after_help = "Examples:\n  rsachat key show")]
    Key(KeyTask),
    /// List, trust or forget peers
    #[command(subcommand, after_help = "Examples:\n  rsachat peers list")]
    Peers(PeerTask),
    /// Bytes through standard input and output, both ways
    Pipe(pipe::PipeTask),
    /// Messages from standard input to one person
    Send(send::SendTask),
    /// Messages from people to standard output or to a command
    Recv(recv::RecvTask),
    /// Play conversations from files, without a person, and check what everybody sees
    Replay(replay::ReplayArgs),
    /// Check or show the settings
    #[command(subcommand, after_help = "Examples:\n  rsachat config check")]
    Config(ConfigTask),
    /// Say why a connection would not work
    Doctor(DoctorTask),
    /// Print completions for a shell
    Completions(CompletionsTask),
    /// Print the manual
    Man(ManTask),
}

/// `rsachat key …`
#[derive(Subcommand, Debug)]
pub(super) enum KeyTask {
    /// Make a key
    #[command(after_help = "Examples:
  rsachat key new
  rsachat key new 4096 --passphrase-file FILE
  rsachat key new --replace")]
    New {
        /// Bits of the key, 2048 to 8192 [default: 3072; 2048 with --raw]
        bits: Option<u32>,
        /// The key of the raw wire, which is never your identity
        #[arg(long)]
        raw: bool,
        /// Put the key that is there aside
        #[arg(long)]
        replace: bool,
    },
    /// Show fingerprint, bits, file and public key
    #[command(after_help = "Examples:
  rsachat key show
  rsachat key show --pem > public.pem")]
    Show {
        /// Show the public key as SPKI PEM
        #[arg(long)]
        pem: bool,
    },
    /// Set, change or (by an empty one) remove the passphrase
    #[command(after_help = "Examples:
  rsachat key passphrase
  rsachat key passphrase --passphrase-file OLD --new-passphrase-file NEW")]
    Passphrase {
        /// File whose first line is the new passphrase; asked for without it
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Print the public key as one line that can be pasted
    #[command(after_help = "Examples:
  rsachat key export > minji.pub
  rsachat key export | ssh-keygen -lf -")]
    Export,
}

/// `rsachat peers …`
#[derive(Subcommand, Debug)]
pub(super) enum PeerTask {
    /// List everybody known
    #[command(after_help = "Examples:
  rsachat peers list
  rsachat peers list | grep unverified")]
    List,
    /// Mark a peer verified
    #[command(after_help = "Examples:
  rsachat peers trust bob")]
    Trust {
        /// The peer's name in your book
        name: String,
    },
    /// Remove a peer from the book
    #[command(after_help = "Examples:
  rsachat peers forget bob")]
    Forget {
        /// The peer's name in your book
        name: String,
    },
}

/// Runs the program and says with which code it ends.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { code::USAGE } else { 0 };
            // A reader that has gone needs no help text.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match start(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(fault) if fault.code == code::READER_GONE => ExitCode::from(fault.code),
        Err(fault) => {
            super::screen::complain(&fault.to_string());
            ExitCode::from(fault.code)
        }
    }
}

fn start(cli: &Cli) -> Result<u8, Fault> {
    crate::net::descriptors::leave_no_core()?;
    // Not everything needs one.
    let home = || Home::choose(cli.common.home.as_deref(), &|name: &str| std::env::var_os(name));
    let Some(task) = &cli.task else { return repl::run(&home()?, &cli.common, &cli.prompt) };
    let sources = || Sources::read(cli.common.config.as_deref(), cli.prompt.layer()?);
    match task {
        Task::Key(task) => keys::key(&home()?, &cli.common, task),
        Task::Peers(task) => keys::peers(&home()?, task),
        Task::Pipe(task) => pipe::run(&home()?, &cli.common, &sources()?, task),
        Task::Send(task) => send::run(&home()?, &cli.common, &sources()?, task),
        Task::Recv(task) => recv::run(&home()?, &cli.common, &sources()?, task),
        Task::Replay(args) => replay::run(args),
        Task::Config(task) => config::run(&sources()?, *task),
        Task::Doctor(task) => doctor::run(&home()?, &cli.common, task),
        Task::Completions(task) => completions::run(*task),
        Task::Man(task) => manual::run(task),
    }
}
