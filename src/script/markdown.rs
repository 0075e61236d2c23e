//! Scripts in a Markdown page: its code blocks that are marked `chat` (`CommonMark`, section 4.5).

use std::ops::Range;

use super::ast::{LineKind, Script};

/// First word of the info string of a block with a script.
const MARK: &str = "chat";
/// Extension of the name of a block that is played by itself; others are parts of such.
const EXTENSION: &str = ".chat";

/// Code block of a page that holds a script, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChatBlock {
    /// Name behind the mark.
    pub(crate) name: Option<String>,
    /// Whether it is played, and not only included.
    pub(crate) is_played: bool,
    /// Numbers of its lines, from 1.
    pub(crate) lines: Range<usize>,
}

/// Opening or closing of a block: its character and length, and what stands behind it.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let text = line.trim_start_matches(' ');
    let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let info = text.trim_start_matches(mark);
    let length = text.len() - info.len();
    (line.len() - text.len() <= 3 && length >= 3).then_some((mark, length, info.trim()))
}

/// Blocks of a page with scripts. A block with other words behind its mark is an example of
/// something else.
pub(crate) fn blocks(page: &str) -> Vec<ChatBlock> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, &str, usize)> = None;
    let end = page.lines().count() + 1;
    for (line, number) in page.lines().zip(1..).chain([("", end)]) {
        let found = fence(line);
        let Some((mark, length, info, first)) = open else {
            // Backticks in an info string would be code within a line.
            let found = found.filter(|(mark, _, info)| *mark == '~' || !info.contains('`'));
            open = found.map(|(mark, length, info)| (mark, length, info, number + 1));
            continue;
        };
        let closes =
            found.is_some_and(|(other, count, rest)| other == mark && count >= length && rest.is_empty());
        if !closes && number < end {
            continue;
        }
        open = None;
        let mut words = info.split_whitespace();
        let (word, name, more) = (words.next(), words.next(), words.next());
        if word == Some(MARK) && more.is_none() {
            let is_played = name.is_none_or(|name| name.ends_with(EXTENSION));
            blocks.push(ChatBlock { name: name.map(str::to_owned), is_played, lines: first..number });
        }
    }
    blocks
}

impl ChatBlock {
    /// The block alone: the page with nothing on all other lines, so that line numbers stay.
    pub(crate) fn alone(&self, page: &str) -> String {
        let rows = page.lines().zip(1..self.lines.end);
        let rows = rows.map(|(row, number)| if self.lines.contains(&number) { row } else { "" });
        rows.flat_map(|row| [row, "\n"]).collect()
    }
}

/// Removes the lines of a page before and behind its blocks.
pub(crate) fn trim(script: &mut Script) {
    for source in 0..script.sources.len() {
        let is_of = |line: &super::ast::Line| line.source == source && !matches!(line.kind, LineKind::Blank);
        let first = script.lines.iter().find(|line| is_of(line)).map_or(usize::MAX, |line| line.number);
        script.lines.retain(|line| line.source != source || line.number >= first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_marked_chat_are_found_with_their_lines() {
        let page = "# page\n```chat\nhello\n```\ntext\n~~~~ chat two.chat\n```\n~~~\n~~~~\n```chat part.inc\n\n```\n\
            ```chat differs x.chat\n```\n```rust\n```chat\n```\n    ```chat\n  ```chat\nopen";
        let found: Vec<_> =
            blocks(page).into_iter().map(|one| (one.name, one.is_played, one.lines)).collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            found,
            [
                (None, true, 3..4),
                (name("two.chat"), true, 7..9),
                (name("part.inc"), false, 11..12),
                (None, true, 20..21),
            ]
        );
        assert_eq!(blocks(page)[1].alone(page), "\n\n\n\n\n\n```\n~~~\n");
    }
}
