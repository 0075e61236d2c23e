//! Lines that are refused: none of them ever stands on the screen as said.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::pty::{Pty, Setup, has, row_of_cursor};
use super::support::{Home, PATIENCE, Process, RSACHAT, eventually, file_with};

/// Lets the files of a process, which ignores SIGXFSZ, take no byte, as on a disk that is full.
fn fill_disk(process: u32) {
    let limit = Rlimit { current: Some(0), maximum: None };
    prlimit(Pid::from_raw(i32::try_from(process).unwrap()), Resource::Fsize, limit).expect("a limit");
}

/// Types a text and Enter, which is not accepted, and wants it back in the line, after a reason.
fn refuses(alice: &mut Pty, text: &str, reason: &str) {
    alice.press(text);
    refuses_typed(alice, text, reason);
}

/// The same of a text that stands in the line.
fn refuses_typed(alice: &mut Pty, text: &str, reason: &str) {
    let before = alice.bytes().len();
    alice.press("\r");
    alice.wait(reason, |screen| has(screen, reason) && row_of_cursor(screen).ends_with(text));
    // Painted as a message it stands behind a name.
    assert!(!alice.bytes()[before..].contains(&format!(": {text}")), "{}", alice.picture());
}

/// Says a text, which stands on the screen as said once it is accepted.
fn says(alice: &mut Pty, text: &str) {
    alice.press(&format!("{text}\r"));
    alice
        .wait(text, |screen| has(screen, &format!("alice: {text}")) && !row_of_cursor(screen).contains(text));
}

/// Says texts to bob, whom alice has chosen, until both agree on what is kept and nothing waits.
fn agrees(alice: &mut Pty, bob: &Process, home: &Path) {
    eventually("bob is in the book", PATIENCE, || {
        fs::read_to_string(home.join("peers")).is_ok_and(|book| book.contains("bob"))
    });
    for text in ["kept", "kept too"] {
        says(alice, text);
        bob.sees(&format!("alice: {text}"));
    }
    eventually("nothing waits", PATIENCE, || {
        alice.press(":outbox\r");
        alice.wait("an answer", |screen| row_of_cursor(screen).trim_end().ends_with('>'));
        alice.screen().contains("no messages are waiting")
    });
}

#[test]
fn a_line_that_the_disk_does_not_take_is_given_back_and_never_stands_as_said() {
    let shell = "trap '' XFSZ; exec \"$@\"";
    let (mut alice, bob) = Pty::start_with_bob(&Setup { shell: Some(shell), ..Setup::WIDE });
    alice.press(":to bob\r");
    alice.sees("plain text now goes to bob");
    let home = alice.home().to_owned();
    agrees(&mut alice, &bob, &home);
    fill_disk(alice.id());
    refuses(&mut alice, "not kept", "nothing was sent to bob");
    // A block is a line too.
    alice.press(&format!("\x15\x1b[200~{}\x1b[201~\rs\r", "row\n".repeat(6)));
    alice.wait("the block again", |screen| screen.contents().matches("nothing was sent to bob").count() == 2);
    assert!(!alice.bytes().contains("alice: row"), "{}", alice.picture());
    assert_eq!(bob.said_by("alice"), ["kept", "kept too"]);
}

#[test]
fn a_line_for_which_there_is_no_room_at_a_peer_that_does_not_read_never_stands_as_said() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    bob.signal(Signal::STOP);
    let long = "x".repeat(16_000);
    for number in 1..=17 {
        alice.press(&format!("\x1b[200~{long} {number}.\x1b[201~\r"));
        alice.wait("the next line", |screen| {
            has(screen, &format!(" {number}.")) && row_of_cursor(screen).trim_end().ends_with('>')
        });
    }
    refuses(&mut alice, "one more", "not sent: 17 messages already wait for bob");
    bob.signal(Signal::CONT);
    bob.sees(" 17.");
    alice.press("\r");
    bob.sees("one more");
}

#[test]
fn a_line_for_which_the_outbox_has_no_room_never_stands_as_said() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let bob = Home::with_key("bob", "pty/bob.pem").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\nbob {bob} verified localhost:1\n"));
    let lines = "a line\n".repeat(10_000);
    let mut fills = home.start_with_input(&["send", "bob", "--keep"], file_with(lines.as_bytes()));
    fills.ends_saying(6, "10000 messages are kept in the home");
    let mut alice = Pty::start_at(home, &Setup::WIDE);
    alice.press(":to bob\r");
    alice.sees("plain text now goes to bob");
    refuses(&mut alice, "one more", "16 MiB already wait for bob");
    alice.press("\x15:outbox drop bob 10000\r");
    alice.sees("10000 to bob was dropped");
    alice.press("one more\r");
    alice.sees("alice → bob: one more");
}

#[test]
fn a_line_to_a_stranger_who_left_while_it_was_typed_never_stands_as_said() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press("wait for me");
    alice.wait("the line", |screen| row_of_cursor(screen).ends_with("wait for me"));
    bob.types(":quit");
    assert_eq!(bob.ends(), 0);
    alice.wait("the end", |screen| has(screen, "bob left") && row_of_cursor(screen).ends_with("wait for me"));
    refuses_typed(&mut alice, "wait for me", "bob is not connected; nothing was sent");
    assert_eq!(bob.said_by("alice"), [""; 0]);
}

#[test]
fn a_line_to_an_owner_that_refuses_it_never_stands_as_said_at_an_attached_prompt() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let serve = ["serve", "--name", "alice", "--listen", "127.0.0.1:0", "--json"];
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(RSACHAT);
    command.arg("--home").arg(home.path()).args(serve);
    let owner = home.start_on(command, Stdio::null());
    let bob = Home::with_key("bob", "pty/bob.pem").start(&["--connect", &owner.listens_at()]);
    bob.sees("alice joined");
    let mut alice = Pty::attached(&home);
    alice.press(":to bob\r");
    alice.wait("bob in the prompt", |screen| row_of_cursor(screen).contains("bob"));
    agrees(&mut alice, &bob, home.path());
    fill_disk(owner.id());
    refuses(&mut alice, "not kept", "nothing was sent to bob");
    assert_eq!(bob.said_by("alice"), ["kept", "kept too"]);
}
