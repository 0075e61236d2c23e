//! Title of the terminal: only where it is asked for, and given back.

use rustix::process::Signal;

use super::pty::{Pty, Setup, has};

const ASKED: Setup<'static> = Setup { args: &["--title"], ..Setup::WIDE };

/// The titles that were set, one after the other, and `push` and `pop` of the terminal's stack.
fn titles(bytes: &str) -> Vec<String> {
    let mut titles = Vec::new();
    for piece in bytes.split('\x1b').skip(1) {
        if piece.starts_with("[22;2t") {
            titles.push("push".to_owned());
        } else if piece.starts_with("[23;2t") {
            titles.push("pop".to_owned());
        } else if let Some(title) = piece.strip_prefix("]2;") {
            titles.push(title.to_owned());
        }
    }
    titles
}

#[test]
fn a_title_names_the_peer_and_counts_what_is_unread_and_is_given_back() {
    let (mut alice, mut bob) = Pty::start_with_bob(&ASKED);
    bob.types("the secret is 42, Alice!");
    alice.sees("42");
    let mut carol = alice.call_as_carol();
    alice.sees_join("carol");
    carol.types("하나");
    alice.wait_bytes("the count", |bytes| bytes.contains("]2;rsachat: bob (1)"));
    alice.press(":to carol\r");
    alice.wait_bytes("the other name", |bytes| bytes.contains("]2;rsachat: carol\x1b"));
    alice.wait_reading();
    alice.press("\x04");
    assert_eq!(alice.wait_end(), 0, "{}", alice.picture());
    let wanted = ["push", "rsachat", "rsachat: bob", "rsachat: bob (1)", "rsachat: carol", "", "pop"];
    assert_eq!(titles(&alice.bytes()), wanted, "each once, and never a word of what was said");
}

#[test]
fn a_title_is_given_back_to_the_shell_by_ctrl_z_and_by_a_signal() {
    let script = "set -m; \"$@\"; echo stopped; read word; fg; echo left";
    let setup = Setup { shell: Some(script), ..ASKED };
    let (mut alice, _bob) = Pty::start_with_bob(&setup);
    alice.press("\x1a");
    alice.sees("stopped");
    let before = ["push", "rsachat", "rsachat: bob", "", "pop"];
    assert_eq!(titles(&alice.bytes()), before);
    alice.press("go\r");
    alice.wait_bytes("the title again", |bytes| titles(bytes).len() > before.len() + 1);
    alice.press("\x04");
    alice.wait_bytes("the end", |bytes| bytes.contains("left"));
    assert_eq!(titles(&alice.bytes())[before.len()..], ["push", "rsachat: bob", "", "pop"]);

    let (mut alice, _bob) = Pty::start_with_bob(&ASKED);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait_end(), 143);
    // While she waits for the goodbye, nobody may be addressed any more.
    let mut titles = titles(&alice.bytes());
    titles.dedup_by(|later, earlier| later == "rsachat" && earlier == "rsachat: bob");
    assert_eq!(titles, before);
}

#[test]
fn a_title_is_left_alone_unless_it_is_asked_for_and_an_editor_runs() {
    let plain: &[&str] = &["--title", "--plain"];
    let console = Setup { term: "linux", ..ASKED };
    let dumb = Setup { term: "dumb", ..ASKED };
    for setup in [Setup { args: &[], ..ASKED }, Setup { args: plain, ..ASKED }, console, dumb] {
        let mut alice = Pty::start(&setup);
        let mut bob = alice.call_as_bob();
        bob.types("hi");
        alice.wait("his words", |screen| has(screen, ": hi") || has(screen, "says: hi"));
        alice.press("\x04");
        assert_eq!(alice.wait_end(), 0);
        assert_eq!(titles(&alice.bytes()), [""; 0], "{} {:?}", setup.term, setup.args);
    }
}
