//! Safety card of `:verify`: QR code, instructions, and the safety number in large groups.
//!
//! The number is on a screen of any size when the prompt is there again: two people read it to each
//! other.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use unicode_width::UnicodeWidthStr;

use super::Size;
use super::colour::{self, ColourDepth};
use super::wrap::{wrap, wrap_answer, wrap_behind};
use crate::chat::display::SafetyCard;

/// Indent of the groups of the number.
const INDENT: &str = "    ";
/// Blanks between the code and the text beside it.
const GAP: &str = "  ";
/// Cells that text beside the code has at least: a row of groups with its indent, and the longest
/// words.
const BESIDE_CELLS: usize = 36;
/// Rows of a screen that has room for blank rows between the groups.
const ROOMY_ROWS: usize = 20;

/// QR code in half blocks.
struct QrRows {
    /// Its rows, with their colours.
    rows: Vec<String>,
    /// Cells of each row.
    cells: usize,
}

/// The rows of the card.
pub(crate) fn render(card: &SafetyCard, size: Size, depth: ColourDepth) -> Vec<String> {
    // One row is the prompt's. A code that is not seen whole is none.
    let code = qr_code(&card.code, size.cells, depth).filter(|code| code.rows.len() < size.rows);
    let mut rows = match code {
        Some(code) if code.cells + GAP.width() + BESIDE_CELLS <= size.cells => {
            return beside_code(&code, card, size, depth);
        }
        Some(code) => code.rows,
        None => wrap_answer(&card.too_small, size.cells),
    };
    rows.extend(card.how.iter().flat_map(|row| wrap_answer(row, size.cells)));
    rows.extend(wrap_answer(&card.title, size.cells));
    rows.extend(groups(card, size, depth));
    rows
}

/// The card with its text right of the code.
fn beside_code(code: &QrRows, card: &SafetyCard, size: Size, depth: ColourDepth) -> Vec<String> {
    let cells = size.cells - code.cells - GAP.width();
    let text = |row: &String| wrap(row, 0, GAP.width(), cells);
    let mut right = text(&card.title);
    right.push(String::new());
    right.extend(groups(card, size, depth));
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

fn groups(card: &SafetyCard, size: Size, depth: ColourDepth) -> Vec<String> {
    let mut rows = Vec::new();
    for groups in &card.groups {
        if size.rows >= ROOMY_ROWS && !rows.is_empty() {
            rows.push(String::new());
        }
        let wrapped = wrap_behind(INDENT, INDENT.width(), groups, INDENT.width(), size.cells);
        rows.extend(wrapped.iter().map(|row| colour::paint(row, colour::OWN, depth)));
    }
    rows
}

/// The QR code of a text; `None` if it is wider than `cells`.
fn qr_code(text: &str, cells: usize, depth: ColourDepth) -> Option<QrRows> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // With colour it is black on white whatever the terminal's colours are; without, light on dark,
    // which is what most terminals are and most cameras read either way.
    let (dark, light) = match depth {
        ColourDepth::Monochrome => (Dense1x2::Light, Dense1x2::Dark),
        ColourDepth::Ansi16 | ColourDepth::Ansi256 => (Dense1x2::Dark, Dense1x2::Light),
    };
    let drawn = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    let rows = drawn.lines().map(|row| match depth {
        ColourDepth::Monochrome => row.to_owned(),
        ColourDepth::Ansi16 | ColourDepth::Ansi256 => format!("\x1b[30;107m{row}\x1b[0m"),
    });
    let width = drawn.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
    (width <= cells).then(|| QrRows { rows: rows.collect(), cells: width })
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
    fn a_fingerprint_fits_on_forty_cells_and_not_on_thirty() {
        let fingerprint = Fingerprint::of(b"bob").to_string();
        let code = qr_code(&fingerprint, 40, ColourDepth::Monochrome).unwrap();
        assert_eq!((code.rows.len(), code.cells), (19, 37));
        assert!(qr_code(&fingerprint, 30, ColourDepth::Monochrome).is_none());
    }
}
