//! Screen of an actor: rows, and the prompt below them.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Kind of a row, which gives it its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// Line that is typed or was typed.
    Prompt,
    /// Text of a peer.
    Text,
    /// Notice of the program.
    Notice,
    /// Warning or refusal.
    Warning,
    /// What the runner tells, such as an exit.
    Event,
}

impl Style {
    /// Kind of a row by its mark.
    pub(super) fn of_row(text: &str) -> Self {
        match text.as_bytes().first() {
            Some(b'*') => Self::Notice,
            Some(b'!') => Self::Warning,
            _ => Self::Text,
        }
    }
}

/// Screen, and what of it was painted.
pub(super) struct Pane {
    prompt: String,
    width: usize,
    height: usize,
    rows: Vec<(String, Style)>,
    typed: String,
    painted: Vec<(String, Style)>,
}

impl Pane {
    pub(super) fn new(label: &str, width: usize, height: usize) -> Self {
        let (prompt, blank) = (format!("{label}> "), (String::new(), Style::Text));
        let painted = vec![blank; height];
        Self { prompt, width, height, rows: Vec::new(), typed: String::new(), painted }
    }

    pub(super) fn type_text(&mut self, text: &str) {
        self.typed.push_str(text);
    }

    pub(super) fn press_enter(&mut self) {
        let rows = self.prompt_rows();
        self.rows.extend(rows.into_iter().map(|row| (row, Style::Prompt)));
        self.typed.clear();
    }

    pub(super) fn show(&mut self, text: &str, style: Style) {
        self.rows.extend(wrapped(text, self.width).into_iter().map(|row| (row, style)));
    }

    /// The rows that differ from what was painted before: number from the top, text, kind.
    pub(super) fn changed_rows(&mut self) -> Vec<(usize, String, Style)> {
        let prompt = self.prompt_rows().into_iter().map(|row| (row, Style::Prompt));
        let all: Vec<_> = self.rows.iter().cloned().chain(prompt).collect();
        let visible = all.get(all.len().saturating_sub(self.height)..).unwrap_or_default();
        let mut changed = Vec::new();
        for (number, painted) in self.painted.iter_mut().enumerate() {
            let now = visible.get(number).cloned().unwrap_or((String::new(), Style::Text));
            if *painted != now {
                changed.push((number, now.0.clone(), now.1));
                *painted = now;
            }
        }
        changed
    }

    fn prompt_rows(&self) -> Vec<String> {
        wrapped(&[self.prompt.as_str(), &self.typed].concat(), self.width)
    }
}

/// Rows of a text on a screen of so many columns, at least one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for cluster in text.graphemes(true) {
        let cells = cluster.width();
        if used + cells > width {
            rows.push(String::new());
            used = 0;
        }
        used += cells;
        if let Some(row) = rows.last_mut() {
            row.push_str(cluster);
        }
    }
    rows
}
