//! Printer of text above the line that is edited, and of the row above it.

use std::io;
use std::sync::Arc;

use rustyline::ExternalPrinter;

use super::editor_state::{CursorPlace, EditorShared};
use crate::app::os;

/// Sequence that makes rustyline repaint the line and changes nothing else, alone or behind a text:
/// up from the row that it cleared, and down again. In the first row there is no up: the painting
/// that follows goes back to the place that is saved here.
const REPAINT: &str = "\x1b7\x1b[A\n";

/// Printer with rustyline's, which holds one text until the editor takes it.
///
/// rustyline writes a text right above the line. While the row above the line may stand, the
/// painting writes the text instead, in the place of the row: it alone knows whether that stands.
/// So it does on a terminal that moves rows, where it has to clear what these have become first.
pub(crate) struct LinePrinter<P> {
    shared: Arc<EditorShared>,
    external: P,
    writer: Writer,
}

/// Who writes a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    Rustyline,
    Painting,
}

impl<P: ExternalPrinter> LinePrinter<P> {
    pub(crate) fn new(shared: Arc<EditorShared>, external: P) -> Self {
        let writer = if shared.reflows { Writer::Painting } else { Writer::Rustyline };
        if writer == Writer::Painting {
            shared.row_above().allow();
        }
        Self { shared, external, writer }
    }

    /// Prints a text; an empty one repaints the prompt if that is out of date.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        shared.wait_settled();
        shared.gate.print(&shared.closing, || {
            let (has_row, is_stale) = {
                let state = shared.state();
                let is_moved = matches!(shared.cursor(), CursorPlace::Found | CursorPlace::BelowAll);
                (
                    state.progress.is_some(),
                    state.is_prompt_stale() || is_moved || shared.sizes.are_to_be_told(),
                )
            };
            match self.writer {
                Writer::Rustyline if has_row => self.begin_row(text),
                _ if text.is_empty() && !is_stale => Ok(()),
                Writer::Rustyline => self.print_by_rustyline(text),
                Writer::Painting => {
                    if !has_row && !shared.reflows {
                        shared.row_above().disallow();
                        self.writer = Writer::Rustyline;
                    }
                    self.print_by_painting(text)
                }
            }
        })
    }

    /// From here on the row may stand: once rustyline has taken what it was given before, which it
    /// has when it takes more for the same line.
    fn begin_row(&mut self, text: &str) -> io::Result<()> {
        let closings = self.shared.gate.closings();
        self.print_by_rustyline(text)?;
        if self.repaint().is_ok() && self.shared.gate.closings() == closings {
            self.shared.row_above().allow();
            self.writer = Writer::Painting;
            let _ = self.repaint();
        }
        Ok(())
    }

    fn print_by_rustyline(&mut self, text: &str) -> io::Result<()> {
        let printed = self.external.print(text.to_owned() + REPAINT);
        // An editor that has ended takes nothing: there is no line above which to print.
        printed.or_else(|_| os::print(text))
    }

    fn print_by_painting(&mut self, text: &str) -> io::Result<()> {
        self.shared.print_above(text);
        self.repaint().or_else(|_| os::print(&self.shared.take_printed()))
    }

    fn repaint(&mut self) -> rustyline::Result<()> {
        self.external.print(REPAINT.to_owned())
    }
}
