//! `rsachat replay`: conversations from files, played without a person on the real code and real loopback
//! sockets.

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::app::error::{AppError, code};
use crate::app::print::{eprint_line, print_line};
use crate::replay::files::{self, Given};
use crate::replay::reporter::{Format, Reporter, Verbosity};
use crate::replay::runner::{AfterDifference, Checking, OutputArgs, ScriptEnd, UpdateMode};
use crate::replay::{diagnostics, interrupt, runner};
use crate::script::{self, HOW_TO_WRITE, Script, check, milliseconds};

const AFTER: &str = "\
Exit codes:
  0        every expectation held, or the file was updated, or the check found nothing
  1        a script ran and something differed, a timeout included
  2        bad usage or a bad script; nothing of it was run
  3        the machine refused: no such file, cannot bind
  128 + n  ended by signal n: 129 SIGHUP, 130 SIGINT (Ctrl-C), 143 SIGTERM

Examples:
  rsachat replay scripts
  rsachat replay --check scripts/hello.chat
  rsachat replay --update scripts/hello.chat";

/// What `rsachat replay` understands.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = AFTER)]
pub(crate) struct ReplayArgs {
    /// Scripts, folders of *.chat scripts, or - for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    scripts: Vec<PathBuf>,
    /// Look for mistakes without running anything
    #[arg(long, conflicts_with_all = ["fmt", "update"])]
    check: bool,
    /// Rewrite the file in its canonical form without running it; - is printed
    #[arg(long, conflicts_with = "update")]
    fmt: bool,
    /// Rewrite the file in place with what was shown; what matched stays as it is written
    #[arg(long)]
    update: bool,
    /// Check every actor in every step
    #[arg(long)]
    exact: bool,
    /// Give a name a value; wins over @set
    #[arg(long, value_name = "NAME=VALUE")]
    var: Vec<String>,
    /// Where all randomness comes from; wins over @seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long an expectation waits for a program that is not ours: 200ms, 30s, 1h 30m
    #[arg(long, value_name = "TIME", value_parser = wait_ms)]
    timeout: Option<u64>,
    /// What is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print no transcripts
    #[arg(long)]
    quiet: bool,
    /// Go on after a difference, in the script and with the next
    #[arg(long)]
    keep_going: bool,
}

/// Plays, checks or rewrites scripts and gives the exit code.
pub(crate) fn run(args: &ReplayArgs) -> Result<u8, AppError> {
    let manner = manner(args)?;
    let mut given = Vec::new();
    for argument in &args.scripts {
        given.extend(files::find(argument)?);
    }
    if args.update {
        may_update(&given)?;
    }
    let scripts = if args.check || args.fmt { 0 } else { given.len() };
    let format = if scripts == 0 { Format::Transcript } else { args.format };
    let loudness = if args.quiet || args.update { Verbosity::Faults } else { Verbosity::Transcripts };
    let mut output = Reporter::new(format, loudness, scripts);
    let mut worst = 0;
    for one in &given {
        let code = match read(one, &manner) {
            Err(code) => code,
            Ok(_) if args.check => 0,
            Ok(script) if args.fmt => format_one(one, &script)?,
            Ok(script) => play(one, &script, &manner, args, &mut output)?,
        };
        if let Some(error) = output.broken() {
            return broken(&error);
        }
        worst = worse(worst, code);
        let goes_on = args.keep_going || args.check || args.fmt || args.update;
        if interrupt::came() || (code != 0 && !goes_on) {
            break;
        }
    }
    Ok(worst)
}

fn manner(args: &ReplayArgs) -> Result<OutputArgs, AppError> {
    let mut vars = Vec::new();
    for var in &args.var {
        let wrong = |what: &str| AppError::new(code::USAGE, format!("--var {var}: {what}"));
        let (name, value) = var.split_once('=').ok_or_else(|| wrong("write --var NAME=VALUE"))?;
        if !name.split('.').all(script::is_name) {
            return Err(
                wrong(&format!("`{name}` is no name")).hint("a name begins with a letter, as in addr")
            );
        }
        vars.push((name.to_owned(), value.to_owned()));
    }
    let all = args.keep_going || args.update;
    Ok(OutputArgs {
        checking: if args.exact { Checking::Exact } else { Checking::Open },
        seed: args.seed,
        vars,
        timeout_ms: args.timeout,
        after_difference: if all { AfterDifference::GoOn } else { AfterDifference::Stop },
        file: if args.update { UpdateMode::Updated } else { UpdateMode::AsItStands },
    })
}

/// How long to wait, in milliseconds; not at all is a wish too.
fn wait_ms(text: &str) -> Result<u64, String> {
    milliseconds(text).ok_or_else(|| HOW_TO_WRITE.to_owned())
}

fn may_update(given: &[Given]) -> Result<(), AppError> {
    let refuse = |why: &str| Err(AppError::new(code::USAGE, format!("--update: {why}")));
    if given.contains(&Given::Stdin) {
        return refuse("standard input cannot be rewritten; name a file");
    }
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        return refuse("CI is set, and a test that rewrites itself tests nothing");
    }
    Ok(())
}

/// A script without mistakes, or the exit code after they have been told.
fn read(given: &Given, manner: &OutputArgs) -> Result<Script, u8> {
    let tell = |error: AppError| {
        eprint_line(&error.to_string());
        error.code
    };
    let source = given.read().map_err(tell)?;
    let mut loader = |name: &str, by: &str| files::included(name, by);
    let (sources, diagnostics) = match script::Parser::new(&mut loader).parse(&source) {
        Ok(script) => {
            let names: Vec<&str> = manner.vars.iter().map(|(name, _)| name.as_str()).collect();
            let diagnostics = check::check(&script, &names);
            if diagnostics.is_empty() {
                return Ok(script);
            }
            (script.sources, diagnostics)
        }
        Err(wrong) => wrong,
    };
    for error in &diagnostics {
        eprint_line(&diagnostics::drawn(error, &sources));
    }
    Err(code::USAGE)
}

fn play(
    given: &Given,
    script: &Script,
    manner: &OutputArgs,
    args: &ReplayArgs,
    output: &mut Reporter,
) -> Result<u8, AppError> {
    // Not before: until then nothing has begun, and a person may want to stop typing a script.
    interrupt::catch()?;
    let name = given.name();
    output.begin(&name);
    let outcome = runner::play(script, manner, &mut |told| output.told(script, &told));
    output.end(&name, script, &outcome);
    let code = match &outcome.end {
        ScriptEnd::Passed | ScriptEnd::Skipped(_) => 0,
        ScriptEnd::Differed => code::FAILED,
        ScriptEnd::Interrupted => interrupt::code(),
        ScriptEnd::Failed(error) => error.code,
        ScriptEnd::Refused(code) => *code,
    };
    let finished = matches!(outcome.end, ScriptEnd::Passed | ScriptEnd::Differed);
    if let (true, true, Given::File(path)) = (args.update, finished, given) {
        let text: String = outcome.updated.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let changed = script.sources.first().is_some_and(|source| source.text != text);
        if changed {
            files::replace(path, &text)?;
        }
        if outcome.left > 0 {
            let what = format!("{name} still differs where --update changes nothing");
            let hint = "mend by hand what is told above; all else is up to date";
            eprint_line(&AppError::new(code::FAILED, what).hint(hint).to_string());
            return Ok(code::FAILED);
        }
        if changed {
            print_line(&format!("{name} is up to date now"))?;
        }
        return Ok(0);
    }
    Ok(code)
}

fn format_one(given: &Given, script: &Script) -> Result<u8, AppError> {
    let text = script::canonical(script);
    match given {
        Given::Stdin => print_line(text.trim_end_matches('\n'))?,
        Given::File(path) => {
            if script.sources.first().is_some_and(|source| source.text != text) {
                files::replace(path, &text)?;
            }
        }
    }
    Ok(0)
}

/// Of two exit codes the one that says more: interrupted, the machine, the script, a difference.
fn worse(a: u8, b: u8) -> u8 {
    a.max(b)
}

fn broken(error: &io::Error) -> Result<u8, AppError> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(141);
    }
    Err(AppError::new(code::FAILED, format!("cannot write the output: {error}")))
}
