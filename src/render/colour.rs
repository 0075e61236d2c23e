//! Colours of peers and notices, readable on dark and on light backgrounds. They repeat the words.

use crate::chat::Message;
use crate::config::ColourWhen;
use crate::crypto::Fingerprint;

/// Colours that the output takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ColourDepth {
    /// None, and no other attribute either.
    Monochrome,
    /// The sixteen of every terminal.
    Ansi16,
    /// The palette of 256.
    Ansi256,
}

/// Attribute of a text (SGR), with an entry of the palette where there are 256 colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attribute {
    sgr: u8,
    palette: Option<u8>,
}

/// Our own name: bold.
pub(crate) const OWN: Attribute = Attribute { sgr: 1, palette: None };
/// A warning: red.
const WARNING: Attribute = Attribute { sgr: 31, palette: None };
/// Whatever is neither a message nor a warning: dim.
pub(crate) const DIM: Attribute = Attribute { sgr: 2, palette: None };

/// Entries of the palette whose contrast is at least 3 to 1 (WCAG 2.1, 1.4.11) on black and on
/// white, none of them red.
const PALETTE: [u8; 16] = [29, 30, 31, 32, 64, 65, 66, 67, 94, 97, 98, 101, 103, 130, 132, 134];
/// Colours of the sixteen that are neither red nor anybody's background.
const SGR: [u8; 4] = [32, 34, 35, 36];

/// The colour of a key, always the same.
pub(crate) fn of_key(fingerprint: &Fingerprint) -> Attribute {
    let byte = usize::from(fingerprint.as_bytes().first().copied().unwrap_or(0));
    let pick = |colours: &[u8]| colours.get(byte % colours.len()).copied().unwrap_or(0);
    Attribute { sgr: pick(&SGR), palette: Some(pick(&PALETTE)) }
}

/// The colour of a message's sender: by its key, or by its name where no key is proved.
pub(crate) fn of_sender(message: &Message) -> Attribute {
    of_key(&message.fingerprint.unwrap_or_else(|| Fingerprint::of(message.name.as_bytes())))
}

/// The colour of information or of a warning, by the mark of its rows.
pub(crate) fn of_marked(rows: &[String]) -> Attribute {
    if rows.iter().any(|row| row.starts_with('!')) { WARNING } else { DIM }
}

pub(crate) fn paint(text: &str, attribute: Attribute, depth: ColourDepth) -> String {
    match (depth, attribute.palette) {
        (ColourDepth::Monochrome, _) => text.to_owned(),
        (ColourDepth::Ansi256, Some(entry)) => format!("\x1b[38;5;{entry}m{text}\x1b[0m"),
        (ColourDepth::Ansi16 | ColourDepth::Ansi256, _) => format!("\x1b[{}m{text}\x1b[0m", attribute.sgr),
    }
}

/// SGR of a code for a camera: black on white.
pub(super) const CODE_SGR: &str = "30;107";

/// Look of a text on a terminal with 256 colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Plain,
    Bold,
    Dim,
    Warning,
    /// Entry of the palette.
    Palette(u8),
    /// Black on white.
    Code,
}

/// The texts of a painted row, each with its look.
pub(crate) fn looks(painted: &str) -> impl Iterator<Item = (Look, &str)> {
    let sequences = painted.split('\x1b').enumerate();
    let texts =
        sequences.map(|(at, part)| match part.strip_prefix('[').and_then(|part| part.split_once('m')) {
            Some((sgr, text)) if at > 0 => (look(sgr), text),
            _ => (Look::Plain, part),
        });
    texts.filter(|(_, text)| !text.is_empty())
}

impl Look {
    /// The SGR that asks for it.
    pub(crate) fn sgr(self) -> String {
        match self {
            Self::Plain => "0".to_owned(),
            Self::Bold => OWN.sgr.to_string(),
            Self::Dim => DIM.sgr.to_string(),
            Self::Warning => WARNING.sgr.to_string(),
            Self::Palette(entry) => format!("38;5;{entry}"),
            Self::Code => CODE_SGR.to_owned(),
        }
    }
}

fn look(sgr: &str) -> Look {
    let palette = |entry: &str| entry.parse().map_or(Look::Plain, Look::Palette);
    match sgr {
        "1" => Look::Bold,
        "2" => Look::Dim,
        "31" => Look::Warning,
        CODE_SGR => Look::Code,
        _ => sgr.strip_prefix("38;5;").map_or(Look::Plain, palette),
    }
}

/// The colours of the output: settings and environment come first, then whether a terminal is
/// there.
pub(crate) fn depth(when: ColourWhen, on_terminal: bool) -> ColourDepth {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let has_palette = !var("COLORTERM").is_empty() || var("TERM").contains("256color");
    match when {
        ColourWhen::Never => ColourDepth::Monochrome,
        ColourWhen::Auto if !on_terminal => ColourDepth::Monochrome,
        ColourWhen::Auto | ColourWhen::Always if has_palette => ColourDepth::Ansi256,
        ColourWhen::Auto | ColourWhen::Always => ColourDepth::Ansi16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.1) of an entry of the colour cube, as xterm defines it.
    fn luminance(entry: u8) -> f64 {
        let index = entry.checked_sub(16).expect("an entry of the cube");
        let linear = |step: u8| {
            let level = f64::from(if step == 0 { 0 } else { 55 + 40 * step }) / 255.0;
            if level <= 0.03928 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(index / 36) + 0.7152 * linear(index / 6 % 6) + 0.0722 * linear(index % 6)
    }

    #[test]
    fn every_colour_can_be_read_on_black_and_on_white() {
        for entry in PALETTE {
            let light = luminance(entry);
            let (black, white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(black >= 3.0 && white >= 3.0, "{entry}: {black:.1} on black, {white:.1} on white");
        }
    }

    #[test]
    fn a_key_keeps_its_colour_and_plain_text_has_none() {
        let (bob, eve) = (Fingerprint::of(b"bob"), Fingerprint::of(b"eve"));
        assert_eq!(of_key(&bob), of_key(&bob));
        assert_eq!(paint("bob", of_key(&bob), ColourDepth::Monochrome), "bob");
        assert!(paint("eve", of_key(&eve), ColourDepth::Ansi256).starts_with("\x1b[38;5;"));
    }

    #[test]
    fn the_looks_of_a_row_are_those_that_it_was_painted_with() {
        let painted = |attribute| paint("bob", attribute, ColourDepth::Ansi256);
        let (key, bold) = (painted(of_key(&Fingerprint::of(b"bob"))), painted(OWN));
        let row = format!("12:00 {key}: [1m{}{}{bold}", painted(WARNING), painted(DIM));
        let looks: Vec<_> = looks(&row).collect();
        let Look::Palette(entry) = looks[1].0 else { panic!("{looks:?}") };
        assert!(PALETTE.contains(&entry));
        let rest = [(Look::Warning, "bob"), (Look::Dim, "bob"), (Look::Bold, "bob")];
        assert_eq!(
            (looks[0], &looks[2..]),
            ((Look::Plain, "12:00 "), &[(Look::Plain, ": [1m"), rest[0], rest[1], rest[2]][..])
        );
    }
}
