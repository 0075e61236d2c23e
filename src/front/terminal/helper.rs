//! The prompt, completion and hints. rustyline lays a line out by the prompt it was given; so the live one,
//! which can change while a line is typed, is always painted in exactly that many cells.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::Context;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::super::screen::Style;

/// Cells that a prompt has at least, so that a first peer's name finds room while an empty line waits.
const PROMPT_CELLS: usize = 10;

/// What stands before the cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::front) struct PromptState {
    /// Whose prompt it is, or who is addressed.
    pub(in crate::front) name: String,
    /// A sign after the name: `?` unverified, `=` verified, nothing for one's own name.
    pub(in crate::front) mark: &'static str,
    /// Lines not received yet.
    pub(in crate::front) waiting: usize,
}

/// A command that can be completed, and what it completes its argument to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::front) struct Word {
    /// With its colon.
    pub(in crate::front) text: String,
    /// Its arguments.
    pub(in crate::front) usage: String,
    /// What it does.
    pub(in crate::front) summary: String,
    /// Candidates for its argument.
    pub(in crate::front) arguments: Arguments,
}

/// Candidates for an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::front) enum Arguments {
    None,
    Names,
    Words,
}

/// What can change while a line is typed.
#[derive(Clone, Debug)]
pub(in crate::front) struct Live {
    pub(in crate::front) state: PromptState,
    pub(in crate::front) names: Vec<String>,
    pub(in crate::front) words: Vec<Word>,
    pub(in crate::front) style: Style,
}

impl Live {
    /// The prompt in its natural width.
    pub(super) fn prompt(&self) -> String {
        let natural = self.state.natural();
        self.state.fitted(natural.width().max(PROMPT_CELLS))
    }
}

impl PromptState {
    fn tail(&self) -> String {
        if self.waiting == 0 { self.mark.to_owned() } else { format!("{} +{}", self.mark, self.waiting) }
    }

    fn natural(&self) -> String {
        format!("{}{}> ", self.name, self.tail())
    }

    /// The prompt in exactly `cells` cells: filled up before the sign at its end, or the name shortened.
    fn fitted(&self, cells: usize) -> String {
        let natural = self.natural();
        let width = natural.width();
        if width <= cells {
            return format!("{}{}{}> ", self.name, self.tail(), " ".repeat(cells - width));
        }
        let tail = format!("…{}> ", self.tail());
        let room = cells.saturating_sub(tail.width());
        let mut name = String::new();
        let mut used = 0;
        for c in self.name.chars() {
            let width = c.width().unwrap_or(0);
            if used + width > room {
                break;
            }
            used += width;
            name.push(c);
        }
        let mut prompt = format!("{name}{tail}");
        // Where not even the sign fits, or half a wide character is left over.
        while prompt.width() > cells && prompt.pop().is_some() {}
        prompt.push_str(&" ".repeat(cells - prompt.width()));
        prompt
    }
}

pub(super) struct Helper {
    live: Arc<Mutex<Live>>,
    /// Length of the line when it was last looked at.
    bytes: Cell<usize>,
}

impl Helper {
    pub(super) fn new(live: Arc<Mutex<Live>>) -> Self {
        Self { live, bytes: Cell::new(0) }
    }

    /// Whether nothing stood on the line when it was last looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.get() == 0
    }

    /// Bytes of the line when it was last looked at.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl rustyline::Helper for Helper {}

impl Validator for Helper {}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        self.bytes.set(line.len());
        Cow::Borrowed(line)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if !default {
            return Cow::Borrowed(prompt);
        }
        let now = self.live();
        let text = now.state.fitted(prompt.width());
        match now.style {
            Style::Colour => Cow::Owned(format!("\x1b[1m{text}\x1b[0m")),
            Style::Plain => Cow::Owned(text),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        match self.live().style {
            Style::Colour => Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")),
            Style::Plain => Cow::Borrowed(hint),
        }
    }
}

impl Hinter for Helper {
    type Hint = String;

    /// The arguments and the meaning of the command that stands there whole.
    fn hint(&self, line: &str, pos: usize, _context: &Context<'_>) -> Option<String> {
        self.bytes.set(line.len());
        if pos < line.len() || !line.starts_with(':') {
            return None;
        }
        let now = self.live();
        let word = now.words.iter().find(|word| word.text == line)?;
        let gap = if word.usage.is_empty() { "" } else { " " };
        Some(format!("{gap}{}  ({})", word.usage, word.summary))
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or(line);
        if !before.starts_with(':') {
            return file_names(line, pos);
        }
        let now = self.live();
        let Some((command, argument)) = before.split_once(' ') else {
            let words = now.words.iter().filter(|word| word.text.starts_with(before));
            let pairs = words.map(|word| Pair {
                display: format!("{}  {}", word.text, word.summary),
                replacement: format!("{} ", word.text),
            });
            return Ok((0, pairs.collect()));
        };
        let arguments = now.words.iter().find(|word| word.text == command).map(|word| word.arguments);
        let candidates: Vec<String> = match arguments {
            Some(Arguments::Names) => now.names.clone(),
            Some(Arguments::Words) => {
                now.words.iter().map(|word| word.text.trim_start_matches(':').to_owned()).collect()
            }
            Some(Arguments::None) | None => Vec::new(),
        };
        let pairs = candidates.into_iter().filter(|candidate| candidate.starts_with(argument));
        let pairs = pairs.map(|text| Pair { display: text.clone(), replacement: text }).collect();
        Ok((command.len() + 1, pairs))
    }
}

/// In text, what looks like a path is completed as one.
fn file_names(line: &str, pos: usize) -> rustyline::Result<(usize, Vec<Pair>)> {
    let before = line.get(..pos).unwrap_or(line);
    let word = before.rsplit(' ').next().unwrap_or(before);
    if ["/", "./", "../"].iter().any(|start| word.starts_with(start)) {
        FilenameCompleter::new().complete_path(line, pos)
    } else {
        Ok((pos, Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_prompt_always_has_the_width_it_was_laid_out_with() {
        for name in ["a", "bob", "서버", "아주아주긴한국어이름입니다", "a-very-long-name-indeed-it-is"]
        {
            for waiting in [0, 7, 1_000] {
                let state = PromptState { name: name.to_owned(), mark: "?", waiting };
                for cells in 2..40 {
                    let text = state.fitted(cells);
                    assert_eq!(text.width(), cells, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_path_in_a_text_is_completed_and_a_word_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("편지.txt"), "").unwrap();
        let line = format!("보세요 {}/편", folder.path().display());
        let (start, found) = file_names(&line, line.len()).unwrap();
        assert!(found.iter().any(|pair| pair.replacement.ends_with("편지.txt")), "from {start}");
        assert!(file_names("편", 3).unwrap().1.is_empty());
    }
}
