//! Prompt at a terminal on a home that another process serves.

use std::process::Stdio;

use rustix::process::Signal;

use super::pty::{Pty, Setup, row_of_cursor};
use super::support::Home;

#[test]
fn an_attached_prompt_has_the_screen_the_names_and_the_state_of_the_owner_and_ends_alone() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let serve = ["serve", "--name", "alice", "--listen", "127.0.0.1:0", "--json"];
    let mut owner = home.run(&serve, Stdio::null());
    let mut bob = Home::with_key("bob", "pty/bob.pem").start(&["--connect", &owner.listens_at()]);
    bob.sees("alice joined");
    bob.types("are you there?");
    let mut alice = Pty::attached(&home);
    alice.sees("is serving this home; :quit ends this prompt alone");
    alice.sees("bob: are you there?");
    alice.press(":to b\t\r");
    alice.wait("bob in the prompt", |screen| row_of_cursor(screen).contains("to bob? >"));
    alice.press("here I am\r");
    assert_eq!(bob.hears("alice", 1), ["here I am"]);
    bob.types("good");
    alice.sees("bob: good");
    alice.press(":bob\r");
    alice.sees("! ");
    assert!(!alice.bytes().contains("\x1b]9;"), "{:?}", alice.bytes());
    bob.types("look here, Alice!");
    alice.wait_bytes("a bell", |bytes| bytes.contains("\x07\x1b]9;rsachat: new message\x1b\\"));
    let mut carol = Home::with_key("carol", "test-1.pem").start(&["--connect", &owner.listens_at()]);
    carol.types("me too");
    alice.wait("carol in it", |screen| row_of_cursor(screen).contains("to bob? (carol 1) >"));
    alice.resize(40, 24);
    alice.wait("a shorter prompt", |screen| row_of_cursor(screen).trim_end() == "bob? (carol 1) >");
    alice.resize(80, 24);
    alice.wait("all of it", |screen| row_of_cursor(screen).trim_end() == "alice to bob? (carol 1) >");
    assert!(!alice.bytes().contains("now talking"), "a join is one row: {}", alice.picture());
    alice.press(":verify bob\r");
    alice.sees("safety number for you and bob: both must");
    alice.sees("█ ███ █");
    alice.press("\x04");
    assert_eq!(alice.wait_end(), 0);
    assert!(owner.is_running());
    let mut again = Pty::attached(&home);
    again.sees("alice → bob: here I am");
    again.sees("bob: good");
    owner.signal(Signal::TERM);
    assert_eq!((owner.ends(), again.wait_end()), (0, 3));
    again.sees("has ended");
}

#[test]
fn what_an_owner_that_ends_has_not_taken_is_named_at_the_attached_prompt_the_unfinished_line_too() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let mut owner = home.run(&["serve", "--name", "alice"], Stdio::null());
    home.is_served();
    let mut alice = Pty::attached(&home);
    owner.signal(Signal::STOP);
    alice.press("a whole line\r");
    alice.wait("the next line after it", |screen| {
        screen.contents().contains("> a whole line") && row_of_cursor(screen).trim_end() == "alice >"
    });
    owner.signal(Signal::KILL);
    owner.ends();
    assert_eq!(alice.wait_end(), 3);
    alice.sees("unknown whether this was sent (:outbox lists what waits): a whole line");
    alice.sees("hint: start one: rsachat serve, or rsachat");
    let mut owner = home.run(&["serve", "--name", "alice"], Stdio::null());
    home.is_served();
    let mut alice = Pty::attached(&home);
    alice.press("half a li");
    alice.wait("it is typed", |screen| row_of_cursor(screen).contains("> half a li"));
    owner.signal(Signal::TERM);
    assert_eq!((owner.ends(), alice.wait_end()), (0, 3));
    alice.sees("not sent, unfinished: half a li");
}

#[test]
fn a_prompt_on_a_home_that_a_command_had_open_goes_on_when_that_has_ended() {
    let (home, bob) = (Home::with_key("alice", "pty/alice.pem"), Home::with_key("bob", "pty/bob.pem"));
    home.answer(&["peers", "add", "bob", &bob.fingerprint()]);
    let (listener, at) = bob.start(&["--listen", "127.0.0.1:0"]).and_where();
    listener.signal(Signal::STOP);
    let mut owner = home.run(&["send", &at, "--to", "bob", "--keep", "-m", "one"], Stdio::null());
    home.is_served();
    let mut alice = Pty::prompt_on(&home);
    alice.sees("sends what this home keeps; this prompt goes on when that has ended");
    alice.press(":to bob\r");
    alice.wait("bob in the prompt", |screen| row_of_cursor(screen).contains("to bob"));
    alice.press("a draft");
    alice.wait("the draft", |screen| row_of_cursor(screen).contains("a draft"));
    owner.signal(Signal::TERM);
    assert_eq!(owner.ends(), 143);
    alice.sees("not sent, unfinished: a draft");
    alice.press(":outbox\r");
    alice.wait("the table of a prompt of its own", |screen| screen.contents().contains("queued"));
    alice.press("\x04");
    assert_eq!(alice.wait_end(), 6);
    listener.signal(Signal::CONT);
}

#[test]
fn an_attached_prompt_ends_with_its_terminal_that_had_another_size_just_before() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let mut owner = home.run(&["serve", "--name", "alice"], Stdio::null());
    home.is_served();
    // The size is looked at again after a while there.
    let tmux = Setup { term: "tmux-256color", ..Setup::WIDE };
    let mut prompts: Vec<_> = (0..4).map(|_| Pty::attached_at(&tmux, &home)).collect();
    for prompt in &prompts {
        prompt.sees("is serving this home");
        prompt.resize(70, 20);
        prompt.signal(Signal::HUP);
    }
    for prompt in &mut prompts {
        assert_eq!(prompt.wait_end(), 129);
    }
    owner.signal(Signal::TERM);
    assert_eq!(owner.ends(), 0);
}
