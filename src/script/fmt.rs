//! Formatter of scripts. Directives have no blanks at their ends, blank lines come one at a time
//! and not at the end, every line ends with a newline; typed and expected text stays as written.

use super::{LineKind, Script};

/// Main source of a script in its canonical form.
#[must_use]
pub fn canonical(script: &Script) -> String {
    let mut text = String::new();
    let mut blanks = 0;
    for line in script.lines.iter().filter(|line| line.source == 0) {
        let written = match &line.kind {
            LineKind::Blank => {
                blanks += 1;
                continue;
            }
            LineKind::Comment => line.text.trim_end().to_owned(),
            LineKind::Directive(_) => directive(&line.text),
            LineKind::Input { .. } | LineKind::Expect { .. } => line.text.clone(),
        };
        if blanks > 0 && !text.is_empty() {
            text.push('\n');
        }
        blanks = 0;
        text.push_str(&written);
        text.push('\n');
    }
    text
}

/// Directive with one blank between its words, unless it ends with free text.
fn directive(line: &str) -> String {
    let (first, rows) = line.split_once('\n').map_or((line, None), |(first, rows)| (first, Some(rows)));
    let words: Vec<&str> = first.split_whitespace().collect();
    let is_free_text = matches!(words.first(), Some(&("@set" | "@skip" | "@include")));
    let first = if is_free_text { first.trim_end().to_owned() } else { words.join(" ") };
    match rows {
        Some(rows) => format!("{first}\n{rows}"),
        None => first,
    }
}
