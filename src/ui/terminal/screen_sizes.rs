//! Sizes of the screen: as it has held, and as the line is laid out for it.
//!
//! rustyline is told of a size, and asks for it a moment later: the screen may have another one by
//! then. It asks for the rows of its prompt right behind that ([`AskedPrompt`]). Where the size is
//! the same before and behind, it has read that. A change and back in between is not seen, but the
//! signal of it has rustyline told again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustyline::Prompt;

use super::line_rows::cut_rows;
use crate::render::Size;
use crate::ui::size::size;

/// Both sizes. They differ from a change of the screen until rustyline is told of it.
pub(crate) struct ScreenSizes(Mutex<Sizes>);

#[derive(Clone, Copy, Debug)]
struct Sizes {
    settled: Size,
    laid_out: Size,
    columns: Columns,
    /// Size of the screen as rustyline was told that it has another.
    told: Option<Size>,
    /// Whether a signal came since rustyline was told.
    is_due: bool,
    /// Whether the line is laid out for another size than at the last painting.
    is_new: bool,
}

/// What is known of rustyline's columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Columns {
    /// The line is laid out for them.
    #[default]
    Known,
    /// The line is laid out for as many or fewer, so that it has no fewer rows than rustyline
    /// clears.
    AtLeast,
}

impl ScreenSizes {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Sizes::of(size())))
    }

    /// Takes note of the size of the screen, after a signal.
    pub(crate) fn note_settled(&self) {
        let mut sizes = self.lock();
        (sizes.settled, sizes.is_due) = (size(), true);
    }

    /// Takes note that rustyline asks for the size as a read begins, and returns it.
    pub(crate) fn begin(&self) -> Size {
        let (mut sizes, size) = (self.lock(), size());
        *sizes = Sizes { told: Some(size), ..Sizes::of(size) };
        size
    }

    /// Takes note that rustyline is told of another size.
    pub(crate) fn tell(&self) {
        let mut sizes = self.lock();
        (sizes.told, sizes.is_due) = (Some(size()), false);
    }

    /// Takes note that rustyline has just asked for the size, and lays the line out for it.
    fn note_asked(&self) {
        self.lock().note_asked(size());
    }

    /// Takes note that rustyline has asked for the size, if it was told, where the line had so many
    /// rows. Returns whether the layout is another now.
    pub(crate) fn take_told(&self, rows: impl FnOnce() -> usize) -> bool {
        self.lock().take_told(rows, size())
    }

    /// Size of the screen as it has held.
    pub(crate) fn settled(&self) -> Size {
        self.lock().settled
    }

    /// Size of the screen that the line is laid out for.
    pub(crate) fn layout(&self) -> Size {
        self.lock().laid_out
    }

    /// What is known of rustyline's columns.
    pub(crate) fn columns(&self) -> Columns {
        self.lock().columns
    }

    /// Whether rustyline is to be told of the size.
    pub(crate) fn are_to_be_told(&self) -> bool {
        let Sizes { settled, laid_out, columns, is_due, .. } = *self.lock();
        settled != laid_out || columns == Columns::AtLeast || is_due
    }

    /// Whether every key has to have its painting.
    pub(crate) fn need_paintings(&self) -> bool {
        self.is_narrower() || self.columns() == Columns::AtLeast
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

impl Sizes {
    fn of(size: Size) -> Self {
        let (columns, told) = (Columns::Known, None);
        Self { settled: size, laid_out: size, columns, told, is_due: false, is_new: false }
    }

    /// rustyline has asked between the telling and now.
    fn note_asked(&mut self, now: Size) {
        if let Some(told) = self.told.take() {
            self.lay_out_for(told, now);
        }
    }

    /// Where rustyline has asked and paints nothing, its columns are as before, or the line has one
    /// row in them.
    fn take_told(&mut self, rows: impl FnOnce() -> usize, now: Size) -> bool {
        if let Some(told) = self.told.take() {
            if self.columns == Columns::Known && rows() > 1 {
                self.lay_out(Size { rows: told.rows, ..self.laid_out });
            } else {
                self.lay_out_for(told, now);
            }
        }
        std::mem::take(&mut self.is_new)
    }

    fn lay_out_for(&mut self, told: Size, now: Size) {
        self.columns = if told.cells == now.cells { Columns::Known } else { Columns::AtLeast };
        self.lay_out(Size { cells: told.cells.min(now.cells), rows: told.rows });
    }

    fn lay_out(&mut self, size: Size) {
        self.is_new |= self.laid_out != size;
        self.laid_out = size;
    }
}

/// Prompt of which rustyline asks for the rows right behind the size that it lays it out for.
pub(crate) struct AskedPrompt<'s> {
    pub(crate) text: &'s str,
    pub(crate) sizes: &'s ScreenSizes,
}

impl Prompt for AskedPrompt<'_> {
    fn raw(&self) -> &str {
        self.sizes.note_asked();
        self.text
    }

    fn styled(&self) -> &str {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Size = Size { cells: 120, rows: 24 };
    const NARROW: Size = Size { cells: 40, rows: 24 };

    fn told(before: Size, told: Size) -> Sizes {
        Sizes { told: Some(told), ..Sizes::of(before) }
    }

    #[test]
    fn a_line_has_no_fewer_rows_than_rustyline_clears_where_its_columns_are_not_known() {
        for (size, now, cells, columns) in [
            (NARROW, NARROW, 40, Columns::Known),
            (WIDE, NARROW, 40, Columns::AtLeast),
            (NARROW, WIDE, 40, Columns::AtLeast),
        ] {
            let mut sizes = told(Size::DEFAULT, size);
            sizes.note_asked(now);
            assert_eq!((sizes.laid_out.cells, sizes.columns), (cells, columns), "{size:?} {now:?}");
            assert!(sizes.take_told(|| 3, now), "another layout");
            assert!(!sizes.take_told(|| 3, now), "the same");
        }
    }

    #[test]
    fn a_line_of_several_rows_that_is_not_painted_is_laid_out_as_before() {
        for now in [WIDE, NARROW] {
            let mut sizes = told(WIDE, NARROW);
            assert!(!sizes.take_told(|| 2, now));
            assert_eq!((sizes.laid_out, sizes.columns), (WIDE, Columns::Known));
        }
        let mut sizes = told(WIDE, NARROW);
        assert!(sizes.take_told(|| 1, NARROW));
        assert_eq!((sizes.laid_out, sizes.columns), (NARROW, Columns::Known));
        let mut sizes = told(WIDE, NARROW);
        assert!(sizes.take_told(|| 1, WIDE));
        assert_eq!((sizes.laid_out, sizes.columns), (NARROW, Columns::AtLeast));
    }
}
