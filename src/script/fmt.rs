//! The canonical form of a script as it stands: no blanks at the ends of directives, one blank line where
//! there were several, none at the end, every line ended by a newline. What is typed and expected is left as
//! it is.

use super::{LineKind, Script};

/// The main source of a script in its canonical form.
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
            LineKind::Input { .. } | LineKind::Expected { .. } => line.text.clone(),
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

/// Words of a directive stand one blank apart, unless the rest is a text of its own.
fn directive(line: &str) -> String {
    let (first, rows) = line.split_once('\n').map_or((line, None), |(first, rows)| (first, Some(rows)));
    let word = first.split_whitespace().next().unwrap_or_default();
    let free = matches!(word, "@set" | "@skip" | "@include");
    let mut out = if free { first.trim_end().to_owned() } else { words(first) };
    if let Some(rows) = rows {
        out.push('\n');
        out.push_str(rows);
    }
    out
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
