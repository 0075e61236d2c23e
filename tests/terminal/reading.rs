//! Screens that are read: messages, news, tables and the prompt, at a common size and at a small
//! one.

use rustix::process::Signal;

use super::pty::{Pty, Setup, has, row_of_cursor};

/// Both sizes, with the name of each; the common one shows no time.
const SIZES: [(&str, Setup<'static>); 2] =
    [("40x10", Setup::SMALL), ("80x24", Setup { args: &["--no-time"], ..Setup::WIDE })];

/// Whether a text stands on the screen, rows joined.
fn shows(text: &'static str) -> impl Fn(&vt100::Screen) -> bool {
    move |screen| has(screen, text) && screen.bracketed_paste()
}

#[test]
fn a_conversation_on_a_common_and_on_a_small_screen() {
    for (size, setup) in SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        bob.types("안녕하세요 alice, 오늘 저녁에 시간이 있으면 같이 밥을 먹으러 갈래요? 👩‍👩‍👧‍👧");
        alice.wait("his words", shows("갈래요?"));
        alice.press("좋아요 e\u{301}tude 👍🏽 일곱 시에 학교 앞에서 만나요, 늦지 않게 갈게요\r");
        alice.wait("her words", shows("갈게요"));
        // His next words come after his receipt.
        bob.hears("alice", 1);
        alice.press(":conect x\r");
        alice.wait("the mistake", shows("did you"));
        bob.types("여기서 봐요");
        alice.wait("the last", shows("여기서 봐요"));
        alice.wait_reading();
        bob.types(":quit");
        alice.check_picture(&format!("conversation-{size}"), shows("bob left"));
    }
}

#[test]
fn odd_texts_stay_in_their_column_and_turn_nothing_around() {
    for (size, setup) in SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        alice.press(":name bob 박준호\r");
        alice.wait("the name", shows("bob is now called 박준호"));
        alice.press("\r");
        alice.clear();
        // Marks that turn the direction of writing, a joined family, a flag, marks that stand on a
        // letter.
        bob.types("\u{202e}abc \u{2067}def\u{2069} e\u{301}\u{302}tude 🇰🇷🇰🇷 👩‍👩‍👧‍👧👩‍👩‍👧‍👧 नमस्ते שלום \u{200b}끝");
        alice.wait("his words", shows("끝"));
        bob.types("tab\tstop \u{200f}می\u{200c}خواهم so\u{ad}ft\u{200e}");
        alice.wait("his spelling", shows("soft"));
        alice.press("네 ☕️\r");
        bob.hears("alice", 1);
        alice.check_picture(&format!("odd-text-{size}"), shows("alice: 네"));
    }
}

#[test]
fn tables_and_the_safety_number_on_a_common_and_on_a_small_screen() {
    for (size, setup) in SIZES {
        // What a kernel confines is in `tests/sandbox.rs`.
        let args = [setup.args, &["--no-sandbox"]].concat();
        let (mut alice, mut bob) = Pty::start_with_bob(&Setup { args: &args, ..setup });
        bob.types("hi");
        alice.wait("his words", shows("bob: hi"));
        alice.clear();
        alice.press(":peers\r");
        alice.check_picture(&format!("peers-{size}"), shows("127.0.0.1:"));
        alice.clear();
        alice.press(":status\r");
        alice.check_picture(&format!("status-{size}"), shows("connected to bob"));
        alice.clear();
        alice.press(":verify bob\r");
        alice.check_picture(&format!("verify-{size}"), shows("do not go on"));
        alice.clear();
        alice.press(":help listen\r");
        alice.check_picture(&format!("help-{size}"), shows("authenticates nobody."));
        alice.clear();
        alice.press(":help\r");
        alice.check_picture(&format!("help-all-{size}"), shows(":help COMMAND"));
        for (page, last) in [("all", "wire."), ("more", ":limits"), ("keys", "drop"), ("prompt", "whose")] {
            alice.clear();
            alice.press(&format!(":help {page}\r"));
            alice.check_picture(&format!("help-of-{page}-{size}"), shows(last));
        }
        alice.clear();
        alice.press(":name bob 가나다라마바사아자차카타파하\r");
        alice.wait("the name in the prompt", |screen| {
            row_of_cursor(screen).contains("파하? >")
                && has(screen, "is now called")
                && screen.contents().trim_end().ends_with('>')
        });
        alice.press("\r");
        alice.clear();
        bob.types("a long name leaves room for what is said");
        alice.wait("his words", shows("is said"));
        alice.press("네\r");
        bob.hears("alice", 1);
        alice.check_picture(&format!("long-name-{size}"), shows("alice: 네"));
    }
}

#[test]
fn the_prompt_counts_what_others_said() {
    for (size, setup) in SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        let mut carol = alice.call_as_carol();
        alice.sees_join("carol");
        carol.sees("alice joined");
        alice.press(":verify bob\r:trust bob\r");
        alice.wait("trust", shows("bob is marked verified"));
        alice.clear();
        carol.types("하나");
        carol.types("둘");
        bob.types("셋");
        alice.wait("all of it", |screen| ["하나", "둘", "셋"].iter().all(|one| has(screen, one)));
        // The order of two peers' messages is that of the network: only the prompt is held here.
        alice.press("\r");
        alice.wait_reading();
        alice.clear();
        alice.check_picture(&format!("unread-{size}"), shows("(carol 2) >"));
        alice.press(":to carol\r");
        alice.wait("carol", shows("plain text now goes to carol"));
        alice.press("\r");
        alice.wait_reading();
        alice.clear();
        alice.check_picture(&format!("read-{size}"), |screen| {
            has(screen, "carol?") && !has(screen, "carol 2")
        });
    }
}

#[test]
fn own_lines_and_those_of_others_have_their_colours_and_the_same_form() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    bob.types("hi");
    alice.wait("his words", shows("bob: hi"));
    alice.press("ho\r");
    alice.wait("her words", shows("alice: ho"));
    let bytes = alice.bytes();
    assert!(bytes.contains("m  bob\x1b[0m: hi") || bytes.contains("  \x1b[38;5;"), "{bytes:?}");
    assert!(bytes.contains("\x1b[1malice\x1b[0m: ho"), "{bytes:?}");
    let rows: Vec<_> = alice.picture().lines().map(str::to_owned).collect();
    assert_eq!(rows[1..3], ["|00:00   bob: hi", "|00:00 alice: ho"]);
}

#[test]
fn a_message_that_has_not_arrived_stands_in_the_prompt_and_leaves_it_by_itself() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    bob.signal(Signal::STOP);
    alice.press("hello?\r");
    // Nothing is typed meanwhile: the prompt is painted anew by itself, both times.
    alice.sees("bob? +1");
    bob.signal(Signal::CONT);
    alice.wait("its end", |screen| !has(screen, "+1"));
    alice.press("still one line\r");
    bob.hears("alice", 2);
}

#[test]
fn a_prompt_in_the_first_row_is_repainted_there() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::WIDE);
    bob.signal(Signal::STOP);
    alice.press("hello?\r");
    alice.sees("bob? +1");
    alice.clear();
    // Some of it is typed as the prompt changes, and some behind that.
    alice.press("안");
    alice.sees("> 안");
    bob.signal(Signal::CONT);
    alice.wait("its end", |screen| !has(screen, "+1"));
    alice.press("녕");
    alice.wait_picture("80x24 cursor 0,20 paste=true\n|alice to bob? > 안녕");
    bob.types("응");
    alice.sees("bob: 응");
    alice.wait_picture("80x24 cursor 1,20 paste=true\n|00:00   bob: 응\n|alice to bob? > 안녕");
}

#[test]
fn a_time_format_and_no_time_hold_for_both_sides() {
    let setup = Setup { args: &["--time-format", "<%d>"], ..Setup::SMALL };
    let (mut alice, mut bob) = Pty::start_with_bob(&setup);
    bob.types("hi");
    alice.wait("his words", shows(">   bob: hi"));
    alice.press("ho\r");
    alice.wait("her words", shows("> alice: ho"));
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { args: &["--no-time"], ..Setup::SMALL });
    bob.types("hi");
    alice.press("ho\r");
    alice.wait("both", |screen| {
        screen.rows(0, 99).any(|row| row == "alice: ho") && screen.rows(0, 99).any(|row| row == "  bob: hi")
    });
}

#[test]
fn a_call_by_name_rings_and_hides_what_was_said() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    bob.types("nobody in particular");
    alice.wait("his words", shows("particular"));
    assert!(!alice.bytes().contains("\x1b]9;"), "{:?}", alice.bytes());
    bob.types("the secret is 42, Alice!");
    alice.wait("his words", shows("42"));
    alice.wait_bytes("a bell", |bytes| bytes.contains("\x07\x1b]9;rsachat: new message\x1b\\"));
    assert!(!alice.bytes().contains("]9;rsachat: bob: the secret"), "{:?}", alice.bytes());
    alice.press(":notify all --content\r");
    alice.wait("the setting", shows("you are notified of every message"));
    // Not more than one a second, however long his messages take: he goes on until it has rung
    // twice.
    let since = std::time::Instant::now();
    let rings = || alice.bytes().matches("]9;rsachat: bob: tick, ").count();
    let mut n = 0;
    while rings() < 2 {
        n += 1;
        assert!(n < 10_000, "it does not ring");
        bob.types(&format!("tick; {n}"));
        alice.sees(&format!("tick; {n}"));
    }
    let (rings, seconds) = (rings(), since.elapsed().as_secs() + 1);
    assert!(rings as u64 <= seconds, "{rings} rings for {n} messages in less than {seconds} s");
}
