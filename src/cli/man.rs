//! `rsachat man`: the manual, one page for the program and one for each subcommand, made from the command line's
//! own tree and from the tables of settings, commands and exit codes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::reference::{ENVIRONMENT, EXIT_CODES, FILES};
use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::app::print::print_line;
use crate::chat::command::COMMANDS;
use crate::config::KEYS;

/// `rsachat man …`
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  rsachat man | man -l -
  rsachat man key new | man -l -
  rsachat man --to ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The subcommand whose page is wanted, for example `key new`; none means the program's own page
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write every page into this folder instead, as rsachat.1, rsachat-key.1 and so on
    #[arg(long, value_name = "DIR", conflicts_with = "command", value_hint = ValueHint::DirPath)]
    to: Option<PathBuf>,
}

/// How a subcommand's own exit codes begin in its help.
const CODES: &str = "Exit codes:\n";
/// How the examples in the help of a subcommand begin.
const EXAMPLES: &str = "Examples:\n";

/// Examples of the program as a whole.
const MAIN_EXAMPLES: &str = "\
  rsachat --listen 8000
  rsachat --connect example.org:8000
  rsachat --connect example.org --pin SHA256:2sT…
  rsachat key new 4096
  rsachat doctor example.org:8000";

/// Prints a page of a command line, or writes all of them.
pub(crate) fn run(task: &ManArgs, tree: Command) -> Result<u8, AppError> {
    let mut root = tree.disable_help_subcommand(true);
    root.build();
    if let Some(folder) = &task.to {
        write_all(&root, folder)?;
        return Ok(0);
    }
    let mut command = &root;
    for word in &task.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            let mut names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            names.sort_unstable();
            let error = AppError::new(code::USAGE, format!("{} has no subcommand {word}", name_of(command)));
            if names.is_empty() { error } else { error.hint(format!("it has {}", names.join(", "))) }
        })?;
    }
    print_line(String::from_utf8_lossy(&page(command)?).trim_end())?;
    Ok(0)
}

fn write_all(command: &Command, folder: &Path) -> Result<(), AppError> {
    let cannot = |path: &Path, error: &io::Error| {
        AppError::new(code::MACHINE, format!("cannot write {}: {}", path.display(), describe(error)))
    };
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    let path = folder.join(format!("{}.1", name_of(command)));
    fs::write(&path, page(command)?).map_err(|error| cannot(&path, &error))?;
    print_line(&path.display().to_string())?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_all(sub, folder)?;
    }
    Ok(())
}

/// `rsachat-key-new` of `rsachat key new`.
fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let name = name_of(command).to_owned();
    let main = name == "rsachat";
    let source = format!("rsachat {}", env!("CARGO_PKG_VERSION"));
    // The manual has sections of its own for what stands below the help.
    let bare = command.clone().after_help(None::<&str>);
    // A date would differ with every day of building; left out, it would shift what comes after it.
    let standard = Man::new(bare).title(name.to_uppercase()).date(" ").source(source).manual("rsachat");
    let mut out = Vec::new();
    standard.render_title(&mut out)?;
    standard.render_name_section(&mut out)?;
    standard.render_synopsis_section(&mut out)?;
    standard.render_description_section(&mut out)?;
    standard.render_options_section(&mut out)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        standard.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if main {
        commands(&mut roff);
        configuration(&mut roff);
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (before, rows) = after.split_once(EXAMPLES).unwrap_or((&after, ""));
    let (before, codes) = before.split_once(CODES).unwrap_or((before, ""));
    if main || codes.is_empty() {
        list(&mut roff, "EXIT STATUS", &EXIT_CODES);
    } else {
        roff.control("SH", ["EXIT STATUS"]);
        verbatim(&mut roff, codes.trim_end());
    }
    if main {
        list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        list(&mut roff, "FILES", &FILES);
        examples(&mut roff, MAIN_EXAMPLES);
    } else {
        notes(&mut roff, before);
        examples(&mut roff, rows);
        roff.control("SH", ["SEE ALSO"]).text([bold("rsachat"), roman("(1)")]);
    }
    roff.to_writer(&mut out)?;
    Ok(out)
}

/// What can be typed at the prompt.
fn commands(roff: &mut Roff) {
    roff.control("SH", ["COMMANDS OF THE PROMPT"]);
    roff.text([roman(
        "A line that begins with a colon is a command; with two colons, it is text with one. Everything else is text for \
         the peer whose name stands in the prompt.",
    )]);
    for entry in &COMMANDS {
        roff.control("TP", []).text([bold(format!(":{}", entry.name)), roman(format!(" {}", entry.usage))]);
        let details = if entry.details.is_empty() { String::new() } else { format!(". {}", entry.details) };
        roff.text([roman(format!("{}{details}", entry.summary))]);
    }
}

fn configuration(roff: &mut Roff) {
    roff.control("SH", ["CONFIGURATION"]);
    roff.text([
        roman("The file is TOML, with these keys at its top. Options win over the environment, and that over the file. "),
        bold("rsachat config check"),
        roman(" says whether the file is right, "),
        bold("rsachat config show"),
        roman(" what holds and where it comes from."),
    ]);
    for key in &KEYS {
        roff.control("TP", []).text([bold(key.example)]);
        roff.text([roman(key.about)]);
        roff.control("br", []).text([roman(format!("Without it: {}.", key.default))]);
    }
}

fn list(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (term, meaning) in rows {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

fn notes(roff: &mut Roff, text: &str) {
    if !text.trim().is_empty() {
        roff.control("SH", ["NOTES"]);
        verbatim(roff, text.trim_end());
    }
}

fn examples(roff: &mut Roff, rows: &str) {
    if rows.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    verbatim(roff, rows);
}

fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for row in text.lines() {
        roff.text([roman(row.strip_prefix("  ").unwrap_or(row))]);
    }
    roff.control("fi", []);
}
