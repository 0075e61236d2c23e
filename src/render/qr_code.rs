//! QR codes in half blocks.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use unicode_width::UnicodeWidthStr;

use super::colour::{self, ColourDepth};

/// QR code in half blocks.
pub(crate) struct QrRows {
    /// Its rows, with their colours.
    pub(crate) rows: Vec<String>,
    /// Cells of each row.
    pub(crate) cells: usize,
}

/// The QR code of a text; `None` if it is wider than `cells`.
pub(crate) fn qr_code(text: &str, cells: usize, depth: ColourDepth) -> Option<QrRows> {
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
        ColourDepth::Ansi16 | ColourDepth::Ansi256 => format!("\x1b[{}m{row}\x1b[0m", colour::CODE_SGR),
    });
    let rows: Vec<String> = rows.collect();
    // Half of the quiet zone is enough above and below, and leaves room for the instructions.
    let rows = rows.get(1..rows.len().saturating_sub(1)).unwrap_or_default().to_vec();
    let width = drawn.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
    (width <= cells).then_some(QrRows { rows, cells: width })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a code as a decoder of another author reads it.
    fn decoded(code: &QrRows) -> String {
        // Each row has two of pixels. A pixel is drawn larger, with the quiet zone that was cut.
        let lit = |sign: char| match sign {
            '█' => [true, true],
            '▀' => [true, false],
            '▄' => [false, true],
            _ => [false, false],
        };
        let pixels: Vec<Vec<bool>> = code
            .rows
            .iter()
            .flat_map(|row| [0, 1].map(|half| row.chars().map(|sign| lit(sign)[half]).collect()))
            .collect();
        let (scale, margin) = (4, 16);
        let (width, height) = (code.cells * scale + 2 * margin, pixels.len() * scale + 2 * margin);
        let dark = |x: usize, y: usize| {
            let at = |place: usize| place.checked_sub(margin).map(|place| place / scale);
            let row = at(y).and_then(|y| pixels.get(y));
            // Light on dark: what is not lit is the dark of the code.
            row.zip(at(x)).and_then(|(row, x)| row.get(x)).is_some_and(|lit| !lit)
        };
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(
                width,
                height,
                |x, y| if dark(x, y) { 0 } else { 255 },
            );
        let grids = image.detect_grids();
        grids.first().expect("a code is seen").decode().unwrap().1
    }

    #[test]
    fn an_invitation_is_read_from_its_code_by_the_decoder_of_somebody_else() {
        let url = "rsachat://%EB%AF%BC%EC%A7%80@minji.example:8000,[2001:db8::7]:8000,abc.onion:80/\
                   ?i=AAECAwQFBgcICQoLDA0ODw#SHA256:34b0nd4U4xgajimNssmbTsKe5lHXNENQ7Z5XW/Qg2kY";
        for text in ["SHA256:34b0nd4U4xgajimNssmbTsKe5lHXNENQ7Z5XW/Qg2kY", url] {
            let code = qr_code(text, 80, ColourDepth::Monochrome).unwrap();
            assert_eq!(decoded(&code), text);
        }
    }
}
