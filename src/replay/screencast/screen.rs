//! Screen of an actor: rows, and the prompt below them.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::render::colour::{Look, looks};

/// Style of a text on a screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// As the terminal shows it.
    Look(Look),
    /// What the runner tells, such as an exit.
    Event,
    /// Cell where the next key goes.
    Cursor,
}

/// Part of a row in one style.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) style: Style,
}

/// Row of a screen.
pub(super) type Row = Vec<Span>;

/// A row in one style.
pub(super) fn plain(text: &str, style: Style) -> Row {
    vec![Span { text: text.to_owned(), style }]
}

/// A row as it was painted for a terminal.
pub(super) fn painted(row: &str) -> Row {
    looks(row).map(|(look, text)| Span { text: text.to_owned(), style: Style::Look(look) }).collect()
}

/// Screen, and what of it was painted.
pub(super) struct Pane {
    width: usize,
    height: usize,
    rows: Vec<Row>,
    /// `None` while nobody reads a line.
    prompt: Option<Row>,
    typed: String,
    painted: Vec<Row>,
}

impl Pane {
    pub(super) fn new(width: usize, height: usize, prompt: Option<Row>) -> Self {
        let painted = vec![Row::new(); height];
        Self { width, height, rows: Vec::new(), prompt, typed: String::new(), painted }
    }

    pub(super) fn set_prompt(&mut self, prompt: Option<Row>) {
        self.prompt = prompt;
    }

    pub(super) fn type_text(&mut self, text: &str) {
        self.typed.push_str(text);
    }

    /// Ends the line. Rows may stand in its place.
    pub(super) fn press_enter(&mut self, instead: Option<&[Row]>) {
        match instead {
            Some(rows) => self.show(rows),
            None => self.rows.extend(self.prompt_rows()),
        }
        self.typed.clear();
    }

    /// Shows rows above the prompt. The terminal wraps what is longer than a row.
    pub(super) fn show(&mut self, rows: &[Row]) {
        self.rows.extend(rows.iter().flat_map(|row| wrapped(row, self.width)));
    }

    /// The rows that differ from what was painted before, with their number from the top.
    pub(super) fn changed_rows(&mut self) -> Vec<(usize, Row)> {
        let mut prompt = self.prompt_rows();
        if let Some(last) = prompt.last_mut().filter(|last| cells(last) < self.width) {
            last.push(Span { text: " ".to_owned(), style: Style::Cursor });
        }
        let all: Vec<_> = self.rows.iter().cloned().chain(prompt).collect();
        let visible = all.get(all.len().saturating_sub(self.height)..).unwrap_or_default();
        let mut changed = Vec::new();
        for (number, painted) in self.painted.iter_mut().enumerate() {
            let now = visible.get(number).cloned().unwrap_or_default();
            if *painted != now {
                changed.push((number, now.clone()));
                *painted = now;
            }
        }
        changed
    }

    fn prompt_rows(&self) -> Vec<Row> {
        let Some(prompt) = &self.prompt else { return Vec::new() };
        let typed = Span { text: self.typed.clone(), style: Style::Look(Look::Plain) };
        let row: Row = prompt.iter().cloned().chain([typed]).collect();
        wrapped(&row, self.width)
    }
}

/// Cells of a row.
pub(super) fn cells(row: &Row) -> usize {
    row.iter().map(|span| span.text.width()).sum()
}

/// Rows of a text on a screen of so many columns, at least one.
fn wrapped(row: &Row, width: usize) -> Vec<Row> {
    let mut rows = vec![Row::new()];
    let mut used = 0;
    for Span { text, style } in row {
        for cluster in text.graphemes(true) {
            let cells = cluster.width();
            if cluster == "\n" || used + cells > width {
                rows.push(Row::new());
                used = 0;
            }
            if cluster == "\n" {
                continue;
            }
            used += cells;
            let Some(last) = rows.last_mut() else { continue };
            match last.last_mut().filter(|span| span.style == *style) {
                Some(span) => span.text.push_str(cluster),
                None => last.push(Span { text: cluster.to_owned(), style: *style }),
            }
        }
    }
    rows
}
