//! The command line: what can be asked for, and who answers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::fault::{Fault, code};
use super::{keys, pipe, recv, repl, replay, send};
use crate::chat::name::Name;
use crate::store::Home;

const AFTER: &str = "\
Without a subcommand, rsachat is a prompt; type :help there. Lines from a pipe or a file are typed lines.

Exit codes:
  0  done
  1  ran, but did not end as asked
  2  bad usage
  3  the machine refused: a file, an address to listen on, nobody reached
  4  not the peer asked for, or the handshake was refused
  5  silence or loss before everything was acknowledged
  128 + n  ended by signal n

Environment: RSACHAT_HOME names the folder with the key and the peers; NO_COLOR asks for plain output.";

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = AFTER)]
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
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) home: Option<PathBuf>,
    /// File whose first line is the passphrase of the key
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Open descriptor whose first line is the passphrase of the key
    #[arg(long, value_name = "N", global = true, conflicts_with = "passphrase_file")]
    pub(super) passphrase_fd: Option<u32>,
}

/// What the prompt understands.
#[derive(Args, Debug)]
pub(super) struct Prompt {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Wait for callers: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Vec<String>,
    /// Call somebody: host or host:port
    #[arg(long, value_name = "ADDR")]
    pub(super) connect: Option<String>,
    /// Accept this key only
    #[arg(long, value_name = "SHA256:…", requires = "connect")]
    pub(super) pin: Option<String>,
    /// Keep typed lines in this file from one session to the next
    #[arg(long, value_name = "FILE")]
    pub(super) history: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Make, show, protect or export your key
    #[command(subcommand)]
    Key(KeyTask),
    /// List, trust or forget peers
    #[command(subcommand)]
    Peers(PeerTask),
    /// Bytes through standard input and output, both ways
    Pipe(pipe::PipeTask),
    /// Messages from standard input to one person
    Send(send::SendTask),
    /// Messages from people to standard output or to a command
    Recv(recv::RecvTask),
    /// Play conversations from files, without a person, and check what everybody sees
    Replay(replay::ReplayArgs),
}

/// `rsachat key …`
#[derive(Subcommand, Debug)]
pub(super) enum KeyTask {
    /// Make a key
    New {
        /// Bits of the key, 2048 to 8192
        #[arg(default_value_t = crate::limits::KEY_BITS_DEFAULT)]
        bits: u32,
        /// Put the key that is there aside
        #[arg(long)]
        replace: bool,
    },
    /// Show fingerprint, bits, file and public key
    Show {
        /// Show the public key as SPKI PEM
        #[arg(long)]
        pem: bool,
    },
    /// Set, change or (by an empty one) remove the passphrase
    Passphrase {
        /// File whose first line is the new passphrase; asked for without it
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Print the public key as one line that can be pasted
    Export,
}

/// `rsachat peers …`
#[derive(Subcommand, Debug)]
pub(super) enum PeerTask {
    /// List everybody known
    List,
    /// Mark a peer verified
    Trust {
        /// The peer's name in your book
        name: String,
    },
    /// Remove a peer from the book
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
        Err(fault) => {
            super::screen::complain(&fault.to_string());
            ExitCode::from(fault.code)
        }
    }
}

fn start(cli: &Cli) -> Result<u8, Fault> {
    crate::net::descriptors::leave_no_core()?;
    if let Some(Task::Replay(args)) = &cli.task {
        return replay::run(args);
    }
    let home = Home::choose(cli.common.home.as_deref(), &|name: &str| std::env::var_os(name))?;
    let name = cli.prompt.name.as_deref();
    match &cli.task {
        None => repl::run(&home, &cli.common, &cli.prompt),
        Some(Task::Key(task)) => keys::key(&home, &cli.common, task),
        Some(Task::Peers(task)) => keys::peers(&home, task),
        Some(Task::Pipe(task)) => pipe::run(&home, &cli.common, name, task),
        Some(Task::Send(task)) => send::run(&home, &cli.common, name, task),
        Some(Task::Recv(task)) => recv::run(&home, &cli.common, name, task),
        Some(Task::Replay(args)) => replay::run(args),
    }
}

/// The name to go by: the one given, else the login name, else a neutral one.
pub(super) fn own_name(given: Option<&str>) -> Result<Name, Fault> {
    if let Some(given) = given {
        return Name::parse(given).map_err(|fault| Fault::new(code::USAGE, format!("--name: {fault}")));
    }
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    Ok(Name::claimed(user.map(|user| user.name).unwrap_or_default().as_bytes()))
}
