//! Prompt of a program (`--json`): orders in, events out, with a person at a real prompt as its
//! peer.

use std::process::Stdio;

use rsachat::wire::Lifetime;
use serde_json::{Map, Value, json};

use super::schema::schema;
use crate::raw;
use crate::support::caller::Caller;
use crate::support::{Home, Process, held_address, read};

/// A program that has been called, or has called, and its peer 준호 at an ordinary prompt.
fn talking() -> (Process, Process) {
    let (junho, at) = Process::listening("준호");
    let bot = Process::start("민지", &["--json", "--connect", &at]);
    bot.sees(r#""event":"connected""#);
    junho.sees("* 민지 joined");
    (bot, junho)
}

/// A program that waits for callers, and where.
fn waiting() -> (Process, String) {
    let bot = Process::start("민지", &["--json", "--listen", "127.0.0.1:0", "--anybody"]);
    let listening = schema().check_line(&bot.sees("listening"));
    (bot, listening["address"].as_str().unwrap().to_owned())
}

impl Process {
    fn orders(&mut self, order: &Value) {
        self.types(&order.to_string());
    }
}

/// Everything that was told, held against the tables. Of one that still runs, the last row may not
/// be whole yet.
fn told(bot: &Process) -> Vec<Map<String, Value>> {
    let output = bot.output();
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    schema().check(whole)
}

fn of_id(told: &[Map<String, Value>], id: &Value) -> Vec<Map<String, Value>> {
    told.iter().filter(|object| object.get("id") == Some(id)).cloned().collect()
}

fn names(told: &[Map<String, Value>]) -> Vec<&str> {
    told.iter().map(|object| object["event"].as_str().unwrap()).collect()
}

#[test]
fn texts_go_out_exactly_and_are_counted_as_received() {
    let (mut bot, mut junho) = talking();
    let text = "첫째 줄\n:help 은 글이다\u{9b}2J";
    bot.orders(&json!({ "id": 1, "say": text }));
    junho.sees(r"민지: :help 은 글이다\u{9b}2J");
    bot.sees(r#""event":"received""#);
    bot.orders(&json!({ "id": "둘", "say": "너에게만", "to": "준호" }));
    junho.sees("민지: 너에게만");
    junho.types("잘 들려요\u{202e}");
    bot.sees(r#""event":"message""#);
    bot.orders(&json!({ "id": 3, "command": ":quit" }));
    assert_eq!((bot.ends(), junho.closes_input().ends()), (0, 0));

    let told = told(&bot);
    let first = of_id(&told, &json!(1));
    assert_eq!(names(&first), ["sent", "reply"]);
    let fields = ["to", "number", "text"].map(|field| first[0][field].clone());
    assert_eq!(fields, [json!("준호"), json!(1), json!(text)]);
    assert_eq!(of_id(&told, &json!("둘"))[0]["number"], json!(2));
    let received: Vec<_> = told.iter().filter(|object| object["event"] == "received").collect();
    assert_eq!((&received[0]["to"], &received[0]["upto"]), (&json!("준호"), &json!(1)));
    let message = told.iter().find(|object| object["event"] == "message").unwrap();
    assert_eq!((&message["from"], &message["text"]), (&json!("준호"), &json!("잘 들려요\u{202e}")));
    assert_eq!(names(&told).last(), Some(&"done"));
    assert!(bot.complaints().is_empty(), "{}", bot.complaints());
    let hidden = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!bot.output().contains(hidden), "{}", bot.output());
}

#[test]
fn a_message_is_the_object_that_recv_writes() {
    let (bot, mut junho) = talking();
    junho.types("같은 말");
    let at_the_prompt = schema().check_line(&bot.sees(r#""event":"message""#));
    let home = Home::of("하나");
    let args = ["recv", "--json", "--listen", "127.0.0.1:0", "--accept-new", "--count", "1"];
    let (mut recv, at) = home.run(&args, Stdio::null()).and_where();
    let mut send = junho.home.command(&["send", &at, "--accept-new", "-m", "같은 말", "--name", "준호"]);
    assert!(send.status().unwrap().success());
    assert_eq!(recv.ends(), 0);
    let mut received = schema().check(&recv.output()).pop().unwrap();
    // It called one of them, and was dialled by the other.
    assert_eq!((&received["standing"], &at_the_prompt["standing"]), (&json!("met"), &json!("unverified")));
    for moment in ["time", "sent", "standing"] {
        received[moment] = at_the_prompt[moment].clone();
    }
    assert_eq!(received.remove("short"), Some(Value::Bool(true)), "what `send` sent");
    assert_eq!(received, at_the_prompt);
    junho.closes_input();
    schema().check_line(&bot.sees(r#""event":"left","name":"준호""#));
}

#[test]
fn what_is_no_order_does_nothing_and_says_why() {
    let (mut bot, mut junho) = talking();
    let lines = [
        (r#"{"id":1,"say":"x","too":"준호"}"#, "unknown field `too`"),
        (r#"{"id":2,"say":"x","command":"quit"}"#, r#"write {"say":TEXT}"#),
        (r#"{"id":3}"#, r#"write {"say":TEXT}"#),
        (r#"{"id":4,"command":"quit","to":"준호"}"#, r#"write {"say":TEXT}"#),
        (r#"{"id":5,"command":"conect","arguments":[]}"#, "did you mean :connect?"),
        (r#"{"id":6,"command":"listen","arguments":["0 --known"]}"#, "0 --known is not a host name"),
        (r#"{"id":7,"command":"all","arguments":["a","b"]}"#, "write :all TEXT"),
        (r#"{"id":8,"say":7}"#, "`say` cannot be 7: write a text in quotes"),
        (r#"{"id":9,"command":"edit"}"#, "edit"),
    ];
    for (line, _) in &lines {
        bot.types(line);
    }
    for line in ["안녕", "[]", r#"{"say":"x""#, r#"{"id":1.5,"say":"x"}"#, "", r#"{"say":"a","say":"b"}"#] {
        bot.types(line);
    }
    // A list of the values of an order, in its order, is none, and neither is one within an order.
    let lists = [
        r#"[13,"x",null,null,null]"#,
        r#" [{"id":14,"say":"x"}]"#,
        r#"{"id":["15"],"say":"x"}"#,
        r#"{"id":16,"say":["x"]}"#,
        r#"{"id":17,"command":"all","arguments":[["x"]]}"#,
        r#"{"id":18,"command":["quit",[]]}"#,
    ];
    for line in &lists {
        bot.types(line);
    }
    bot.types_bytes(b"{\"say\":\"\xff\"}\n");
    bot.types(&format!(r#"{{"say":"{}"}}"#, "x".repeat(70_000)));
    bot.orders(&json!({ "id": 10, "say": "x".repeat(16_385) }));
    bot.orders(&json!({ "id": 11, "say": "들립니까", "to": "하나" }));
    bot.orders(&json!({ "id": 12, "say": "끝" }));
    junho.sees("민지: 끝");
    assert_eq!(bot.closes_input().ends(), 1);
    junho.closes_input().ends();
    assert_eq!(junho.output().matches("민지: ").count(), 1, "{}", junho.output());

    let told = told(&bot);
    for (id, (_, why)) in (1..).zip(&lines) {
        let follows = of_id(&told, &json!(id));
        assert_eq!(names(&follows), ["warning", "reply"], "{id}");
        let message = follows[0]["message"].as_str().unwrap();
        assert!(message.contains(why), "{id}: {message}");
        assert_eq!(follows[1]["ok"], json!(false));
    }
    let kinds = [(10, "input"), (11, "no_such_peer")];
    assert!(kinds.iter().all(|(id, kind)| of_id(&told, &json!(id))[0]["kind"] == *kind), "{told:?}");
    let replied = told.iter().filter(|object| object["event"] == "reply" && object["ok"] == json!(false));
    let answered: Vec<_> = replied.filter_map(|object| object.get("id")?.as_u64()).collect();
    assert!([16, 17, 18].iter().all(|id| answered.contains(id)), "{answered:?}");
    let without = told.iter().filter(|object| object["event"] == "warning" && !object.contains_key("id"));
    let messages: Vec<_> = without.map(|object| object["message"].as_str().unwrap()).collect();
    assert_eq!(messages.len(), 10, "{messages:#?}");
    let list = r#"not an order: a list, not an object; write {"say":TEXT}"#;
    assert_eq!(messages.iter().filter(|message| message.contains(list)).count(), 3, "{messages:#?}");
    assert!(messages[0].starts_with("line 10: not an order: "), "{messages:#?}");
    assert!(messages[3].contains("`id` cannot be 1.5: write a text or a whole number"), "{messages:#?}");
    assert!(messages[8].contains("column"), "{messages:#?}");
    assert!(messages[9].contains("bytes is too long"), "{messages:#?}");
}

#[test]
fn answers_come_as_objects() {
    let (mut bot, mut junho) = talking();
    junho.types("기억해 줘");
    bot.sees(r#""event":"message""#);
    for (id, command) in ["peers", "status", "last", "showkey", "limits", "help"].iter().enumerate() {
        bot.orders(&json!({ "id": id, "command": command }));
    }
    bot.orders(&json!({ "id": 6, "command": "verify", "arguments": ["준호"] }));
    bot.orders(&json!({ "id": 7, "command": "search", "arguments": ["기억해 줘"] }));
    bot.orders(&json!({ "id": 8, "command": "name", "arguments": ["준호", "형"] }));
    bot.orders(&json!({ "id": 9, "command": "search", "arguments": ["없는 말"] }));
    bot.closes_input();
    assert_eq!(bot.ends(), 0);
    let told = told(&bot);
    let kinds = ["table", "answer", "past", "answer", "answer", "answer", "safety", "past"];
    for (id, kind) in kinds.iter().enumerate() {
        let follows = of_id(&told, &json!(id));
        assert_eq!(names(&follows), [kind, "reply"], "{id}");
        assert_eq!(follows[1]["ok"], json!(true));
    }
    let table = &of_id(&told, &json!(0))[0];
    assert_eq!(table["rows"][0].as_array().unwrap().len(), table["columns"].as_array().unwrap().len());
    let past = &of_id(&told, &json!(7))[0]["messages"][0];
    assert_eq!((&past["from"], &past["text"]), (&json!("준호"), &json!("기억해 줘")));
    assert_eq!(of_id(&told, &json!(6))[0]["number"].as_array().unwrap().len(), 12);
    let renamed = of_id(&told, &json!(8));
    assert_eq!(names(&renamed), ["notice", "state", "reply"]);
    assert_eq!((&renamed[1]["to"], &renamed[1]["trust"]), (&json!("형"), &json!("unverified")));
    assert_eq!(of_id(&told, &json!(9))[1]["ok"], json!(false));
}

#[test]
fn others_are_counted_as_unread_and_addressed_by_name() {
    let (mut bot, at) = waiting();
    let junho = Process::start("준호", &["--connect", &at]);
    junho.sees("민지 joined");
    let mut hana = Process::start("하나", &["--connect", &at]);
    hana.sees("민지 joined");
    hana.types("여기요");
    bot.sees(r#""to":"준호","trust":"unverified","waiting":0,"unread":1"#);
    bot.orders(&json!({ "say": "네", "to": "하나" }));
    hana.sees("민지: 네");
    bot.orders(&json!({ "command": "to", "arguments": ["하나"] }));
    bot.sees(r#""to":"하나","trust":"unverified","waiting":0,"unread":0"#);
    assert!(!junho.has_seen("민지: "), "{}", junho.output());
    bot.signal(rustix::process::Signal::TERM);
    assert_eq!(bot.ends(), 143);
    let told = told(&bot);
    assert_eq!(told.last().map(|done| (&done["event"], &done["code"])), Some((&json!("done"), &json!(143))));
}

#[test]
fn texts_that_are_lost_are_told_by_their_numbers() {
    let (mut bot, at) = waiting();
    let junho = Process::start("준호", &["--connect", &at]);
    bot.sees(r#""event":"connected""#);
    bot.orders(&json!({ "say": "하나" }));
    bot.sees(r#""event":"received""#);
    junho.signal(rustix::process::Signal::STOP);
    bot.orders(&json!({ "say": "둘" }));
    bot.sees(r#""number":2"#);
    junho.signal(rustix::process::Signal::KILL);
    bot.sees("not_received");
    bot.orders(&json!({ "id": 1, "say": "셋" }));
    bot.sees("not_sent");
    let told = told(&bot);
    let kinds: Vec<_> = told.iter().filter_map(|object| object.get("kind")).collect();
    assert_eq!(kinds, ["lost", "not_received", "not_sent"]);
    let upto = told.iter().rfind(|object| object["event"] == "received").unwrap();
    assert_eq!(upto["upto"], json!(1));
}

#[test]
fn a_connection_that_does_not_come_about_ends_with_its_code() {
    let (_held, at) = held_address();
    let mut bot = Process::start("민지", &["--json", "--connect", &at]);
    assert_eq!(bot.ends(), 3);
    let told = told(&bot);
    assert_eq!(names(&told), ["connecting", "state", "warning", "state", "error", "done"]);
    assert_eq!((&told[1]["presence"], &told[3]["to"]), (&json!("connecting"), &json!(null)));
    assert_eq!((&told[2]["kind"], &told[5]["code"]), (&json!("unreachable"), &json!(3)));
    assert_eq!(told[4]["kind"], "unreachable");
}

#[test]
fn an_input_that_cannot_be_read_is_an_object_too() {
    let folder = std::fs::File::open("/").unwrap();
    let mut bot = Home::of("민지").start_with_input(&["--json"], folder);
    assert_eq!(bot.ends(), 3);
    let told = told(&bot);
    let error = told.iter().find(|object| object["event"] == "error").unwrap();
    let of_error = ["kind", "message"].map(|field| error[field].as_str().unwrap());
    assert_eq!(of_error, ["input", "cannot read the input: is a directory"]);
    assert!(bot.complaints().is_empty(), "{}", bot.complaints());
}

#[test]
fn the_orders_of_the_document_do_what_it_says() {
    let document = read("docs/EVENTS.md");
    let orders = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let (mut bot, junho) = talking();
    bot.types_bytes(orders.as_bytes());
    assert_eq!(bot.ends(), 1, "two orders were refused");
    junho.sees("민지: 안녕하세요");
    junho.sees("민지: :help is text here");
    let promised = document.split("```json\n").nth(2).unwrap().split("```").next().unwrap();
    let output = bot.output();
    for line in promised.lines() {
        // All of it but the time.
        let (_, rest) = line.split_once(',').unwrap();
        assert!(output.contains(rest), "{rest} is missing in\n{output}");
    }
}

#[test]
fn a_peer_that_takes_nothing_holds_up_only_what_may_be_for_it() {
    let (mut bot, at) = waiting();
    // It is addressed, and shows nothing of what it gets.
    let mut junho = Caller::established(&at, "test-2.pem", "준호", Lifetime::Lasting);
    bot.sees(r#""event":"connected""#);
    let hana = Process::start("하나", &["--connect", &at]);
    hana.sees("민지 joined");
    for id in 1..=1_001 {
        bot.orders(&json!({ "id": id, "say": "x", "to": "준호" }));
    }
    bot.orders(&json!({ "say": "그래도", "to": "하나" }));
    hana.sees("민지: 그래도");
    bot.orders(&json!({ "id": "waits", "say": "누구에게" }));
    bot.orders(&json!({ "id": "behind", "say": "그 뒤", "to": "하나" }));
    junho.leaves();
    hana.sees("민지: 그 뒤");
    bot.sees(r#""id":"behind","event":"reply""#);
    let told = told(&bot);
    let mut thousandth = of_id(&told, &json!(1_000));
    // The count of late texts may change at any time.
    thousandth.retain(|object| object["event"] != "state");
    assert_eq!(names(&thousandth), ["sent", "reply"]);
    assert_eq!(of_id(&told, &json!(1_001))[0]["kind"], "not_sent");
    let at = |found: &dyn Fn(&Map<String, Value>) -> bool| told.iter().position(found).unwrap();
    let left = at(&|object| object["event"] == "left");
    assert!(left < at(&|object| object.get("id") == Some(&json!("waits"))), "{told:?}");
}

#[test]
fn on_the_raw_wire_nothing_is_proved_on_either_side() {
    let (mut bot, at) = raw::listening(&["--json"]);
    let mut junho = raw::home("준호").start(&["--connect", &at, "--wire", "oaep"]);
    junho.sees("raw~1 is at ");
    junho.types("날것");
    bot.sees(r#""event":"message""#);
    bot.orders(&json!({ "say": "나도" }));
    junho.sees("raw~1: 나도");
    bot.orders(&json!({ "command": "last" }));
    let past = schema().check_line(&bot.sees(r#""event":"past""#));
    let messages = past["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    for (message, from) in messages.iter().zip(["raw~1", "민지"]) {
        assert_eq!((&message["from"], &message["wire"]), (&json!(from), &json!("oaep")));
        assert_eq!((&message["fingerprint"], &message["verified"]), (&Value::Null, &json!(false)));
    }
}

#[test]
fn an_answer_has_the_id_of_its_question_and_the_end_of_the_input_waits_for_it() {
    let (mut bot, at) = waiting();
    let [mut junho, mut hana] = ["준호", "하나"].map(|name| {
        let peer = Process::start(name, &["--connect", &at]);
        bot.sees(&format!(r#""event":"connected","name":"{name}""#));
        peer
    });
    bot.orders(&json!({ "id": 1, "ask": "first?", "to": "준호" }));
    bot.orders(&json!({ "id": "둘", "ask": "second?", "to": "준호" }));
    bot.orders(&json!({ "id": 3, "ask": "and you?", "to": "하나", "timeout": 60_000 }));
    bot.orders(&json!({ "id": 3, "ask": "again?", "to": "하나" }));
    bot.orders(&json!({ "id": 4, "ask": "in vain?", "to": "준호", "timeout": 1 }));
    bot.orders(&json!({ "id": 5, "ask": "", "to": "준호" }));
    bot.sees(r#""kind":"not_answered""#);
    bot.closes_input();
    junho.sees("second?");
    hana.sees("and you?");
    hana.types("here");
    bot.sees(r#""text":"here""#);
    junho.types("one");
    bot.sees(r#""text":"one""#);
    assert!(bot.is_running(), "the second question waits");
    junho.types("two");
    assert_eq!(bot.ends(), 1, "one order was refused");
    let told = told(&bot);
    let answer = |id: &Value| {
        let of_it = of_id(&told, id);
        of_it.iter().find(|object| object["event"] == "message").map(|object| object["text"].clone())
    };
    for (id, text) in [(json!(1), "one"), (json!("둘"), "two"), (json!(3), "here")] {
        assert_eq!(answer(&id), Some(json!(text)), "{id}");
    }
    let refused: Vec<_> = of_id(&told, &json!(3)).iter().map(|object| object["event"].clone()).collect();
    assert!(refused.contains(&json!("warning")), "{refused:?}");
    let empty = of_id(&told, &json!(5));
    assert!(empty.iter().any(|object| object["message"] == "not asked: the question is empty"), "{empty:?}");
    assert!(empty.iter().any(|object| object["event"] == "reply" && object["ok"] == false), "{empty:?}");
    let in_vain = of_id(&told, &json!(4));
    assert_eq!(in_vain.last().unwrap()["message"], "준호 has not answered in 1 ms");
    assert!(in_vain.iter().any(|object| object["event"] == "reply" && object["ok"] == true));
}
