//! `--update` for random scripts and random single changes of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fixture::{Written, replay};

/// Commands that need no key, with different numbers of rows.
const COMMANDS: [&str; 5] = [":status", ":peers", ":showkey", "hi", ":help keys"];

/// The rows that each command shows, as a transcript has them.
fn rows() -> &'static [Vec<String>] {
    static ROWS: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let shown = COMMANDS.map(|command| replay(&format!("@lenient\n{command}\n"), &[]).passes());
        shown
            .iter()
            .map(|out| out.lines().filter(|row| row.starts_with('|')).map(str::to_owned).collect())
            .collect()
    })
}

/// Change of one expectation.
#[derive(Clone, Copy, Debug)]
enum Change {
    EditWord(Index),
    EditRow,
    Delete,
    Add,
    Swap,
    /// A capture gets another kind, a wildcard a character before it.
    EditPattern,
}

fn changes() -> impl Strategy<Value = (Change, Index)> {
    let change = prop_oneof![
        any::<Index>().prop_map(Change::EditWord),
        Just(Change::EditRow),
        Just(Change::Delete),
        Just(Change::Add),
        Just(Change::Swap),
        Just(Change::EditPattern),
    ];
    (change, any::<Index>())
}

/// Lines of a script that passes: commands, each row as it is shown or as a pattern, and in some
/// steps `$**` in the place of a run of rows.
fn scripts() -> impl Strategy<Value = Vec<String>> {
    let step = (
        0..COMMANDS.len(),
        prop::collection::vec((any::<Index>(), 0..4_u8), 64),
        prop::option::of(any::<[Index; 2]>()),
    );
    prop::collection::vec(step, 1..4).prop_map(|steps| {
        let (mut lines, mut captures) = (Vec::new(), 0);
        for (command, patterns, hidden) in steps {
            lines.extend(["# a step".to_owned(), COMMANDS[command].to_owned()]);
            let rows = &rows()[command];
            let mut expected: Vec<String> = Vec::new();
            for (row, (word, kind)) in rows.iter().zip(patterns) {
                let mut words: Vec<String> = row.split(' ').map(str::to_owned).collect();
                if words.len() > 2 {
                    let word = 1 + word.index(words.len() - 1);
                    // A capture is a run without blanks, and there is one.
                    match kind {
                        0 if !words[word].is_empty() => {
                            captures += 1;
                            words[word] = format!("${{v{captures}}}");
                        }
                        1 => "$*".clone_into(&mut words[word]),
                        _ => {}
                    }
                }
                expected.push(words.join(" "));
            }
            if let Some(ends) = hidden {
                let [one, other] = ends.map(|end| end.index(expected.len()));
                expected.splice(one.min(other)..=one.max(other), ["| $**".to_owned()]);
            }
            lines.extend(expected);
        }
        lines
    })
}

/// Changes an expectation. Returns the lines whose text is not kept as it was.
fn changed(lines: &mut Vec<String>, change: Change, at: Index) -> Vec<String> {
    let expected: Vec<usize> =
        (0..lines.len()).filter(|line| lines[*line].starts_with('|') && lines[*line] != "| $**").collect();
    if expected.is_empty() {
        return Vec::new();
    }
    let line = expected[at.index(expected.len())];
    let old = lines[line].clone();
    match change {
        Change::EditWord(word) => {
            let mut words: Vec<&str> = old.split(' ').collect();
            let plain: Vec<usize> = (1..words.len()).filter(|word| !words[*word].contains('$')).collect();
            if !plain.is_empty() {
                words[plain[word.index(plain.len())]] = "zebra";
            }
            lines[line] = words.join(" ");
        }
        Change::EditRow if !old.contains("${") => "| nothing like it".clone_into(&mut lines[line]),
        Change::Delete => drop(lines.remove(line)),
        Change::Add => lines.insert(line, "| one row more".to_owned()),
        Change::Swap if line + 1 < lines.len() && lines[line + 1].starts_with('|') => {
            lines.swap(line, line + 1);
            return Vec::new();
        }
        Change::EditPattern => lines[line] = old.replace('}', ":fp}").replace("$*", "x$*"),
        Change::EditRow | Change::Swap => return Vec::new(),
    }
    if matches!(change, Change::Add) { Vec::new() } else { vec![old] }
}

fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_update_of_one_change_plays_keeps_what_matched_and_every_capture_and_is_done(
        lines in scripts(), (change, at) in changes()
    ) {
        let whole = lines.join("\n") + "\n";
        prop_assert_eq!(replay(&whole, &["--quiet"]).code, 0, "{}", whole);
        let mut damaged = lines.clone();
        let lost = changed(&mut damaged, change, at);
        let damaged = damaged.join("\n") + "\n";
        let written = Written::new(&damaged);
        let played = written.replay(&["story.chat", "--update"]);
        let text = written.text();
        if played.code == 1 {
            // What `$**` would hide is not dropped, and then nothing changes.
            prop_assert!(damaged.contains("$**"), "{}\n{}", damaged, played.err);
            prop_assert_eq!(text, damaged);
            return Ok(());
        }
        prop_assert_eq!(played.code, 0, "{}", played.err);
        prop_assert_eq!(written.replay(&["story.chat", "--quiet"]).code, 0, "{}\nof\n{}", text, damaged);
        let now: Vec<String> = text.lines().map(str::to_owned).collect();
        let (now, mut kept) = (counted(&now), counted(&lines));
        for line in &lost {
            kept.entry(line).and_modify(|count| *count -= 1);
        }
        for (line, count) in kept {
            prop_assert!(now.get(line).copied().unwrap_or(0) >= count, "{} is lost in\n{}\nof\n{}", line, text, damaged);
        }
        for name in whole.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name) {
            let deleted = matches!(change, Change::Delete) && lost.iter().any(|line| line.contains(&format!("${{{name}}}")));
            prop_assert!(deleted || text.contains(&format!("${{{name}")), "{} is lost in\n{}\nof\n{}", name, text, damaged);
        }
        let again = written.replay(&["story.chat", "--update"]);
        prop_assert_eq!((again.code, again.out.as_str()), (0, ""));
        prop_assert_eq!(written.text(), text);
    }
}
