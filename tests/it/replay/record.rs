//! Sessions recorded by `--record`, which become scripts that play without their peers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use super::fixture::{command, run};
use crate::raw::{alice, block};
use crate::support::{Home, PATIENCE, Process, mode, socket};

/// A prompt of Minji, or of somebody, that records itself, with more arguments, and its file.
fn recording(home: &Home, args: &[&str]) -> (Process, PathBuf) {
    let file = home.file("session.chat");
    let process = home.start(&[&["--record", file.to_str().unwrap()], args].concat());
    (process, file)
}

/// What was recorded, which plays.
fn played(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let played = run(command(file), b"");
    assert_eq!(played.code, 0, "{}\n{text}", played.err);
    text
}

#[test]
fn a_session_of_three_becomes_a_script_that_plays_without_them() {
    let (mut minji, file) = recording(&Home::of("민지"), &["--listen", "127.0.0.1:0", "--anybody"]);
    minji.sees("* recording to ");
    let at = minji.listens_at();
    let mut junho = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    minji.types("안녕, 준호");
    junho.sees("민지: 안녕, 준호");
    junho.types("::quit costs $5, ${x} and a tab\there");
    minji.sees("준호: :quit costs");
    let (hana, there) = Process::listening("하나");
    minji.types(&format!(":connect {there}"));
    minji.sees("하나 joined");
    minji.types(":to 하나");
    minji.sees("plain text now goes to 하나");
    minji.types("hi hana");
    hana.sees("민지: hi hana");
    for line in [":verify 준호", ":peers", ":keygne", ":verify 하나", ":trust 하나"] {
        minji.types(line);
    }
    minji.sees("하나 is marked verified");
    junho.closes_input().ends();
    minji.sees("준호 left");
    hana.signal(rustix::process::Signal::KILL);
    minji.sees("lost 하나");
    minji.types(":quit");
    assert_eq!(minji.ends(), 1, ":keygne is no command");

    assert_eq!(mode(&file), 0o600);
    let text = played(&file);
    for row in
        ["@say 준호 :quit costs $5, $${x} and a tab", "하나> :listen 127.0.0.1:", "@kill 하나", "준호> :quit"]
    {
        assert!(text.contains(row), "{row} in\n{text}");
    }
    assert!(!text.contains("SHA256:"), "{text}");
}

#[test]
fn a_refused_text_is_no_line_of_the_recording_and_a_tab_stands_where_the_peer_saw_it() {
    let (mut minji, file) = recording(&Home::of("민지"), &["--listen", "127.0.0.1:0", "--anybody"]);
    let junho = Process::start("준호", &["--connect", &minji.listens_at()]);
    minji.sees("준호 joined");
    let refused = ["/msg a", ":x"];
    for line in refused {
        minji.types(line);
        minji.sees(&format!("! not sent: {} is text here", line.split(' ').next().unwrap()));
    }
    // Each is refused once.
    for line in ["/msg b", ":x", "a\tb"] {
        minji.types(line);
    }
    junho.sees("민지: a       b");
    minji.types(":quit");
    assert_eq!(minji.ends(), 1, "two were refused");
    let text = played(&file);
    for line in refused {
        assert!(text.contains(&format!("# not sent: 민지> {line}\n")), "{line} in\n{text}");
    }
    for row in
        ["@say 민지 /msg b\n준호| 민지: /msg b\n", "@say 민지 :x\n준호| 민지: :x\n", "민지: a       b\n"]
    {
        assert!(text.contains(row), "{row} in\n{text}");
    }
    assert!(!text.contains("준호| 민지: /msg a"), "{text}");
}

#[test]
fn a_recorded_session_gets_a_screen_by_a_line_and_an_update() {
    let (mut minji, file) = recording(&Home::of("민지"), &["--listen", "127.0.0.1:0", "--anybody"]);
    let mut junho = Process::start("준호", &["--connect", &minji.listens_at()]);
    minji.sees("준호 joined");
    junho.types("글이 하나 있다");
    minji.sees("준호: 글이 하나 있다");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    let text = played(&file);
    let (head, rest) = text.split_once("\n\n").unwrap();
    std::fs::write(&file, format!("{head}\n@width 민지 200\n\n{rest}")).unwrap();
    let mut update = command(&file);
    update.arg("--update");
    let updated = run(update, b"");
    assert_eq!(updated.code, 0, "{}\n{text}", updated.err);
    let text = played(&file);
    for row in ["민지| 00:00    * 준호 joined, $*", "민지| 00:00 준호: 글이 하나 있다"] {
        assert!(text.contains(row), "{row} in\n{text}");
    }
}

#[test]
fn a_session_that_somebody_leaves_with_others_there_is_recorded_to_its_end() {
    for leaving in ["the end of the input", ":quit"] {
        let (mut minji, file) = recording(&Home::of("민지"), &["--listen", "127.0.0.1:0", "--anybody"]);
        let at = minji.listens_at();
        let junho = Process::start("준호", &["--connect", &at]);
        minji.sees("준호 joined");
        minji.types("안녕, 준호");
        junho.sees("민지: 안녕, 준호");
        if leaving == ":quit" {
            minji.types(leaving);
        } else {
            minji.closes_input();
        }
        assert_eq!(minji.ends(), 0, "{leaving}");
        let text = played(&file);
        let end = "민지> :quit\n민지| * conversation with 준호 closed\n민지|* exited 0\n";
        assert!(text.ends_with(end), "{leaving}:\n{text}");
    }
}

#[test]
fn what_is_to_be_redacted_is_not_in_a_recording_which_plays_all_the_same() {
    let home = Home::of("민지");
    let (mut minji, file) =
        recording(&home, &["--listen", "127.0.0.1:0", "--anybody", "--redact", "tok_[a-z]+=TOKEN"]);
    let at = minji.listens_at();
    let mut junho = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    minji.types("it is tok_abc");
    junho.sees("민지: it is tok_abc");
    junho.types("tok_def, you mean");
    minji.sees("준호: tok_def, you mean");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    let text = played(&file);
    assert!(!text.contains("tok_"), "{text}");
    assert!(text.contains("[TOKEN], you mean") && text.ends_with("places redacted\n"), "{text}");
}

#[test]
fn a_file_that_is_there_is_not_recorded_over() {
    let home = Home::of("somebody");
    std::fs::write(home.file("taken"), "mine").unwrap();
    let mut person = home.start(&["--record", home.file("taken").to_str().unwrap()]);
    person.complains("cannot record to");
    assert_eq!(person.ends(), 3);
    assert_eq!(std::fs::read_to_string(home.file("taken")).unwrap(), "mine");
}

#[test]
fn a_session_on_the_raw_wire_plays_without_the_other_side_too() {
    let home = Home::of("민지").with_raw_key("bob-2048.pem");
    let (mut minji, file) = recording(&home, &["--listen", "127.0.0.1:0", "--anybody", "--wire", "oaep"]);
    let at = minji.listens_at();
    let caller = Home::of("준호").with_raw_key("alice-2048.pem");
    let mut junho = caller.start(&["--connect", &at, "--wire", "oaep"]);
    junho.types("안녕하세요");
    minji.sees("raw~1: 안녕하세요");
    minji.types("네, 반갑습니다");
    junho.sees("raw~1: 네, 반갑습니다");
    junho.types(":quit");
    minji.sees("raw~1 left");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    let text = played(&file);
    assert!(text.contains("raw-1> :connect 127.0.0.1:${민지.port} --wire oaep\n"), "{text}");
}

#[test]
fn an_address_of_another_network_becomes_the_loopback_s() {
    let (mut person, file) = recording(&Home::of("somebody"), &[]);
    // Nobody listens there, but what is typed is recorded all the same.
    person.types(":listen 127.9.9.9:0 --known");
    person.sees("* listening on 127.9.9.9:");
    person.types(":quit");
    assert_eq!(person.ends(), 0);
    let text = played(&file);
    assert!(text.contains("> :listen 127.0.0.1:0 --known\n"), "{text}");
}

/// A listener like the tutorial's server: it gives its key and answers each block with one that
/// nobody else can read, until the caller ends.
fn answering() -> (String, std::thread::JoinHandle<usize>) {
    let (listener, at) = socket();
    let answers = std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        caller.write_all(alice().public().to_spki_pem().trim_end().as_bytes()).unwrap();
        let mut blocks = 0;
        while caller.read_exact(&mut [0; 256]).is_ok() {
            blocks += 1;
            // The last one is `exit`, and its sender has gone.
            let _ = caller.write_all(&block("ok", blocks));
        }
        usize::from(blocks)
    });
    (at, answers)
}

#[test]
fn a_call_to_one_that_answers_for_itself_plays_without_it() {
    let (at, answers) = answering();
    let (mut minji, file) = recording(&Home::of("민지"), &[]);
    minji.types(&format!(":connect {at} --wire oaep --one-way"));
    minji.sees("raw~1 is at");
    for line in ["안녕하세요", "두 번째", "세 번째"] {
        minji.types(line);
    }
    minji.sees("raw~1 answered, sealed to its own key");
    minji.types("exit");
    minji.sees("* conversation with raw~1 closed");
    minji.types(":quit");
    assert_eq!((minji.ends(), answers.join().unwrap()), (0, 4));
    played(&file);
}

#[test]
fn a_caller_that_gave_no_key_plays_without_itself() {
    let home = Home::of("민지").with_raw_key("alice-2048.pem");
    let (mut minji, file) = recording(&home, &["--listen", "127.0.0.1:0", "--anybody", "--wire", "oaep"]);
    let mut caller = TcpStream::connect(minji.listens_at()).unwrap();
    for (number, text) in (1..).zip(["안녕하세요", "두 번째", "세 번째"]) {
        caller.write_all(&block(text, number)).unwrap();
        minji.sees(&format!("raw~1: {text}"));
    }
    caller.write_all(&[7; 256]).unwrap();
    minji.sees("! a message from raw~1 could not be read");
    minji.types("들려요");
    minji.sees("! not sent: raw~1 gave no key");
    minji.types("@raw~1 너만 들려요");
    minji.types(":all 모두 들려요");
    minji.types(":status");
    minji.sees("connected to raw~1");
    drop(caller);
    minji.sees("! lost raw~1");
    minji.signal(rustix::process::Signal::TERM);
    assert_eq!(minji.ends(), 143);
    let text = played(&file);
    for row in [
        "# not sent: 민지> 들려요\n",
        "# not sent: 민지> @raw~1 너만 들려요\n",
        "raw-1> 세 번째\n",
        "# terminated by signal 15\n민지> :quit\n",
    ] {
        assert!(text.contains(row), "{row} in\n{text}");
    }
}

#[test]
fn whoever_is_renamed_imitated_forgotten_or_unknown_plays_without_itself() {
    let home = Home::of("민지");
    let (mut minji, file) = recording(&home, &["--listen", "127.0.0.1:0", "--anybody"]);
    let at = minji.listens_at();
    // Somebody of before, who is in no script.
    for line in [":forget 아무개", ":block 아무개", ":nick 미미", ":keygen", ":log /nowhere/x"] {
        minji.types(line);
    }
    minji.types(&format!(":listen {at}"));
    minji.sees("you are already listening on");
    let mut junho = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    minji.types(":name 준호 밥");
    minji.sees("* 준호 is now called 밥");
    junho.types("이름 바꿨어?");
    minji.sees("밥: 이름 바꿨어?");
    minji.types("응, 밥");
    junho.sees("미미: 응, 밥");
    minji.types(&"x".repeat(16_385));
    minji.types_bytes(b"\xff\n");
    minji.types(&"y".repeat(70_000));
    minji.sees("a line of 70000 bytes is too long");
    // Two that have the names of others: our own one of before, and that of who is called otherwise
    // now, which stays his.
    for (name, key, shown) in [("민지", "test-3.pem", "민지"), ("준호", "test-4.pem", "준호~2")] {
        let mut other = Home::with_key(name, key).start(&["--listen", "127.0.0.1:0", "--anybody"]);
        minji.types(&format!(":connect {}", other.listens_at()));
        minji.sees(&format!("* {shown} joined"));
        minji.types(&format!(":to {shown}"));
        minji.types("처음 뵙겠습니다");
        other.sees("미미: 처음 뵙겠습니다");
        // Behind the receipt.
        other.types("반갑습니다");
        minji.sees(&format!("{shown}: 반갑습니다"));
        other.signal(rustix::process::Signal::KILL);
        minji.sees(&format!("! lost {shown}"));
    }
    minji.types(":forget 밥");
    minji.sees("밥 is forgotten");
    minji.types(":quit");
    assert_eq!(minji.ends(), 1, "lines were refused");
    let text = played(&file);
    assert!(text.contains("민지-2> :nick 민지\n") && text.contains("준호-2> :nick 준호\n"), "{text}");
    assert!(!text.contains(home.path().to_str().unwrap()), "{text}");
}
