//! Completion and hints: commands with what they do, peers, paths. A list is never longer than the screen:
//! rustyline would stop there with `--More--`, and nothing that arrives is shown while it waits.

use rustyline::completion::{FilenameCompleter, Pair};
use rustyline::hint::Hint;
use unicode_width::UnicodeWidthStr as _;

use super::EditorState;

/// A command that can be completed, and what it completes its argument to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    /// With its colon.
    pub(crate) text: String,
    /// Its arguments.
    pub(crate) usage: String,
    /// What it does.
    pub(crate) summary: String,
    /// Candidates for its argument.
    pub(crate) arguments: Arguments,
}

/// Candidates for an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arguments {
    None,
    Names,
    CountedNames,
    Words,
    Files,
    Of(&'static [&'static str]),
}

/// What is shown behind the cursor, and what of it the right arrow takes.
pub(crate) struct Suggestion {
    pub(crate) shown: String,
    pub(crate) taken: Option<String>,
}

impl Hint for Suggestion {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

/// The rest of the one command that begins like this, its arguments and its meaning.
pub(crate) fn suggestion(now: &EditorState, line: &str) -> Option<Suggestion> {
    if line.len() < 2 || !line.starts_with(':') {
        return None;
    }
    let mut fitting = now.words.iter().filter(|word| word.text.starts_with(line));
    let exact = now.words.iter().find(|word| word.text == line);
    let only = fitting.next().filter(|_| fitting.next().is_none());
    let word = exact.or(only)?;
    let rest = word.text.get(line.len()..).unwrap_or_default();
    let gap = if word.usage.is_empty() { "" } else { " " };
    let shown = format!("{rest}{gap}{}  ({})", word.usage, word.summary);
    let taken = (!rest.is_empty()).then(|| format!("{rest}{gap}"));
    Some(Suggestion { shown, taken })
}

/// Where what stands before the cursor can be completed, and to what.
pub(crate) fn candidates(now: &EditorState, line: &str, pos: usize) -> rustyline::Result<(usize, Vec<Pair>)> {
    let before = line.get(..pos).unwrap_or(line);
    if !before.starts_with(':') || before.starts_with("::") {
        return text(now, line, before);
    }
    let Some((command, argument)) = before.split_once(' ') else {
        let words = now.words.iter().filter(|word| word.text.starts_with(before));
        let pairs = words.map(|word| Pair {
            display: format!("{}  {}", word.text, word.summary),
            replacement: format!("{} ", word.text),
        });
        return Ok((0, pairs.collect()));
    };
    let arguments = now.words.iter().find(|word| word.text == command).map(|word| word.arguments);
    let (count, argument) = match (arguments, argument.split_once(' ')) {
        (Some(Arguments::CountedNames), Some((count, name))) if count.parse::<usize>().is_ok() => {
            (count.len() + 1, name)
        }
        _ => (0, argument),
    };
    let start = command.len() + 1 + count;
    let found: Vec<&str> = match arguments {
        Some(Arguments::Names | Arguments::CountedNames) => {
            let folded = argument.to_lowercase();
            let names = now.names.iter().filter(|name| name.to_lowercase().starts_with(&folded));
            return Ok((start, names.map(|name| same(name)).collect()));
        }
        // As one may write them after `:help`: with a colon or without.
        Some(Arguments::Words) if argument.starts_with(':') => {
            now.words.iter().map(|word| word.text.as_str()).collect()
        }
        Some(Arguments::Words) => now.words.iter().map(|word| word.text.trim_start_matches(':')).collect(),
        Some(Arguments::Of(these)) => these.to_vec(),
        Some(Arguments::Files) => return FilenameCompleter::new().complete_path(line, pos),
        Some(Arguments::None) | None => Vec::new(),
    };
    let pairs = found.into_iter().filter(|one| one.starts_with(argument)).map(same);
    Ok((start, pairs.collect()))
}

/// In text, a word at the start may be a peer's name, and what looks like a path is completed as one.
fn text(now: &EditorState, line: &str, before: &str) -> rustyline::Result<(usize, Vec<Pair>)> {
    let word = before.rsplit([' ', '\n']).next().unwrap_or(before);
    if ["/", "./", "../", "~/"].iter().any(|start| word.starts_with(start)) {
        return FilenameCompleter::new().complete_path(line, before.len());
    }
    let pairs = if word.is_empty() || word.len() < before.len() {
        Vec::new()
    } else {
        let folded = word.to_lowercase();
        let names = now.names.iter().filter(|name| name.to_lowercase().starts_with(&folded));
        names.map(|name| Pair { display: name.clone(), replacement: format!("{name}: ") }).collect()
    };
    Ok((before.len() - word.len(), pairs))
}

fn same(text: &str) -> Pair {
    Pair { display: text.to_owned(), replacement: text.to_owned() }
}

/// The list cut down to a screen: without what commands do if there is no room for it, then without its end.
pub(crate) fn cut(mut pairs: Vec<Pair>, cells: usize, rows: usize) -> Vec<Pair> {
    let room = rows.saturating_sub(2);
    if takes(&pairs, cells) <= room {
        return pairs;
    }
    for pair in &mut pairs {
        pair.display = pair.replacement.trim_end().to_owned();
    }
    if takes(&pairs, cells) > room {
        let more = Pair { display: "…".to_owned(), replacement: common(&pairs) };
        while !pairs.is_empty() && takes(&pairs, cells) >= room {
            pairs.pop();
        }
        pairs.push(more);
    }
    pairs
}

/// Rows that rustyline's list takes.
fn takes(pairs: &[Pair], cells: usize) -> usize {
    let widest = pairs.iter().map(|pair| pair.display.width() + 2).max().unwrap_or(1).min(cells.max(1));
    pairs.len().div_ceil((cells / widest).max(1))
}

/// What all candidates begin with.
fn common(pairs: &[Pair]) -> String {
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

    fn live() -> EditorState {
        let word = |text: &str, arguments| Word {
            text: text.to_owned(),
            usage: "NAME".to_owned(),
            summary: "does it".to_owned(),
            arguments,
        };
        let words = vec![
            word(":verify", Arguments::Names),
            word(":help", Arguments::Words),
            word(":hold", Arguments::None),
            word(":last", Arguments::CountedNames),
        ];
        EditorState { names: vec!["Bob".to_owned(), "밥".to_owned()], words, ..EditorState::default() }
    }

    fn found(line: &str) -> Vec<String> {
        let (_, pairs) = candidates(&live(), line, line.len()).unwrap();
        pairs.into_iter().map(|pair| pair.replacement).collect()
    }

    #[test]
    fn commands_names_and_topics_are_completed_where_they_stand() {
        assert_eq!(found(":h"), [":help ", ":hold "]);
        assert_eq!(found(":verify B"), ["Bob"]);
        assert_eq!(found(":verify b"), ["Bob"], "as a name is written does not matter");
        assert_eq!(found(":help v"), ["verify"]);
        assert_eq!(found(":help :v"), [":verify"]);
        for line in [":last b", ":last 5 b"] {
            assert_eq!(found(line), ["Bob"]);
            assert_eq!(candidates(&live(), line, line.len()).unwrap().0, line.len() - 1);
        }
        assert_eq!(found(":last x b"), [""; 0]);
        assert_eq!(found(":verify Bob b"), [""; 0]);
        assert_eq!(found("bo"), ["Bob: "]);
        assert_eq!(found("밥"), ["밥: "]);
        assert_eq!(found("hi bo"), [""; 0]);
        assert_eq!(found(""), [""; 0]);
    }

    #[test]
    fn only_one_command_is_suggested_and_its_meaning_is_not_typed() {
        let one = suggestion(&live(), ":ver").unwrap();
        assert_eq!((one.display(), one.completion()), ("ify NAME  (does it)", Some("ify ")));
        let whole = suggestion(&live(), ":help").unwrap();
        assert_eq!((whole.display(), whole.completion()), (" NAME  (does it)", None));
        assert!(suggestion(&live(), ":h").is_none());
        assert!(suggestion(&live(), "x").is_none());
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
                let list = cut(pairs().collect(), cells, rows);
                assert!(
                    takes(&list, cells) <= rows.saturating_sub(2).max(1),
                    "{cells}x{rows}: {}",
                    list.len()
                );
                assert_eq!(common(&list), ":", "and it begins as all do");
            }
        }
        assert_eq!(cut(pairs().take(5).collect(), 80, 24)[0].display, ":0  what it does");
    }
}
