//! The command line: what can be asked for, and who answers.

pub(crate) mod args;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod peers;
pub(crate) mod pipe;
pub(crate) mod prompt;
pub(crate) mod recv;
pub(crate) mod reference;
pub(crate) mod replay;
pub(crate) mod send;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, ConfigTask, Sources};
use completions::CompletionsTask;
use doctor::DoctorTask;

use crate::app::error::{Fault, code};
use crate::app::global_args::Common;
use key::KeyTask;
use man::ManTask;
use peers::PeerTask;
use prompt::Prompt;

use crate::app::print::complain;

use crate::store::Home;

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = reference::after_help())]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    prompt: Prompt,
    #[command(subcommand)]
    task: Option<Task>,
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
            complain(&fault.to_string());
            ExitCode::from(fault.code)
        }
    }
}

fn start(cli: &Cli) -> Result<u8, Fault> {
    crate::net::process::leave_no_core()?;
    // Not everything needs one.
    let home = || Home::choose(cli.common.home.as_deref(), &|name: &str| std::env::var_os(name));
    let Some(task) = &cli.task else { return prompt::run(&home()?, &cli.common, &cli.prompt) };
    let sources = || Sources::read(cli.common.config.as_deref(), cli.prompt.layer()?);
    match task {
        Task::Key(task) => key::run(&home()?, &cli.common, task),
        Task::Peers(task) => peers::run(&home()?, task),
        Task::Pipe(task) => pipe::run(&home()?, &cli.common, &sources()?, task),
        Task::Send(task) => send::run(&home()?, &cli.common, &sources()?, task),
        Task::Recv(task) => recv::run(&home()?, &cli.common, &sources()?, task),
        Task::Replay(args) => replay::run(args),
        Task::Config(task) => config::run(&sources()?, *task),
        Task::Doctor(task) => doctor::run(&home()?, &cli.common, task),
        Task::Completions(task) => completions::run(*task, &mut Cli::command()),
        Task::Man(task) => man::run(task, Cli::command()),
    }
}
