//! Completion and hints: commands with their summaries, peers, paths.
//!
//! A list is never longer than the screen: rustyline would stop there with `--More--`, and nothing
//! that arrives is shown while it waits.

use rustyline::completion::{FilenameCompleter, Pair};
use rustyline::hint::Hint;
use unicode_width::UnicodeWidthStr as _;

use crate::app::broker::{self, Candidates};
use crate::chat::command::{CommandSpec, Completion, TOPICS, TransferUse};
use crate::chat::{KnownNames, TransferChoice};

/// Words that can be completed.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    pub(crate) commands: &'static [CommandSpec],
    /// Names of peers.
    pub(crate) names: KnownNames,
    /// Files that are offered and on their way.
    pub(crate) transfers: Vec<TransferChoice>,
}

/// Hint behind the cursor.
pub(crate) struct LineHint {
    pub(crate) display: String,
    /// The part that the right arrow inserts.
    pub(crate) completion: Option<String>,
}

impl Hint for LineHint {
    fn display(&self) -> &str {
        &self.display
    }

    fn completion(&self) -> Option<&str> {
        self.completion.as_deref()
    }
}

impl Vocabulary {
    /// Hint for the only command that begins like this: the rest of its name, arguments, summary.
    pub(crate) fn hint(&self, line: &str) -> Option<LineHint> {
        let typed = line.strip_prefix(':').filter(|typed| !typed.is_empty())?;
        let mut matching = self.commands.iter().filter(|command| command.name.starts_with(typed));
        let only = matching.next().filter(|_| matching.next().is_none());
        let command = self.command(typed).or(only)?;
        let rest = command.name.get(typed.len()..).unwrap_or_default();
        let gap = if command.usage.is_empty() { "" } else { " " };
        let display = format!("{rest}{gap}{}  ({})", command.usage, command.summary);
        let completion = (!rest.is_empty()).then(|| format!("{rest}{gap}"));
        Some(LineHint { display, completion })
    }

    /// Candidates for the word before the cursor, and the position where that word starts.
    pub(crate) fn candidates(&self, line: &str, pos: usize) -> (usize, Vec<Pair>) {
        let before = line.get(..pos).unwrap_or(line);
        let Some(typed) = before.strip_prefix(':').filter(|typed| !typed.starts_with(':')) else {
            return self.candidates_in_text(line, before);
        };
        let Some((command, argument)) = typed.split_once(' ') else {
            let commands = self.commands.iter().filter(|command| command.name.starts_with(typed));
            let pairs = commands.map(|command| Pair {
                display: format!(":{}  {}", command.name, command.summary),
                replacement: format!(":{} ", command.name),
            });
            return (0, pairs.collect());
        };
        let completes = self.command(command).map_or(Completion::Nothing, |command| command.completes);
        let argument = match argument.split_once(' ') {
            Some((count, name))
                if completes == Completion::CountedPeers && count.parse::<usize>().is_ok() =>
            {
                name
            }
            _ => argument,
        };
        // After `:help` a command may be written with its colon or without.
        let colon = if argument.starts_with(':') { ":" } else { "" };
        let words: Vec<String> = match completes {
            Completion::Nothing => Vec::new(),
            Completion::Peers | Completion::CountedPeers => {
                self.names.like(argument).into_iter().map(str::to_owned).collect()
            }
            Completion::CallablePeers => {
                self.names.callable_like(argument).into_iter().map(str::to_owned).collect()
            }
            Completion::Commands => {
                let words = self.commands.iter().map(|command| format!("{colon}{}", command.name));
                let words = words.chain(TOPICS.map(str::to_owned));
                words.filter(|word| word.starts_with(argument)).collect()
            }
            Completion::OneOf(words) => {
                words.iter().filter(|word| word.starts_with(argument)).map(ToString::to_string).collect()
            }
            Completion::OfferAndFile if !argument.contains(' ') => {
                return (before.len() - argument.len(), self.numbers(TransferUse::Answer, argument));
            }
            Completion::Transfers(used) => {
                return (before.len() - argument.len(), self.numbers(used, argument));
            }
            Completion::Files | Completion::OfferAndFile => return path_candidates(line, pos),
        };
        let pairs = words.into_iter().map(|word| Pair { display: word.clone(), replacement: word });
        (before.len() - argument.len(), pairs.collect())
    }

    /// Candidates in text: names of peers for its first word, and paths for what looks like one.
    fn candidates_in_text(&self, line: &str, before: &str) -> (usize, Vec<Pair>) {
        let word = before.rsplit([' ', '\n']).next().unwrap_or(before);
        if ["/", "./", "../", "~/"].iter().any(|start| word.starts_with(start)) {
            return path_candidates(line, before.len());
        }
        let pairs = if word.is_empty() || word.len() < before.len() {
            Vec::new()
        } else {
            let names = self.names.like(word.strip_prefix('@').unwrap_or(word)).into_iter();
            names.map(|name| Pair { display: format!("@{name}"), replacement: format!("@{name} ") }).collect()
        };
        (before.len() - word.len(), pairs)
    }

    /// Numbers of transfers that begin like this, each with what it is.
    fn numbers(&self, used: TransferUse, start: &str) -> Vec<Pair> {
        let fitting = self.transfers.iter().filter(|transfer| used.takes(transfer.stage));
        let numbers = fitting.map(|transfer| (transfer.number.to_string(), &transfer.label));
        let pairs = numbers
            .filter(|(number, _)| number.starts_with(start))
            .map(|(number, label)| Pair { display: format!("{number}  {label}"), replacement: number });
        pairs.collect()
    }

    fn command(&self, name: &str) -> Option<&CommandSpec> {
        self.commands.iter().find(|command| command.name == name)
    }
}

/// Candidates for the path before a position; none where the folder cannot be listed.
fn path_candidates(line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let (start, pairs) = match broker::of_process() {
        Some(broker) => broker.complete(line, pos).unwrap_or((pos, Vec::new())),
        None => complete_path(line, pos),
    };
    (start, pairs.into_iter().map(|(display, replacement)| Pair { display, replacement }).collect())
}

/// The same in this process.
pub(crate) fn complete_path(line: &str, pos: usize) -> Candidates {
    let (start, pairs) = FilenameCompleter::new().complete_path(line, pos).unwrap_or((pos, Vec::new()));
    (start, pairs.into_iter().map(|Pair { display, replacement }| (display, replacement)).collect())
}

/// The candidates as far as they fit on a screen: without summaries if there is no room for them,
/// then without the end of the list.
pub(crate) fn fit_to_screen(mut pairs: Vec<Pair>, cells: usize, rows: usize) -> Vec<Pair> {
    let room = rows.saturating_sub(2);
    if list_rows(&pairs, cells) <= room {
        return pairs;
    }
    for pair in &mut pairs {
        pair.display = pair.replacement.trim_end().to_owned();
    }
    if list_rows(&pairs, cells) > room {
        let more = Pair { display: "…".to_owned(), replacement: common_prefix(&pairs) };
        while !pairs.is_empty() && list_rows(&pairs, cells) >= room {
            pairs.pop();
        }
        pairs.push(more);
    }
    pairs
}

/// Rows of the list as rustyline lays it out.
fn list_rows(pairs: &[Pair], cells: usize) -> usize {
    let widest = pairs.iter().map(|pair| pair.display.width() + 2).max().unwrap_or(1).min(cells.max(1));
    pairs.len().div_ceil((cells / widest).max(1))
}

fn common_prefix(pairs: &[Pair]) -> String {
    let mut texts = pairs.iter().map(|pair| pair.replacement.as_str());
    let first = texts.next().unwrap_or_default();
    let shared = texts.fold(first.len(), |shared, text| {
        let same = first.char_indices().zip(text.chars()).take_while(|((_, a), b)| a == b);
        same.map(|((at, c), _)| at + c.len_utf8()).last().unwrap_or(0).min(shared)
    });
    first.get(..shared).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::command::TransferStage::{Accepted, Offered, Own, Stopped};

    const fn command(name: &'static str, completes: Completion) -> CommandSpec {
        CommandSpec { name, usage: "NAME", summary: "does it", details: "", completes }
    }

    const COMMANDS: [CommandSpec; 9] = [
        command("verify", Completion::Peers),
        command("connect", Completion::CallablePeers),
        command("help", Completion::Commands),
        command("hold", Completion::Nothing),
        command("last", Completion::CountedPeers),
        command("accept", Completion::OfferAndFile),
        command("decline", Completion::Transfers(TransferUse::Answer)),
        command("cancel", Completion::Transfers(TransferUse::Cancel)),
        command("files", Completion::Transfers(TransferUse::List)),
    ];

    fn vocabulary() -> Vocabulary {
        let transfer = |(number, stage)| {
            let label = "movie.mkv from bob".to_owned();
            TransferChoice { number, label, stage }
        };
        let stages = [Offered, Stopped, Accepted, Own];
        let transfers = [1, 2, 3, 12].into_iter().zip(stages).map(transfer).collect();
        Vocabulary { commands: &COMMANDS, names: KnownNames::of_connected(&["Bob", "밥"]), transfers }
    }

    fn found(line: &str) -> Vec<String> {
        let (_, pairs) = vocabulary().candidates(line, line.len());
        pairs.into_iter().map(|pair| pair.replacement).collect()
    }

    #[test]
    fn commands_names_and_topics_are_completed_where_they_stand() {
        assert_eq!(found(":h"), [":help ", ":hold "]);
        assert_eq!(found(":verify b"), ["Bob"], "as a name is written does not matter");
        for (line, only) in [
            (":verify B", "Bob"),
            (":help v", "verify"),
            (":help :v", ":verify"),
            ("bo", "@Bob "),
            ("@밥", "@밥 "),
        ] {
            assert_eq!(found(line), [only]);
        }
        for line in [":last b", ":last 5 b"] {
            assert_eq!(found(line), ["Bob"]);
            assert_eq!(vocabulary().candidates(line, line.len()).0, line.len() - 1);
        }
        for line in [":last x b", ":verify Bob b", "hi bo", "", ":connect b"] {
            assert_eq!(found(line), [""; 0]);
        }
    }

    #[test]
    fn the_number_of_a_transfer_is_completed_where_the_command_makes_sense_for_it() {
        for (line, numbers) in [
            (":accept ", ["1", "2"].as_slice()),
            (":decline ", &["1", "2"]),
            (":cancel ", &["2", "3", "12"]),
            (":cancel 1", &["12"]),
            (":files ", &["1", "2", "3", "12"]),
            (":files 1 ", &[]),
            (":accept 3", &[]),
        ] {
            assert_eq!(found(line), numbers, "{line:?}");
        }
        let (at, pairs) = vocabulary().candidates(":cancel 1", 9);
        assert_eq!((at, pairs[0].display.as_str()), (8, "12  movie.mkv from bob"));
    }

    #[test]
    fn only_one_command_is_suggested_and_its_meaning_is_not_typed() {
        let one = vocabulary().hint(":ver").unwrap();
        assert_eq!((one.display(), one.completion()), ("ify NAME  (does it)", Some("ify ")));
        let whole = vocabulary().hint(":help").unwrap();
        assert_eq!((whole.display(), whole.completion()), (" NAME  (does it)", None));
        assert!(vocabulary().hint(":h").is_none());
        assert!(vocabulary().hint("x").is_none());
    }

    #[test]
    fn a_path_in_a_text_is_completed_and_a_word_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("편지.txt"), "").unwrap();
        let line = format!("보세요 {}/편", folder.path().display());
        assert!(found(&line).iter().any(|path| path.ends_with("편지.txt")), "{line}");
        assert!(found("편").is_empty());
    }

    #[test]
    fn a_list_never_fills_the_screen() {
        let pairs = || {
            (0..300).map(|n| Pair { display: format!(":{n}  what it does"), replacement: format!(":{n} ") })
        };
        for rows in 1..30 {
            for cells in [1, 8, 40, 80] {
                let list = fit_to_screen(pairs().collect(), cells, rows);
                let most = rows.saturating_sub(2).max(1);
                assert!(list_rows(&list, cells) <= most, "{cells}x{rows}: {}", list.len());
                assert_eq!(common_prefix(&list), ":", "and it begins as all do");
            }
        }
        assert_eq!(fit_to_screen(pairs().take(5).collect(), 80, 24)[0].display, ":0  what it does");
    }
}
