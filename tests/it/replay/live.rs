//! Live worlds: a program at one end that is not of the script.

use std::process::Stdio;

use super::fixture::{Written, command, key, replay};
use crate::support::{Home, Process};

fn here() -> String {
    format!("@actors here peer\n{}@live peer\n@timeout 60s\n", key("here", 3))
}

#[test]
fn a_script_is_one_side_of_a_conversation_with_a_real_prompt() {
    let (mut minji, at) = Process::listening("민지");
    let script = format!(
        "{}here> :connect ${{addr}}\nhere| * 민지 joined, $*\nhere> 안녕하세요\npeer> answers by itself\nhere| 민지: 네, 안녕하세요\nhere|! ! lost$*\nhere> :quit\nhere|* exited 0\n",
        here()
    );
    let talk = std::thread::spawn(move || replay(&script, &["--var", &format!("addr={at}")]));
    minji.sees("here: 안녕하세요");
    minji.types("네, 안녕하세요");
    let played = talk.join().unwrap();
    assert_eq!(played.code, 0, "{}\n{}", played.err, played.out);
    let exact = "what is exact in no world is not said";
    assert!(played.out.starts_with("@actors here peer\n"), "{exact}: {}", played.out);
    minji.sees("* here left");
}

#[test]
fn a_script_waits_for_a_real_caller() {
    let script = format!(
        "{}here> :listen 127.0.0.1:0\nhere| * listening on 127.0.0.1:${{me.port}}\npeer> calls\nhere| * 준호 joined, $*\npeer> hi\nhere| 준호: hi\n",
        here()
    );
    let home = Home::of("here");
    let mut command = command("-");
    command.args(["--format", "json"]);
    let mut replay = home.start_on(command, Stdio::piped());
    replay.types_bytes(script.as_bytes());
    replay.closes_input();
    let mut junho = Process::start("준호", &["--connect", &replay.listens_at()]);
    junho.types("hi");
    assert_eq!(replay.ends(), 0, "{}", replay.output());
}

#[test]
fn an_update_of_a_live_script_makes_patterns_adds_no_row_and_blesses_no_refusal() {
    let before = format!("{}@timeout 50ms\n", here());
    let stale = "here> :listen 127.0.0.1:0\nhere| * listens on 127.0.0.1:4711\nhere> :showkey\n\
        here| fingerprint SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nhere| bits 3072\nhere> :status\n";
    let written = Written::new(&format!("{before}{stale}"));
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    let mended = "here> :listen 127.0.0.1:0\nhere| * listening on 127.0.0.1:${here.port}\nhere> :showkey\n\
        here| fingerprint $*\nhere| bits        2048\nhere> :status\n";
    assert_eq!(written.text(), format!("{before}{mended}"));
    assert_eq!(written.replay(&["story.chat"]).code, 0);

    // The rows of a screen and of events have their times, which never come again.
    let faces = "@actors here bot peer\n@live peer\n@width here 60\n@json bot\n@timeout 50ms\n";
    let stale = "here> :status\nhere| you were here, without $*\nbot> {\"command\":\"listen\",\"arguments\":[\"127.0.0.1:0\"]}\n\
        bot| {\"time\":\"2000-01-01T00:00:00.000Z\",\"event\":\"listening\",\"address\":\"127.0.0.1:4711\"}\n\
        here> :listen 127.0.0.1:0\nhere| 00:00    * listens on 127.0.0.1:4711\n";
    let written = Written::new(&format!("{faces}{stale}"));
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    let mended = "here> :status\nhere| you are here, without $*\nbot> {\"command\":\"listen\",\"arguments\":[\"127.0.0.1:0\"]}\n\
        bot| {\"time\":\"$*\",\"event\":\"listening\",\"address\":\"127.0.0.1:${bot.port}\"}\n\
        here> :listen 127.0.0.1:0\nhere| $*    * listening on 127.0.0.1:${here.port}\n";
    assert_eq!(written.text(), format!("{faces}{mended}"));
    assert_eq!(written.replay(&["story.chat"]).code, 0);
    // One event never takes the place of another.
    let other = format!(
        "{faces}bot> {{\"command\":\"status\"}}\nbot| {{\"time\":\"$*\",\"event\":\"answers\",\"rows\":[\"plain text goes to nobody\"$*\n"
    );
    written.put("story.chat", &other);
    assert_eq!(written.replay(&["story.chat", "--update"]).code, 1);
    assert_eq!(written.text(), other);

    let refused = format!("{before}here> :connect 127.0.0.1:9\nhere| * can reach 127.0.0.1:9\n");
    written.put("story.chat", &refused);
    assert_eq!(written.replay(&["story.chat", "--update"]).code, 1);
    assert_eq!(written.text(), refused);
}
