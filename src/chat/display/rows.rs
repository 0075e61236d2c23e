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
            Self::Answer(rows) => safe_cells(rows),
            Self::Table(rows) => aligned(&table_of_people(rows)),
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
            Self::Answer(rows) => safe_cells(rows),
            Self::Table(rows) => entries(&table_of_people(rows)),
            Self::History { messages, .. } => messages.iter().map(says).collect(),
        }
    }
}

/// Rows of an answer or cells of a table, which may name a path.
fn safe_cells(cells: &[String]) -> Vec<String> {
    cells.iter().map(|cell| SafeText::line(cell).to_string()).collect()
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
    said_rows(&message.author(), &message.rows)
}

/// Rows of a text behind the name of its author.
pub(crate) fn said_rows(author: &str, rows: &[SafeText]) -> Vec<String> {
    if rows.iter().all(|row| row.as_str().is_empty()) {
        return vec![format!("{author}: (empty)")];
    }
    rows.iter().map(|row| format!("{author}: {row}")).collect()
}

/// Headings of the table of peers, as programs know them.
pub(crate) const PEER_COLUMNS: [&str; 7] =
    ["name", "trust", "key", "since", "last seen", "waiting", "address"];

/// Cells of a table that have no value.
pub(crate) const NOTHING: [&str; 2] = ["-", ""];

/// A table as a person reads it: who is connected stands there in words, and columns without any
/// value do not.
pub(crate) fn table_of_people(table: &[Vec<String>]) -> Vec<Vec<String>> {
    let is_of_peers = table.first().is_some_and(|head| head == &PEER_COLUMNS);
    let (head, peers) = table.split_at(usize::from(is_of_peers));
    let peer = |row: &Vec<String>| match &row[..] {
        [name, trust, key, since, last_seen, waiting, address] if is_of_peers => {
            let state = match [since, last_seen].map(String::as_str) {
                ["-", "-"] => "away".to_owned(),
                ["-", last_seen] => format!("away {last_seen}"),
                [since, _] => format!("connected {since}"),
            };
            let waiting = if waiting == "0" { "-" } else { waiting };
            [name, &state, trust, key, waiting, address].map(str::to_owned).to_vec()
        }
        _ => safe_cells(row),
    };
    let head = head
        .iter()
        .map(|_| ["name", "state", "trust", "key", "waiting", "address"].map(str::to_owned).to_vec());
    let mut rows: Vec<_> = head.chain(peers.iter().map(peer)).collect();
    let is_used = |at: usize| {
        rows.iter().skip(1).any(|row| row.get(at).is_some_and(|cell| !NOTHING.contains(&cell.as_str())))
    };
    let used: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(is_used).collect();
    for row in &mut rows {
        let mut used = used.iter();
        row.retain(|_| used.next().is_none_or(|used| *used));
    }
    rows
}

/// Entries of a table, each with the heads of its columns. An empty cell is left out.
fn entries(rows: &[Vec<String>]) -> Vec<String> {
    let Some((head, entries)) = rows.split_first() else { return Vec::new() };
    let sentence = |entry: &Vec<String>| {
        let fields = head.iter().zip(entry).filter(|(_, value)| !NOTHING.contains(&value.as_str()));
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
