//! Command line: one module for each subcommand.

mod admin;
mod args;
mod docs;
mod doctor;
mod pictures;
mod pipe;
mod prompt;
mod recv;
mod replay;
mod reports;
mod retries;
mod script_tests;
mod send;

use std::cell::Cell;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{CommandFactory as _, Parser};

use crate::app::error::{AppError, code};
use crate::app::os::{eprint, eprint_line, print, stderr_is_terminal, stdout_is_terminal};
use crate::app::output;
use crate::config::{ColourWhen, SettingSources, colour_from};
use crate::net::process;
use crate::store::Home;
use args::{Context, GlobalArgs};
pub use script_tests::{SpawnedPrograms, run_folder};

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = docs::after_help())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    prompt: prompt::PromptArgs,
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
}

#[derive(clap::Subcommand, Debug)]
enum Subcommand {
    /// Make, show, protect or export your key
    #[command(subcommand, after_help = "Examples:\n  rsachat key show")]
    Key(admin::KeyCommand),
    /// List, trust or forget peers
    #[command(subcommand, after_help = "Examples:\n  rsachat peers list")]
    Peers(admin::PeersCommand),
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
    Config(admin::ConfigCommand),
    /// Say why a connection would not work
    Doctor(doctor::DoctorArgs),
    /// Print completions for a shell
    Completions(docs::CompletionsArgs),
    /// Print the manual
    Man(docs::ManArgs),
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { code::USAGE } else { 0 };
            if error.use_stderr() {
                eprint(&styled(&error.render(), stderr_is_terminal()));
            } else {
                // A reader that has gone needs no help text.
                let _ = print(&styled(&error.render(), stdout_is_terminal()));
            }
            output::finish_stderr();
            return ExitCode::from(code);
        }
    };
    let code = start(&cli).unwrap_or_else(|error| {
        if error.code != code::READER_GONE {
            eprint_line(&error.clone().at_home(cli.global.home.as_deref()).to_string());
        }
        error.code
    });
    output::finish_stderr();
    ExitCode::from(code)
}

/// Help or an error of the command line, with the styles that its reader takes.
fn styled(text: &StyledStr, is_terminal: bool) -> String {
    let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_styled = match colour_from(&env) {
        Some(ColourWhen::Never) => false,
        Some(ColourWhen::Always) => true,
        _ => is_terminal && env("TERM").is_some_and(|term| term != "dumb"),
    };
    if is_styled { text.ansi().to_string() } else { text.to_string() }
}

fn start(cli: &Cli) -> Result<u8, AppError> {
    let inherited = process::inherited_descriptors();
    process::disable_core_dumps()?;
    process::catch_file_size_limit()?;
    // Not every subcommand needs a home or settings.
    let home = || Home::choose(cli.global.home.as_deref(), &|name: &str| std::env::var_os(name));
    let settings = || SettingSources::read(cli.global.config.as_deref(), cli.prompt.layer()?);
    let context = || {
        let inherited = Cell::new(inherited.clone());
        Ok::<_, AppError>(Context { home: home()?, settings: settings()?, global: &cli.global, inherited })
    };
    if let (Some(word), Some(_)) = (cli.prompt.word(), &cli.subcommand) {
        let what = format!("a subcommand stands behind {word}; one of the two is too many");
        return Err(AppError::new(code::USAGE, what));
    }
    let Some(subcommand) = &cli.subcommand else { return prompt::run(&context()?, &cli.prompt) };
    match subcommand {
        Subcommand::Key(args) => admin::run_key(&home()?, &cli.global, args),
        Subcommand::Peers(args) => admin::run_peers(&home()?, args),
        Subcommand::Pipe(args) => pipe::run(&context()?, args),
        Subcommand::Send(args) => send::run(&context()?, args),
        Subcommand::Recv(args) => recv::run(&context()?, args),
        Subcommand::Replay(args) => replay::run(args),
        Subcommand::Config(args) => admin::run_config(&settings()?, *args),
        Subcommand::Doctor(args) => doctor::run(&home()?, &cli.global, args),
        Subcommand::Completions(args) => docs::run_completions(*args, &mut Cli::command()),
        Subcommand::Man(args) => docs::run_man(args, Cli::command()),
    }
}
