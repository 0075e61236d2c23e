//! Prompt of the line editor, painted in a fixed width.
//!
//! rustyline lays a line out by the prompt that it was given. So a prompt that changes while a line
//! is typed is always painted in exactly that many cells.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::chat::{AddressedView, Presence, PromptView, TrustLevel};

/// Cells that a prompt has at least, so that a first peer's name finds room while an empty line
/// waits: on a small screen, and on one with room for two names.
const SMALL_CELLS: usize = 10;
const ROOMY_CELLS: usize = 16;
/// Cells of a screen that has room for one's own name besides the peer's.
const WIDE_CELLS: usize = 60;

/// The prompt in its natural width, for a screen of so many cells; half of them are left to the
/// line.
pub(crate) fn natural(view: &PromptView, cells: usize) -> String {
    let roomy = cells >= WIDE_CELLS;
    let natural = format!("{}{}> ", names(view, roomy), counters(view));
    let least = if roomy { ROOMY_CELLS } else { SMALL_CELLS };
    fitted(view, natural.width().min(cells / 2).max(least), cells)
}

/// The prompt in exactly `width` cells: padded before the `>` at its end, or with its names
/// shortened.
pub(crate) fn fitted(view: &PromptView, width: usize, cells: usize) -> String {
    let counters = counters(view);
    let tail = format!("{counters}> ");
    for names in [names(view, cells >= WIDE_CELLS), names(view, false)] {
        let natural = names.width() + tail.width();
        if natural <= width {
            return format!("{names}{counters}{}> ", " ".repeat(width - natural));
        }
    }
    let (name, mark) = view.addressed.as_ref().map_or((&view.own_name, ""), |to| (&to.name, mark(to)));
    let tail = format!("…{mark}{tail}");
    let mut prompt = format!("{}{tail}", truncated(name, width.saturating_sub(tail.width())));
    // Where not even the sign fits, or half a wide character is left over.
    while prompt.width() > width && prompt.pop().is_some() {}
    prompt.push_str(&" ".repeat(width - prompt.width()));
    prompt
}

fn names(view: &PromptView, roomy: bool) -> String {
    match &view.addressed {
        Some(to) if roomy => format!("{} to {}{}", view.own_name, to.name, mark(to)),
        Some(to) => format!("{}{}", to.name, mark(to)),
        None => view.own_name.clone(),
    }
}

/// Sign of the trust in the addressee's key, and of its absence.
fn mark(to: &AddressedView) -> &'static str {
    match (to.trust_level, to.presence) {
        (None, _) | (_, Presence::Connecting) => " …",
        (Some(TrustLevel::Met | TrustLevel::Unverified), Presence::Here) => "?",
        (Some(TrustLevel::Verified), Presence::Here) => "=",
        (Some(TrustLevel::Unauthenticated), Presence::Here) => " raw",
        (Some(TrustLevel::Met | TrustLevel::Unverified), Presence::Away) => "? away",
        (Some(TrustLevel::Verified), Presence::Away) => "= away",
        (Some(TrustLevel::Unauthenticated), Presence::Away) => " raw, away",
    }
}

/// Lines that the peer has not received, and unread messages of other peers.
fn counters(view: &PromptView) -> String {
    let waiting = if view.waiting == 0 { String::new() } else { format!(" +{}", view.waiting) };
    let unread = if view.unread == 0 { String::new() } else { format!(" ({})", view.unread) };
    format!("{waiting}{unread}")
}

fn truncated(name: &str, cells: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= cells
    };
    name.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::LineStart;

    fn view(name: &str, waiting: usize, unread: usize) -> PromptView {
        let (name, trust_level) = (name.to_owned(), Some(TrustLevel::Unverified));
        let addressed = Some(AddressedView { name, trust_level, presence: Presence::Here });
        PromptView {
            own_name: "alice".to_owned(),
            addressed,
            waiting,
            unread,
            has_others: false,
            start: LineStart::default(),
        }
    }

    #[test]
    fn a_live_prompt_always_has_the_width_it_was_laid_out_with() {
        for name in ["a", "bob", "서버", "아주아주긴한국어이름입니다", "a-very-long-name-indeed-it-is"]
        {
            for count in [0, 7, 1_000] {
                for cells in [20, 80] {
                    for width in 2..40 {
                        let text = fitted(&view(name, count, count), width, cells);
                        assert_eq!(text.width(), width, "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_names_both_where_there_is_room_and_counts_what_is_open() {
        assert_eq!(natural(&view("bob", 0, 0), 80), "alice to bob? > ");
        assert_eq!(natural(&view("bob", 2, 3), 80), "alice to bob? +2 (3)> ");
        assert_eq!(natural(&view("bob", 0, 3), 40), "bob? (3)> ");
        assert_eq!(natural(&view("bob", 0, 0), 40), "bob?    > ");
        assert_eq!(natural(&view("아주아주긴한국어이름입니다", 0, 2), 40), "아주아주긴한…? (2)> ");
        assert_eq!(natural(&PromptView { addressed: None, ..view("", 0, 0) }, 80), "alice         > ");
    }
}
