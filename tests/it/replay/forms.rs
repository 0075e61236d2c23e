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
