//! Colours: one for each peer, the same every day, readable on dark and on light. They repeat what words say.

use crate::chat::Message;
use crate::config::ColourWhen;
use crate::crypto::Fingerprint;

/// How much colour the output takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// None, and no other attribute either.
    Plain,
    /// The sixteen of every terminal.
    Sixteen,
    /// The palette of 256.
    Many,
}

/// An attribute: for few colours and for many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Paint {
    few: u8,
    many: Option<u8>,
}

/// What is our own: bold.
pub(crate) const OWN: Paint = Paint { few: 1, many: None };
/// Trouble: red.
pub(crate) const TROUBLE: Paint = Paint { few: 31, many: None };

/// Entries of the 256 whose contrast is at least 3 to 1 (WCAG 2.1, 1.4.11) on black and on white, none of
/// them red.
const MANY: [u8; 16] = [29, 30, 31, 32, 64, 65, 66, 67, 94, 97, 98, 101, 103, 130, 132, 134];
/// What the sixteen have that is neither red nor the background of anybody.
const FEW: [u8; 4] = [32, 34, 35, 36];

/// The colour of a key.
pub(crate) fn of(fingerprint: &Fingerprint) -> Paint {
    let byte = usize::from(fingerprint.as_bytes().first().copied().unwrap_or(0));
    let pick = |palette: &[u8]| palette.get(byte % palette.len()).copied().unwrap_or(0);
    Paint { few: pick(&FEW), many: Some(pick(&MANY)) }
}

/// The colour of who said something: by its key, or by its name where no key is proved.
pub(crate) fn of_said(said: &Message) -> Paint {
    of(&said.fingerprint.unwrap_or_else(|| Fingerprint::of(said.name.as_bytes())))
}

/// Text in its paint.
pub(crate) fn painted(text: &str, paint: Paint, style: Style) -> String {
    match (style, paint.many) {
        (Style::Plain, _) => text.to_owned(),
        (Style::Many, Some(many)) => format!("\x1b[38;5;{many}m{text}\x1b[0m"),
        (Style::Sixteen | Style::Many, _) => format!("\x1b[{}m{text}\x1b[0m", paint.few),
    }
}

/// Text that steps back.
pub(crate) fn dim(text: &str, style: Style) -> String {
    painted(text, Paint { few: 2, many: None }, style)
}

/// How output may be coloured. What the settings and the environment say comes first, then whether a terminal
/// is there.
pub(crate) fn style(when: ColourWhen, on_terminal: bool) -> Style {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let many = !var("COLORTERM").is_empty() || var("TERM").contains("256color");
    match when {
        ColourWhen::Never => Style::Plain,
        ColourWhen::Auto if !on_terminal => Style::Plain,
        ColourWhen::Auto | ColourWhen::Always if many => Style::Many,
        ColourWhen::Auto | ColourWhen::Always => Style::Sixteen,
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
        for entry in MANY {
            let light = luminance(entry);
            let (black, white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(black >= 3.0 && white >= 3.0, "{entry}: {black:.1} on black, {white:.1} on white");
        }
    }

    #[test]
    fn a_key_keeps_its_colour_and_plain_text_has_none() {
        let (bob, eve) = (Fingerprint::of(b"bob"), Fingerprint::of(b"eve"));
        assert_eq!(of(&bob), of(&bob));
        assert_eq!(painted("bob", of(&bob), Style::Plain), "bob");
        assert!(painted("eve", of(&eve), Style::Many).starts_with("\x1b[38;5;"));
    }
}
