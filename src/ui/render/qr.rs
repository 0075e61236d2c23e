//! A QR code in half blocks, for a camera that is pointed at the screen.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use unicode_width::UnicodeWidthStr;

use super::colour::Style;

/// A code as it stands on a screen.
pub(crate) struct Code {
    /// Its rows, painted.
    pub(crate) rows: Vec<String>,
    /// Cells of each.
    pub(crate) cells: usize,
}

/// A QR code of `text`, or nothing if it is wider than `cells`.
pub(crate) fn drawn(text: &str, cells: usize, style: Style) -> Option<Code> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // With colour it is black on white whatever the terminal's colours are; without, light on dark, which is
    // what most terminals are and most cameras read either way.
    let (dark, light) = match style {
        Style::Plain => (Dense1x2::Light, Dense1x2::Dark),
        Style::Sixteen | Style::Many => (Dense1x2::Dark, Dense1x2::Light),
    };
    let drawn = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    let rows = drawn.lines().map(|row| match style {
        Style::Plain => row.to_owned(),
        Style::Sixteen | Style::Many => format!("\x1b[30;107m{row}\x1b[0m"),
    });
    let wide = drawn.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
    (wide <= cells).then(|| Code { rows: rows.collect(), cells: wide })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_fits_on_forty_cells_and_not_on_thirty() {
        let fingerprint = crate::crypto::Fingerprint::of(b"bob").to_string();
        let code = drawn(&fingerprint, 40, Style::Plain).unwrap();
        assert_eq!((code.rows.len(), code.cells), (19, 37));
        assert!(drawn(&fingerprint, 30, Style::Plain).is_none());
    }
}
