//! Asciicast, version 2: a header and the output of a terminal with its times, one JSON value a
//! line.

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::film::{Change, Film};
use super::screen::Style;
use crate::app::json::json_line;

/// Columns between two screens.
const GAP: usize = 3;

pub(super) fn write(film: &Film<'_>) -> String {
    let columns = film.titles.len() * (film.width + GAP) - GAP;
    let title = film.titles.join(", ");
    let title =
        if film.redacted > 0 { format!("{title} ({} places redacted)", film.redacted) } else { title };
    let header = json!({ "version": 2, "width": columns, "height": film.height + 1, "title": title });
    let mut out = json_line(&header);
    let mut first = "\x1b[?25l\x1b[2J".to_owned();
    for (pane, title) in film.titles.iter().enumerate() {
        first.push_str(&at(film, pane, 0, &format!("\x1b[7m{}\x1b[0m", padded(title, film.width))));
    }
    out.push_str(&event(0, &first));
    for changes in film.changes.chunk_by(|one, other| one.at_ms == other.at_ms) {
        let text: String = changes.iter().map(|change| row(film, change)).collect();
        out.push_str(&event(changes.first().map_or(0, |change| change.at_ms), &text));
    }
    out.push_str(&event(film.end_ms, "\x1b[?25h"));
    out
}

fn event(at_ms: u64, text: &str) -> String {
    // Milliseconds are given exactly, whatever a number with a point would make of them.
    format!("[{}.{:03}, \"o\", {}]\n", at_ms / 1_000, at_ms % 1_000, json_line(&text).trim_end())
}

fn row(film: &Film<'_>, change: &Change) -> String {
    let sgr = match change.style {
        Style::Prompt => "1",
        Style::Text => "0",
        Style::Notice => "2",
        Style::Warning => "33",
        Style::Event => "36",
    };
    let text = padded(&change.text, film.width);
    at(film, change.pane, change.row + 1, &format!("\x1b[{sgr}m{text}\x1b[0m"))
}

fn at(film: &Film<'_>, pane: usize, row: usize, text: &str) -> String {
    format!("\x1b[{};{}H{text}", row + 1, pane * (film.width + GAP) + 1)
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}
