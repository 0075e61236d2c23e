//! Addressee of plain text where nobody can be asked: an input that is not a terminal, and a
//! program.

use std::io::Read as _;

use serde_json::json;

use crate::support::{Home, Process, held_address, socket};

/// Somebody whose book has 하나 as verified, with this input.
fn knowing_hana(args: &[&str]) -> (Process, String) {
    let home = Home::of("민지");
    home.private("peers", format!("하나 {} verified\n", Home::of("하나").fingerprint()));
    home.start(&[&["--listen", "127.0.0.1:0"], args].concat()).and_where()
}

#[test]
fn a_text_for_who_is_being_called_does_not_go_to_a_stranger_who_calls_first() {
    let (silent, there) = socket();
    let mut minji = Process::start("민지", &[]);
    minji.types(":listen 127.0.0.1:0 --anybody");
    let at = minji.listens_at();
    minji.types(&format!(":connect {there}"));
    let (mut held, _) = silent.accept().unwrap();
    minji.types("비밀");
    let stranger = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    stranger.sees("민지 joined");
    // Their preface has come, and nothing follows.
    held.read_exact(&mut [0; 8]).unwrap();
    drop((held, silent));
    minji.sees("hung up during the handshake");
    minji.sees("! not sent: nobody is addressed");
    minji.types("@준호 안녕");
    stranger.sees("민지: 안녕");
    minji.closes_input();
    assert_eq!(minji.ends(), 1);
    assert!(!stranger.has_seen("비밀"), "{}", stranger.output());
}

#[test]
fn a_known_peer_that_does_not_answer_a_call_stays_addressed_and_what_waits_for_it_is_kept() {
    let (address, at) = held_address();
    for (calls, call) in [("준호", at.as_str()), (at.as_str(), at.as_str()), ("준호", "")] {
        let (home, blank) = (Home::of("민지"), if call.is_empty() { "" } else { " " });
        home.private("peers", format!("준호 {} verified{blank}{call}\n", Home::of("준호").fingerprint()));
        let failure = if call.is_empty() { "no address is known for 준호" } else { "cannot reach " };
        let mut minji = home.start(&[]);
        minji.types(&format!(":connect {calls}"));
        minji.sees(failure);
        minji.types("나중에");
        minji.sees("* queued; 준호 gets it");
        // A mistake makes the code of an input.
        assert_eq!(minji.closes_input().ends(), if call.is_empty() { 1 } else { 6 });
        let mut program = home.start(&["--json"]);
        program.types(&json!({"id": 1, "command": "connect", "arguments": [calls]}).to_string());
        program.sees(failure);
        program.types(&json!({"id": 2, "say": "프로그램에서"}).to_string());
        program.sees(r#""id":2,"event":"queued""#);
        program.sees(r#""id":2,"event":"reply","ok":true"#);
        assert_eq!(program.closes_input().ends(), if call.is_empty() { 1 } else { 6 });
    }
    drop(address);
}

#[test]
fn an_input_speaks_to_the_first_known_peer_and_to_nobody_else() {
    let (mut minji, at) = knowing_hana(&[]);
    minji.types("약속대로");
    let stranger = Process::start("준호", &["--connect", &at]);
    minji.sees("준호 joined");
    let hana = Process::start("하나", &["--connect", &at]);
    hana.sees("민지: 약속대로");
    minji.closes_input();
    assert_eq!(minji.ends(), 0);
    assert!(!stranger.has_seen("약속대로"), "{}", stranger.output());
}

#[test]
fn an_input_speaks_to_whoever_calls_first_where_that_was_asked_for() {
    let (mut minji, at) = knowing_hana(&["--anybody"]);
    minji.types("누구든지");
    let stranger = Process::start("준호", &["--connect", &at]);
    stranger.sees("민지: 누구든지");
    stranger.signal(rustix::process::Signal::KILL);
    minji.sees("lost 준호");
    let other = Process::start("하나", &["--connect", &at]);
    other.sees("민지 joined");
    minji.sees("하나 joined");
    minji.types("아직 준호에게");
    minji.sees("! 준호 is not connected; nothing was sent");
    minji.types(":to nobody\n이제는?");
    minji.sees("! not sent: nobody is addressed");
    minji.closes_input();
    assert_eq!(minji.ends(), 1);
    assert!(!other.has_seen("민지: "), "{}", other.output());
}

#[test]
fn what_a_terminal_would_ask_about_is_refused() {
    let (mut minji, at) = knowing_hana(&["--anybody"]);
    let junho = Process::start("준호", &["--connect", &at]);
    junho.sees("민지 joined");
    minji.types("하나: 밥 먹었어?");
    minji.sees("! not sent: plain text goes to 준호, and @하나 TEXT to 하나");
    minji.types("/msg 하나 밥 먹었어?");
    minji.sees("! not sent: /msg is text here; a command begins with a colon");
    minji.closes_input();
    assert_eq!(minji.ends(), 1);
    assert!(!junho.has_seen("밥"), "{}", junho.output());
}

#[test]
fn a_program_says_exactly_to_whom_and_nobody_inherits_it() {
    let (mut bot, at) = knowing_hana(&["--json"]);
    let junho = Process::start("준호", &["--connect", &at]);
    bot.sees(r#""event":"connected""#);
    bot.types(&json!({ "id": 1, "say": "아무에게도" }).to_string());
    bot.sees(r#""id":1,"event":"warning","kind":"nobody_addressed""#);
    let key = Home::of("준호").fingerprint();
    bot.types(&json!({ "id": 2, "say": "준호: /msg", "to": key }).to_string());
    junho.sees("민지: 준호: /msg");
    let hana = Process::start("하나", &["--connect", &at]);
    bot.sees(r#""to":"하나","trust":"verified""#);
    bot.types(&json!({ "id": 3, "say": "하나에게" }).to_string());
    hana.sees("민지: 하나에게");
    hana.signal(rustix::process::Signal::KILL);
    bot.sees(r#""presence":"away""#);
    bot.types(&json!({ "id": 4, "say": "하나에게만" }).to_string());
    bot.sees(r#""id":4,"event":"queued","to":"하나""#);
    bot.closes_input();
    assert_eq!(bot.ends(), 1);
    assert!(!junho.has_seen("하나에게"), "{}", junho.output());
}
