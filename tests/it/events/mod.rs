//! Events of `docs/EVENTS.md`: every object that runs here is in its tables, field by field, and
//! every event and kind of the tables is one that the program has.

mod prompt;
pub(crate) mod schema;

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;

use self::schema::schema;
use crate::support::{Home, Process, read};

fn listening(home: &Home, args: &[&str]) -> (Process, String) {
    home.run(args, Stdio::null()).and_where()
}

#[test]
fn what_is_written_is_in_the_table() {
    let schema = schema();
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let args = ["recv", "--json", "--listen", "127.0.0.1:0", "--accept-new", "--count", "2"];
    let (mut recv, at) = listening(&junho, &args);
    let mut refused = minji.run(&["send", &at, "--json", "-m", "x"], Stdio::null());
    assert_eq!(refused.ends(), 4);
    let mut sends =
        minji.run(&["send", &at, "--json", "--accept-new", "-m", "하나", "-m", "둘\n셋"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [0, 0]);
    let mut events: BTreeSet<String> = BTreeSet::new();
    for output in [refused.complaints(), sends.complaints(), recv.complaints(), recv.output()] {
        let objects = schema.check(&output);
        events.extend(objects.iter().map(|object| object["event"].as_str().unwrap().to_owned()));
    }
    let done = schema.check(&sends.complaints()).pop().unwrap();
    assert_eq!((&done["code"], &done["messages"], &done["receipted"]), (&0.into(), &2.into(), &2.into()));

    let (minji, junho) = (minji.with_raw_key("alice-2048.pem"), junho.with_raw_key("bob-3072.pem"));
    let args = ["recv", "--json", "--listen", "127.0.0.1:0", "--wire", "oaep", "--count", "1"];
    let (mut recv, at) = listening(&junho, &args);
    let mut sends = minji.run(&["send", &at, "--json", "--wire", "oaep", "-m", "날것"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [0, 0]);
    let objects = schema.check(&sends.complaints());
    let warnings: Vec<_> = objects.iter().filter(|object| object["event"] == "warning").collect();
    assert!(warnings.len() == 1 && warnings[0]["kind"] == "raw_wire", "{objects:?}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("nothing is acknowledged"));
    let connected = objects.iter().find(|object| object["event"] == "connected").unwrap();
    assert_eq!((&connected["fingerprint"], &connected["wire"]), (&Value::Null, &"oaep".into()));
    let done = objects.last().unwrap();
    assert_eq!((&done["code"], &done["messages"], &done["written"]), (&0.into(), &1.into(), &1.into()));
    assert!(done.get("receipted").is_none(), "{done:?}");
    let message = schema.check(&recv.output()).pop().unwrap();
    assert_eq!((&message["fingerprint"], &message["wire"]), (&Value::Null, &"oaep".into()));
    assert_eq!((&message["from"], &message["verified"]), (&"raw~1".into(), &false.into()));
    schema.check(&recv.complaints());

    let args = ["pipe", "--json", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (mut gets, at) = listening(&junho, &args);
    let mut gives = minji.run(&["pipe", "--json", "--connect", &at, "--accept-new"], Stdio::null());
    assert_eq!([gives.ends(), gets.ends()], [0, 0]);
    let mut late = minji.run(&["pipe", "--json", "--connect", &at], Stdio::null());
    assert_eq!(late.ends(), 3);
    for output in [gets.complaints(), gives.complaints(), late.complaints()] {
        let objects = schema.check(&output);
        assert_eq!(objects.last().unwrap()["event"], "done", "{output}");
        events.extend(objects.iter().map(|object| object["event"].as_str().unwrap().to_owned()));
    }
    let seen = ["connected", "connecting", "done", "error", "listening", "message"];
    assert!(seen.iter().all(|event| events.contains(*event)), "{events:?}");
}

#[test]
fn the_tables_have_what_the_source_has_and_nothing_else() {
    let schema = schema();
    let events = read("src/events/mod.rs");
    let body = events.split("enum OutputEvent {").nth(1).unwrap().split("\n}").next().unwrap();
    let variants: BTreeSet<_> = body
        .lines()
        .filter_map(|line| line.trim().split([' ', '(']).next())
        .filter(|word| word.starts_with(char::is_uppercase))
        // No name of an event has two words.
        .map(str::to_lowercase)
        .collect();
    let named: BTreeSet<_> = schema.events.keys().cloned().collect();
    assert_eq!(named, variants);
    let sources: String = [
        "src/chat/display/mod.rs",
        "src/chat/display/close_reason.rs",
        "src/chat/display/delivery.rs",
        "src/chat/display/files.rs",
        "src/chat/display/lobby.rs",
        "src/chat/display/trust.rs",
        "src/cli/args.rs",
        "src/events/face_server.rs",
        "src/cli/pipe/relay.rs",
        "src/cli/send/answers.rs",
        "src/cli/send/keep.rs",
        "src/cli/send/mod.rs",
        "src/cli/send/queue.rs",
        "src/cli/recv/deliver.rs",
        "src/cli/recv/mod.rs",
    ]
    .map(read)
    .concat();
    for kind in &schema.kinds {
        assert!(sources.contains(&format!("\"{kind}\"")), "no source has the kind {kind}");
    }
}
