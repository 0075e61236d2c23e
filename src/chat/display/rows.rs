//! Rows of a notice: messages, information, warnings, answers and tables, without time or colour.

use unicode_width::UnicodeWidthStr as _;

use crate::chat::notice::{Info, Message, Notice};
use crate::text::safe::SafeText;

impl Notice {
    /// The rows of this notice, without time or colour. Rows of a message begin with the sender's
    /// name, information with `*`, a warning with `!`.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        match self {
            Self::Message(message) | Self::Own(message) | Self::Whole(message) => message_rows(message),
            Self::Info(info) => marked('*', &info.sentence()),
            Self::Warning(warning) => marked('!', &warning.sentence()),
            Self::Counted(_) => Vec::new(),
            Self::Answer(rows) => rows.clone(),
            Self::Table(rows) => aligned(rows),
            Self::History { messages, earlier } => {
                let before = (*earlier > 0).then(|| earlier_messages(*earlier));
                before.into_iter().chain(messages.iter().flat_map(message_rows)).collect()
            }
        }
    }

    /// The rows, and what says less in fewer cells, longest first.
    pub(crate) fn rows_by_length(&self) -> Vec<Vec<String>> {
        match self {
            Self::Info(info) => info.sentences_by_length().iter().map(|form| marked('*', form)).collect(),
            _ => vec![self.rows()],
        }
    }

    /// Whether a prompt says it by itself, so that no row has to.
    pub(crate) fn is_in_prompt(&self) -> bool {
        matches!(self, Self::Info(Info::NowTalking { .. }))
    }

    /// The same for a screen reader or a log: one line for each event, words instead of marks.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let says = |message: &Message| {
            let rows: Vec<_> = message.rows.iter().map(SafeText::as_str).collect();
            let to = if message.to.is_empty() { "" } else { &format!(" to {}", message.to.join(", ")) };
            format!("{} says{to}: {}", message.author_name(), rows.join(" / "))
        };
        let in_a_row = |kind: &str, sentence: &str| {
            let rows: Vec<_> = sentence.lines().map(|row| row.trim_start().replace("… ", "")).collect();
            vec![format!("{kind}: {}", rows.join("; "))]
        };
        match self {
            Self::Message(message) | Self::Own(message) | Self::Whole(message) => vec![says(message)],
            Self::Info(info) => in_a_row("note", &info.sentence()),
            Self::Warning(warning) => in_a_row("problem", &warning.sentence()),
            Self::Counted(_) => Vec::new(),
            Self::Answer(rows) => rows.clone(),
            Self::Table(rows) => entries(rows),
            Self::History { messages, .. } => messages.iter().map(says).collect(),
        }
    }
}

fn marked(mark: char, sentence: &str) -> Vec<String> {
    sentence.lines().map(|row| format!("{mark} {row}")).collect()
}

/// Row below a message that is cut on a screen.
pub(crate) fn more_rows(rows: usize, number: u64) -> String {
    format!("… and {rows} more rows (:show {number})")
}

/// Row above a list of messages that leaves its beginning out.
pub(crate) fn earlier_messages(earlier: usize) -> String {
    format!("… and {earlier} earlier ones")
}

fn message_rows(message: &Message) -> Vec<String> {
    let author = message.author();
    if message.rows.iter().all(|row| row.as_str().is_empty()) {
        return vec![format!("{author}: (empty)")];
    }
    message.rows.iter().map(|row| format!("{author}: {row}")).collect()
}

/// Entries of a table, each with the heads of its columns. An empty cell is left out.
fn entries(rows: &[Vec<String>]) -> Vec<String> {
    let Some((head, entries)) = rows.split_first() else { return Vec::new() };
    let sentence = |entry: &Vec<String>| {
        let fields = head.iter().zip(entry).filter(|(_, value)| !matches!(value.as_str(), "" | "-"));
        fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    entries.iter().map(sentence).collect()
}

/// Table with columns as wide as their widest cell, measured in terminal cells.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> =
            cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width()))).collect();
        line.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
