//! Mistakes of the command line in the form of every error: what is wrong, then what to write.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::num::ParseIntError;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::app::error::{AppError, code};
use crate::peers::via::without_passwords;

/// The error of a line that the tree of commands refuses.
pub(crate) fn usage_error(error: &clap::Error, tree: &Command) -> AppError {
    // The line as far as it can be read tells the command that it was meant for.
    let read = tree.clone().ignore_errors(true).try_get_matches().unwrap_or_default();
    let (mut command, mut name, mut matches) = (tree, tree.get_name().to_owned(), &read);
    while let Some((word, below)) = matches.subcommand() {
        let Some(sub) = command.find_subcommand(word) else { break };
        name = format!("{name} {word}");
        (command, matches) = (sub, below);
    }
    let word = read.try_get_one::<String>("callee").ok().flatten();
    let near = word.filter(|_| error.kind() == ErrorKind::UnknownArgument && read.subcommand().is_none());
    if let Some((word, near)) = near.and_then(|word| Some((word, command_like(word, tree)?))) {
        return AppError::new(code::USAGE, format!("there is no command {word}"))
            .hint(format!("did you mean {name} {near}?"));
    }
    let (what, hint) = Said { error, command, name }.mistake();
    // A word of the line may be an address with a password.
    AppError::new(code::USAGE, without_passwords(&what)).hint(hint)
}

/// The command that a word was meant for which stands where a name or an address may.
pub(crate) fn command_like<'a>(word: &str, tree: &'a Command) -> Option<&'a str> {
    let mut names = tree.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
    // Names of people are short: one slip, and no more, is taken for one.
    names.find(|name| strsim::damerau_levenshtein(word, name) == 1)
}

/// What the parser says, and the command that it says it of.
struct Said<'a> {
    error: &'a clap::Error,
    command: &'a Command,
    name: String,
}

impl Said<'_> {
    /// The mistake and what to do about it.
    fn mistake(&self) -> (String, String) {
        let name = &self.name;
        let help = format!("{} shows how it is used", self.help());
        let (argument, value) = (self.words(ContextKind::InvalidArg), self.words(ContextKind::InvalidValue));
        match self.error.kind() {
            ErrorKind::UnknownArgument if argument.starts_with('-') => self.unknown_option(&argument),
            ErrorKind::UnknownArgument => (format!("{argument} is one argument too many"), help),
            ErrorKind::InvalidSubcommand => {
                let word = self.words(ContextKind::InvalidSubcommand);
                (format!("{name} has no subcommand {word}"), self.subcommands())
            }
            ErrorKind::MissingSubcommand => (format!("{name} needs a subcommand"), self.subcommands()),
            ErrorKind::InvalidValue if value.is_empty() => (format!("{argument} needs a value"), help),
            ErrorKind::InvalidValue => {
                let values = format!("write one of {}", self.words(ContextKind::ValidValue));
                (format!("{argument} cannot be {value}"), values)
            }
            ErrorKind::ValueValidation => {
                let why = self.error.source().map(|why| {
                    if why.is::<ParseIntError>() { "write a number".to_owned() } else { why.to_string() }
                });
                (format!("{argument} cannot be {value}: {}", why.unwrap_or_default()), help)
            }
            ErrorKind::TooManyValues => (format!("{argument} takes no value"), help),
            ErrorKind::MissingRequiredArgument => (self.missing(), help),
            ErrorKind::ArgumentConflict => match self.words(ContextKind::PriorArg) {
                other if other.is_empty() || other == argument => {
                    (format!("{argument} is given twice"), help)
                }
                other => (format!("{argument} cannot be used with {other}"), help),
            },
            ErrorKind::InvalidUtf8 => ("an argument is not UTF-8 text".to_owned(), help),
            _ => {
                let said = self.error.to_string();
                let first = said.lines().next().unwrap_or_default();
                (first.strip_prefix("error: ").unwrap_or(first).to_owned(), help)
            }
        }
    }

    /// What is missing. A group is not named where a smaller one in it is.
    fn missing(&self) -> String {
        let all = self.each(ContextKind::InvalidArg);
        let has_part = |one: &String| all.iter().any(|other| other != one && one.ends_with(other));
        let named: Vec<_> = all.iter().filter(|one| !has_part(one)).map(String::as_str).collect();
        let verb = if named.len() == 1 { "is" } else { "are" };
        // There is one value that is not the default.
        format!("{} {verb} missing", named.join(", and ")).replace("--wire WIRE", "--wire oaep")
    }

    /// The command that shows every option.
    fn help(&self) -> String {
        let page = if self.name.contains(' ') { "--help" } else { "--help-all" };
        format!("{} {page}", self.name)
    }

    fn unknown_option(&self, option: &str) -> (String, String) {
        let hint = match self.words(ContextKind::SuggestedArg) {
            near if near.is_empty() => format!("{} shows those that it has", self.help()),
            near => format!("did you mean {near}?"),
        };
        (format!("{} has no option {option}", self.name), hint)
    }

    fn subcommands(&self) -> String {
        let names = self.command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
        let names: BTreeSet<_> = names.collect();
        format!("it has {}", Vec::from_iter(names).join(", "))
    }

    /// Words of the parser, without the brackets around names of values and around groups.
    fn words(&self, kind: ContextKind) -> String {
        self.each(kind).join(", ")
    }

    fn each(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(word)) => vec![plain(word)],
            Some(ContextValue::Strings(words)) => words.iter().map(|word| plain(word)).collect(),
            _ => Vec::new(),
        }
    }
}

/// `<--listen <ADDR>|--connect <NAME|ADDR>>` as `--listen ADDR or --connect NAME|ADDR`.
fn plain(word: &str) -> String {
    let group = word.strip_prefix("<-").and_then(|group| group.strip_suffix('>'));
    let word = group.map_or_else(|| word.to_owned(), |group| format!("-{}", group.replace(">|", "> or ")));
    let word = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(&word);
    word.replace(['<', '>'], "")
}
