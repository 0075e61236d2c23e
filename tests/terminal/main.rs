//! Program on a terminal: what a person sees and what is left behind. Each test is one thing that
//! went wrong in some chat before.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]

mod addressee;
mod attach;
mod completions;
#[cfg(target_os = "linux")]
mod confined;
mod export;
mod joins;
mod names;
mod outputs;
mod pictures;
mod pipe;
mod prompt;
mod pty;
mod reading;
mod reflow;
#[cfg(target_os = "linux")]
mod refused;
mod sequences;
mod storms;
#[path = "../support/mod.rs"]
mod support;
mod tall;
mod title;
mod tmux;
mod transfers;
mod urls;
mod writing;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rsachat::crypto::{PublicKey, Seed, seal_oaep};
use rustix::process::Signal;

use pty::{Pty, Setup, row_of_cursor};

#[test]
fn a_half_typed_line_stays_when_a_message_arrives() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("안녕 bob, I am ty");
    alice.wait_picture("40x10 cursor 0,24 paste=true\n|bob? > 안녕 bob, I am ty");
    bob.types("hi alice");
    alice.wait_picture("40x10 cursor 1,24 paste=true\n|00:00   bob: hi alice\n|bob? > 안녕 bob, I am ty");
    alice.press("ping\r");
    assert_eq!(bob.hears("alice", 1), ["안녕 bob, I am typing"]);
}

#[test]
fn the_cursor_stays_in_the_middle_of_the_line() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("가나다라\x1b[D\x1b[D");
    alice.wait_picture("40x10 cursor 0,11 paste=true\n|bob? > 가나다라");
    bob.types("둘째");
    alice.wait_picture("40x10 cursor 1,11 paste=true\n|00:00   bob: 둘째\n|bob? > 가나다라");
    alice.press("x\r");
    assert_eq!(bob.hears("alice", 1), ["가나x다라"]);
}

#[test]
fn the_prompt_says_that_the_raw_wire_is_spoken() {
    let mut alice = Pty::start(&Setup { cols: 120, rows: 20, ..Setup::SMALL });
    alice.press(":listen 127.0.0.1:0 --wire oaep\r");
    alice.wait("the warning and the address", |screen| {
        let text = screen.contents();
        text.contains("* raw wire: no authentication") && text.matches("listening on 127.0.0.1:").count() == 2
    });
    alice.wait_reading();
    let mut caller = TcpStream::connect(("127.0.0.1", alice.last_port())).unwrap();
    let mut pem = [0; 450];
    caller.read_exact(&mut pem).unwrap();
    let key = PublicKey::from_spki_pem(&pem).unwrap();
    caller.write_all(&seal_oaep(&key, "안녕".as_bytes(), &Seed::new([1; 32]))).unwrap();
    alice.wait("the message", |screen| screen.contents().contains(" raw~1: 안녕"));
    // Who is expected on our own wire comes first.
    alice.press(":to raw~1\r");
    alice.sees("plain text now goes to raw~1, raw");
    alice.press("답장\r");
    alice.wait("the refusal", |screen| screen.contents().contains("! not sent: raw~1 gave no key"));
    assert!(!alice.bytes().contains(": 답장"), "a refused line stands as said");
    alice.wait("the prompt", |screen| row_of_cursor(screen).starts_with("alice to raw~1 raw > "));
}

#[test]
fn an_empty_prompt_says_what_can_be_typed_and_how_to_leave() {
    let again = "\"$@\"; exec \"$1\" --home \"$3\" --name alice --no-time";
    let mut alice = Pty::start(&Setup { shell: Some(again), ..Setup::SMALL });
    assert!(!alice.bytes().contains("nobody is connected"), "who listens knows what to do");
    alice.press("\x04");
    let greeting = "    * nobody is connected yet: :connect\n      HOST:PORT calls, :listen PORT\n      waits; :help shows the rest";
    alice.wait("the greeting", |screen| screen.contents().contains(greeting) && screen.bracketed_paste());
    alice.press("exit\r");
    alice.sees("to leave, type :quit or press Ctrl-D");
    alice.wait_reading();
    alice.press(":quit\r");
    assert_eq!(alice.wait_end(), 0);
}

#[test]
fn quit_and_ctrl_d_leave_and_give_the_terminal_back() {
    for leaves in [":quit\r", "\x04"] {
        let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
        assert!(!alice.has_modes_of_before(), "it is being edited");
        alice.press(leaves);
        assert_eq!(alice.wait_end(), 0);
        assert!(alice.has_modes_of_before());
        bob.sees("alice left");
    }
}

#[test]
fn sigterm_and_sighup_say_goodbye_and_give_the_terminal_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
        alice.press("half");
        alice.sees("half");
        alice.signal(signal);
        assert_eq!(alice.wait_end(), code);
        assert!(alice.has_modes_of_before());
        bob.sees("alice left");
    }
}

#[test]
fn wide_characters_wrap_and_stay() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { cols: 24, ..Setup::SMALL });
    alice.press("가나다라마바사아자차");
    alice.wait_picture("24x10 cursor 1,4 paste=true\n|bob? > 가나다라마바사아\n|자차");
    bob.types("하나둘셋넷다섯여섯일곱");
    alice.wait_picture(
        "24x10 cursor 4,4 paste=true\n|00:00   bob: 하나둘셋넷\n|             다섯여섯일\n|             곱\n|bob? > 가나다라마바사아\n|자차",
    );
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), ["가나다라마바사아자차"]);
}

#[test]
fn a_wrapped_line_survives_a_narrower_terminal() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("가나다라마바사아자차카타파하거너더");
    alice.wait_picture("40x10 cursor 1,2 paste=true\n|bob? > 가나다라마바사아자차카타파하거너\n|더");
    alice.resize(24, 10);
    alice.wait_picture("24x10 cursor 1,18 paste=true\n|bob? > 가나다라마바사아\n|자차카타파하거너더");
    bob.types("hi");
    alice.wait_picture(
        "24x10 cursor 2,18 paste=true\n|00:00   bob: hi\n|bob? > 가나다라마바사아\n|자차카타파하거너더",
    );
    alice.press("러\r");
    assert_eq!(bob.hears("alice", 1), ["가나다라마바사아자차카타파하거너더러"]);
}

#[test]
fn a_paste_of_three_lines_is_one_message() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("\x1b[200~하나\r둘\r셋\x1b[201~");
    alice.sees("셋");
    alice.press("\r");
    assert_eq!(bob.hears("alice", 3), ["하나", "둘", "셋"]);
    // Three messages would have three times.
    alice.wait_picture(
        "40x10 cursor 3,7 paste=true\n|00:00 alice: 하나\n|      alice: 둘\n|      alice: 셋\n|bob? >",
    );
    alice.press("after\r");
    assert_eq!(bob.hears("alice", 4), ["하나", "둘", "셋", "after"]);
}

#[test]
fn an_open_search_does_not_hold_up_the_network() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("first\r");
    bob.hears("alice", 1);
    alice.wait_reading();
    alice.press("\x12fir");
    alice.sees("i-search)`fir");
    for n in 1..=5 {
        bob.types(&format!("during {n}"));
    }
    // Nothing can be printed now, but whoever calls is answered.
    alice.call_as_carol().sees("alice joined");
    assert!(!alice.bytes().contains("during"), "{}", alice.picture());
    alice.press("\x07");
    alice.sees("during 5");
}

#[test]
fn ctrl_c_clears_a_line_and_on_an_empty_one_says_how_to_leave() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("not this");
    alice.sees("not this");
    alice.press("\x03");
    alice.wait("a fresh prompt", |screen| screen.cursor_position() == (1, 7));
    alice.wait_reading();
    assert!(!alice.picture().contains("to leave"));
    alice.press("\x03");
    alice.sees("to leave, type :quit or press Ctrl-D");
    alice.wait_reading();
    alice.press("this\r");
    assert_eq!(bob.hears("alice", 1), ["this"]);
}

#[test]
fn ctrl_c_clears_a_line_that_came_back_as_it_clears_any_other() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    bob.types(":quit");
    alice.sees("bob left");
    alice.press("hello?\r");
    alice.sees("bob is not connected; nothing was sent");
    let back = |screen: &vt100::Screen| screen.contents().matches("> hello?").count();
    alice.wait("the text in the line", |screen| back(screen) == 2 && screen.bracketed_paste());
    alice.press("\x03");
    alice.wait("an empty line", |screen| {
        screen.contents().trim_end().ends_with('>') && screen.bracketed_paste() && back(screen) == 2
    });
    alice.press("\x03");
    alice.sees("to leave, type :quit or press Ctrl-D");
}

/// Types half of a line, and stops the prompt, which its shell tells.
fn stop_half_typed(alice: &mut Pty) {
    alice.press("반쯤");
    alice.sees("반쯤");
    alice.press("\x1a");
    alice.sees("stopped with 148");
}

/// Sends that line, which the prompt paints again once it goes on, and leaves.
fn finish_line(alice: &mut Pty, bob: &support::Process) {
    alice.wait("the line", |screen| screen.contents().matches("반쯤").count() >= 2);
    alice.press("x\r");
    assert_eq!(bob.hears("alice", 1), ["반쯤x"]);
    alice.wait_reading();
    alice.press("\x04");
    alice.wait_bytes("the end", |bytes| bytes.contains("left with 0"));
}

#[test]
fn ctrl_z_suspends_and_the_line_is_there_again_after_it() {
    let script = "set -m; \"$@\"; echo stopped with $?; read word; fg; echo left with $?";
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { shell: Some(script), ..Setup::WIDE });
    stop_half_typed(&mut alice);
    assert!(alice.has_modes_of_before(), "the shell has the terminal as it was");
    bob.types("while you were away");
    alice.press("go\r");
    alice.sees("bob: while you were away");
    finish_line(&mut alice, &bob);
    assert_eq!(alice.wait_end(), 0);
    assert!(alice.has_modes_of_before());
}

#[test]
fn a_dumb_terminal_gets_lines_and_nothing_else() {
    let mut alice = Pty::start(&Setup { cols: 80, term: "dumb", ..Setup::SMALL });
    let mut bob = alice.call_as_bob();
    alice.sees_join("bob");
    bob.types("hi");
    alice.sees("bob: hi");
    alice.press("안녕\r");
    assert_eq!(bob.hears("alice", 1), ["안녕"]);
    assert!(alice.has_modes_of_before(), "nobody edits");
    alice.press("\x04");
    assert_eq!(alice.wait_end(), 0);
    assert!(!alice.bytes().contains('\x1b'), "{:?}", alice.bytes());
}

#[test]
fn no_color_means_an_editor_without_colour() {
    let setup = Setup { env: &[("NO_COLOR", "1")], ..Setup::SMALL };
    let (mut alice, mut bob) = Pty::start_with_bob(&setup);
    bob.types("hi");
    alice.sees("bob: hi");
    alice.press(":nothing\r");
    alice.sees("no such command");
    let coloured = |bytes: &str| {
        bytes
            .split("\x1b[")
            .skip(1)
            .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    assert!(!coloured(&alice.bytes()), "{:?}", alice.bytes());
    let (alice, _bob) = Pty::start_with_bob(&Setup::SMALL);
    assert!(coloured(&alice.bytes()), "and with it without the variable");
}

#[test]
fn a_paste_too_large_for_the_editor_is_refused_and_the_prompt_lives() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    let block = "x\n".repeat(70_000);
    alice.press("still ");
    alice.wait("what was typed", |screen| screen.contents().contains("still"));
    alice.press(&format!("\x1b[200~{block}\x1b[201~"));
    alice.wait("the refusal", |screen| screen.contents().replace('\n', "").contains("too long"));
    alice.press("here\r");
    assert_eq!(bob.hears("alice", 1), ["still here"], "what stood before the paste is kept");
}

#[test]
fn replay_shows_how_far_it_is_and_is_never_in_the_way_of_what_it_prints() {
    let scripts = r"mkdir s; for name in a b; do printf 'hi %s\n| $**\n' $name > s/$name.chat; done";
    let after = |options: &str| {
        let shell = format!(r#"{scripts}; "$1" replay {options}; echo done; exec "$@""#);
        let alice = Pty::start(&Setup { cols: 100, rows: 20, shell: Some(&shell), ..Setup::SMALL });
        alice.bytes().split_once("done\r\n").expect("it ends").0.to_owned()
    };
    let clear = "\r\x1b[2K";
    let far = format!("{clear}1/2 s/a.chat{clear}{clear}2/2 s/b.chat{clear}");
    // The last row sums up; how long it took is not the same twice.
    let summed_up = |options: &str| {
        let printed = after(options);
        let (before, time) = printed.rsplit_once("2 passed, ").expect("it sums up");
        assert!(time.ends_with(" s\r\n"), "{printed:?}");
        before.to_owned()
    };
    assert_eq!(summed_up("s --quiet"), far);
    assert_eq!(summed_up("s > /dev/null"), far);
    let row = "| ! not sent: nobody is connected; :connect HOST:PORT or :listen PORT first\r\n";
    let one = |number: &str, name: &str| {
        format!(
            "# s/{name}.chat\r\n{clear}{number}/2 s/{name}.chat{clear}@exact\r\n> hi {name}\r\n{row}{clear}"
        )
    };
    assert_eq!(summed_up("s"), format!("{}{}", one("1", "a"), one("2", "b")));
    assert_eq!(after("s/a.chat > /dev/null"), "", "one needs none");
}
