//! Forms of output: transcripts, TAP, JSON.

use super::fixture::{Written, replay};

#[test]
fn tap_names_every_script_and_draws_a_failure_as_yaml() {
    let written = Written::new(":showkey\n| ! no key $*\n");
    written.put("b.chat", "hi\n| wrong\n");
    written.put("skipped.chat", "@skip not on this machine\n");
    let played = written.replay(&[".", "--format", "tap", "--keep-going"]);
    assert_eq!(played.code, 1);
    assert_eq!(
        played.out,
        "TAP version 14\n1..3\nnot ok 1 - ./b.chat\n  ---\n  message: \"line differs\"\n  at: \"./b.chat:2:3\"\n  want: \"| wrong\"\n  got: \"| ! not sent: nobody is connected; :connect HOST:PORT or :listen PORT first\"\n  ...\nok 2 - ./skipped.chat # SKIP not on this machine\nok 3 - ./story.chat\n"
    );
}

#[test]
fn json_is_one_object_a_line() {
    let played = replay("안녕\n| wrong\n", &["--format", "json"]);
    assert_eq!(played.code, 1);
    let objects: Vec<serde_json::Value> =
        played.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["typed", "shown", "differs", "ended"]);
    assert_eq!((objects[0]["text"].as_str(), objects[0]["line"].as_u64()), (Some("안녕"), Some(1)));
    assert_eq!((objects[2]["line"].as_u64(), objects[2]["column"].as_u64()), (Some(2), Some(3)));
    assert_eq!(objects[3]["outcome"], "differed");
}

#[test]
fn what_cannot_be_played_is_not_ok_with_its_place_and_failed_in_json() {
    let written = Written::new(":status\n| $**\n");
    written.put("a.chat", "hi\n@kil\n");
    written.put("b.chat", "\u{0}\u{1}");
    let all = ["a.chat", "gone.chat", "story.chat", "--keep-going", "--quiet", "--format"];
    let tap = written.replay(&[&all[..], &["tap"]].concat());
    assert_eq!(tap.code, 3);
    let gone = "cannot read gone.chat: no such file or directory";
    assert_eq!(
        tap.out,
        format!(
            "TAP version 14\n1..3\nnot ok 1 - a.chat\n  ---\n  message: \"unknown directive @kil\"\n  at: \"a.chat:2:1\"\n  ...\nnot ok 2 - gone.chat\n  ---\n  message: \"{gone}\"\n  at: \"gone.chat\"\n  ...\nok 3 - story.chat\n"
        )
    );
    let json = written.replay(&[&all[..], &["json"]].concat());
    let ends: Vec<serde_json::Value> =
        json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = ends.iter().filter_map(|event| event["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["failed", "failed", "passed"]);
    assert_eq!((ends[0]["event"].as_str(), ends[0]["line"].as_u64()), (Some("mistake"), Some(2)));
    assert_eq!(ends[2]["message"], gone);
}

#[test]
fn a_stop_before_the_last_script_is_said() {
    let written = Written::new(":status\n| $**\n");
    written.put("a.chat", "hi\n| wrong\n");
    let tap = written.replay(&[".", "--quiet", "--format", "tap"]);
    assert!(tap.out.starts_with("TAP version 14\n1..2\nnot ok 1 - ./a.chat\n"), "{}", tap.out);
    assert!(tap.out.ends_with("\nBail out! ./a.chat failed; --keep-going continues\n"), "{}", tap.out);
    let json = written.replay(&[".", "--quiet", "--format", "json"]);
    let last: serde_json::Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
    assert_eq!((last["event"].as_str(), last["left"].as_u64()), (Some("stopped"), Some(1)));
    let alone = written.replay(&["a.chat", "--quiet", "--format", "tap"]);
    assert!(!alone.out.contains("Bail out!"), "{}", alone.out);
}

#[test]
fn an_output_that_is_full_is_the_machine_s_refusal() {
    for format in ["transcript", "tap", "json"] {
        let mut command = super::fixture::command("-");
        command.args(["--format", format]);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        command.stdin(std::process::Stdio::piped()).stdout(full).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b":status\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{format}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error, "rsachat: error: cannot write the output: no space left on device\n");
    }
}
