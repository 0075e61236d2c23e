//! What stands before the cursor. rustyline lays a line out by the prompt it was given; so the live one, which
//! can change while a line is typed, is always painted in exactly that many cells.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cells that a prompt has at least, so that a first peer's name finds room while an empty line waits: on a
/// small screen, and on one with room for two names.
const SMALL_CELLS: usize = 10;
const ROOMY_CELLS: usize = 16;
/// Cells of a screen that has room for one's own name besides the other's.
const WIDE_CELLS: usize = 60;

/// What stands before the cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct PromptState {
    /// Whose prompt it is.
    pub(crate) own: String,
    /// Who is addressed, with a sign after the name: `?` unverified, `=` verified.
    pub(crate) addressed: Option<(String, &'static str)>,
    /// Lines not received yet.
    pub(crate) waiting: usize,
    /// Messages of others than the addressed one that are not read yet.
    pub(crate) unread: usize,
}

impl PromptState {
    /// The prompt in its natural width, for a screen of so many cells; half of them are left to the line.
    pub(crate) fn text(&self, cells: usize) -> String {
        let roomy = cells >= WIDE_CELLS;
        let natural = format!("{}{}> ", self.head(roomy), self.tail());
        let least = if roomy { ROOMY_CELLS } else { SMALL_CELLS };
        self.fitted(natural.width().min(cells / 2).max(least), cells)
    }

    /// The prompt in exactly `width` cells: filled up before the sign at its end, or the names shortened.
    pub(crate) fn fitted(&self, width: usize, cells: usize) -> String {
        let tail = format!("{}> ", self.tail());
        let heads = [self.head(cells >= WIDE_CELLS), self.head(false)];
        for head in heads {
            let natural = head.width() + tail.width();
            if natural <= width {
                return format!("{head}{}{}> ", self.tail(), " ".repeat(width - natural));
            }
        }
        let (name, mark) = self.addressed.as_ref().map_or((&self.own, ""), |(name, mark)| (name, *mark));
        let tail = format!("…{mark}{tail}");
        let mut prompt = format!("{}{tail}", shortened(name, width.saturating_sub(tail.width())));
        // Where not even the sign fits, or half a wide character is left over.
        while prompt.width() > width && prompt.pop().is_some() {}
        prompt.push_str(&" ".repeat(width - prompt.width()));
        prompt
    }

    fn head(&self, roomy: bool) -> String {
        match &self.addressed {
            Some((name, mark)) if roomy => format!("{} to {name}{mark}", self.own),
            Some((name, mark)) => format!("{name}{mark}"),
            None => self.own.clone(),
        }
    }

    fn tail(&self) -> String {
        let waiting = if self.waiting == 0 { String::new() } else { format!(" +{}", self.waiting) };
        let unread = if self.unread == 0 { String::new() } else { format!(" ({})", self.unread) };
        format!("{waiting}{unread}")
    }
}

fn shortened(name: &str, room: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    name.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str, waiting: usize, unread: usize) -> PromptState {
        let addressed = Some((name.to_owned(), "?"));
        PromptState { own: "alice".to_owned(), addressed, waiting, unread }
    }

    #[test]
    fn a_live_prompt_always_has_the_width_it_was_laid_out_with() {
        for name in ["a", "bob", "서버", "아주아주긴한국어이름입니다", "a-very-long-name-indeed-it-is"]
        {
            for count in [0, 7, 1_000] {
                for cells in [20, 80] {
                    for width in 2..40 {
                        let text = state(name, count, count).fitted(width, cells);
                        assert_eq!(text.width(), width, "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_names_both_where_there_is_room_and_counts_what_is_open() {
        assert_eq!(state("bob", 0, 0).text(80), "alice to bob? > ");
        assert_eq!(state("bob", 2, 3).text(80), "alice to bob? +2 (3)> ");
        assert_eq!(state("bob", 0, 3).text(40), "bob? (3)> ");
        assert_eq!(state("bob", 0, 0).text(40), "bob?    > ");
        assert_eq!(state("아주아주긴한국어이름입니다", 0, 2).text(40), "아주아주긴한…? (2)> ");
        assert_eq!(
            PromptState { own: "alice".to_owned(), ..PromptState::default() }.text(80),
            "alice         > "
        );
    }
}
