//! Prompt of the line editor: one form, which changes without a trace while nothing is typed, and
//! in its width while something is.

use super::pty::{Pty, Setup, row_of_cursor};
use super::support::{PATIENCE, eventually};

#[test]
fn a_prompt_has_its_natural_width_as_soon_as_it_changes_while_nothing_is_typed() {
    for (size, setup) in Setup::SIZES {
        let setup = Setup { args: &["--no-time"], ..setup };
        let mut alice = Pty::start(&setup);
        alice.wait("nobody yet", |screen| row_of_cursor(screen).trim_end() == "alice >");
        let minji = alice.call_with("민지", "pty/bob.pem");
        alice.sees_join("민지");
        alice.check_picture(&format!("prompt-joined-{size}"), |screen| {
            row_of_cursor(screen).contains("민지?")
        });
        let mut carol = alice.call_as_carol();
        alice.sees_join("carol");
        alice.clear();
        carol.types("밥 먹었어?");
        alice.check_picture(&format!("prompt-unread-{size}"), |screen| {
            row_of_cursor(screen).contains("carol 1")
        });
        // In the first row, and with a key that came meanwhile.
        alice.clear();
        alice.press(":to carol\r안녕\r");
        assert_eq!(carol.hears("alice", 1), ["안녕"]);
        drop(minji);
        alice.sees("lost 민지");
        carol.types(":quit");
        alice.sees("carol left");
        alice
            .check_picture(&format!("prompt-away-{size}"), |screen| row_of_cursor(screen).contains("away >"));
    }
}

#[test]
fn a_line_to_somebody_away_stands_once_on_the_screen_with_its_receiver() {
    for (_, setup) in Setup::SIZES {
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        alice.press(":to bob\r");
        alice.sees("plain text now goes to bob");
        let book = alice.home().join("peers");
        eventually("bob is in the book", PATIENCE, || {
            std::fs::read_to_string(&book).is_ok_and(|book| book.contains("\nbob "))
        });
        drop(bob);
        alice.wait("away", |screen| row_of_cursor(screen).contains("away"));
        alice.press("나중에\r");
        alice.sees("alice → bob: 나중에");
        alice.wait("one that waits", |screen| row_of_cursor(screen).contains("+1"));
        assert_eq!(alice.picture().matches("나중에").count(), 1, "{}", alice.picture());
    }
}

#[test]
fn unread_messages_are_counted_together_where_their_names_find_no_room() {
    let (mut alice, _bob) = Pty::start_with_bob(&Setup::SMALL);
    let (mut carol, mut dave) = (alice.call_as_carol(), alice.call_with("dave", "test-2.pem"));
    for (name, peer) in [("carol", &mut carol), ("dave", &mut dave)] {
        peer.types("hello");
        alice.sees(&format!("{name}: hello"));
    }
    alice.wait("the total", |screen| row_of_cursor(screen).trim_end() == "bob? (2) >");
    alice.press(":to carol\r");
    alice.wait("the name", |screen| row_of_cursor(screen).trim_end() == "carol? (dave 1) >");
}

#[test]
fn a_prompt_that_changes_while_a_line_is_typed_keeps_its_cells_and_the_line() {
    for (setup, before, after, anew) in [
        (Setup::WIDE, "alice to bob? > 반쯤", "… to bob? (1) > 반쯤", "alice to bob? (carol 1) >"),
        (Setup::SMALL, "bob? > 반쯤", "…(1) > 반쯤", "bob? (carol 1) >"),
    ] {
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        let mut carol = alice.call_as_carol();
        alice.sees_join("carol");
        alice.press("반x쯤\x1b[D\x7f");
        alice.wait("the line", |screen| row_of_cursor(screen) == before);
        let cell = |alice: &Pty| alice.cursor().1;
        let at = cell(&alice);
        carol.types("hello");
        alice.wait("the line below it", |screen| {
            screen.contents().contains("carol: hello") && row_of_cursor(screen) == after
        });
        assert_eq!(cell(&alice), at, "{}", alice.picture());
        // What was taken away comes back, and the line is still one.
        alice.press("\x1f\x1b[F!");
        alice.wait("the line", |screen| row_of_cursor(screen).ends_with("반x쯤!"));
        alice.press("\r");
        assert_eq!(bob.hears("alice", 1), ["반x쯤!"]);
        alice.wait("a new line", |screen| row_of_cursor(screen).trim_end() == anew);
    }
}

#[test]
fn a_line_that_was_emptied_has_the_natural_prompt_and_can_be_brought_back() {
    for (setup, cut, natural) in [
        (Setup::WIDE, "… to bob? (1) > half", "alice to bob? (carol 1) >"),
        (Setup::SMALL, "…(1) > half", "bob? (carol 1) >"),
    ] {
        for (empties, brings_back, line) in
            [("\x15", "\x19", " half"), ("\x7f\x7f\x7f\x7f", "\x1f", " h"), ("\x15", "\x1f", " half")]
        {
            let (mut alice, _bob) = Pty::start_with_bob(&setup);
            let mut carol = alice.call_as_carol();
            alice.sees_join("carol");
            alice.press("half");
            alice.wait("the line", |screen| row_of_cursor(screen).ends_with("half"));
            carol.types("hello");
            alice.wait("a cut prompt", |screen| row_of_cursor(screen) == cut);
            alice.press(empties);
            alice.wait("a whole prompt", |screen| row_of_cursor(screen).trim_end() == natural);
            alice.press(brings_back);
            alice.wait("the line again", |screen| row_of_cursor(screen) == natural.to_owned() + line);
        }
    }
}

#[test]
fn a_prompt_that_becomes_shorter_has_no_blanks_and_the_line_can_still_be_undone() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    drop(bob);
    alice.wait("away", |screen| row_of_cursor(screen).trim_end() == "alice to bob? away >");
    alice.press("one twx\x1b[D");
    alice.wait("the line", |screen| row_of_cursor(screen).ends_with("one twx"));
    let bob = alice.call_as_bob();
    alice.wait("here", |screen| row_of_cursor(screen) == "alice to bob? > one twx");
    assert_eq!(alice.cursor().1, 22, "{}", alice.picture());
    alice.press("\x1f");
    alice.wait("one word less", |screen| row_of_cursor(screen) == "alice to bob? > one");
    alice.press(" two!\x7f\r");
    assert_eq!(bob.hears("alice", 1), ["one two"]);
}

#[test]
fn a_prompt_fits_every_size_of_the_screen_at_once() {
    for typed in ["", "반쯤"] {
        let (mut alice, _bob) = Pty::start_with_bob(&Setup::WIDE);
        alice.press(typed);
        for (cells, prompt) in [
            (40, "bob? > "),
            (80, "alice to bob? > "),
            (12, "…b? > "),
            (20, "bob? > "),
            (80, "alice to bob? > "),
        ] {
            alice.resize(cells, 24);
            alice.wait(prompt, |screen| {
                row_of_cursor(screen).trim_end() == format!("{prompt}{typed}").trim_end()
            });
        }
    }
}

#[test]
fn what_can_be_undone_browsed_or_searched_stays_when_the_prompt_changes() {
    let vi = Setup { args: &["--editor-mode", "vi"], ..Setup::WIDE };
    for (setup, keys, more, said) in [
        (Setup::WIDE, "typed\x15", "\x19", "typed"),
        (Setup::WIDE, "typed\x15", "\x1f", "typed"),
        (Setup::WIDE, "\x10\x0e", "\x10", "first"),
        (Setup::WIDE, "\x12", "fir\x1b[F", "first"),
        (Setup::WIDE, "\x16", "q", "q"),
        (vi, "\x1b", "k", "first"),
    ] {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        alice.press("first\r");
        bob.hears("alice", 1);
        let mut carol = alice.call_as_carol();
        alice.sees_join("carol");
        carol.sees("alice joined");
        alice.wait_reading();
        alice.press(keys);
        alice.wait_taken();
        carol.types("hello");
        bob.types("and you");
        if keys != "\x12" && keys != "\x16" {
            alice.wait("what was said", |screen| screen.contents().contains("and you"));
        }
        alice.press(more);
        alice.wait_taken();
        alice.press("\r");
        alice.sees(&format!("alice → bob: {said}"));
        assert_eq!(bob.hears("alice", 2), ["first", said], "{keys:?}");
    }
}

#[test]
fn a_prompt_that_changes_leaves_no_row_behind_and_no_key_is_lost() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    let mut carol = alice.call_as_carol();
    alice.sees_join("carol");
    alice.clear();
    let mut said = Vec::new();
    for number in 0..12 {
        carol.types(&format!("hello {number}"));
        alice.sees(&format!("carol: hello {number}"));
        alice.press(&format!("@bob {number}\r"));
        said.push(number.to_string());
        bob.hears("alice", said.len());
        if number % 3 == 2 {
            alice.press(":to carol\r");
            alice.wait("carol addressed", |screen| row_of_cursor(screen).contains("to carol? >"));
            alice.press(":to bob\r");
            alice.wait("bob addressed", |screen| row_of_cursor(screen).contains("to bob? >"));
        }
    }
    assert_eq!(bob.hears("alice", 12), said);
    let shown = alice.screen();
    assert!(!shown.trim_end().lines().any(|row| row.trim().is_empty()), "{}", alice.picture());
}
