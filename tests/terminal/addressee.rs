//! Addressee at a terminal: a line goes to whom the prompt showed as it was begun, or nowhere.

use rustix::process::Signal;

use super::pty::{Pty, Setup, row_of_cursor};
use super::support::{PATIENCE, eventually};

#[test]
fn a_line_half_typed_for_one_who_is_cut_off_goes_to_no_stranger_and_stays() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press("우리만 아는 이");
    alice.sees("우리만 아는 이");
    bob.signal(Signal::KILL);
    alice.sees("lost bob");
    let carol = alice.call_as_carol();
    alice.sees_join("carol");
    carol.sees("alice joined");
    alice.press("야기\r");
    alice.sees("! bob is not connected; nothing was sent");
    alice.wait("the text in the line", |screen| row_of_cursor(screen).ends_with("우리만 아는 이야기"));
    assert!(!alice.screen().contains("alice: 우리만"), "it does not look as if it were sent");
    alice.press("\x15@carol 너에게만\r");
    assert_eq!(carol.hears("alice", 1), ["너에게만"]);
    alice.sees("alice → carol: 너에게만");
    alice.press(":quit\r");
    assert_eq!(alice.wait_end(), 0);
    carol.sees("alice left");
    assert_eq!(carol.said_by("alice"), ["너에게만"]);
}

#[test]
fn a_line_that_is_asked_about_waits_for_another_enter_or_stays() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    let carol = alice.call_as_carol();
    alice.sees_join("carol");
    alice.press("carol: 밥?\r");
    alice.sees("plain text goes to bob, and @carol TEXT to carol: Enter sends to bob,");
    let wait_back = |alice: &Pty, times: usize| {
        alice.wait("the text in the line", |screen| {
            screen.contents().matches("> carol: 밥?").count() == times + 1 && screen.bracketed_paste()
        });
    };
    wait_back(&alice, 1);
    // No answer: it may have been pressed before the question was read.
    alice.press("\r");
    wait_back(&alice, 2);
    alice.press("\x03");
    wait_back(&alice, 3);
    assert!(!bob.has_seen("밥?"), "{}", bob.output());
    alice.press("\x15/me 웃는다\r");
    let question = "/me is text here; a command begins with a colon: Enter sends to bob,";
    alice.sees(question);
    // An answer is none of the text: the question is put again.
    alice.wait("the line", |screen| row_of_cursor(screen).ends_with("> /me 웃는다"));
    alice.press("n\r");
    alice.wait("the question again", |screen| {
        let shown = screen.contents();
        shown.matches(question).count() == 2 && row_of_cursor(screen).ends_with("> /me 웃는다")
    });
    eventually("an Enter that is an answer", PATIENCE, || {
        alice.press("\r");
        bob.has_seen("웃는다")
    });
    assert_eq!(bob.hears("alice", 1), ["/me 웃는다"]);
    alice.sees("alice → bob: /me 웃는다");
    alice.press(":x\r");
    alice.sees(":x is text here (:quit leaves): Enter sends to bob,");
    alice.press("\x15:D\r");
    assert_eq!(bob.hears("alice", 2), ["/me 웃는다", ":D"], "and :x was not sent");
    alice.press("::x\r:x\r");
    assert_eq!(bob.hears("alice", 4)[2..], [":x", ":x"], "it was asked about once");
    assert!(!carol.has_seen("alice: "), "{}", carol.output());
}
