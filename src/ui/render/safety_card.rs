//! The card of `:verify`: a code for a camera, what to do, and the safety number in large groups. The number is on
//! the screen when the prompt is there again, whatever the size: it is what two people read to each other.

use unicode_width::UnicodeWidthStr as _;

use super::colour::{self, Style};
use super::qr::{self, Code};
use super::size::Size;
use super::wrap::{answered, wrapped};
use crate::chat::display::SafetyCard;

/// Blanks before the groups of the number.
const INDENT: &str = "    ";
/// Blanks between the code and what stands beside it.
const GAP: &str = "  ";
/// Cells that text beside the code has at least: a row of groups with its indent, and the longest words.
const BESIDE_CELLS: usize = 36;
/// Rows of a screen that has room for blank rows between the groups.
const ROOMY_ROWS: usize = 20;

/// The rows of the card.
pub(crate) fn laid_out(card: &SafetyCard, size: Size, style: Style) -> Vec<String> {
    // One row is the prompt's. A code that is not seen whole is none.
    let code = qr::drawn(&card.code, size.cells, style).filter(|code| code.rows.len() < size.rows);
    let mut rows = match code {
        Some(code) if code.cells + GAP.width() + BESIDE_CELLS <= size.cells => {
            return beside(&code, card, size, style);
        }
        Some(code) => code.rows,
        None => answered(&card.too_small, size.cells),
    };
    rows.extend(card.how.iter().flat_map(|row| answered(row, size.cells)));
    rows.extend(answered(&card.title, size.cells));
    rows.extend(groups(card, size, style));
    rows
}

/// The number and what to do right of the code.
fn beside(code: &Code, card: &SafetyCard, size: Size, style: Style) -> Vec<String> {
    let cells = size.cells - code.cells - GAP.width();
    let text = |row: &String| wrapped(row, 0, GAP.width(), cells);
    let mut right = text(&card.title);
    right.push(String::new());
    right.extend(groups(card, size, style));
    right.push(String::new());
    right.extend(card.how.iter().flat_map(text));
    let blank = " ".repeat(code.cells);
    let rows = code.rows.len().max(right.len());
    let row = |at| {
        let (code, right) = (code.rows.get(at).unwrap_or(&blank), right.get(at).map_or("", String::as_str));
        format!("{code}{GAP}{right}").trim_end().to_owned()
    };
    (0..rows).map(row).collect()
}

fn groups(card: &SafetyCard, size: Size, style: Style) -> Vec<String> {
    let mut rows = Vec::new();
    for row in &card.groups {
        if size.rows >= ROOMY_ROWS && !rows.is_empty() {
            rows.push(String::new());
        }
        let margin = INDENT.width();
        for (at, piece) in wrapped(row, margin, margin, size.cells).into_iter().enumerate() {
            let blanks = if at == 0 { INDENT } else { "" };
            rows.push(colour::painted(&format!("{blanks}{piece}"), colour::OWN, style));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Fingerprint, SafetyNumber};

    #[test]
    fn the_number_is_on_the_screen_of_every_size_when_the_prompt_is_there_again() {
        let (alice, bob) = (Fingerprint::of(b"alice"), Fingerprint::of(b"bob"));
        let card = SafetyCard::new("bob", &SafetyNumber::between(&alice, &bob), &bob);
        for cells in [24, 36, 40, 76, 80, 200] {
            for rows in [5, 10, 20, 24, 60] {
                let shown = laid_out(&card, Size { cells, rows }, Style::Plain);
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
}
