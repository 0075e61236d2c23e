//! Card of an invitation: for whom it is, its QR code where the screen has room for all of it, and
//! the invitation in a row of its own, which is wrapped by the terminal alone: so it can be copied.

use unicode_width::UnicodeWidthStr as _;

use super::Size;
use super::colour::ColourDepth;
use super::qr_code::qr_code;
use super::wrap::rows_on_screen;

/// The rows of the card below its title.
pub(crate) fn render(mut title: Vec<String>, url: String, size: Size, depth: ColourDepth) -> Vec<String> {
    let others = title.len() + rows_on_screen(url.width(), size.cells);
    // One row is the prompt's. A code that is not seen whole is none.
    let code = qr_code(&url, size.cells, depth).filter(|code| others + code.rows.len() < size.rows);
    title.extend(code.into_iter().flat_map(|code| code.rows));
    title.push(url);
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_there_where_all_of_it_is_seen_and_the_invitation_always_in_one_row() {
        let url =
            format!("rsachat://minji@minji.example:8000/?i={}#SHA256:{}", "A".repeat(22), "A".repeat(43));
        for (cells, rows, has_code) in [(80, 24, false), (80, 50, true), (40, 10, false), (40, 60, false)] {
            let title = vec!["title".to_owned()];
            let shown = render(title, url.clone(), Size { cells, rows }, ColourDepth::Monochrome);
            assert_eq!(shown.len() > 2, has_code, "{cells}x{rows}: {shown:?}");
            assert_eq!(shown.last(), Some(&url));
        }
    }
}
