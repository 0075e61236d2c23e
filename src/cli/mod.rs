//! Command line: one module for each subcommand.

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

use clap::{CommandFactory as _, Parser};

use crate::app::error::{AppError, code};
use crate::app::os::eprint_line;
use crate::config::SettingSources;
use crate::store::Home;
use args::{Context, GlobalArgs};
use completions::CompletionsArgs;
use config::ConfigCommand;
use doctor::DoctorArgs;
use key::KeyCommand;
use man::ManArgs;
use peers::PeersCommand;
use prompt::PromptArgs;

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = reference::after_help())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
}

#[derive(clap::Subcommand, Debug)]
enum Subcommand {
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

/// Runs the program and returns its exit code.
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
    let code = start(&cli).unwrap_or_else(|error| {
        if error.code != code::READER_GONE {
            eprint_line(&error.to_string());
        }
        error.code
    });
    ExitCode::from(code)
}

fn start(cli: &Cli) -> Result<u8, AppError> {
    crate::net::process::disable_core_dumps()?;
    // Not every subcommand needs a home or settings.
    let home = || Home::choose(cli.global.home.as_deref(), &|name: &str| std::env::var_os(name));
    let settings = || SettingSources::read(cli.global.config.as_deref(), cli.prompt.layer()?);
    let context = || Ok::<_, AppError>(Context { home: home()?, settings: settings()?, global: &cli.global });
    let Some(subcommand) = &cli.subcommand else { return prompt::run(&context()?, &cli.prompt) };
    match subcommand {
        Subcommand::Key(args) => key::run(&home()?, &cli.global, args),
        Subcommand::Peers(args) => peers::run(&home()?, args),
        Subcommand::Pipe(args) => pipe::run(&context()?, args),
        Subcommand::Send(args) => send::run(&context()?, args),
        Subcommand::Recv(args) => recv::run(&context()?, args),
        Subcommand::Replay(args) => replay::run(args),
        Subcommand::Config(args) => config::run(&settings()?, *args),
        Subcommand::Doctor(args) => doctor::run(&home()?, &cli.global, args),
        Subcommand::Completions(args) => completions::run(*args, &mut Cli::command()),
        Subcommand::Man(args) => man::run(args, Cli::command()),
    }
}
