//! Sizes of the screen: as it has held, and as the line is laid out for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line_rows::cut_rows;
use crate::render::Size;
use crate::ui::size::size;

/// Both sizes. They differ from a change of the screen until rustyline is told of it.
pub(crate) struct ScreenSizes(Mutex<Sizes>);

#[derive(Clone, Copy, Debug)]
struct Sizes {
    settled: Size,
    laid_out: Size,
    /// Size of which rustyline has been told: it asks for it before anything else, and paints only
    /// where its columns are others. By the next painting the screen may have another one again.
    told: Option<Size>,
}

impl ScreenSizes {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Sizes { settled: size(), laid_out: size(), told: None }))
    }

    /// Takes note of the size of the screen.
    pub(crate) fn note_settled(&self) {
        self.lock().settled = size();
    }

    /// Takes note that rustyline asks for the size as a read begins, and returns it.
    pub(crate) fn begin(&self) -> Size {
        let size = size();
        *self.lock() = Sizes { settled: size, laid_out: size, told: None };
        size
    }

    /// Takes note that rustyline is told of another size.
    pub(crate) fn tell(&self) {
        self.lock().told = Some(size());
    }

    /// Takes note that rustyline has asked for the size, if it was told. Returns whether the layout
    /// is another now.
    pub(crate) fn take_told(&self) -> bool {
        let mut sizes = self.lock();
        let before = sizes.laid_out;
        sizes.laid_out = sizes.told.take().unwrap_or(before);
        sizes.laid_out != before
    }

    /// Size of the screen as it has held.
    pub(crate) fn settled(&self) -> Size {
        self.lock().settled
    }

    /// Size of the screen that rustyline lays the line out for.
    pub(crate) fn layout(&self) -> Size {
        self.lock().laid_out
    }

    /// Whether the line is laid out for another size.
    pub(crate) fn differ(&self) -> bool {
        let Sizes { settled, laid_out, .. } = *self.lock();
        settled != laid_out
    }

    /// Whether the screen has fewer cells than the line is laid out for.
    pub(crate) fn is_narrower(&self) -> bool {
        let Sizes { settled, laid_out, .. } = *self.lock();
        settled.cells < laid_out.cells
    }

    /// Rows of the line from a column on, as far as the screen has room for them: wrapped there,
    /// they would be more than rustyline clears.
    pub(crate) fn cut(&self, rows: String, start: usize) -> String {
        if self.is_narrower() { cut_rows(&rows, start, self.settled().cells) } else { rows }
    }

    fn lock(&self) -> MutexGuard<'_, Sizes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
