//! Lines with more rows than the screen: no key leaves a copy of them, and no row of a message
//! vanishes.

use std::num::NonZeroU16;

use vt100::Parser;

use crate::pty::{Pty, Setup};
use crate::reflow::TMUX;

/// Everything that a terminal of this size has shown, its history above the screen included.
fn history(bytes: &str, (cols, rows): (u16, u16)) -> String {
    let size = |cells| NonZeroU16::new(cells).unwrap();
    let mut parser = Parser::new(size(rows), size(cols), 10_000);
    parser.process(bytes.as_bytes());
    let screen = parser.screen_mut();
    screen.set_scrollback(usize::MAX);
    let mut shown = Vec::new();
    for above in (0..=screen.scrollback()).rev() {
        screen.set_scrollback(above);
        let row = screen.rows(0, cols).next().unwrap_or_default();
        shown.push(if above == 0 { screen.contents() } else { row });
    }
    shown.concat().split_whitespace().collect()
}

#[test]
fn no_key_leaves_a_copy_of_a_line_that_is_taller_than_the_screen() {
    for (_, setup) in Setup::SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        let said: Vec<_> = (0..12).map(|number| format!("message {number} of bob's {number}")).collect();
        for text in &said {
            bob.types(text);
            alice.sees(text);
        }
        let rows = usize::from(setup.rows) + 5;
        let words = 0..rows * usize::from(setup.cols) / 5;
        let typed = words.map(|word| format!("{word:04} ")).collect::<Vec<_>>().concat();
        alice.press(&typed);
        let (_, last) = typed.trim_end().rsplit_once(' ').unwrap();
        alice.sees(last);
        // Keys at the end, at the beginning, and on the way back.
        for (keys, shows) in [
            ("end", "end"),
            ("\x7f\x7f\x7fEND", "END"),
            ("\x01one", "one0000"),
            ("two", "onetwo0000"),
            ("\x05.", "END."),
            ("\x1b[D!", "END!."),
        ] {
            alice.press(keys);
            alice.wait(shows, |screen| screen.contents().contains(shows));
        }
        let history = history(&alice.bytes(), (setup.cols, setup.rows));
        assert!(
            history.matches("00020003").count() <= 2,
            "above the screen, and on it at the beginning: {history}"
        );
        for text in said {
            let text: String = text.split_whitespace().collect();
            assert_eq!(history.matches(&text).count(), 1, "{text}: {history}");
        }
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), [format!("onetwo{typed}END!.")]);
    }
}

#[test]
fn a_screen_that_becomes_taller_than_the_line_as_keys_wait_costs_no_row_of_a_message() {
    for term in [TMUX, Setup::WIDE.term] {
        let setup = Setup { cols: 40, rows: 10, term, ..Setup::WIDE };
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        let typed = (0..106).map(|word| format!("{word:04} ")).collect::<Vec<_>>().concat() + "end";
        alice.press(&typed);
        alice.sees("end");
        let said: Vec<_> = (10..30).map(|number| format!("message of number {number}")).collect();
        // Read at once, and painted one by one.
        alice.press(&"x\x7f".repeat(40));
        alice.resize_taller((setup.cols, setup.rows), 30, &said);
        alice.press("!");
        alice.sees("end!");
        for text in &said {
            assert!(alice.screen().contains(text.as_str()), "{text} {term} {}", alice.picture());
        }
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), [typed + "!"]);
    }
}
