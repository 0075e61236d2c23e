//! Documents on the command line: tables for help and manual, `rsachat man`.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::installed::{Place, install};
use crate::app::error::{AppError, code};
use crate::app::os::print_line;
use crate::chat::command::{ADDRESSEE_HELP, COMMANDS, EDITOR_KEYS, HELD_HELP, HELD_LINES};
use crate::config::KEYS;

pub(crate) const EXIT_CODES: [(&str, &str); 8] = [
    ("0", "done"),
    ("1", "ran, but did not succeed: something failed, was refused or could not be delivered"),
    ("2", "bad usage"),
    ("3", "a system error: a file, an address to listen on, or nobody reached"),
    ("4", "not the expected peer, or the handshake was refused"),
    ("5", "cut off or timed out before everything was acknowledged or answered"),
    ("6", "lines or files wait in the home until their receivers have them; nothing is lost"),
    ("128 + n", "terminated by signal n"),
];

pub(crate) const ENVIRONMENT: [(&str, &str); 12] = [
    ("RSACHAT_HOME", "the folder with the key and the peers; --home overrides it"),
    ("RSACHAT_CONFIG", "the configuration file, or none for no file; --config overrides it"),
    (
        "XDG_DATA_HOME",
        "the parent of the folder rsachat with the key and the peers, unless that is set otherwise",
    ),
    ("XDG_CONFIG_HOME", "the parent of rsachat/config.toml, unless that is set otherwise"),
    ("HOME", "the base of both when they are not set: ~/.local/share and ~/.config"),
    ("NO_COLOR", "when set and not empty, output is not coloured"),
    ("CLICOLOR_FORCE", "when set and neither empty nor 0, output is coloured, even in pipes and files"),
    ("COLORTERM", "when set, or when TERM names 256 colours, names are coloured from that palette"),
    ("VISUAL", "the editor for :edit; otherwise EDITOR, otherwise vi"),
    ("EDITOR", "the editor for :edit if VISUAL is not set"),
    ("COLUMNS", "the width of a terminal that does not report its own"),
    ("TERM", "lines are edited unless it is empty, dumb, emacs or cons25"),
];

/// Files, at their default places.
pub(crate) const FILES: [(&str, &str); 9] = [
    (
        "~/.local/share/rsachat/identity.pem",
        "your private key: PKCS#8 in PEM, optionally with a passphrase, mode 0600. A replaced key is kept beside \
         it, named by date.",
    ),
    (
        "~/.local/share/rsachat/raw.pem",
        "the key for the raw wire, in the same format; it is never your identity.",
    ),
    (
        "~/.local/share/rsachat/peers",
        "the peer book: plain text, one peer per line, and you may edit it. A damaged book is never partly \
         used: nobody is accepted until it is repaired.",
    ),
    (
        "~/.local/share/rsachat/peers.met",
        "peers that have called and are not in the book, in the format of the book.",
    ),
    (
        "~/.local/share/rsachat/store.redb",
        "messages that wait until their receivers have them, or until you have seen them, and the history, if you \
         keep one; sealed to your key. Fingerprints, numbers and times are not encrypted. A damaged store is set \
         aside as store.redb.bad.",
    ),
    (
        "~/.local/share/rsachat/store.redb.spare",
        "room reserved on the disk, which store.redb needs to delete anything when the disk is full.",
    ),
    (
        "~/.local/share/rsachat/socket",
        "the socket at which the process that has store.redb open serves the others, mode 0600; there while it runs.",
    ),
    ("~/.local/share/rsachat/.lock", "an empty file, locked while one of the others is written."),
    (
        "~/.config/rsachat/config.toml",
        "settings, in TOML; may be a symbolic link, must not be writable by others.",
    ),
];

/// Text below the help of the program.
pub(crate) fn after_help() -> String {
    let mut text = String::from(
        "Without a subcommand, rsachat opens a prompt; type :help there. Lines from a pipe or a file are read as if typed.\n\n\
         Exit codes:\n",
    );
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, "  {code:<7}  {meaning}");
    }
    text.push_str("\nEnvironment:\n");
    for (name, what) in ENVIRONMENT {
        let _ = writeln!(text, "  {name:<15}  {what}");
    }
    text.push_str("\nrsachat man prints the whole manual.");
    text
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  rsachat man | man -l -
  rsachat man key new | man -l -
  rsachat man --install
  rsachat man --to DIR")]
pub(crate) struct ManArgs {
    /// Subcommand to describe, for example `key new`; without one, the program itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write every page into this folder instead, as rsachat.1, rsachat-key.1 and so on
    #[arg(long, value_name = "DIR", conflicts_with = "command", value_hint = ValueHint::DirPath)]
    to: Option<PathBuf>,
    /// Write every page where man looks for those of a user, and say where that is
    #[arg(long, conflicts_with_all = ["command", "to"])]
    install: bool,
}

/// Headings in the help of a subcommand.
const EXIT_CODES_HEADING: &str = "Exit codes:\n";
const EXAMPLES_HEADING: &str = "Examples:\n";

/// Examples of the program as a whole.
const MAIN_EXAMPLES: &str = "\
  rsachat --listen 8000
  rsachat --connect example.org:8000
  rsachat --connect example.org --pin SHA256:2sT…
  rsachat key new 4096
  rsachat doctor example.org:8000";

/// Prints one page, or writes all of them into a folder.
pub(crate) fn run_man(task: &ManArgs, tree: Command) -> Result<u8, AppError> {
    let mut root = tree.disable_help_subcommand(true);
    root.build();
    if let Some(folder) = &task.to {
        write_all(&root, folder)?;
        return Ok(0);
    }
    if task.install {
        let shared = Place::of_user()?.data.join("man");
        write_all(&root, &shared.join("man1"))?;
        print_line(&format!(
            "man finds them where ~/.local/bin is in PATH; else: man -M {} rsachat",
            shared.display()
        ))?;
        return Ok(0);
    }
    let mut command = &root;
    for word in &task.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            let mut names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            names.sort_unstable();
            let error =
                AppError::new(code::USAGE, format!("{} has no subcommand {word}", page_name(command)));
            if names.is_empty() { error } else { error.hint(format!("it has {}", names.join(", "))) }
        })?;
    }
    print_line(String::from_utf8_lossy(&page(command)?).trim_end())?;
    Ok(0)
}

fn write_all(command: &Command, folder: &Path) -> Result<(), AppError> {
    let path = folder.join(format!("{}.1", page_name(command)));
    install(&path, &page(command)?)?;
    print_line(&path.display().to_string())?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_all(sub, folder)?;
    }
    Ok(())
}

/// Name of a page, `rsachat-key-new` for `rsachat key new`.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let name = page_name(command).to_owned();
    let is_main = name == "rsachat";
    let source = format!("rsachat {}", env!("CARGO_PKG_VERSION"));
    // The text below the help has sections of its own.
    let bare = command.clone().after_help(None::<&str>);
    // A date would differ with every day of building; left out, it would shift what comes after it.
    let man = Man::new(bare).title(name.to_uppercase()).date(" ").source(source).manual("rsachat");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if is_main {
        prompt_commands(&mut roff);
        configuration(&mut roff);
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (before, examples) = after.split_once(EXAMPLES_HEADING).unwrap_or((&after, ""));
    let (notes, exit_codes) = before.split_once(EXIT_CODES_HEADING).unwrap_or((before, ""));
    if is_main || exit_codes.is_empty() {
        list(&mut roff, "EXIT STATUS", &EXIT_CODES);
    } else {
        let rows = exit_codes.trim_end().lines().filter_map(|row| row.trim_start().split_once("  "));
        let rows: Vec<_> = rows.map(|(code, meaning)| (code, meaning.trim_start())).collect();
        list(&mut roff, "EXIT STATUS", &rows);
    }
    if is_main {
        keys(&mut roff);
        list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        list(&mut roff, "FILES", &FILES);
        verbatim(&mut roff, "EXAMPLES", MAIN_EXAMPLES);
    } else {
        paragraphs(&mut roff, "NOTES", notes);
        verbatim(&mut roff, "EXAMPLES", examples);
        roff.control("SH", ["SEE ALSO"]).text([bold("rsachat"), roman("(1)")]);
    }
    roff.to_writer(&mut out)?;
    Ok(out)
}

fn prompt_commands(roff: &mut Roff) {
    roff.control("SH", ["COMMANDS OF THE PROMPT"]);
    roff.text([roman(
        "A line that begins with a colon is a command; with two colons, it is text that begins with one. @NAME TEXT sends one \
         text to that peer; @@ begins a text with an @. Everything else is text for the peer named in the prompt.",
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
        roman("The file is TOML, with these settings at its top level. Options override the environment, which overrides the file. "),
        bold("rsachat config check"),
        roman(" checks the file, "),
        bold("rsachat config show"),
        roman(" shows the settings in effect and where they come from."),
    ]);
    for key in &KEYS {
        roff.control("TP", []).text([bold(key.example)]);
        roff.text([roman(key.about)]);
        roff.control("br", []).text([roman(format!("Default: {}.", key.default))]);
    }
}

fn list(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (term, meaning) in rows {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

fn keys(roff: &mut Roff) {
    list(roff, "KEYS", &EDITOR_KEYS);
    for text in [ADDRESSEE_HELP, HELD_HELP] {
        roff.control("PP", []).text([roman(text)]);
    }
    for line in HELD_LINES {
        roff.control("IP", ["\\(bu", "2"]).text([roman(line)]);
    }
}

/// A section of paragraphs that a blank row separates, if there are any.
fn paragraphs(roff: &mut Roff, heading: &str, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    roff.control("SH", [heading]);
    for paragraph in text.trim_end().split("\n\n") {
        roff.control("PP", []).text([roman(paragraph)]);
    }
}

/// A section whose text is shown row by row.
fn verbatim(roff: &mut Roff, heading: &str, text: &str) {
    roff.control("SH", [heading]).control("nf", []);
    for row in text.trim_end().lines() {
        roff.text([roman(row.strip_prefix("  ").unwrap_or(row))]);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tree;

    /// The words of the call of rsachat in an example, as a shell gives them.
    fn words(example: &str) -> Vec<String> {
        let call = example.find("rsachat ").map_or(example, |at| &example[at..]);
        let (mut words, mut quote) = (vec![String::new()], None);
        for letter in call.chars() {
            match (letter, quote) {
                ('|' | '>' | '<', None) => break,
                (' ', None) => words.push(String::new()),
                ('\'', None) => quote = Some(letter),
                (letter, Some(open)) if letter == open => quote = None,
                (letter, _) => words.iter_mut().last().unwrap().push(letter),
            }
        }
        let fingerprint = format!("SHA256:{}", "A".repeat(43));
        let whole = words.into_iter().filter(|word| !word.is_empty());
        whole.map(|word| if word.contains('…') { fingerprint.clone() } else { word }).collect()
    }

    fn check(command: &Command) -> usize {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = after.split_once(EXAMPLES_HEADING).map_or("", |(_, examples)| examples);
        let rows: Vec<_> = examples.lines().filter(|row| row.contains("rsachat ")).collect();
        for row in &rows {
            let read = tree().try_get_matches_from(words(row));
            assert!(read.is_ok(), "{row}: {}", read.unwrap_err());
        }
        rows.len() + command.get_subcommands().map(check).sum::<usize>()
    }

    #[test]
    fn every_example_of_a_help_is_understood() {
        let checked = check(&tree());
        assert!(checked > 60, "{checked}");
        for row in MAIN_EXAMPLES.lines() {
            let read = tree().try_get_matches_from(words(row));
            assert!(read.is_ok(), "{row}: {}", read.unwrap_err());
        }
    }
}
