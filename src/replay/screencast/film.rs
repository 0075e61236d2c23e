//! Film of a run: every change of a row of a screen, with its time.

use unicode_segmentation::UnicodeSegmentation as _;

use super::screen::{Pane, Style};

/// Time of a key, in milliseconds.
pub(super) const KEY_MS: u64 = 30;
/// Time after a row, in milliseconds.
pub(super) const ROW_MS: u64 = 600;
/// Most steps in which a line is typed: longer ones are typed several characters at once.
const TYPING_STEPS: usize = 200;
/// Motion of an SVG picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Motion {
    /// It is played from its beginning, once.
    Animated,
    /// The last moment alone.
    Still,
}

/// Whether a line is ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enter {
    Pressed,
    NotYet,
}

/// Change of one row of one screen.
pub(super) struct Change {
    pub(super) at_ms: u64,
    pub(super) pane: usize,
    /// Row from the top, 0 for the first.
    pub(super) row: usize,
    pub(super) text: String,
    pub(super) style: Style,
}

/// Screens with all their changes.
pub(super) struct Film<'a> {
    pub(super) titles: &'a [String],
    /// Columns of a screen.
    pub(super) width: usize,
    /// Rows of a screen.
    pub(super) height: usize,
    pub(super) changes: Vec<Change>,
    /// Time of the end, in milliseconds.
    pub(super) end_ms: u64,
    /// Number of places that were made unreadable.
    pub(super) redacted: usize,
}

impl Film<'_> {
    /// Types a text key by key.
    pub(super) fn type_line(&mut self, panes: &mut [Pane], actor: usize, text: &str, then: Enter) {
        let clusters: Vec<&str> = text.graphemes(true).collect();
        for keys in clusters.chunks(clusters.len().div_ceil(TYPING_STEPS).max(1)) {
            self.end_ms += KEY_MS;
            if let Some(pane) = panes.get_mut(actor) {
                pane.type_text(&keys.concat());
            }
            self.paint(panes);
        }
        self.end_ms += ROW_MS;
        if then == Enter::Pressed {
            if let Some(pane) = panes.get_mut(actor) {
                pane.press_enter();
            }
            self.paint(panes);
        }
    }

    /// Notes which rows have changed.
    pub(super) fn paint(&mut self, panes: &mut [Pane]) {
        for (number, pane) in panes.iter_mut().enumerate() {
            for (row, text, style) in pane.changed_rows() {
                self.changes.push(Change { at_ms: self.end_ms, pane: number, row, text, style });
            }
        }
    }

    /// What the last change made of each row.
    pub(super) fn last_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .enumerate()
            .filter(|(index, change)| self.end_of(*index, change).is_none())
            .map(|(_, change)| change)
    }

    /// When a later change replaces a row, in milliseconds.
    pub(super) fn end_of(&self, index: usize, change: &Change) -> Option<u64> {
        let later = self.changes.get(index + 1..).unwrap_or_default();
        later.iter().find(|one| (one.pane, one.row) == (change.pane, change.row)).map(|one| one.at_ms)
    }
}
