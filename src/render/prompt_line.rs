//! Prompt of the line editor: names, signs and `> ` in their natural width, without a reserve.
//!
//! rustyline lays a line out by the prompt that it was given. So a prompt that changes while a line
//! is typed is painted in exactly that many cells; what is too long is cut from the left, so that
//! its signs and its counts stay.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::chat::{AddressedView, Presence, PromptView, TrustLevel};

/// Cells of a screen that has room for one's own name besides the peer's.
const WIDE_CELLS: usize = 60;
/// Sign of what is cut off, one cell wide.
const CUT: char = '…';
/// Cells of the least prompt: the sign before its end.
const LEAST_CELLS: usize = 3;

/// The prompt in its natural width, for a screen of so many cells; half of them are left to the
/// line. One's own name is left out before anything of the peer's.
pub(crate) fn natural(view: &PromptView, cells: usize) -> String {
    let at_most = (cells / 2).max(LEAST_CELLS);
    let mut texts = vec![text(view, cells, Unread::ByName), text(view, cells, Unread::Total)];
    if view.addressed.is_some() && cells >= WIDE_CELLS {
        texts.push(format!("{CUT}{}", text(view, 0, Unread::Total)));
    }
    let fits = texts.into_iter().find(|text| text.width() <= at_most);
    fits.unwrap_or_else(|| cut(&text(view, cells, Unread::Total), at_most))
}

/// The prompt in exactly `width` cells: cut from the left, or with blanks before it.
pub(crate) fn fitted(view: &PromptView, width: usize, cells: usize) -> String {
    let texts = [text(view, cells, Unread::ByName), text(view, cells, Unread::Total)];
    let fits = texts.into_iter().find(|text| text.width() <= width);
    let text = fits.unwrap_or_else(|| cut(&text(view, cells, Unread::Total), width));
    " ".repeat(width - text.width()) + &text
}

/// Form of the unread messages of other peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unread {
    ByName,
    Total,
}

fn text(view: &PromptView, cells: usize, form: Unread) -> String {
    let names = match &view.addressed {
        Some(to) if cells >= WIDE_CELLS => format!("{} to {}{}", view.own_name, to.name, mark(to)),
        Some(to) => format!("{}{}", to.name, mark(to)),
        None => view.own_name.clone(),
    };
    let waiting = if view.waiting == 0 { String::new() } else { format!(" +{}", view.waiting) };
    format!("{names}{waiting}{} > ", unread(view, form))
}

/// Sign of the trust in the addressee's key, and of its absence.
fn mark(to: &AddressedView) -> &'static str {
    match (to.trust_level, to.presence) {
        (None, _) | (_, Presence::Connecting) => " …",
        (Some(TrustLevel::Met | TrustLevel::Unverified), Presence::Here) => "?",
        (Some(TrustLevel::Verified), Presence::Here) => "=",
        // Nothing goes to it or comes from it: it is not said that it is away.
        (Some(TrustLevel::Blocked), _) => " blocked",
        (Some(TrustLevel::Unauthenticated), Presence::Here) => " raw",
        (Some(TrustLevel::Met | TrustLevel::Unverified), Presence::Away) => "? away",
        (Some(TrustLevel::Verified), Presence::Away) => "= away",
        (Some(TrustLevel::Unauthenticated), Presence::Away) => " raw, away",
    }
}

fn unread(view: &PromptView, form: Unread) -> String {
    let by_name = view.unread_of.iter().map(|(name, count)| format!("{name} {count}"));
    match form {
        _ if view.unread == 0 => String::new(),
        Unread::ByName if !view.unread_of.is_empty() => {
            format!(" ({})", by_name.collect::<Vec<_>>().join(", "))
        }
        Unread::ByName | Unread::Total => format!(" ({})", view.unread),
    }
}

/// The end of a text that is wider than so many cells, behind the sign for what is cut off.
fn cut(text: &str, cells: usize) -> String {
    let mut used = CUT.width().unwrap_or(0);
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= cells
    };
    let kept: Vec<char> = text.chars().rev().take_while(fits).collect();
    std::iter::once(CUT).chain(kept.into_iter().rev()).take(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::LineStart;
    use crate::chat::command::{HelpTopic, help};

    fn view(name: &str, waiting: usize, unread: &[(&str, usize)]) -> PromptView {
        let (name, trust_level) = (name.to_owned(), Some(TrustLevel::Unverified));
        PromptView {
            own_name: "alice".to_owned(),
            addressed: Some(AddressedView { name, trust_level, presence: Presence::Here }),
            waiting,
            unread: unread.iter().map(|(_, count)| count).sum(),
            unread_of: unread.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            has_others: false,
            start: LineStart::default(),
        }
    }

    #[test]
    fn a_live_prompt_always_has_the_width_it_was_laid_out_with_and_its_end() {
        for name in ["a", "bob", "서버", "아주아주긴한국어이름입니다", "a-very-long-name-indeed-it-is"]
        {
            for count in [0, 7, 1_000] {
                for cells in [20, 80] {
                    for width in 2..40 {
                        let text = fitted(&view(name, count, &[("밥", count)]), width, cells);
                        assert_eq!(text.width(), width, "{text:?}");
                        assert!(width < LEAST_CELLS || text.ends_with("> "), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn its_natural_form_has_one_blank_behind_it_and_none_in_reserve() {
        assert_eq!(natural(&view("bob", 0, &[]), 80), "alice to bob? > ");
        assert_eq!(natural(&view("bob", 0, &[]), 40), "bob? > ");
        assert_eq!(natural(&view("민지", 2, &[]), 80), "alice to 민지? +2 > ");
        assert_eq!(natural(&PromptView { addressed: None, ..view("", 0, &[]) }, 80), "alice > ");
        assert_eq!(natural(&view("bob", 0, &[]), 10), "…? > ");
        assert_eq!(natural(&view("bob", 0, &[]), 0), "…> ");
    }

    #[test]
    fn every_sign_is_in_the_help_and_on_the_page_of_the_prompt() {
        use Presence::{Away, Connecting, Here};
        use TrustLevel::{Blocked, Met, Unauthenticated, Unverified, Verified};
        let help = help(Some(HelpTopic::Prompt));
        let page = std::fs::read_to_string("docs/PROMPT.md").unwrap();
        for trust_level in
            [None, Some(Met), Some(Unverified), Some(Verified), Some(Blocked), Some(Unauthenticated)]
        {
            for presence in [Here, Away, Connecting] {
                let mark = mark(&AddressedView { name: "bob".to_owned(), trust_level, presence });
                for sign in mark.split([' ', ',']).filter(|sign| !sign.is_empty()) {
                    let is_listed = help.iter().any(|row| row.split_whitespace().next() == Some(sign));
                    assert!(is_listed, "{sign:?} is not in :help prompt");
                    let in_table = |row: &str| {
                        row.starts_with("| `bob")
                            && row.split('|').nth(1).is_some_and(|cell| cell.contains(sign))
                    };
                    assert!(page.lines().any(in_table), "{sign:?} is not in docs/PROMPT.md");
                }
            }
        }
    }

    #[test]
    fn a_blocked_peer_has_a_sign_of_its_own_and_is_not_said_to_be_away() {
        for presence in [Presence::Here, Presence::Away] {
            let blocked =
                AddressedView { name: "bob".to_owned(), trust_level: Some(TrustLevel::Blocked), presence };
            let view = PromptView { addressed: Some(blocked), ..view("bob", 2, &[]) };
            assert_eq!(natural(&view, 40), "bob blocked +2 > ");
        }
    }

    #[test]
    fn unread_messages_stand_by_name_where_there_is_room_and_else_as_their_total() {
        let two = [("carol", 2), ("밥", 1)];
        assert_eq!(natural(&view("bob", 2, &two), 80), "alice to bob? +2 (carol 2, 밥 1) > ");
        assert_eq!(natural(&view("bob", 0, &two), 40), "bob? (3) > ");
        assert_eq!(natural(&view("bob", 0, &[("carol", 2)]), 40), "bob? (carol 2) > ");
        let long = view("bob", 0, &[("carol", 2), ("a-rather-long-name", 1)]);
        assert_eq!(natural(&long, 80), "alice to bob? (3) > ");
        let older = PromptView { unread_of: Vec::new(), ..view("bob", 0, &two) };
        assert_eq!(natural(&older, 80), "alice to bob? (3) > ", "an older owner tells no names");
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_left() {
        assert_eq!(natural(&view("아주아주긴한국어이름입니다", 0, &[("x", 2)]), 40), "…이름입니다? (2) > ");
        assert_eq!(
            natural(&view("아주아주긴한국어이름입니다", 10_000, &[]), 80),
            "…아주아주긴한국어이름입니다? +10000 > "
        );
        let one = view("bob", 0, &[("carol", 1)]);
        assert_eq!(fitted(&one, 16, 80), "… to bob? (1) > ");
        assert_eq!(fitted(&one, 7, 40), "…(1) > ");
        assert_eq!(fitted(&view("bob", 0, &[]), 10, 40), "   bob? > ", "and blanks stand there too");
        assert_eq!(fitted(&view("민지야", 0, &[]), 8, 40), " …야? > ", "half a wide character has no place");
    }
}
