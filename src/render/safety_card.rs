//! Safety card of `:verify`: QR code, instructions, and the safety number in large groups.
//!
//! The number is on a screen of any size when the prompt is there again: two people read it to each
//! other.

use unicode_width::UnicodeWidthStr;

use super::Size;
use super::colour::{self, ColourDepth};
use super::qr_code::{QrRows, qr_code};
use super::wrap::{LongUrls, prefix, rows_on_screen, wrap_answer, wrap_behind};
use crate::chat::display::SafetyCard;

/// Indent of the groups of the number.
const INDENT: &str = "    ";
/// Blanks between the code and the text beside it.
const GAP: &str = "  ";
/// Cells that the groups beside the code take, with their indent.
const BESIDE_CELLS: usize = 36;
/// Rows of a screen that has room for blank rows between the groups.
const ROOMY_ROWS: usize = 20;

/// The rows of the card. Where not all have room, the key is left out.
pub(crate) fn render(card: &SafetyCard, size: Size, depth: ColourDepth) -> Vec<String> {
    let wrapped =
        |how: &[String]| how.iter().flat_map(|row| wrap_answer(row, size.cells)).collect::<Vec<_>>();
    let (title, key) = (wrap_answer(&card.title, size.cells), card.key.clone());
    let key_rows = rows_on_screen(key.width(), size.cells);
    let groups = groups(card, size, depth);
    let with_code = qr_code(&card.code, size.cells, depth).and_then(|code| {
        let is_beside = code.cells + GAP.width() + BESIDE_CELLS <= size.cells;
        let code_rows = code.rows.len();
        let (rows, seen) = if is_beside {
            let title = vec![in_one_row(&card.title, size.cells)];
            ([title, vec![key.clone()], wrapped(&card.how), beside_code(&code, &groups)].concat(), code_rows)
        } else {
            let how = [vec![key.clone()], wrapped(&card.how)].concat();
            let rows = [title.clone(), how, code.rows, groups.clone()].concat();
            let seen = rows.len() - 1 + key_rows;
            (rows, seen)
        };
        // One row is the prompt's. A code that is not seen whole is none.
        (seen < size.rows).then_some(rows)
    });
    with_code.unwrap_or_else(|| {
        let how = wrapped(&card.how_without_code);
        let has_room = title.len() + key_rows + how.len() + groups.len() < size.rows;
        [title, Vec::from_iter(has_room.then_some(key)), how, groups].concat()
    })
}

/// A text, cut where it is wider than a row.
fn in_one_row(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        text.to_owned()
    } else {
        format!("{}…", prefix(text, cells.saturating_sub(1)))
    }
}

/// The code with the groups right of it, in the middle.
fn beside_code(code: &QrRows, groups: &[String]) -> Vec<String> {
    let above = code.rows.len().saturating_sub(groups.len()) / 2;
    let beside = |at: usize| at.checked_sub(above).and_then(|at| groups.get(at)).map_or("", String::as_str);
    let rows = code.rows.iter().enumerate();
    rows.map(|(at, row)| format!("{row}{GAP}{}", beside(at)).trim_end().to_owned()).collect()
}

fn groups(card: &SafetyCard, size: Size, depth: ColourDepth) -> Vec<String> {
    let mut rows = Vec::new();
    for groups in &card.groups {
        if size.rows >= ROOMY_ROWS && !rows.is_empty() {
            rows.push(String::new());
        }
        let wrapped =
            wrap_behind(INDENT, INDENT.width(), groups, INDENT.width(), size.cells, LongUrls::Wrapped);
        rows.extend(wrapped.iter().map(|row| colour::paint(row, colour::OWN, depth)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::TrustLevel;
    use crate::crypto::{Fingerprint, SafetyNumber};
    use crate::limits::NAME_CHARS;

    #[test]
    fn the_number_is_on_the_screen_of_every_size_when_the_prompt_is_there_again() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let card = SafetyCard::new("bob", &SafetyNumber::between(&alice, &bob), &bob, TrustLevel::Unverified);
        for cells in [24, 36, 40, 76, 80, 200] {
            for rows in [5, 10, 20, 24, 60] {
                let shown = render(&card, Size { cells, rows }, ColourDepth::Monochrome);
                let seen = shown.get((shown.len() + 1).saturating_sub(rows)..).unwrap().join("\n");
                let groups = card.groups.iter().flat_map(|row| row.split_whitespace());
                for group in groups.filter(|_| cells >= 36 || rows >= 10) {
                    assert!(seen.contains(group), "{cells}x{rows}:\n{seen}");
                }
                let cut = shown.iter().filter(|row| row.width() > cells).count();
                assert!(cut <= 1, "only the key, which can be copied: {cells}x{rows}");
            }
        }
    }

    #[test]
    fn the_title_stands_above_everything_and_the_key_only_where_all_rows_have_room() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let card = SafetyCard::new("bob", &SafetyNumber::between(&alice, &bob), &bob, TrustLevel::Unverified);
        for (cells, rows, has_key) in
            [(40, 10, false), (40, 24, true), (40, 50, true), (80, 24, true), (80, 8, false)]
        {
            let shown = render(&card, Size { cells, rows }, ColourDepth::Monochrome);
            assert!(shown[0].starts_with("safety number for you and bob"), "{cells}x{rows}: {shown:?}");
            assert_eq!(shown.contains(&card.key), has_key, "{cells}x{rows}: {shown:?}");
            assert!(shown.len() < rows, "{cells}x{rows}: {shown:?}");
        }
    }

    #[test]
    fn a_card_with_any_name_fits_a_common_screen_and_speaks_of_no_code_that_is_not_seen_whole() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let number = SafetyNumber::between(&alice, &bob);
        let long = "가".repeat(NAME_CHARS) + "~a1b2c3d4";
        let names = ["bob", "민지", "a-name-of-23-cells-here", "아주아주긴한국어이름입니다요", &long];
        let levels = [TrustLevel::Unverified, TrustLevel::Verified, TrustLevel::Blocked];
        for (name, trust_level) in names.into_iter().flat_map(|name| levels.map(|level| (name, level))) {
            let card = SafetyCard::new(name, &number, &bob, trust_level);
            for (cells, rows) in [(80, 24), (80, 18), (80, 17), (40, 10), (40, 24), (40, 50), (24, 60)] {
                let shown = render(&card, Size { cells, rows }, ColourDepth::Monochrome);
                let visible = shown.get((shown.len() + 1).saturating_sub(rows)..).unwrap();
                let code_rows = visible.iter().filter(|row| row.contains(['▀', '▄', '█'])).count();
                let speaks_of_code = shown.iter().any(|row| row.contains("code"));
                assert_eq!(speaks_of_code, code_rows == 17, "{name} {cells}x{rows}:\n{}", shown.join("\n"));
                let fits = (cells, rows) == (80, 24);
                assert!(!fits || (speaks_of_code && shown.len() < rows), "{name}:\n{}", shown.join("\n"));
            }
        }
    }

    #[test]
    fn a_fingerprint_fits_on_forty_cells_and_not_on_thirty() {
        let fingerprint = Fingerprint::of(b"bob").to_string();
        let code = qr_code(&fingerprint, 40, ColourDepth::Monochrome).unwrap();
        assert_eq!((code.rows.len(), code.cells), (17, 37));
        assert!(qr_code(&fingerprint, 30, ColourDepth::Monochrome).is_none());
    }
}
