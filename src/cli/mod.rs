//! Command line: one module for each subcommand.

mod admin;
mod args;
mod attach;
mod command_line;
mod completions;
mod docs;
mod doctor;
mod forget;
mod history;
mod home;
mod installed;
mod invite;
mod outbox;
mod pictures;
mod pipe;
mod prompt;
mod prompt_args;
mod recv;
mod relays;
mod replay;
mod reports;
mod retries;
mod script_tests;
mod send;
mod serve;
mod transfers;
mod usage;

use std::cell::{Cell, OnceCell};
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser};

use crate::app::broker::{self, Purpose};
use crate::app::error::{AppError, code};
use crate::app::os::{eprint_line, print, stdout_is_terminal};
use crate::app::{output, proxy_command};
use crate::config::{ColourWhen, SettingSources, colour_from};
use crate::net::process;
use crate::peers::via::Via;
use crate::store::{Home, safe_file, shown};
use crate::ui::terminal::complete_path;
use args::{Context, GlobalArgs};
use command_line::{command_line, laid_out, whole_help};
pub use script_tests::{SpawnedPrograms, run_folder};
use usage::{command_like, usage_error};

/// Private conversation between terminals, over a direct connection, with nothing to sign up for.
#[derive(Parser, Debug)]
#[command(name = "rsachat", version, after_help = docs::after_help())]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    prompt: prompt_args::PromptArgs,
    /// Print help with every option, the exit codes and the environment
    #[arg(long, display_order = 905)]
    help_all: bool,
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
}

#[derive(clap::Subcommand, Debug)]
enum Subcommand {
    /// Generate, import, show, protect or export your key
    #[command(subcommand, after_help = "Examples:\n  rsachat key show")]
    Key(admin::KeyCommand),
    /// List, trust, add, rename, block, unblock or forget peers
    #[command(subcommand, after_help = "Examples:\n  rsachat peers list")]
    Peers(admin::PeersCommand),
    /// Make an invitation to call you, or list or drop some
    Invite(invite::InviteArgs),
    /// Search, export or delete the messages that were kept
    #[command(subcommand, after_help = "Examples:\n  rsachat history search lunch")]
    History(history::HistoryCommand),
    /// List or drop the messages that wait for their receivers
    Outbox(outbox::OutboxArgs),
    /// Move your home to another machine
    #[command(subcommand, after_help = "Examples:\n  rsachat home export minji.home")]
    Home(home::HomeCommand),
    /// Open a prompt on a home that another process serves
    Attach(attach::AttachArgs),
    /// Pass bytes through standard input and output, both ways
    Pipe(pipe::PipeArgs),
    /// Send messages from standard input to one person
    Send(send::SendArgs),
    /// Ask one person or program a question, and print the answer
    Ask(send::ask::AskArgs),
    /// Serve this home to other prompts and programs, without a prompt of its own
    Serve(serve::ServeArgs),
    /// Receive messages on standard output or through a command
    Recv(recv::RecvArgs),
    /// Play conversations from files, unattended, and check what each side sees
    Replay(replay::ReplayArgs),
    /// Check or show the settings
    #[command(subcommand, after_help = "Examples:\n  rsachat config check")]
    Config(admin::ConfigCommand),
    /// Diagnose why a connection would not work
    Doctor(doctor::DoctorArgs),
    /// Print or install completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print or install the manual
    Man(docs::ManArgs),
}

impl Subcommand {
    /// Way that its calls take.
    fn via(&self) -> Option<&Via> {
        match self {
            Self::Pipe(args) => args.output.via.as_ref(),
            Self::Send(args) => args.output.via.as_ref(),
            Self::Ask(args) => args.output.via.as_ref(),
            Self::Recv(args) => args.output.via.as_ref(),
            Self::Serve(args) => args.via.as_ref(),
            _ => None,
        }
    }
}

pub(crate) fn tree() -> Command {
    command_line(Cli::command())
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(purpose) = Purpose::of_process() {
        // Whatever fails, the process that it is for is told as the socket closes.
        let _ = broker::serve(&purpose, complete_path);
        return ExitCode::SUCCESS;
    }
    match completions::answer_shell(tree) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        // A word for a shell that waits for candidates would stand among them.
        Err(_) => return ExitCode::FAILURE,
    }
    let matches = laid_out(tree()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprint_line(&usage_error(&error, &tree()).to_string());
            output::finish_stderr();
            return ExitCode::from(code::USAGE);
        }
        Err(help) => {
            let printed = print(&styled(&help.render(), stdout_is_terminal())).map_err(AppError::from);
            return match printed {
                Err(error) if error.code != code::READER_GONE => {
                    eprint_line(&error.to_string());
                    output::finish_stderr();
                    ExitCode::from(error.code)
                }
                // A reader that has gone needs no help text.
                _ => ExitCode::SUCCESS,
            };
        }
    };
    let code = start(&cli).unwrap_or_else(|error| {
        if error.code != code::READER_GONE {
            eprint_line(&error.clone().at_home(cli.global.home.as_deref()).to_string());
        }
        error.code
    });
    proxy_command::finish();
    output::finish_stderr();
    ExitCode::from(code)
}

/// Help of the command line, with the styles that its reader takes.
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
    if cli.help_all {
        print(&styled(&whole_help(laid_out(tree())), stdout_is_terminal()))?;
        return Ok(0);
    }
    let inherited = process::inherited_descriptors();
    process::disable_core_dumps()?;
    process::catch_file_size_limit()?;
    // Not every subcommand needs a home or settings.
    let named = || Home::choose(cli.global.home.as_deref(), &|name: &str| std::env::var_os(name));
    let home = || {
        let home = named()?;
        if let Some(mode) = home.close()? {
            let (path, now) = (shown(home.path()), safe_file::FOLDER_MODE);
            eprint_line(&format!(
                "rsachat: {path} was open to others ({mode:04o}); its mode is now {now:04o}"
            ));
        }
        Ok::<_, AppError>(home)
    };
    let settings = || {
        let layer = match &cli.subcommand {
            Some(Subcommand::Serve(args)) => args.prompt().layer()?,
            _ => cli.prompt.layer()?,
        };
        SettingSources::read(cli.global.config.as_deref(), cli.global.layer(layer))
    };
    let context = || {
        let (inherited, confinement) = (Cell::new(inherited.clone()), OnceCell::new());
        let (home, settings, global) = (home()?, settings()?, &cli.global);
        let via = cli.subcommand.as_ref().map_or(cli.prompt.via.as_ref(), Subcommand::via).cloned();
        Ok::<_, AppError>(Context { home, settings, global, inherited, via, confinement })
    };
    if let (Some(word), Some(_)) = (cli.prompt.word(), &cli.subcommand) {
        let what = format!("a subcommand follows {word}; use only one of the two");
        return Err(AppError::new(code::USAGE, what));
    }
    let Some(subcommand) = &cli.subcommand else {
        return prompt::run(&context()?, &cli.prompt).map_err(|error| naming_command(error, &cli.prompt));
    };
    match subcommand {
        Subcommand::Key(args) => admin::run_key(&home()?, &cli.global, args),
        Subcommand::Peers(args) => admin::run_peers(&home()?, &cli.global, args),
        Subcommand::Invite(args) => invite::run(&home()?, &cli.global, &settings()?, args),
        Subcommand::History(args) => history::run(&home()?, &cli.global, args),
        Subcommand::Outbox(args) => outbox::run(&home()?, &cli.global, args),
        Subcommand::Home(args) => home::run(&home()?, &cli.global, args),
        Subcommand::Attach(args) => attach::run(&context()?, args),
        Subcommand::Pipe(args) => pipe::run(&context()?, args),
        Subcommand::Send(args) => send::run(&context()?, args),
        Subcommand::Ask(args) => send::ask::run(&context()?, args),
        Subcommand::Serve(args) => serve::run(&context()?, args),
        Subcommand::Recv(args) => recv::run(&context()?, args),
        Subcommand::Replay(args) => replay::run(args),
        Subcommand::Config(args) => admin::run_config(&settings()?, *args),
        Subcommand::Doctor(args) => doctor::run(&named()?, &cli.global, args),
        Subcommand::Completions(args) => completions::run(*args),
        Subcommand::Man(args) => docs::run_man(args, tree()),
    }
}

/// The error of a prompt, which names the command that its only word resembles.
fn naming_command(mut error: AppError, args: &prompt_args::PromptArgs) -> AppError {
    let tree = tree();
    match args.word().and_then(|word| command_like(word, &tree)) {
        Some(near) if matches!(error.code, code::USAGE | code::FAILED) && error.hint.is_none() => {
            error.code = code::USAGE;
            error.hint(format!("did you mean rsachat {near}?"))
        }
        _ => error,
    }
}
