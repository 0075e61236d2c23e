//! `:copy` and `:save` at a terminal, and at a prompt on a home that another process serves.

use std::fs;
use std::process::Stdio;

use super::pty::{Pty, Setup};
use super::support::{Home, mode};

/// `코드: 1` and a second line with a tab.
const TEXT: &str = "코드: 1\n\tx";
const OSC_52: &str = "\x1b]52;c;7L2U65OcOiAxCgl4\x1b\\";

#[test]
fn the_exact_text_of_a_message_goes_to_the_clipboard_of_the_terminal_and_into_a_new_file() {
    for (size, setup) in Setup::SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        bob.types("first");
        alice.sees("bob: first");
        alice.press(&format!("\x1b[200~{TEXT}\x1b[201~\r"));
        bob.hears("alice", 1);
        alice.press(":copy\r");
        alice.sees("message to bob (12 bytes) handed to the terminal");
        alice.wait_bytes("the sequence", |bytes| bytes.contains(OSC_52));
        alice.press(":copy 2\r");
        alice.wait_bytes("the sequence", |bytes| bytes.contains("\x1b]52;c;Zmlyc3Q=\x1b\\"));
        alice.press(":save the text\r");
        alice.sees("message to bob (12 bytes) saved as the text");
        let path = alice.home().join("the text");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), (TEXT, 0o600), "{size}");
        alice.press(":save ./iden\t");
        alice.sees("> :save ./identity.pem");
        alice.press("\r");
        alice.sees("the message was not saved as ./identity.pem: that file exists already");
    }
}

#[test]
fn a_terminal_without_a_clipboard_is_told_of_the_file() {
    for setup in [
        Setup { term: "dumb", ..Setup::WIDE },
        Setup { term: "linux", ..Setup::WIDE },
        Setup { args: &["--plain"], ..Setup::WIDE },
    ] {
        let mut alice = Pty::start(&setup);
        let mut bob = alice.call_as_bob();
        bob.sees("alice joined");
        bob.types("hello");
        alice.sees("hello");
        alice.press(":copy\r");
        alice.sees("nothing was copied: no terminal with a clipboard is here; :save FILE saves the message");
        assert!(!alice.bytes().contains("\x1b]52"), "{:?}", alice.bytes());
    }
}

#[test]
fn an_attached_prompt_copies_and_saves_where_its_user_sits() {
    let home = Home::with_key("alice", "pty/alice.pem");
    let serve = ["serve", "--name", "alice", "--listen", "127.0.0.1:0", "--json"];
    let mut command = home.command(&serve);
    command.current_dir("/");
    let owner = home.start_on(command, Stdio::null());
    let mut bob = Home::with_key("bob", "pty/bob.pem").start(&["--connect", &owner.listens_at()]);
    bob.sees("alice joined");
    bob.types("from bob");
    let mut alice = Pty::attached(&home);
    alice.sees("bob: from bob");
    alice.press(":copy\r");
    alice.sees("message of bob (8 bytes) handed to the terminal");
    alice.wait_bytes("the sequence", |bytes| bytes.contains("\x1b]52;c;ZnJvbSBib2I=\x1b\\"));
    for _ in 0..2 {
        alice.press(":save from-bob\r");
    }
    alice.sees("message of bob (8 bytes) saved as from-bob");
    alice.sees("the message was not saved as from-bob: that file exists already");
    assert_eq!(fs::read(home.file("from-bob")).unwrap(), b"from bob");
    // Lines of a pipe end with the code of the one that was refused.
    for (line, code) in [(":save other", 0), (":save other", 1), (":copy", 1)] {
        let mut command = home.command(&["--plain"]);
        command.current_dir(home.path());
        let mut input = home.start_on(command, Stdio::piped());
        input.types(line);
        assert_eq!(input.closes_input().ends(), code, "{line}");
    }
    assert_eq!(fs::read(home.file("other")).unwrap(), b"from bob");
}
