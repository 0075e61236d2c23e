//! Names of one's own, and what is remembered.

use super::pty::{Pty, Setup, has, row_of_cursor};
use crate::support::{Home, mode};

#[test]
fn a_name_of_ones_own_wins_over_what_a_peer_claims() {
    for (size, setup) in Setup::SIZES {
        let setup = Setup { args: &["--no-time"], ..setup };
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        alice.press(":name bob 밥\r");
        alice.sees("bob is now called 밥");
        bob.types("who?");
        alice.sees("밥: who?");
        alice.press(":name 밥 alice\r");
        alice.sees("choose another name");
        // The name that the peer claims does not come back with it.
        drop(bob);
        alice.sees("lost 밥");
        let _again = alice.call_as_bob();
        alice.sees_join("밥");
        alice.clear();
        alice.check_picture(&format!("own-name-{size}"), |screen| has(screen, "밥?"));
    }
}

#[test]
fn a_name_that_only_looks_like_a_known_one_is_marked() {
    for (size, setup) in Setup::SIZES {
        let setup = Setup { args: &["--no-time"], ..setup };
        let (mut alice, _bob) = Pty::start_with_bob(&setup);
        alice.press(":verify bob\r:trust bob\r");
        alice.sees("bob is marked verified");
        alice.clear();
        let mut eve = alice.call_with("b\u{43e}b", "test-1.pem");
        eve.types("나야");
        alice.check_picture(&format!("imitation-{size}"), |screen| has(screen, "나야"));
    }
}

#[test]
fn what_was_said_is_found_again() {
    for (size, setup) in Setup::SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        alice.press("Das Wetter ist schön\r");
        bob.hears("alice", 1);
        bob.types("날씨가 좋네요");
        alice.sees("좋네요");
        alice.press("둘째 줄\x1b\r셋째\r");
        bob.hears("alice", 3);
        alice.wait("her words", |screen| screen.contents().matches("셋째").count() == 1);
        alice.clear();
        alice.press(":last 2\r");
        alice.check_picture(&format!("last-{size}"), |screen| has(screen, "셋째"));
        alice.clear();
        alice.press(":search WETTER\r");
        alice.check_picture(&format!("search-{size}"), |screen| has(screen, "schön"));
        alice.press(":search nowhere\r");
        alice.sees("no match in this session");
    }
}

#[test]
fn nothing_of_a_conversation_can_be_read_on_disk_until_a_log_is_asked_for() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    bob.types("before");
    alice.sees("bob: before");
    alice.press("own before\r");
    bob.hears("alice", 1);
    let files = || -> Vec<String> {
        let folder = std::fs::read_dir(alice.home()).expect("a folder");
        let mut names: Vec<_> =
            folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let own = [".lock", "identity.pem", "peers.met", "socket", "store.redb", "store.redb.spare"];
    assert_eq!(files(), own);
    for file in files().into_iter().filter(|name| name != "socket") {
        let bytes = std::fs::read(alice.home().join(&file)).expect("a file");
        assert!(!bytes.windows(6).any(|part| part == b"before"), "{file}");
    }
    alice.press(":log talk.log\r");
    alice.sees("logging to talk.log");
    alice.press("own after\r");
    bob.hears("alice", 2);
    bob.types("after \u{1b}[2J");
    alice.sees("bob: after");
    alice.press(":log off\r");
    alice.sees("stopped logging to talk.log");
    alice.press("unheard\r");
    bob.hears("alice", 3);
    let path = alice.home().join("talk.log");
    let text = std::fs::read_to_string(&path).expect("a log");
    assert!(
        text.contains(" alice → bob: own after\n") && text.contains(" bob: after \\u{1b}[2J\n"),
        "{text:?}"
    );
    assert!(!text.contains("before") && !text.contains("unheard") && !text.contains('\x1b'), "{text:?}");
    assert_eq!(mode(&path), 0o600);
    alice.press(":log /dev/full\r");
    alice.sees("cannot log to /dev/full");
}

#[test]
fn typing_goes_on_and_messages_come_while_another_process_holds_the_lock_of_the_home() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press(":verify bob\r");
    alice.sees("safety number for you and bob");
    let lock = alice.hold_lock();
    alice.press(":trust bob\r");
    alice.wait_reading();
    alice.press("반쯤");
    alice.sees("반쯤");
    bob.types("잘 들려요?");
    alice.sees("bob: 잘 들려요?");
    alice.press(" 네\r");
    assert_eq!(bob.hears("alice", 1), ["반쯤 네"]);
    assert!(!alice.picture().contains("marked verified"), "{}", alice.picture());
    drop(lock);
    // On a busy machine the wait for the lock may have ended before.
    alice.sees("marked verified");
}

#[test]
fn what_another_process_writes_into_the_book_holds_at_a_prompt_and_is_said_there() {
    let alice = Pty::start(&Setup::WIDE);
    let home = alice.home.clone();
    // Nobody is connected yet: a prompt learns of it all the same.
    let carol = Home::with_key("carol", "test-1.pem").fingerprint();
    home.answer(&["peers", "add", "carol", &carol]);
    alice.sees("carol is marked verified");
    let bob = alice.call_as_bob();
    alice.wait("bob", |screen| row_of_cursor(screen).contains("bob?"));
    let says = |order: &[&str], row: &str, prompt: &str| {
        home.answer(&[&["peers"], order].concat());
        alice.wait(row, |screen| has(screen, row) && row_of_cursor(screen).contains(prompt));
    };
    says(&["trust", "bob"], "bob is marked verified", "bob= ");
    says(&["name", "bob", "rob"], "bob is now called rob", "rob= ");
    says(&["block", "rob"], "rob is blocked and was refused", "");
    says(&["unblock", "rob"], "rob is no longer blocked, and is verified again", "");
    says(&["block", "carol"], "carol is blocked", "");
    says(&["unblock", "carol"], "carol is no longer blocked", "");
    says(&["forget", "carol"], "carol is forgotten", "");
    drop(bob);
    let _bob = alice.call_as_bob();
    alice.wait("bob once more", |screen| row_of_cursor(screen).contains("rob= "));
    home.answer(&["peers", "forget", "rob"]);
    alice.sees("rob is forgotten");
    alice.wait("nobody", |screen| !row_of_cursor(screen).contains("rob= "));
}
