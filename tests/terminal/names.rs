//! Names of one's own, and what is remembered.

use super::pty::{Pty, Setup, has};

fn own_name(cols: u16, rows: u16) {
    let setup = Setup { cols, rows, args: &["--no-time"], ..Setup::default() };
    let (mut alice, mut bob) = Pty::start_with_bob(&setup);
    alice.press(":name bob 밥\r");
    alice.wait("the new name", |screen| has(screen, "bob is called 밥 now"));
    bob.types("who?");
    alice.wait("his words", |screen| has(screen, "밥: who?"));
    alice.press(":name 밥 alice\r");
    alice.wait("the refusal", |screen| has(screen, "choose another name"));
    // The name that the peer claims does not come back with it.
    drop(bob);
    alice.wait("its end", |screen| has(screen, "lost 밥"));
    let _again = alice.call("bob");
    alice.wait("the peer again", |screen| has(screen, "밥 joined"));
    alice.clear();
    alice.check_picture(&format!("own-name-{cols}x{rows}"), |screen| has(screen, "밥?"));
}

#[test]
fn a_name_of_ones_own_wins_over_what_a_peer_claims() {
    own_name(80, 24);
    own_name(40, 10);
}

fn imitation(cols: u16, rows: u16) {
    let setup = Setup { cols, rows, args: &["--no-time"], ..Setup::default() };
    let (mut alice, _bob) = Pty::start_with_bob(&setup);
    alice.press(":trust bob\r");
    alice.wait("trust", |screen| has(screen, "bob is marked verified"));
    alice.clear();
    let mut eve = alice.call_with("b\u{43e}b", "test-1.pem");
    eve.types("나야");
    alice.check_picture(&format!("imitation-{cols}x{rows}"), |screen| has(screen, "나야"));
}

#[test]
fn a_name_that_only_looks_like_a_known_one_is_marked() {
    imitation(80, 24);
    imitation(40, 10);
}

fn looking_back(cols: u16, rows: u16) {
    let setup = Setup { cols, rows, ..Setup::default() };
    let (mut alice, mut bob) = Pty::start_with_bob(&setup);
    alice.press("Das Wetter ist schön\r");
    bob.hears("alice", 1);
    bob.types("날씨가 좋네요");
    alice.wait("his words", |screen| has(screen, "좋네요"));
    alice.press("둘째 줄\x1b\r셋째\r");
    bob.hears("alice", 3);
    alice.wait("her words", |screen| screen.contents().matches("셋째").count() == 1);
    alice.clear();
    alice.press(":last 2\r");
    alice.check_picture(&format!("last-{cols}x{rows}"), |screen| has(screen, "셋째"));
    alice.clear();
    alice.press(":search WETTER\r");
    alice.check_picture(&format!("search-{cols}x{rows}"), |screen| has(screen, "schön"));
    alice.press(":search nowhere\r");
    alice.wait("nothing", |screen| has(screen, "nothing in this session fits"));
}

#[test]
fn what_was_said_is_found_again() {
    looking_back(80, 24);
    looking_back(40, 10);
}

#[test]
fn nothing_is_written_to_disk_until_a_log_is_asked_for() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { cols: 80, rows: 24, ..Setup::default() });
    bob.types("before");
    alice.wait("his words", |screen| has(screen, "bob: before"));
    alice.press("own before\r");
    bob.hears("alice", 1);
    let files = || -> Vec<String> {
        let folder = std::fs::read_dir(alice.home()).expect("a folder");
        let mut names: Vec<_> =
            folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(files(), [".lock", "identity.pem", "peers"]);
    alice.press(":log talk.log\r");
    alice.wait("the announcement", |screen| has(screen, "is also written to talk.log"));
    alice.press("own after\r");
    bob.hears("alice", 2);
    bob.types("after \u{1b}[2J");
    alice.wait("his words", |screen| has(screen, "bob: after"));
    alice.press(":log off\r");
    alice.wait("its end", |screen| has(screen, "the log talk.log is closed"));
    alice.press("unheard\r");
    bob.hears("alice", 3);
    let path = alice.home().join("talk.log");
    let text = std::fs::read_to_string(&path).expect("a log");
    assert!(text.contains(" alice: own after\n") && text.contains(" bob: after \\u{1b}[2J\n"), "{text:?}");
    assert!(!text.contains("before") && !text.contains("unheard") && !text.contains('\x1b'), "{text:?}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    alice.press(":log /dev/full\r");
    alice.wait("the refusal", |screen| has(screen, "cannot write the log /dev/full"));
}
