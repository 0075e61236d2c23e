//! SVG picture of a run, moving or still. Every text has the width of its cells, whatever font the
//! viewer has.

use std::fmt::Write as _;

use quick_xml::escape::escape;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::film::{Change, Film, Motion};
use super::screen::{Row, Style};
use crate::render::colour::Look;

/// Size of a cell, of the space around a screen and of the bar with its title, in pixels.
const CELL_WIDTH: usize = 8;
const CELL_HEIGHT: usize = 19;
const SPACE: usize = 12;
const BAR: usize = 26;
/// Width of a page that is shown in its full size: as many screens as it has room for stand beside
/// each other.
const PAGE: usize = 900;

/// Fonts, and the colours of a dark and of a light page. Those of keys can be read on both.
const STYLE: &str = "text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,\"D2Coding\",\"Noto Sans Mono CJK KR\",monospace;\
    white-space:pre}.s{fill:#0a0c10;stroke:#30363d}.h{fill:#9198a1;text-anchor:middle}.t{fill:#d1d7e0}\
    .b{fill:#f0f6fc;font-weight:700}.d{fill:#848d97}.w{fill:#e5534b}.e{fill:#848d97;font-style:italic}.c{fill:#d1d7e0}\
    @media(prefers-color-scheme:light){.s{fill:#fff;stroke:#d1d9e0}.h,.d,.e{fill:#6e7781}.t,.c{fill:#25292e}\
    .b{fill:#010409}.w{fill:#d1242f}}";

/// Place of a screen, in pixels.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
}

/// Text of one style whose characters all have the same width.
struct Run {
    /// Cells before it.
    column: usize,
    cells: usize,
    /// Cells of a character.
    each: usize,
    text: String,
    style: Style,
}

pub(super) fn write(film: &Film<'_>, motion: Motion) -> String {
    let pane_height = BAR + film.height * CELL_HEIGHT + SPACE;
    let places = places(film, pane_height);
    let width = places.iter().zip(film.frames).map(|(place, frame)| place.x + pane_width(frame.width)).max();
    let width = width.unwrap_or_default();
    let height = places.iter().map(|place| place.y + pane_height).max().unwrap_or_default();
    let mut out = format!(
        "<svg xml:space=\"preserve\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n"
    );
    if film.redacted > 0 {
        let _ = writeln!(out, "<desc>{} places redacted</desc>", film.redacted);
    }
    for (Place { x, y }, frame) in places.iter().zip(film.frames) {
        let width = pane_width(frame.width);
        let _ = writeln!(
            out,
            "<rect class=\"s\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\
             <text class=\"h\" x=\"{}\" y=\"{}\">{}</text>",
            x + 2,
            y + 2,
            width - 4,
            pane_height - 4,
            x + width / 2,
            y + 19,
            escape(frame.title.as_str())
        );
    }
    let place = |change: &Change| places.get(change.pane).copied().unwrap_or(Place { x: 0, y: 0 });
    for (change, end) in film.with_ends() {
        match (motion, end) {
            (Motion::Still, None) => row(&mut out, place(change), change, "<g>"),
            (Motion::Still, Some(_)) => {}
            // A row that is replaced at once is never seen.
            (Motion::Animated, Some(end)) if end == change.at_ms => {}
            (Motion::Animated, end) => row(&mut out, place(change), change, &seen(change.at_ms, end)),
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Places of the screens: beside each other as far as a page has room.
fn places(film: &Film<'_>, pane_height: usize) -> Vec<Place> {
    let (mut x, mut y) = (0, 0);
    let place = |width: usize| {
        if x > 0 && x + width > PAGE {
            (x, y) = (0, y + pane_height);
        }
        let place = Place { x, y };
        x += width;
        place
    };
    film.frames.iter().map(|frame| pane_width(frame.width)).map(place).collect()
}

/// Group that is seen from one moment to another, in milliseconds. A viewer without animation sees
/// what is there at the end.
fn seen(from_ms: u64, until_ms: Option<u64>) -> String {
    let set = |to: &str, begin: u64, end: u64| {
        let (begin, end) = (seconds(begin), seconds(end));
        format!("<set attributeName=\"visibility\" to=\"{to}\" begin=\"{begin}\" end=\"{end}\"/>")
    };
    match until_ms {
        Some(until_ms) => format!("<g visibility=\"hidden\">{}", set("visible", from_ms, until_ms)),
        None if from_ms == 0 => "<g>".to_owned(),
        None => format!("<g>{}", set("hidden", 0, from_ms)),
    }
}

fn row(out: &mut String, place: Place, change: &Change, group: &str) {
    if change.row.is_empty() {
        return;
    }
    out.push_str(group);
    let y = place.y + BAR + change.number * CELL_HEIGHT;
    for Run { column, cells, text, style, .. } in runs(&change.row) {
        let (x, width) = (place.x + SPACE + pixels(column), pixels(cells));
        let look = match style {
            Style::Cursor => {
                let _ = write!(
                    out,
                    "<rect class=\"c\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\"/>",
                    CELL_HEIGHT - 2
                );
                continue;
            }
            Style::Look(Look::Code) => {
                code(out, (x, y), width, &text);
                continue;
            }
            Style::Look(Look::Plain) => "class=\"t\"".to_owned(),
            Style::Look(Look::Bold) => "class=\"b\"".to_owned(),
            Style::Look(Look::Dim) => "class=\"d\"".to_owned(),
            Style::Look(Look::Warning) => "class=\"w\"".to_owned(),
            Style::Look(Look::Palette(entry)) => format!("fill=\"{}\"", colour(entry)),
            Style::Event => "class=\"e\"".to_owned(),
        };
        let _ = write!(
            out,
            "<text {look} x=\"{x}\" y=\"{}\" textLength=\"{width}\">{}</text>",
            y + 14,
            escape(text.as_str())
        );
    }
    out.push_str("</g>\n");
}

/// A row of a code for a camera, whose half blocks are dark on light whatever the font makes of
/// them.
fn code(out: &mut String, (x, y): (usize, usize), width: usize, text: &str) {
    let (top, half) = (2 * y, CELL_HEIGHT);
    let mut dark = String::new();
    for (at, c) in text.chars().enumerate() {
        let (from, height) = match c {
            '█' => (top, 2 * half),
            '▀' => (top, half),
            '▄' => (top + half, half),
            _ => continue,
        };
        let (x, y) = (x + pixels(at), from);
        let _ = write!(dark, "M{x} {}v{}h{CELL_WIDTH}v-{}z", halves(y), halves(height), halves(height));
    }
    let _ = write!(
        out,
        "<g shape-rendering=\"crispEdges\"><rect fill=\"#fff\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
         height=\"{CELL_HEIGHT}\"/><path d=\"{dark}\"/></g>"
    );
}

/// A number of half pixels, in pixels.
fn halves(count: usize) -> String {
    format!("{}{}", count / 2, if count % 2 == 1 { ".5" } else { "" })
}

/// The texts of a row, without the blanks around them.
fn runs(row: &Row) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    for span in row {
        for cluster in span.text.graphemes(true) {
            let cells = cluster.width();
            match runs.last_mut().filter(|run| run.style == span.style && run.each == cells) {
                Some(run) => {
                    run.text.push_str(cluster);
                    run.cells += cells;
                }
                None => {
                    runs.push(Run {
                        column,
                        cells,
                        each: cells,
                        text: cluster.to_owned(),
                        style: span.style,
                    });
                }
            }
            column += cells;
        }
    }
    runs.into_iter().filter_map(Run::trimmed).collect()
}

impl Run {
    /// Itself without the blanks around it, which nobody sees.
    fn trimmed(self) -> Option<Self> {
        if matches!(self.style, Style::Cursor | Style::Look(Look::Code)) {
            return Some(self);
        }
        let text = self.text.trim_start_matches(' ');
        let before = self.text.len() - text.len();
        let text = text.trim_end_matches(' ');
        let cells = self.cells - (self.text.len() - text.len());
        (!text.is_empty()).then(|| Self {
            column: self.column + before,
            cells,
            text: text.to_owned(),
            ..self
        })
    }
}

/// Colour of an entry of the palette, as xterm defines its cube.
fn colour(entry: u8) -> String {
    let index = entry.saturating_sub(16);
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    format!("#{:02x}{:02x}{:02x}", level(index / 36), level(index / 6 % 6), level(index % 6))
}

fn pane_width(columns: usize) -> usize {
    pixels(columns) + 2 * SPACE
}

fn pixels(cells: usize) -> usize {
    CELL_WIDTH * cells
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}
