//! The command line: what can be asked for, and who answers.

pub(crate) mod args;
pub(crate) mod completions;
pub(crate) mod config;
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

use crate::config::SettingSources;
use completions::CompletionsArgs;
use config::ConfigCommand;
use doctor::DoctorArgs;

use crate::app::error::{AppError, code};
use crate::app::global_args::GlobalArgs;
use key::KeyCommand;
use man::ManArgs;
use peers::PeersCommand;
use prompt::PromptArgs;

use crate::app::print::eprint_line;

use crate::store::Home;

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = reference::after_help())]
pub struct Cli {
    #[command(flatten)]
    common: GlobalArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(subcommand)]
    task: Option<Subcommands>,
}

#[derive(Subcommand, Debug)]
enum Subcommands {
    /// Make, show, protect or export your key
    #[command(subcommand, after_help = "Examples:\n  rsachat key show")]
    Key(KeyCommand),
    /// List, trust or forget peers
    #[command(subcommand, after_help = "Examples:\n  rsachat peers list")]
    Peers(PeersCommand),
    /// Bytes through standard input and output, both ways
    Pipe(pipe::PipeArgs),
    /// Messages from standard input to one person
    Send(send::SendArgs),
    /// Messages from people to standard output or to a command
    Recv(recv::RecvArgs),
    /// Play conversations from files, without a person, and check what everybody sees
    Replay(replay::ReplayArgs),
    /// Check or show the settings
    #[command(subcommand, after_help = "Examples:\n  rsachat config check")]
    Config(ConfigCommand),
    /// Say why a connection would not work
    Doctor(DoctorArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual
    Man(ManArgs),
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
        Err(error) if error.code == code::READER_GONE => ExitCode::from(error.code),
        Err(error) => {
            eprint_line(&error.to_string());
            ExitCode::from(error.code)
        }
    }
}

fn start(cli: &Cli) -> Result<u8, AppError> {
    crate::net::process::disable_core_dumps()?;
    // Not everything needs one.
    let home = || Home::choose(cli.common.home.as_deref(), &|name: &str| std::env::var_os(name));
    let Some(task) = &cli.task else { return prompt::run(&home()?, &cli.common, &cli.prompt) };
    let sources = || SettingSources::read(cli.common.config.as_deref(), cli.prompt.layer()?);
    match task {
        Subcommands::Key(task) => key::run(&home()?, &cli.common, task),
        Subcommands::Peers(task) => peers::run(&home()?, task),
        Subcommands::Pipe(task) => pipe::run(&home()?, &cli.common, &sources()?, task),
        Subcommands::Send(task) => send::run(&home()?, &cli.common, &sources()?, task),
        Subcommands::Recv(task) => recv::run(&home()?, &cli.common, &sources()?, task),
        Subcommands::Replay(args) => replay::run(args),
        Subcommands::Config(task) => config::run(&sources()?, *task),
        Subcommands::Doctor(task) => doctor::run(&home()?, &cli.common, task),
        Subcommands::Completions(task) => completions::run(*task, &mut Cli::command()),
        Subcommands::Man(task) => man::run(task, Cli::command()),
    }
}
