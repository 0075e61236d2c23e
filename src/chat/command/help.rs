//! Pages of `:help`, of which the first fits a screen of 80 cells and 24 rows.

use super::table::{COMMANDS, CommandSpec};

/// Topic of `:help`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HelpTopic {
    /// One command.
    Command(&'static CommandSpec),
    /// `:help more`: the commands that are not on the first page.
    More,
    /// `:help keys`: keys, and the lines that are asked about.
    Keys,
    /// `:help prompt`: the signs of the prompt.
    Prompt,
}

/// Topics that are no commands.
pub const TOPICS: [&str; 3] = ["more", "keys", "prompt"];

/// Cells of the column of commands in a list.
const LIST_CELLS: usize = 20;

/// Commands of the first page.
const FIRST: [&str; 18] = [
    "listen", "connect", "invite", "to", "all", "edit", "outbox", "last", "search", "peers", "status",
    "verify", "trust", "name", "block", "close", "help", "quit",
];

/// Rows below the commands of the first page.
const FIRST_END: [&str; 3] = [
    "",
    "Anything else is text; :: begins one with a colon, @@ one with an @",
    "Ctrl-D leaves; more: :help more, :help keys, :help prompt, :help COMMAND",
];

/// Keys of the line editor, each with what it does.
pub const EDITOR_KEYS: [(&str, &str); 8] = [
    ("Enter", "send the line"),
    ("Alt-Enter", "begin a new row; so do Shift-Enter, and a backslash before Enter"),
    ("Tab", "complete commands, names and paths; @bo Tab begins a text to bob"),
    ("Ctrl-C", "clear the line; on an empty line, cancel what is pending"),
    ("Ctrl-D", "leave"),
    ("Ctrl-R", "search the lines that you typed"),
    ("Ctrl-X Ctrl-E", "open the line in your editor"),
    ("Ctrl-L", "clear the screen"),
];

/// To whom a line goes.
pub const ADDRESSEE_HELP: &str = "A line goes to the peer that the prompt showed when its first character was typed. If \
    that peer is away, the line waits until you are both connected; where nothing can be kept, it stays in the line.";

/// Sentence above [`HELD_LINES`].
pub const HELD_HELP: &str = "The prompt asks for Enter once more before it sends (Ctrl-C keeps the line):";

/// Lines that are asked about.
pub const HELD_LINES: [&str; 6] = [
    "a line that was begun for one peer and would go to another",
    "a line that begins with the name of another peer and a colon (bob: …): once for each name",
    "a line that begins like a command of other programs (/msg …): once for each command",
    "a line that begins with a command of vi (:w, :x): once for each command",
    "an invitation (rsachat://…): Enter connects, and :: before it sends it as text",
    "a pasted block of more than 5 lines: send, edit or drop",
];

/// Answer to `:help prompt`.
const PROMPT_HELP: [&str; 12] = [
    "alice to bob? +2 (carol 2, dave 1) >",
    "  alice    your name, where there is room",
    "  bob      whom plain text goes to",
    "  ?        the key was taken at first sight; :verify bob shows what to compare",
    "  =        you have compared the key",
    "  blocked  nothing goes to bob or comes from him; :unblock bob undoes that",
    "  raw      the raw wire, which proves no key",
    "  …        bob is being called; what you type waits",
    "  away     bob is not connected; what you type waits",
    "  +2       two of your lines are not shown there yet; :outbox lists them",
    "  (…)      so many messages have come from others since",
    "  (3)      the same where there is no room for the names; :status says whose",
];

/// Answer to `:help`: the first page, or another topic.
#[must_use]
pub fn help(topic: Option<HelpTopic>) -> Vec<String> {
    match topic {
        None => {
            let commands = FIRST.iter().filter_map(|name| COMMANDS.iter().find(|spec| spec.name == *name));
            let to_one = list_row("@NAME TEXT", "send one text to this peer");
            commands.map(row).chain([to_one]).chain(FIRST_END.map(str::to_owned)).collect()
        }
        Some(HelpTopic::More) => {
            COMMANDS.iter().filter(|spec| !FIRST.contains(&spec.name)).map(row).collect()
        }
        Some(HelpTopic::Keys) => {
            let keys = EDITOR_KEYS.map(|(key, what)| format!("{key:<13}  {what}"));
            let below = ["", ADDRESSEE_HELP, "", HELD_HELP].map(str::to_owned);
            keys.into_iter().chain(below).chain(HELD_LINES.map(|line| format!("- {line}"))).collect()
        }
        Some(HelpTopic::Prompt) => PROMPT_HELP.map(str::to_owned).to_vec(),
        Some(HelpTopic::Command(spec)) => {
            let mut rows = vec![spec.written()];
            rows.push(format!("  {}", spec.summary));
            if !spec.details.is_empty() {
                rows.push(format!("  {}", spec.details));
            }
            rows
        }
    }
}

/// A command in a list, without its options and without optional arguments that its column has no
/// room for: its own help has them.
fn row(spec: &CommandSpec) -> String {
    let written = spec.written();
    let before = |mark| written.split_once(mark).map_or(&*written, |(before, _)| before);
    let without_options = before(" [--");
    let is_short = without_options.chars().count() <= LIST_CELLS;
    list_row(if is_short { without_options } else { before(" [") }, spec.summary)
}

fn list_row(written: &str, summary: &str) -> String {
    format!("{written:<LIST_CELLS$}  {summary}")
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::chat::HoldReason;
    use crate::limits;

    /// The row of a reason to ask before sending.
    fn row_of(reason: &HoldReason) -> &'static str {
        match reason {
            HoldReason::BegunForAnother { .. } => {
                "a line that was begun for one peer and would go to another"
            }
            HoldReason::NamesAnother { .. } => {
                "a line that begins with the name of another peer and a colon (bob: …): once for each name"
            }
            HoldReason::SlashCommand { .. } => {
                "a line that begins like a command of other programs (/msg …): once for each command"
            }
            HoldReason::EditorCommand { .. } => {
                "a line that begins with a command of vi (:w, :x): once for each command"
            }
            HoldReason::Invitation { .. } => {
                "an invitation (rsachat://…): Enter connects, and :: before it sends it as text"
            }
        }
    }

    #[test]
    fn the_lines_that_are_asked_about_stand_in_one_list_each_with_its_reason_and_no_others() {
        let bob = || "bob".to_owned();
        let reasons = [
            HoldReason::BegunForAnother { name: bob() },
            HoldReason::NamesAnother { name: bob() },
            HoldReason::SlashCommand { word: "msg".to_owned() },
            HoldReason::EditorCommand { word: "x".to_owned() },
            HoldReason::Invitation { of: bob() },
        ];
        let source = include_str!("../addressee.rs");
        let (_, variants) = source.split_once("pub enum HoldReason {\n").unwrap();
        let variants = variants.lines().take_while(|row| *row != "}");
        assert_eq!(variants.count(), reasons.len(), "the reasons here are not all there are");
        // The editor itself asks about a block.
        let block = format!("a pasted block of more than {} lines: send, edit or drop", limits::PASTE_LINES);
        let mut rows: Vec<&str> = reasons.iter().map(|reason| row_of(reason)).collect();
        rows.push(&block);
        assert_eq!(HELD_LINES.to_vec(), rows);
    }

    #[test]
    fn the_first_page_fits_a_screen_with_the_line_above_it_and_the_prompt_below() {
        let page = help(None);
        assert!(page.len() <= 24 - 2, "{} rows", page.len());
        for row in [page, help(Some(HelpTopic::More)), help(Some(HelpTopic::Prompt))].concat() {
            assert!(row.width() <= 80, "{row:?}");
        }
    }

    #[test]
    fn the_descriptions_of_a_list_begin_in_one_column() {
        for spec in &COMMANDS {
            let row = row(spec);
            let (written, summary) = row.split_at(row.char_indices().nth(LIST_CELLS).unwrap().0);
            assert_eq!(summary, format!("  {}", spec.summary), "{row:?}");
            assert!(spec.written().starts_with(written.trim_end()), "{row:?}");
        }
    }

    #[test]
    fn every_command_is_on_one_page() {
        let pages = [help(None), help(Some(HelpTopic::More))].concat();
        for spec in &COMMANDS {
            let begins = |row: &&String| row.split_whitespace().next() == Some(&*format!(":{}", spec.name));
            assert_eq!(pages.iter().filter(begins).count(), 1, "{}", spec.name);
        }
    }
}
