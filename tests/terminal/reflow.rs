//! Terminals that join and wrap their rows anew when they are resized: no row of a message vanishes
//! below the line being typed, and what was typed stays.

use std::cmp::Ordering;
use std::num::NonZeroU16;

use rustix::process::Signal;
use unicode_width::UnicodeWidthChar as _;
use vt100::{Parser, Screen};

use crate::pty::{Pty, Setup};
use crate::support::{PATIENCE, Process, eventually, waits};

/// The screen of such a terminal in another size. Its rows above the first are lost; what stands in
/// its last row stays there, as with empty rows above the first.
pub(crate) fn reflowed(screen: &Screen, cols: NonZeroU16, rows: NonZeroU16) -> Parser {
    let (row, column) = screen.cursor_position();
    let texts: Vec<String> = screen.rows(0, u16::MAX).collect();
    let last = texts.iter().rposition(|text| !text.is_empty()).unwrap_or(0).max(usize::from(row));
    let (mut before, mut behind) = (String::new(), String::new());
    for (at, text) in texts.into_iter().take(last + 1).enumerate() {
        let end = if at == last || screen.row_wrapped(u16::try_from(at).unwrap()) { "" } else { "\r\n" };
        match at.cmp(&usize::from(row)) {
            Ordering::Less => before.extend([text.as_str(), end]),
            Ordering::Greater => behind.extend([text.as_str(), end]),
            Ordering::Equal => {
                let mut left = usize::from(column);
                let split = text.char_indices().find(|(_, c)| {
                    let is_behind = left == 0;
                    left = left.saturating_sub(c.width().unwrap_or(0));
                    is_behind
                });
                let (head, tail) = text.split_at(split.map_or(text.len(), |(at, _)| at));
                before.extend([head, &" ".repeat(left)]);
                behind.extend([tail, end]);
            }
        }
    }
    // Tall enough that nothing of it scrolls.
    let mut tall = Parser::new(NonZeroU16::new(2_000).unwrap(), cols, 0);
    tall.process(before.as_bytes());
    let cursor = tall.screen().cursor_position();
    tall.process(behind.as_bytes());
    let below = tall.screen().cursor_position().0 - cursor.0;
    let mut parser = Parser::new(rows, cols, 0);
    parser.process(screen.input_mode_formatted().as_ref());
    if last + 1 == usize::from(screen.size().0.get()) {
        let missing = (rows.get() - 1).saturating_sub(cursor.0 + below);
        parser.process("\n".repeat(missing.into()).as_bytes());
    }
    parser.process((before + &behind).as_bytes());
    let row = parser.screen().cursor_position().0 + 1 - below;
    parser.process(format!("\x1b[{row};{}H", cursor.1 + 1).as_bytes());
    parser
}

/// Resizes a terminal with a long line in it through these widths, with a message at each, and
/// wants all of them.
fn check(widths: &[u16], setup: &Setup<'_>, typed: &str) {
    let (mut alice, mut bob): (Pty, Process) = Pty::start_with_bob(setup);
    alice.fill();
    alice.press(typed);
    alice.wait(typed, |screen| packed(&screen.contents()).contains(&packed(typed)));
    let mut said = Vec::new();
    for (number, width) in widths.iter().enumerate() {
        let text = format!("{number} {} end {number}", "one two three four five six seven ".repeat(3));
        bob.types(&text);
        // Painted to its end, so that what follows paints the line anew.
        alice.wait(&text, |screen| {
            let shown = packed(&screen.contents());
            shown.contains(&packed(&text)) && shown.ends_with(&packed(typed))
        });
        said.push(text);
        let painted = alice.bytes().len();
        alice.resize_reflowing(*width, setup.rows);
        let (_, end) = typed.rsplit_once(' ').unwrap();
        alice.wait_bytes("the line anew", |bytes| {
            bytes.get(painted..).is_some_and(|new| packed(new).contains(end) && new.contains('>'))
        });
        if setup.term == TMUX {
            alice.wait("the line once", |screen| copies(screen, typed) == 1);
        }
    }
    bob.types("the last one");
    alice.sees("the last one");
    for text in said {
        alice.wait(&text, |screen| packed(&screen.contents()).matches(&packed(&text)).count() == 1);
    }
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), [typed]);
}

/// Copies of a line on the screen, or of its beginning.
fn copies(screen: &Screen, typed: &str) -> usize {
    let begins: String = packed(typed).chars().take(10).collect();
    packed(&screen.contents()).matches(&begins).count()
}

/// A text without its blanks, which may stand at the end of any row.
fn packed(text: &str) -> String {
    text.split_whitespace().collect()
}

pub(crate) const TMUX: &str = "tmux-256color";

const LONG: &str = "this line is longer than any of the screens that it is typed on, so that it stands in \
                    several rows of each of them, whatever the width, also where it is the widest: the end";

#[test]
fn no_row_of_a_message_vanishes_when_the_screen_becomes_narrow_and_wide_again() {
    let tall = Setup { rows: 300, ..Setup::WIDE };
    check(&[30, 80], &tall, LONG);
    check(&[40, 24, 40, 80, 120], &tall, LONG);
    let wide_characters = "가나다라마바사아자차카타파하 ".repeat(6) + "끝";
    check(&[30, 80, 31, 79], &tall, &wide_characters);
}

#[test]
fn no_row_of_a_message_vanishes_when_the_screen_becomes_wide_and_narrow_again() {
    let tall = Setup { cols: 50, rows: 300, ..Setup::WIDE };
    check(&[120, 50, 120], &tall, LONG);
    check(&[120, 119, 50, 20, 110, 21, 100], &Setup { cols: 40, ..tall }, LONG);
}

#[test]
fn a_line_of_several_rows_stands_once_on_the_screen_of_tmux_however_narrow_that_becomes() {
    let tmux = Setup { rows: 300, term: TMUX, ..Setup::WIDE };
    check(&[30, 80, 40, 24, 120, 31], &tmux, LONG);
    let wide_characters = "첫머리부터 ".to_owned() + &"가나다라마바사아자차카타파하 ".repeat(6) + "끝";
    check(&[30, 80, 31, 79, 25], &tmux, &wide_characters);
}

/// Two who talk in tmux, with the long line typed and the cursor before this character of it.
fn typed_in_tmux(setup: &Setup<'_>, at: usize) -> (Pty, Process) {
    let (mut alice, mut bob) = Pty::start_with_bob(setup);
    alice.fill();
    bob.types("before");
    alice.sees("before");
    alice.press(LONG);
    alice.wait("the line", |screen| packed(&screen.contents()).contains(&packed(LONG)));
    let row_of = |at: usize| {
        let cells = "alice to bob? > ".len() + at;
        (cells / 80, cells % 80)
    };
    let ((end, _), (rows, _)) = (alice.cursor(), row_of(LONG.len()));
    alice.press(&"\x1b[D".repeat(LONG.len() - at));
    // Painted, since a key that is painted after the resize would leave a copy.
    alice.wait("the cursor", |screen| {
        let (row, column) = screen.cursor_position();
        (usize::from(row) + rows - usize::from(end), usize::from(column)) == row_of(at)
    });
    (alice, bob)
}

#[test]
fn a_line_stands_once_on_the_screen_of_tmux_wherever_its_cursor_is() {
    for (at, width) in [(0, 30), (20, 40), (100, 30)] {
        let tmux = Setup { rows: 300, term: TMUX, ..Setup::WIDE };
        let (mut alice, bob) = typed_in_tmux(&tmux, at);
        let before = alice.bytes().len();
        alice.resize_reflowing(width, tmux.rows);
        alice.wait_bytes("the line anew", |bytes| {
            bytes.get(before..).is_some_and(|new| packed(new).contains("theend") && new.contains('>'))
        });
        alice.wait("the line once, and the message", |screen| {
            let shown = packed(&screen.contents());
            copies(screen, LONG) == 1 && shown.contains("bob:before") && shown.ends_with(&packed(LONG))
        });
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), [LONG]);
    }
}

#[test]
fn a_message_right_after_a_resize_leaves_no_copy_of_the_line_in_tmux() {
    let tmux = Setup { rows: 300, term: TMUX, ..Setup::WIDE };
    let (mut alice, mut bob) = typed_in_tmux(&tmux, LONG.len());
    for (width, text) in [(30, "first"), (90, "second"), (41, "third")] {
        alice.resize_reflowing(width, tmux.rows);
        eventually("the size is told", PATIENCE, || !waits(alice.id(), Signal::WINCH));
        bob.types(text);
        alice.wait("the message, and the line once", |screen| {
            let shown = packed(&screen.contents());
            copies(screen, LONG) == 1 && shown.contains(&packed(text)) && shown.ends_with(&packed(LONG))
        });
        // Printed behind every painting that followed from the resize.
        let last = format!("behind the {text}");
        bob.types(&last);
        alice.wait(&last, |screen| {
            let shown = packed(&screen.contents());
            shown.contains(&packed(&last)) && shown.ends_with(&packed(LONG))
        });
    }
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), [LONG]);
}

#[test]
fn several_sizes_in_a_row_cost_no_row_of_a_message_in_tmux() {
    let tmux = Setup { rows: 300, term: TMUX, ..Setup::WIDE };
    for at in [LONG.len(), 100] {
        let (mut alice, mut bob) = typed_in_tmux(&tmux, at);
        for width in [60, 30, 90, 40] {
            alice.resize_reflowing(width, tmux.rows);
        }
        bob.types("after");
        alice.wait("the messages, and the line below them", |screen| {
            let shown = packed(&screen.contents());
            let are_there = ["bob:before", "bob:after"].iter().all(|text| shown.contains(text));
            are_there && shown.ends_with(&packed(LONG))
        });
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), [LONG]);
    }
}

#[test]
fn a_cursor_that_tmux_puts_too_high_costs_no_row_of_a_message() {
    let said = ["one", "two", "three", "four", "five", "six"];
    let tmux = Setup { rows: 60, term: TMUX, ..Setup::WIDE };
    for typed in ["", "짧게", LONG] {
        let (mut alice, mut bob) = Pty::start_with_bob(&tmux);
        alice.fill();
        for text in said {
            bob.types(text);
            alice.sees(text);
        }
        alice.press(typed);
        let line = |prompt: &str| packed(&format!("{prompt}{typed}"));
        alice.wait("the line", |screen| packed(&screen.contents()).ends_with(&line("alice to bob? >")));
        let mut said = said.to_vec();
        for (width, too_high, prompt, text) in [
            (30, 4, "bob? >", "seven"),
            (90, 2, "alice to bob? >", "eight"),
            (89, 6, "alice to bob? >", "nine"),
        ] {
            alice.resize_misplacing(width, tmux.rows, too_high);
            // With the prompt for this width, behind which no painting follows by itself.
            alice.wait("the line anew", |screen| screen.rows(0, 99).any(|row| row.starts_with(prompt)));
            bob.types(text);
            alice.wait("the message, and the line once", |screen| {
                let shown = packed(&screen.contents());
                let ends = packed(&format!("bob: {text}")) + &line(prompt);
                shown.ends_with(&ends) && shown.matches("bob?>").count() == 1
            });
            said.push(text);
            let shown = packed(&alice.screen());
            for text in &said {
                assert!(shown.contains(&format!("bob:{text}")), "{text} {width} {}", alice.picture());
            }
        }
        alice.press("!\r");
        assert_eq!(bob.hears("alice", 1), [typed.to_owned() + "!"]);
    }
}

/// A prompt that is full of messages, which it gives too.
fn start_with_messages(setup: &Setup<'_>) -> (Pty, Process, Vec<String>) {
    let (alice, mut bob) = Pty::start_with_bob(setup);
    alice.fill();
    let said: Vec<_> = (10..30).map(|number| format!("words of number {number}")).collect();
    for text in &said {
        bob.types(text);
        alice.sees(text);
    }
    (alice, bob, said)
}

/// Every message stands there, and the line arrives as it was typed.
fn all_shown_and_sent(alice: &mut Pty, bob: &mut Process, said: &[String], term: &str) {
    let shown = packed(&alice.screen());
    for text in said {
        assert!(shown.contains(&packed(text)), "{text} {term} {}", alice.picture());
    }
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), [format!("!{LONG}")]);
}

#[test]
fn keys_that_the_editor_has_read_as_the_size_changes_cost_no_row_of_a_message() {
    for term in [TMUX, Setup::WIDE.term] {
        let setup = Setup { cols: 40, rows: 60, term, ..Setup::WIDE };
        let (mut alice, mut bob, said) = start_with_messages(&setup);
        alice.press(&format!("{LONG}\x01"));
        alice.wait("the line", |screen| packed(&screen.contents()).ends_with(&packed(LONG)));
        // Read at once, and painted one by one.
        alice.press(&"x\x7f".repeat(40));
        alice.resize_reflowing(120, setup.rows);
        alice.press("!");
        alice.wait("the line as it is", |screen| {
            packed(&screen.contents()).ends_with(&packed(&format!("bob?>!{LONG}")))
        });
        all_shown_and_sent(&mut alice, &mut bob, &said, term);
    }
}

#[test]
fn a_width_right_after_a_height_costs_no_row_of_a_message_when_keys_follow() {
    for term in [TMUX, Setup::WIDE.term] {
        // Room for a copy of the line for every key.
        let setup = Setup { cols: 40, rows: 600, term, ..Setup::WIDE };
        let (mut alice, mut bob, said) = start_with_messages(&setup);
        alice.press(LONG);
        let whole = |screen: &Screen| packed(&screen.contents()).ends_with(&packed(LONG));
        alice.wait("the line", whole);
        // rustyline paints nothing where the height alone is another.
        let before = alice.bytes().len();
        alice.resize_reflowing(setup.cols, setup.rows - 1);
        alice.wait_bytes("the line anew", |bytes| {
            bytes.get(before..).is_some_and(|new| packed(new).contains("theend"))
        });
        alice.wait("the whole line", whole);
        alice.resize_reflowing(120, setup.rows - 1);
        // Read at once, and painted one by one.
        alice.press(&("\x01".to_owned() + &"x\x7f".repeat(40) + "!"));
        alice.wait("the line as it is", |screen| {
            packed(&screen.contents()).contains(&packed(&format!(">!{LONG}")))
        });
        all_shown_and_sent(&mut alice, &mut bob, &said, term);
    }
}

#[test]
fn a_screen_that_becomes_lower_below_the_cursor_costs_no_row_of_a_message() {
    for term in [Setup::WIDE.term, TMUX] {
        let (mut alice, mut bob) = Pty::start_with_bob(&Setup { term, ..Setup::WIDE });
        alice.fill();
        for text in ["before", "the last"] {
            bob.types(text);
            alice.sees(text);
        }
        alice.press(LONG);
        alice.wait("the line", |screen| packed(&screen.contents()).ends_with(&packed(LONG)));
        alice.press("\x01");
        alice.wait("its beginning", |screen| screen.cursor_position().0 == 21);
        let before = alice.bytes().len();
        alice.resize(80, 22);
        // As many rows as the line has below its cursor.
        alice.wait_bytes("the room", |bytes| bytes.get(before..).is_some_and(|new| new.contains("\x1b[2A")));
        alice.press("x");
        alice.wait("the line anew", |screen| packed(&screen.contents()).contains("bob?>xthis"));
        let shown = alice.screen();
        assert!(shown.contains("bob: before") && shown.contains("bob: the last"), "{}", alice.picture());
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), [format!("x{LONG}")]);
    }
}

#[test]
fn nothing_is_deleted_above_a_line_in_tmux_when_the_screen_becomes_lower_as_well() {
    // tmux drops rows below the cursor then, so that others stand where the line is looked for. It
    // may have put the cursor too high before.
    let end = LONG.len();
    for (at, rows, deletes) in [(100, 20, false), (150, 20, false), (end, 20, false), (100, 24, true)] {
        let (alice, _bob) = typed_in_tmux(&Setup { term: TMUX, ..Setup::WIDE }, at);
        let before = alice.bytes().len();
        alice.resize_reflowing(60, rows);
        alice.wait_bytes("the line anew", |bytes| {
            bytes.get(before..).is_some_and(|new| new.contains("the end") && new.contains('>'))
        });
        let painted = alice.bytes().get(before..).unwrap().to_owned();
        assert_eq!(painted.contains("\x1b[9999M"), deletes, "{painted:?}");
    }
}
