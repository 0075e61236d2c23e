//! Asciicast, version 2: a header and the output of a terminal with its times, one JSON value a
//! line.

use std::fmt::Write as _;

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::film::{Change, Film};
use super::screen::{Style, cells};
use crate::app::json::json_line;

/// Columns between two screens.
const GAP: usize = 3;

pub(super) fn write(film: &Film<'_>) -> String {
    let columns = column(film, film.frames.len()) - GAP;
    let titles: Vec<_> = film.frames.iter().map(|frame| frame.title.as_str()).collect();
    let title = titles.join(", ");
    let title =
        if film.redacted > 0 { format!("{title} ({} places redacted)", film.redacted) } else { title };
    let header = json!({ "version": 2, "width": columns, "height": film.height + 1, "title": title });
    let mut out = json_line(&header);
    let mut first = "\x1b[?25l\x1b[2J".to_owned();
    for (pane, frame) in film.frames.iter().enumerate() {
        let title = format!("\x1b[7m{}{}\x1b[0m", frame.title, blanks(film, pane, frame.title.width()));
        first.push_str(&at(film, pane, 0, &title));
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
    let mut text = String::new();
    for span in &change.row {
        let sgr = match span.style {
            Style::Look(look) => look.sgr(),
            Style::Event => "36".to_owned(),
            Style::Cursor => "7".to_owned(),
        };
        let _ = write!(text, "\x1b[{sgr}m{}\x1b[0m", span.text);
    }
    text.push_str(&blanks(film, change.pane, cells(&change.row)));
    at(film, change.pane, change.number + 1, &text)
}

/// First column of a screen.
fn column(film: &Film<'_>, pane: usize) -> usize {
    film.frames.iter().take(pane).map(|frame| frame.width + GAP).sum()
}

fn at(film: &Film<'_>, pane: usize, number: usize, text: &str) -> String {
    format!("\x1b[{};{}H{text}", number + 1, column(film, pane) + 1)
}

/// Blanks behind so many cells of a row.
fn blanks(film: &Film<'_>, pane: usize, used: usize) -> String {
    " ".repeat(film.frames.get(pane).map_or(0, |frame| frame.width.saturating_sub(used)))
}
