//! Live worlds: a program at one end that is not of the script.

use super::stage::{key, replay};
use super::support::Person;

fn here() -> String {
    format!("@actors here peer\n{}@live peer\n@timeout 60s\n", key("here", 3))
}

#[test]
fn a_script_is_one_side_of_a_conversation_with_a_real_prompt() {
    let (mut minji, at) = Person::listening("민지");
    let script = format!(
        "{}here> :connect ${{addr}}\nhere| * 민지 joined, $*\nhere> 안녕하세요\npeer> answers by itself\nhere| 민지: 네, 안녕하세요\nhere|! ! lost$*\nhere> :quit\nhere|* exited 0\n",
        here()
    );
    let talk = std::thread::spawn(move || replay(&script, &["--var", &format!("addr={at}")]));
    minji.sees("here: 안녕하세요");
    minji.types("네, 안녕하세요");
    let played = talk.join().unwrap();
    assert_eq!(played.code, 0, "{}\n{}", played.err, played.out);
    assert!(
        played.out.starts_with("@actors here peer\n"),
        "what is exact in no world is not said: {}",
        played.out
    );
    minji.sees("* here left");
}

#[test]
fn a_script_waits_for_a_real_caller() {
    let script = format!(
        "{}here> :listen 127.0.0.1:0\nhere| * listening on 127.0.0.1:${{me.port}}\npeer> calls\nhere| * 준호 joined, $*\npeer> hi\nhere| 준호: hi\n",
        here()
    );
    let mut command = std::process::Command::new(super::support::RSACHAT);
    command.args(["replay", "-", "--format", "json"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut row = String::new();
    while !row.contains("listening on") {
        row.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut row).unwrap() > 0, "it never listened");
    }
    let at = row.split("listening on ").nth(1).unwrap().trim_end().trim_end_matches(['"', '}']).to_owned();
    let mut junho = Person::start("준호", &["--connect", &at]);
    junho.types("hi");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
}
