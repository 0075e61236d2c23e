//! Subcommand `replay` (docs/SCRIPTS.md, section 5): plays, checks, formats or updates scripts.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::pictures::PictureArgs;
use super::reports::ReportArgs;
use super::retries::RetryArgs;
use crate::app::error::{AppError, SIGNAL_CODE, code, describe};
use crate::app::os::{eprint_line, print_line};
use crate::app::output;
use crate::net::process::SecondSignal;
use crate::replay::environment::{catch_signals, interruption, is_interrupted};
use crate::replay::files::{self, ScriptFile};
use crate::replay::journal::Journal;
use crate::replay::pool::{Jobs, Pool, Turn};
use crate::replay::reporter::{Format, Reporter, RunEvent, RunOutcome, ScriptEnd, Verbosity, location};
use crate::replay::runner::{self, AfterDifference, RunOptions, Strictness, UpdateMode};
use crate::script::markdown;
use crate::script::{self, Diagnostic, HOW_TO_WRITE, Script, SourceFile, milliseconds};
use crate::text::safe::SafeText;
use crate::text::shell;
use crate::text::suggest::nearest;

const AFTER: &str = "\
Exit codes:
  0        every expectation held, or the file was updated, or the check found nothing
  1        a script ran and something differed, including a timeout
  2        bad usage or a bad script, or one that starts programs without --allow-spawn; none of it was run
  3        a system error: no such file, cannot bind
  128 + n  terminated by signal n: 129 SIGHUP, 130 SIGINT (Ctrl-C), 143 SIGTERM

Examples:
  rsachat replay scripts
  rsachat replay --check scripts/hello.chat
  rsachat replay --update scripts/hello.chat";

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = AFTER)]
pub(crate) struct ReplayArgs {
    /// Scripts, folders of *.chat scripts, Markdown pages (*.md) with code blocks marked chat, or -
    /// for standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    scripts: Vec<PathBuf>,
    /// Check for mistakes without running anything; with --fmt, for files not in canonical form
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Rewrite the file in its canonical form without running it; for -, print it
    #[arg(long, conflicts_with = "update")]
    fmt: bool,
    /// Accept what was shown where it differs; everything else stays as it is written
    #[arg(long)]
    update: bool,
    /// With --update: print what would change, and write nothing
    #[arg(long, requires = "update", conflicts_with = "format")]
    dry_run: bool,
    /// Check every actor in every step
    #[arg(long)]
    exact: bool,
    /// Set a variable; overrides @set
    #[arg(long, value_name = "NAME=VALUE")]
    var: Vec<String>,
    /// Seed all randomness with this; overrides @seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let an expectation wait this long for another program: 200ms, 30s, 1h 30m
    #[arg(long, value_name = "TIME", value_parser = timeout_ms)]
    timeout: Option<u64>,
    /// Print the run in this form
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    reports: ReportArgs,
    /// Print no transcripts
    #[arg(long)]
    quiet: bool,
    /// Continue after a difference, in the script and with the next
    #[arg(long)]
    keep_going: bool,
    /// Play this many closed scripts at the same time, or with auto one for each processor;
    /// the output stays in the order of the scripts [default: 1]
    #[arg(long, value_name = "N|auto", value_parser = Jobs::parse)]
    #[arg(conflicts_with_all = ["check", "fmt", "list", "update", "svg", "cast"])]
    jobs: Option<Jobs>,
    #[command(flatten)]
    retries: RetryArgs,
    /// Allow scripts to run programs with @spawn; --check lists them
    #[arg(long)]
    allow_spawn: bool,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<u8, AppError> {
    output::give_up_when(is_interrupted);
    let options = run_options(args)?;
    let mut files = Vec::new();
    for argument in &args.scripts {
        match files::find(argument) {
            Ok(found) => files.extend(found.into_iter().map(Ok)),
            Err(error) => files.push(Err((argument.display().to_string(), error))),
        }
    }
    if args.jobs.is_some() && files.iter().any(|file| matches!(file, Ok(ScriptFile::Stdin))) {
        let error = AppError::new(code::USAGE, "--jobs: standard input is one script");
        return Err(error.hint("name files or folders"));
    }
    if args.update && !args.dry_run {
        check_updatable(&files)?;
    }
    if args.update || args.fmt {
        check_no_page(&files)?;
    }
    let mut entries: Vec<Entry> = files.into_iter().map(|file| Entry::read(file, args, &options)).collect();
    entries.retain(|entry| {
        let script = entry.problem.is_none().then_some(&entry.script);
        args.reports.chooses(&entry.name, script)
    });
    args.reports.check(entries.len())?;
    args.pictures.check(entries.len())?;
    if args.reports.list {
        for entry in &entries {
            print_line(SafeText::line(&entry.name).as_str())?;
        }
        return Ok(0);
    }
    check_used(&options.vars, &entries)?;
    if !args.check && !args.fmt {
        super::args::warm_up_rng();
    }
    let mut journal = Journal::new();
    let is_over = AtomicBool::new(false);
    let played = thread::scope(|scope| {
        let jobs = args.jobs.map_or(1, Jobs::count);
        let pool = (jobs > 1).then(|| Pool::new(scope, jobs, &options, &is_over));
        let played = play(args, &options, &entries, pool, &mut journal);
        is_over.store(true, Ordering::Relaxed);
        played
    });
    if !args.check && !args.fmt {
        args.reports.write(&journal, entries.len(), args.seed)?;
    }
    played
}

/// Plays, checks or formats the scripts, and reports them one after the other. Returns the exit
/// code.
fn play<'env>(
    args: &ReplayArgs,
    options: &RunOptions,
    entries: &'env [Entry],
    mut pool: Option<Pool<'_, 'env>>,
    journal: &mut Journal,
) -> Result<u8, AppError> {
    let runs = !args.check && !args.fmt;
    // Programs that were started are ended first.
    let second_signal = if args.allow_spawn { SecondSignal::IsIgnored } else { SecondSignal::EndsProcess };
    let (format, scripts) = if runs { (args.format, entries.len()) } else { (Format::Transcript, 0) };
    let verbosity = if args.quiet || args.update { Verbosity::Diagnostics } else { Verbosity::Transcripts };
    let mut reporter = Reporter::new(format, verbosity, scripts);
    // Of several codes the largest says most: interrupted, the machine, the script, a difference.
    let mut worst = 0;
    for (number, entry) in entries.iter().enumerate() {
        let code = match (&entry.problem, &entry.file) {
            (Some(problem), _) => {
                if args.check && !args.allow_spawn {
                    list_programs(&entry.script)?;
                }
                reject(entry, problem, &mut reporter, journal)
            }
            (None, Some(file)) if args.fmt && args.check => check_format(file, &entry.script),
            (None, Some(file)) if args.fmt => format_file(file, &entry.script)?,
            (None, Some(file)) if runs => {
                // Not earlier, so that a person can still interrupt a script typed into standard
                // input.
                catch_signals(second_signal)?;
                let turn = match &mut pool {
                    Some(pool) => turn(pool, entries.get(number..).unwrap_or_default())?,
                    None => None,
                };
                let reports = (&mut reporter, &mut *journal);
                run_script((file, &entry.script), args, options, turn, reports)
            }
            (None, _) => 0,
        };
        worst = code.max(worst);
        let continues = args.keep_going || args.update || !runs;
        let reason = match interruption() {
            Some(code) => {
                // Also where the script of this turn came to its end all the same.
                worst = code.max(worst);
                Some(format!("interrupted by signal {}", code.saturating_sub(SIGNAL_CODE)))
            }
            None if code != 0 && !continues && number + 1 < entries.len() => {
                Some(format!("{} failed; --keep-going continues", entry.name))
            }
            None => None,
        };
        if let Some(reason) = &reason {
            reporter.stop(reason);
            entries.iter().skip(number + 1).for_each(|entry| journal.leave(&entry.name));
        }
        if let Some(error) = reporter.take_error() {
            return Err(match error.kind() {
                io::ErrorKind::BrokenPipe => error.into(),
                // The rest of the output is dropped, as its reader does not take it.
                io::ErrorKind::Interrupted => return Ok(interruption().unwrap_or(code::FAILED)),
                _ => AppError::new(code::MACHINE, format!("cannot write the output: {}", describe(&error))),
            });
        }
        if reason.is_some() {
            break;
        }
    }
    Ok(worst)
}

/// The turn of the first of these scripts, if it is played in the pool. Those up to the next one
/// that has to be alone are handed over together.
fn turn<'env>(pool: &mut Pool<'_, 'env>, entries: &'env [Entry]) -> Result<Option<Turn>, AppError> {
    if let Some(turn) = pool.next_turn() {
        return Ok(Some(turn));
    }
    let together = entries.iter().filter(|entry| entry.problem.is_none()).map(|entry| &entry.script);
    pool.play(together.take_while(|script| !script.is_live()))?;
    Ok(pool.next_turn())
}

/// Script of the command line, with what keeps it from being played.
struct Entry {
    name: String,
    /// What was found under the name.
    file: Option<ScriptFile>,
    /// The script; of one with mistakes the sources alone.
    script: Script,
    problem: Option<Problem>,
}

/// Reason why a script is not played.
enum Problem {
    Mistakes(Vec<Diagnostic>),
    Error(AppError),
}

impl Entry {
    /// Reads, parses and checks a script.
    fn read(found: Result<ScriptFile, (String, AppError)>, args: &ReplayArgs, options: &RunOptions) -> Self {
        let file = match found {
            Ok(file) => file,
            Err((name, error)) => {
                let problem = Some(Problem::Error(error));
                return Self { name, file: None, script: Script::default(), problem };
            }
        };
        let (script, problem) = match file.read() {
            Err(error) => (Script::default(), Some(Problem::Error(error))),
            Ok(source) => parse(&file, &source, args, options),
        };
        let is_refused = problem.is_none() && !args.fmt && !args.allow_spawn && !script.spawned().is_empty();
        let problem = if is_refused { Some(Problem::Error(spawn_refused(&script))) } else { problem };
        Self { name: file.name(), file: Some(file), script, problem }
    }
}

/// Checks that some script uses each variable of the command line.
fn check_used(vars: &[(String, String)], entries: &[Entry]) -> Result<(), AppError> {
    // What a script with mistakes would use is not known.
    if entries.iter().any(|entry| entry.problem.is_some()) {
        return Ok(());
    }
    let known: BTreeSet<&str> = entries.iter().flat_map(|entry| entry.script.names()).collect();
    let Some((name, value)) = vars.iter().find(|(name, _)| !known.contains(name.as_str())) else {
        return Ok(());
    };
    let error = AppError::new(code::USAGE, format!("--var {name}={value}: no script uses ${{{name}}}"));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean --var {near}={value}?")),
        None => error,
    })
}

fn parse(
    file: &ScriptFile,
    source: &SourceFile,
    args: &ReplayArgs,
    options: &RunOptions,
) -> (Script, Option<Problem>) {
    let mut loader = |name: &str, includer: &str| file.include(name, includer);
    match script::Parser::new(&mut loader).parse(source) {
        Ok(mut script) => {
            if matches!(file, ScriptFile::Block { .. }) {
                markdown::trim(&mut script);
            }
            let names: Vec<&str> = options.vars.iter().map(|(name, _)| name.as_str()).collect();
            let mut mistakes = script::diagnostic::check(&script, &names);
            if !args.fmt && mistakes.is_empty() {
                let usage = script::usage::check(&script);
                for warning in &usage.warnings {
                    let (file, line, _) = location(warning, &script.sources);
                    let message = SafeText::line(&warning.message);
                    eprint_line(&format!("rsachat: warning: {}:{line}: {message}", SafeText::line(&file)));
                }
                mistakes.extend(usage.mistakes);
            }
            let problem = (!mistakes.is_empty()).then_some(Problem::Mistakes(mistakes));
            (script, problem)
        }
        Err((sources, mistakes)) => {
            (Script { sources, ..Script::default() }, Some(Problem::Mistakes(mistakes)))
        }
    }
}

/// Reports a script that is not played. Returns the exit code.
fn reject(entry: &Entry, problem: &Problem, reporter: &mut Reporter, journal: &mut Journal) -> u8 {
    let name = &entry.name;
    reporter.begin(name);
    let (end, diagnostics, code) = match problem {
        Problem::Mistakes(mistakes) => {
            for mistake in mistakes {
                reporter.event(&entry.script, &RunEvent::Mistake(mistake));
            }
            (ScriptEnd::Wrong, mistakes.clone(), code::USAGE)
        }
        Problem::Error(error) => (ScriptEnd::Failed(error.clone()), Vec::new(), error.code),
    };
    let outcome = RunOutcome { diagnostics, ..RunOutcome::new(end) };
    journal.end(name, &entry.script, &outcome, Duration::ZERO);
    reporter.end(name, &entry.script, &outcome);
    code
}

fn run_options(args: &ReplayArgs) -> Result<RunOptions, AppError> {
    let mut vars = Vec::new();
    for var in &args.var {
        let usage = |what: &str| AppError::new(code::USAGE, format!("--var {var}: {what}"));
        let (name, value) = var.split_once('=').ok_or_else(|| usage("write --var NAME=VALUE"))?;
        if !script::is_variable_name(name) {
            let error = usage(&format!("`{name}` is not a valid name"));
            return Err(error.hint("a name begins with a letter, as in addr"));
        }
        vars.push((name.to_owned(), value.to_owned()));
    }
    let continues = args.keep_going || args.update;
    Ok(RunOptions {
        checking: if args.exact { Strictness::Exact } else { Strictness::Open },
        seed: args.seed,
        vars,
        timeout_ms: args.timeout,
        after_difference: if continues { AfterDifference::Continue } else { AfterDifference::Stop },
        update: match (args.update, args.dry_run) {
            (false, _) => UpdateMode::Keep,
            (true, false) => UpdateMode::Rewrite,
            (true, true) => UpdateMode::DryRun,
        },
        drawing: args.pictures.drawing(),
    })
}

fn timeout_ms(text: &str) -> Result<u64, String> {
    milliseconds(text).filter(|ms| *ms > 0).ok_or_else(|| HOW_TO_WRITE.to_owned())
}

fn check_updatable(files: &[Result<ScriptFile, (String, AppError)>]) -> Result<(), AppError> {
    let refuse = |why: &str| Err(AppError::new(code::USAGE, format!("--update: {why}")));
    if files.iter().any(|file| matches!(file, Ok(ScriptFile::Stdin))) {
        return refuse("standard input cannot be rewritten; name a file");
    }
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        return refuse("CI is set, and a test that rewrites itself tests nothing");
    }
    Ok(())
}

/// A page is not rewritten: most of it is no script.
fn check_no_page(files: &[Result<ScriptFile, (String, AppError)>]) -> Result<(), AppError> {
    match files.iter().flatten().find(|file| matches!(file, ScriptFile::Block { .. })) {
        Some(page) => {
            let what = format!("{} is in a Markdown page, which is not rewritten", page.name());
            Err(AppError::new(code::USAGE, what).hint("change it by hand, or leave out --update and --fmt"))
        }
        None => Ok(()),
    }
}

/// The refusal of a script that starts programs.
fn spawn_refused(script: &Script) -> AppError {
    let last = script.spawns().last().map(|(line, ..)| {
        let file = script.sources.get(line.source).map_or("-", |source| source.name.as_str());
        format!("{file}:{}", line.number)
    });
    let what = format!("{}: @spawn runs another program, which is not allowed", last.unwrap_or_default());
    AppError::new(code::USAGE, what)
        .hint("--allow-spawn runs what `replay --check` lists; none of the script was run")
}

/// Lists what a script would run.
fn list_programs(script: &Script) -> Result<(), AppError> {
    for (line, actor, command) in script.spawns() {
        let file = script.sources.get(line.source).map_or("-", |source| source.name.as_str());
        let (file, command) = (SafeText::line(file), SafeText::line(command));
        print_line(&format!("{file}:{}: {actor} would run: {command}", line.number))?;
    }
    Ok(())
}

/// Plays a script. Returns the outcome and the time that it took.
fn play_once(
    script: &Script,
    options: &RunOptions,
    emit: &mut dyn FnMut(RunEvent<'_>),
) -> (RunOutcome, Duration) {
    let started = Instant::now();
    let outcome = runner::run(script, options, emit);
    (outcome, started.elapsed())
}

fn run_script(
    (file, script): (&ScriptFile, &Script),
    args: &ReplayArgs,
    options: &RunOptions,
    turn: Option<Turn>,
    (reporter, journal): (&mut Reporter, &mut Journal),
) -> u8 {
    let name = file.name();
    reporter.begin(&name);
    let mut screencast = args.pictures.screencast(script);
    let mut emit = |event: RunEvent<'_>, reporter: &mut Reporter, journal: &mut Journal| {
        if let Some(screencast) = &mut screencast {
            screencast.event(&event);
        }
        if let RunEvent::Shown { actor, shown } = &event {
            journal.shown(actor, shown);
        }
        reporter.event(script, &event);
    };
    let (mut outcome, mut time) = if let Some(turn) = turn {
        turn.follow(&mut |event| emit(event, reporter, journal))
    } else {
        play_once(script, options, &mut |event| emit(event, reporter, journal))
    };
    while let Some(next) = args.retries.next(script, &outcome) {
        journal.attempt(&name, script, &outcome, time);
        reporter.again(&name, next);
        let (again, took) = play_once(script, options, &mut |event| emit(event, reporter, journal));
        (outcome, time) = (args.retries.judge(script, again, next.0), took);
    }
    let written = update(file, script, options.update, &outcome, reporter);
    if let Err(error) = written.and_then(|()| args.pictures.write(screencast.as_ref())) {
        outcome.end = ScriptEnd::Failed(error);
    }
    journal.end(&name, script, &outcome, time);
    reporter.end(&name, script, &outcome);
    if options.update != UpdateMode::Keep && matches!(outcome.end, ScriptEnd::Differed) {
        eprint_line(&still_differs(&name, script, &outcome).to_string());
    }
    match &outcome.end {
        ScriptEnd::Flaky { .. } if args.retries.fail_on_flaky => code::FAILED,
        ScriptEnd::Passed | ScriptEnd::Flaky { .. } | ScriptEnd::Skipped(_) => 0,
        ScriptEnd::Differed => code::FAILED,
        ScriptEnd::Interrupted => interruption().unwrap_or(0),
        ScriptEnd::Failed(error) => error.code,
        ScriptEnd::Wrong => code::USAGE,
        ScriptEnd::Aborted { exit_code } => *exit_code,
    }
}

/// Writes what the run has accepted into the file of its script, if that is anything. A run that
/// failed accepts nothing.
fn update(
    file: &ScriptFile,
    script: &Script,
    mode: UpdateMode,
    outcome: &RunOutcome,
    reporter: &mut Reporter,
) -> Result<(), AppError> {
    let lines = outcome.edits.count();
    let (Some(source), ScriptEnd::Passed | ScriptEnd::Differed, 1..) =
        (script.sources.first(), &outcome.end, lines)
    else {
        return Ok(());
    };
    let text = outcome.edits.apply(&source.text);
    match (mode, file) {
        (UpdateMode::Rewrite, ScriptFile::File(path)) => {
            files::replace(path, &text)?;
            reporter.updated(&file.name(), lines);
        }
        (UpdateMode::DryRun, _) => reporter.would_update(&file.name(), &source.text, &text),
        (UpdateMode::Rewrite | UpdateMode::Keep, _) => {}
    }
    Ok(())
}

/// What an update could not accept.
fn still_differs(name: &str, script: &Script, outcome: &RunOutcome) -> AppError {
    let what = format!("{name} still differs where --update cannot change it");
    let hint = match &outcome.unplayed {
        None => "fix by hand what is reported above; everything else is up to date".to_owned(),
        Some(span) => {
            let source = script.sources.get(span.source).map_or(name, |source| source.name.as_str());
            format!("fix {source}:{} by hand: it was not played, and nothing after it was changed", span.line)
        }
    };
    AppError::new(code::FAILED, what).hint(hint)
}

fn format_file(file: &ScriptFile, script: &Script) -> Result<u8, AppError> {
    let text = script::canonical(script);
    match file {
        ScriptFile::Stdin | ScriptFile::Block { .. } => print_line(text.trim_end_matches('\n'))?,
        ScriptFile::File(path) => {
            if script.sources.first().is_some_and(|source| source.text != text) {
                files::replace(path, &text)?;
            }
        }
    }
    Ok(0)
}

/// Says whether a script is in its canonical form.
fn check_format(file: &ScriptFile, script: &Script) -> u8 {
    let text = script::canonical(script);
    if script.sources.first().is_none_or(|source| source.text == text) {
        return 0;
    }
    let name = file.name();
    let error = AppError::new(code::FAILED, format!("{name} is not in its canonical form"));
    let hint = format!("rsachat replay --fmt {}", shell::quoted(&name));
    eprint_line(&error.hint(hint).to_string());
    code::FAILED
}
