//! SVG picture of a run, moving or still. Every row has the width of its cells, whatever font the
//! viewer has.

use std::fmt::Write as _;

use quick_xml::escape::escape;
use unicode_width::UnicodeWidthStr as _;

use super::film::{Change, Film, Motion};
use super::screen::Style;

/// Size of a cell, of the space around a screen and of the bar with its title, in pixels.
const CELL_WIDTH: usize = 8;
const CELL_HEIGHT: usize = 19;
const SPACE: usize = 12;
const BAR: usize = 26;

const STYLE: &str = "text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,\"D2Coding\",\"Noto Sans Mono CJK KR\",monospace;\
    white-space:pre}.t{fill:#d8dee9}.p{fill:#fff;font-weight:600}.n{fill:#8f9bb3}.w{fill:#f2c14e}.e{fill:#6fc3df}\
    .b{fill:#c3cad9;text-anchor:middle}";

pub(super) fn write(film: &Film<'_>, motion: Motion) -> String {
    let pane_width = cells(film.width) + 2 * SPACE;
    let width = pane_width * film.titles.len();
    let height = BAR + film.height * CELL_HEIGHT + SPACE;
    let mut out = format!(
        "<svg xml:space=\"preserve\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n"
    );
    if film.redacted > 0 {
        let _ = writeln!(out, "<desc>{} places redacted</desc>", film.redacted);
    }
    for (pane, title) in film.titles.iter().enumerate() {
        let x = pane_width * pane;
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"#1d2330\"/>\
             <text class=\"b\" x=\"{}\" y=\"18\">{}</text>",
            x + 2,
            pane_width - 4,
            height - 2,
            x + pane_width / 2,
            escape(title.as_str())
        );
    }
    match motion {
        Motion::Still => film.last_changes().for_each(|change| row(&mut out, film, change, "")),
        Motion::Animated => {
            for (index, change) in film.changes.iter().enumerate() {
                let end = film.end_of(index, change);
                // A row that is replaced at once is never seen.
                if end != Some(change.at_ms) {
                    let end = end.map(|ms| format!(" end=\"{}\"", seconds(ms))).unwrap_or_default();
                    let begin = seconds(change.at_ms);
                    let motion = format!(
                        "<set attributeName=\"visibility\" to=\"visible\" begin=\"{begin}\"{end} fill=\"freeze\"/>"
                    );
                    row(&mut out, film, change, &motion);
                }
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

fn row(out: &mut String, film: &Film<'_>, change: &Change, motion: &str) {
    if change.text.is_empty() {
        return;
    }
    let class = match change.style {
        Style::Prompt => "p",
        Style::Text => "t",
        Style::Notice => "n",
        Style::Warning => "w",
        Style::Event => "e",
    };
    let x = (cells(film.width) + 2 * SPACE) * change.pane + SPACE;
    let y = BAR + change.row * CELL_HEIGHT + 14;
    let length = cells(change.text.width());
    let hidden = if motion.is_empty() { "" } else { " visibility=\"hidden\"" };
    let text = escape(change.text.as_str());
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" textLength=\"{length}\"{hidden}>{text}{motion}</text>"
    );
}

fn cells(count: usize) -> usize {
    CELL_WIDTH * count
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}
