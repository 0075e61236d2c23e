//! Film of a run: every change of a row of a screen, with its time.

use std::collections::BTreeMap;

use unicode_segmentation::UnicodeSegmentation as _;

use super::screen::{Pane, Row};

/// Time of a key, in milliseconds.
pub(super) const KEY_MS: u64 = 30;
/// Time after a line or a notice, in milliseconds.
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

/// Place of a screen.
pub(super) struct Frame {
    pub(super) title: String,
    /// Columns of the screen.
    pub(super) width: usize,
}

/// Change of one row of one screen.
pub(super) struct Change {
    pub(super) at_ms: u64,
    pub(super) pane: usize,
    /// Number of the row from the top, 0 for the first.
    pub(super) number: usize,
    pub(super) row: Row,
}

/// Screens with all their changes.
pub(super) struct Film<'a> {
    pub(super) frames: &'a [Frame],
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
    pub(super) fn type_text(&mut self, panes: &mut [Pane], actor: usize, text: &str) {
        let clusters: Vec<&str> = text.graphemes(true).collect();
        for keys in clusters.chunks(clusters.len().div_ceil(TYPING_STEPS).max(1)) {
            self.end_ms += KEY_MS;
            if let Some(pane) = panes.get_mut(actor) {
                pane.type_text(&keys.concat());
            }
            self.paint(panes);
        }
        self.end_ms += ROW_MS;
    }

    /// Notes which rows have changed.
    pub(super) fn paint(&mut self, panes: &mut [Pane]) {
        for (pane, screen) in panes.iter_mut().enumerate() {
            for (number, row) in screen.changed_rows() {
                self.changes.push(Change { at_ms: self.end_ms, pane, number, row });
            }
        }
    }

    /// The changes, each with the moment at which a later one replaces its row, in milliseconds.
    pub(super) fn with_ends<'s>(&'s self) -> Vec<(&'s Change, Option<u64>)> {
        let mut next = BTreeMap::new();
        let with_end = |change: &'s Change| (change, next.insert((change.pane, change.number), change.at_ms));
        let mut changes: Vec<_> = self.changes.iter().rev().map(with_end).collect();
        changes.reverse();
        changes
    }
}
