//! Words that people type out of habit: beginnings of commands, and commands of other programs.

use std::fmt::Write as _;

use super::table::{COMMANDS, CommandSpec};

/// Letters that the beginning of a command has at least.
const BEGINNING: usize = 2;

/// Commands that are understood whole only: a slip would change whom one trusts, or one's own key.
const WHOLE_ONLY: [&str; 8] = ["admit", "block", "decline", "forget", "keygen", "name", "refuse", "trust"];

/// Meaning of a word that is another program's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// That of the command of this name.
    Command(&'static str),
    /// That of `@NAME TEXT`.
    TextTo,
    /// None, but this is what to write.
    Instead(&'static str),
}

/// Words of irssi, weechat, vi and ssh. Each is understood whole only.
pub(crate) const HABITS: [(&str, Meaning); 25] = [
    ("q", Meaning::Command("quit")),
    ("q!", Meaning::Command("quit")),
    ("wq", Meaning::Command("quit")),
    ("exit", Meaning::Command("quit")),
    ("bye", Meaning::Command("quit")),
    ("logout", Meaning::Command("quit")),
    ("msg", Meaning::TextTo),
    ("query", Meaning::Command("to")),
    ("names", Meaning::Command("peers")),
    ("who", Meaning::Command("peers")),
    ("list", Meaning::Command("peers")),
    ("part", Meaning::Command("close")),
    ("leave", Meaning::Command("close")),
    ("disconnect", Meaning::Command("close")),
    ("lastlog", Meaning::Command("search")),
    ("whois", Meaning::Instead("write :verify NAME, or :peers for everybody")),
    ("ignore", Meaning::Instead("write :block NAME")),
    ("unignore", Meaning::Instead("write :unblock NAME")),
    ("kick", Meaning::Instead("write :close NAME, or :block NAME for good")),
    ("join", Meaning::Instead("write :connect NAME|ADDR")),
    ("server", Meaning::Instead("write :connect NAME|ADDR")),
    ("buffer", Meaning::Instead("write :to NAME")),
    ("window", Meaning::Instead("write :to NAME")),
    ("me", Meaning::Instead("write it as a text, without a command")),
    ("clear", Meaning::Instead("Ctrl-L clears the screen")),
];

/// Meaning of a whole word, if it is another program's.
pub(super) fn meaning(word: &str) -> Option<Meaning> {
    HABITS.iter().find(|(habit, _)| *habit == word).map(|(_, meaning)| *meaning)
}

/// What a word is the beginning of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    /// One command.
    Of(&'static CommandSpec),
    /// One that is understood whole only.
    OfWhole(&'static CommandSpec),
    /// Several, by their names.
    OfSeveral(Vec<&'static str>),
    /// None.
    OfNone,
}

impl Beginning {
    pub(super) fn new(word: &str) -> Self {
        if word.chars().count() < BEGINNING {
            return Self::OfNone;
        }
        let begun: Vec<_> = COMMANDS.iter().filter(|spec| spec.name.starts_with(word)).collect();
        match begun[..] {
            [] => Self::OfNone,
            [one] if WHOLE_ONLY.contains(&one.name) => Self::OfWhole(one),
            [one] => Self::Of(one),
            _ => Self::OfSeveral(begun.iter().map(|spec| spec.name).collect()),
        }
    }
}

/// The table of habits as Markdown, for `docs/PROMPT.md`.
#[must_use]
pub fn habits_markdown() -> String {
    let mut table = String::from("| typed | meaning |\n| --- | --- |\n");
    let mut rest = &HABITS[..];
    while let Some((_, meaning)) = rest.first() {
        let (alike, others) = rest.split_at(rest.iter().take_while(|(_, other)| other == meaning).count());
        let words: Vec<_> = alike.iter().map(|(word, _)| format!("`:{word}`")).collect();
        let means = match meaning {
            Meaning::Command(name) => format!("`:{name}`"),
            Meaning::TextTo => "`@NAME TEXT`".to_owned(),
            Meaning::Instead(what) => format!("does nothing, and answers: {}", what.replace('|', "\\|")),
        };
        let _ = writeln!(table, "| {} | {means} |", words.join(", "));
        rest = others;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::command::{Command, ParsedLine, parse_line};

    fn error(line: &str) -> String {
        parse_line(line).unwrap_err().to_string()
    }

    #[test]
    fn a_unique_beginning_of_two_letters_is_the_command() {
        let mut several = 0;
        for spec in &COMMANDS {
            for letters in 1..spec.name.len() {
                let beginning = &spec.name[..letters];
                let is_alone = COMMANDS.iter().filter(|other| other.name.starts_with(beginning)).count() == 1;
                let is_word =
                    COMMANDS.iter().any(|other| other.name == beginning) || meaning(beginning).is_some();
                let expected = match Beginning::new(beginning) {
                    _ if is_word => continue,
                    Beginning::Of(found) => found == spec && is_alone && letters > 1,
                    Beginning::OfWhole(found) => found == spec && WHOLE_ONLY.contains(&spec.name),
                    Beginning::OfSeveral(names) => {
                        several += 1;
                        !is_alone && names.contains(&spec.name)
                    }
                    Beginning::OfNone => letters == 1,
                };
                assert!(expected, ":{beginning}");
            }
        }
        assert!(several > 4);
        assert_eq!(parse_line(":lis 0"), parse_line(":listen 0"));
        assert_eq!(parse_line(":qu"), Ok(ParsedLine::Command(Command::Quit)));
        assert_eq!(error(":li 0"), "several commands begin with :li; write :listen or :limits");
        assert_eq!(error(":un bob"), "several commands begin with :un; write :unlisten or :unblock");
    }

    #[test]
    fn what_changes_trust_or_takes_a_line_back_or_refuses_a_file_is_understood_whole_only() {
        for name in ["block", "decline", "forget", "keygen", "name", "trust"] {
            assert!(COMMANDS.iter().any(|spec| spec.name == name), "{name}");
            let begun = &name[..name.len() - 1];
            assert_eq!(
                error(&format!(":{begun} bob x")),
                format!("write :{name} in full; :{begun} is too short for it")
            );
        }
        assert_eq!(error(":out drop bob"), "write :outbox drop in full; :out drop is too short for it");
        assert!(parse_line(":out").is_ok() && parse_line(":outbox drop bob").is_ok());
    }

    #[test]
    fn words_of_other_programs_do_what_they_did_there_or_name_what_to_write() {
        for (word, meaning) in HABITS {
            assert!(!COMMANDS.iter().any(|spec| spec.name == word), "{word} is a command");
            let (parsed, with_names) =
                (parse_line(&format!(":{word}")), parse_line(&format!(":{word} bob hi")));
            match meaning {
                Meaning::Command(name) => {
                    assert!(COMMANDS.iter().any(|spec| spec.name == name), "{name}");
                    assert_eq!(parsed, parse_line(&format!(":{name}")), ":{word}");
                    assert_eq!(with_names, parse_line(&format!(":{name} bob hi")), ":{word}");
                }
                Meaning::TextTo => {
                    assert_eq!(with_names, parse_line("@bob hi"));
                    assert_eq!(parsed, parse_line("@bob"));
                }
                Meaning::Instead(what) => {
                    assert_eq!(parsed.unwrap_err().to_string(), format!("there is no :{word} here; {what}"));
                }
            }
        }
        // Letters behind a colon that are no habit stay text.
        for text in [":D", ":p", ":x", ":P hi", ":Q"] {
            assert_eq!(parse_line(text), Ok(ParsedLine::Text(text.to_owned())));
        }
    }
}
