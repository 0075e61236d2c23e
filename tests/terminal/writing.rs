//! Messages as they are written: lines, pasted blocks, an editor of one's own, completion.

use super::pty::{Pty, Setup, has};

const EDITOR: (&str, &str) = ("EDITOR", "sed -i -e s/cat/dog/ -e s/DROP//");

fn pasted(lines: usize) -> (Vec<String>, String) {
    let rows: Vec<_> = (1..=lines).map(|n| format!("줄 {n}")).collect();
    let keys = format!("\x1b[200~{}\x1b[201~", rows.join("\r"));
    (rows, keys)
}

#[test]
fn alt_enter_and_a_backslash_go_on_in_the_same_message() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("하나\x1b\r");
    alice.press("둘 \\\r");
    alice.press("셋\r");
    assert_eq!(bob.hears("alice", 3), ["하나", "둘 ", "셋"]);
    alice.wait_picture(
        "40x10 cursor 3,7 paste=true\n|00:00 alice: 하나\n|      alice: 둘\n|      alice: 셋\n|bob? >",
    );
    alice.press("C:\\\\\r");
    assert_eq!(bob.hears("alice", 4)[3], "C:\\\\");
}

#[test]
fn a_pasted_line_waits_for_enter() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.press("before\r");
    bob.hears("alice", 1);
    alice.wait_reading();
    alice.press("\x1b[200~한 줄\r\x1b[201~");
    alice.sees("한 줄");
    assert!(!alice.picture().contains("alice: 한"), "{}", alice.picture());
    alice.press("\r");
    assert_eq!(bob.hears("alice", 2), ["before", "한 줄"]);
    alice.wait_picture("40x10 cursor 2,7 paste=true\n|00:00 alice: before\n|00:00 alice: 한 줄\n|bob? >");
}

#[test]
fn a_block_of_200_lines_is_asked_about_and_sent_as_one_message() {
    for (size, setup) in Setup::SIZES {
        let (mut alice, bob) = Pty::start_with_bob(&setup);
        let (lines, keys) = pasted(200);
        alice.press(&keys);
        alice
            .wait("the hint", |screen| screen.contents().replace('\n', "").contains("200 lines: Enter asks"));
        alice.press("\r");
        alice.check_picture(&format!("paste-{size}"), |screen| {
            screen.contents().replace('\n', "").contains("[d]rop?") && screen.bracketed_paste()
        });
        // What was typed for the question is no answer and no part of the block.
        alice.press("what\r");
        alice.sees("answer s, e or d");
        alice.press("s\r");
        assert_eq!(bob.hears("alice", 200), lines);
        alice.press("after\r");
        assert_eq!(bob.hears("alice", 201)[200], "after");
    }
}

#[test]
fn the_hint_of_a_block_that_is_taller_than_the_screen_stands_in_one_row() {
    let setup = Setup { cols: 38, ..Setup::SMALL };
    let (mut alice, _bob) = Pty::start_with_bob(&setup);
    alice.press(&format!("\x1b[200~{}\x1b[201~", "줄\r".repeat(2_000)));
    alice.wait("the hint", |screen| screen.rows(0, 38).any(|row| row == "  (2000 lines: Enter asks first)"));
}

#[test]
fn a_block_can_be_dropped_by_its_letter_and_by_ctrl_c() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    for answer in ["d\r", "\x03"] {
        alice.clear();
        alice.press(&pasted(6).1);
        alice.sees("6 lines: Enter asks");
        alice.press("\r");
        alice.wait("the question", |screen| has(screen, "[d]rop?") && screen.bracketed_paste());
        alice.press(answer);
        alice.sees("dropped; nothing was sent");
        alice.wait_reading();
    }
    alice.press("after\r");
    assert_eq!(bob.hears("alice", 1), ["after"]);
}

#[test]
fn a_block_goes_through_an_editor_before_it_is_sent() {
    let setup = Setup { env: &[EDITOR], ..Setup::WIDE };
    let (mut alice, bob) = Pty::start_with_bob(&setup);
    alice.press("\x1b[200~1\r2\r3\r4\r5\rcat\x1b[201~");
    alice.sees("Enter asks");
    alice.press("\r");
    alice.wait("the question", |screen| has(screen, "[e]dit") && screen.bracketed_paste());
    alice.press("e\r");
    alice.wait("the question again", |screen| {
        screen.contents().matches("[e]dit").count() == 2 && screen.bracketed_paste()
    });
    alice.press("s\r");
    assert_eq!(bob.hears("alice", 6), ["1", "2", "3", "4", "5", "dog"]);
}

#[test]
fn an_editor_takes_the_line_along_and_gives_it_back_to_be_seen_first() {
    let setup = Setup { env: &[EDITOR], ..Setup::WIDE };
    let (mut alice, bob) = Pty::start_with_bob(&setup);
    alice.press("my cat 안녕\x18\x05");
    alice.sees("my dog 안녕");
    assert!(!alice.picture().contains("alice: "), "not sent yet:\n{}", alice.picture());
    alice.press("!\r");
    assert_eq!(bob.hears("alice", 1), ["my dog 안녕!"]);
    alice.press("DROP\x18\x05");
    alice.sees("dropped; nothing was sent");
    alice.wait_reading();
    alice.press(":edit\r");
    alice.wait("an empty text", |screen| screen.contents().matches("dropped; nothing").count() == 2);
}

#[test]
#[cfg(target_os = "linux")]
fn an_editor_is_started_with_every_signal_unblocked() {
    let env = [("EDITOR", "grep SigBlk /proc/self/status >")];
    let mut alice = Pty::start(&Setup { env: &env, ..Setup::WIDE });
    alice.press(":edit\r");
    alice.sees("> SigBlk: 0000000000000000");
}

#[test]
fn an_editor_has_the_terminal_to_itself() {
    let script = "cat > \"$1\".sh <<'END'\nprintf 'editing\\n'; read go; printf 'written' > \"$1\"\nEND\nexec sh \"$1\".sh \"$1\"";
    let script = format!("sh -c {} sh", shell_quoted(script));
    let env = [("EDITOR", script.as_str())];
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { env: &env, ..Setup::WIDE });
    alice.press(":edit\r");
    alice.sees("editing");
    bob.types("meanwhile");
    // Whoever calls is answered, and nothing is painted over the editor.
    alice.call_as_carol().sees("alice joined");
    assert!(!alice.bytes().contains("meanwhile"), "{}", alice.picture());
    alice.press("go\r");
    alice.sees("bob: meanwhile");
    alice.sees("> written");
}

#[test]
fn sigterm_ends_an_open_editor_too() {
    let env = [("EDITOR", "printf editing; exec sleep 1000 #")];
    let (mut alice, bob) = Pty::start_with_bob(&Setup { env: &env, ..Setup::WIDE });
    alice.press(":edit\r");
    alice.sees("editing");
    alice.signal(rustix::process::Signal::TERM);
    assert_eq!(alice.wait_end(), 143);
    assert!(alice.has_modes_of_before());
    bob.sees("alice left");
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn an_editor_that_fails_says_so_and_leaves_the_line_as_it_was() {
    let setup = Setup { env: &[("VISUAL", "false")], args: &["--no-time"], ..Setup::SMALL };
    let (mut alice, bob) = Pty::start_with_bob(&setup);
    alice.press("반쯤\x18\x05");
    alice.wait_picture(
        "40x10 cursor 4,11 paste=true\n|bob? > 반쯤\n|    ! the editor false failed (exit\n\
         |      status: 1); nothing was sent;\n|      VISUAL or EDITOR names another\n|bob? > 반쯤",
    );
    alice.press(" 다\r");
    assert_eq!(bob.hears("alice", 1), ["반쯤 다"]);
}

#[test]
fn vi_keys_edit_the_line() {
    let setup = Setup { args: &["--editor-mode", "vi"], ..Setup::SMALL };
    let (mut alice, bob) = Pty::start_with_bob(&setup);
    alice.press("안녕 wurld");
    alice.sees("wurld");
    alice.press("\x1b");
    alice.wait("command mode", |screen| screen.cursor_position().1 == 16);
    alice.press("Furo");
    alice.sees("world");
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), ["안녕 world"]);
    // A search finds it, and is left with the line as it was.
    alice.wait_reading();
    alice.press("반\x12안녕");
    alice.sees("i-search)`안녕': 안녕 world");
    alice.press("\x07");
    alice.wait("the line", |screen| screen.contents().trim_end().ends_with("> 반"));
    alice.press("쯤\r");
    assert_eq!(bob.hears("alice", 2)[1], "반쯤");
}

#[test]
fn commands_are_listed_on_a_common_and_on_a_small_screen() {
    for (size, setup) in Setup::SIZES {
        let (mut alice, mut bob) = Pty::start_with_bob(&setup);
        alice.press(":\t");
        alice.check_picture(&format!("commands-{size}"), |screen| {
            has(screen, ":status") && screen.contents().trim_end().ends_with("> :")
        });
        // The list holds nothing up: what arrives is shown at once.
        bob.types("hi");
        alice.sees("bob: hi");
        alice.press("pe\t");
        alice.wait("the command", |screen| screen.contents().trim_end().contains("> :peers"));
    }
}

#[test]
fn a_list_on_a_screen_of_three_rows_holds_nothing_up() {
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup::SMALL);
    alice.resize(40, 3);
    alice.press(":\t");
    bob.types("hi");
    alice.sees("bob: hi");
}

#[test]
fn names_topics_and_paths_are_completed() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::WIDE);
    alice.press("bo\thi\r");
    assert_eq!(bob.hears("alice", 1), ["hi"]);
    alice.sees("> @bob hi");
    alice.sees("alice → bob: hi");
    alice.press(":help ver\t\r");
    alice.sees("safety number to compare");
    alice.press(":log ./iden\t");
    alice.sees("> :log ./identity.pem");
}

#[test]
fn a_command_is_hinted_at_and_the_right_arrow_takes_it() {
    let setup = Setup { args: &["--no-time"], ..Setup::WIDE };
    let (mut alice, _bob) = Pty::start_with_bob(&setup);
    alice.press(":ver");
    alice.check_picture("hint-80x24", |screen| screen.cursor_position() == (0, 20));
    alice.press("\x1b[Cbob\r");
    alice.sees("do not go on");
}

#[test]
fn without_colour_a_hint_does_not_look_typed() {
    let setup = Setup { env: &[("NO_COLOR", "1")], ..Setup::WIDE };
    let (mut alice, _bob) = Pty::start_with_bob(&setup);
    alice.press(":ver");
    alice.sees(":ver  [ify NAME  (show");
}

#[test]
fn what_comes_in_bursts_arrives_whole_and_pasted_backslashes_stay() {
    let (mut alice, bob) = Pty::start_with_bob(&Setup::SMALL);
    // An input method sends whole words at once, and a terminal may cut one in the middle of a
    // character.
    let text = "한글을 빠르게 입력하면 조합된 글자가 한꺼번에 와요";
    let (first, second) = text.as_bytes().split_at(16);
    alice.press_bytes(first);
    alice.press_bytes(second);
    alice.press("\r");
    assert_eq!(bob.hears("alice", 1), [text]);
    alice.press("하나\r둘\r셋\r");
    assert_eq!(bob.hears("alice", 4)[1..], ["하나", "둘", "셋"]);
    alice.wait_reading();
    alice.press("\x1b[200~make \\\r  all\x1b[201~\r");
    assert_eq!(bob.hears("alice", 6)[4..], ["make \\", "  all"]);
}

#[test]
fn typed_lines_are_kept_one_by_one_and_only_where_asked() {
    let (mut alice, bob) =
        Pty::start_with_bob(&Setup { args: &["--history", "state/typed"], ..Setup::SMALL });
    alice.press("하나\r");
    bob.hears("alice", 1);
    alice.press(" secret\r");
    bob.hears("alice", 2);
    // It is there before the program ends, and appended to.
    let typed = || std::fs::read_to_string(alice.home().join("state/typed")).unwrap_or_default();
    assert!(typed().contains("하나") && !typed().contains("secret"), "{:?}", typed());
}
