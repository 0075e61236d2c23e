//! Messages that are kept once they were received, if that was asked for.

use std::process::{Output, Stdio};
use std::sync::Arc;

use rsachat::crypto::{Fingerprint, Identity};
use rsachat::store::{Direction, HistoryEntry, HistoryRow, Home as StoreHome, MessageStore};
use rsachat::time::UnixMs;

use rustix::process::Signal;

use crate::support::{Home, Process};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn store(home: &Home) -> MessageStore {
    let pem = std::fs::read_to_string(home.file("identity.pem")).unwrap();
    let identity = Identity::from_pem(&pem, None).unwrap();
    MessageStore::open(&StoreHome::at(home.path().to_owned()), &identity).unwrap().store
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn entry(peer: Fingerprint, at: u64, direction: Direction, name: &str, text: &[u8]) -> HistoryEntry {
    let row = HistoryRow { at: UnixMs(at), direction, name: Arc::from(name), text: Arc::from(text) };
    HistoryEntry { peer, row }
}

/// A home with messages of Junho, who is in the book, and of somebody who is not any more.
fn home() -> (Home, Fingerprint) {
    let home = Home::of("민지");
    let junho = Home::of("준호").fingerprint();
    home.answer(&["peers", "add", "준호", &junho]);
    let (junho, gone) = (junho.parse().unwrap(), Fingerprint::of(b"gone"));
    let entries = [
        entry(junho, 1_000, Direction::Sent, "민지", "점심 먹자".as_bytes()),
        entry(junho, 2_000, Direction::Received, "jun\x1bho", "그래\n둘이서 Lunch".as_bytes()),
        entry(gone, 3_000, Direction::Received, "eve", b"lunch\xff"),
        entry(junho, now() - DAY_MS / 2, Direction::Received, "준호", b"new"),
    ];
    store(&home).commit_with_history(&[], &entries).unwrap();
    (home, gone)
}

fn history(home: &Home, args: &[&str]) -> Output {
    let args: Vec<_> = ["history"].iter().chain(args).collect();
    home.command(&[]).args(args).env("TZ", "UTC").stdin(Stdio::null()).output().unwrap()
}

fn says(home: &Home, args: &[&str], code: i32) -> String {
    let output = history(home, args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

#[test]
fn kept_messages_are_found_in_either_case_and_form_and_written_safely() {
    let (home, gone) = home();
    let said = says(&home, &["search", "LUNCH"], 0);
    let whole = "1970-01-01 00:00:02+00:00 jun\\u{1b}ho: 그래\n\
                 1970-01-01 00:00:02+00:00 jun\\u{1b}ho: 둘이서 Lunch\n";
    assert_eq!(said, format!("{whole}1970-01-01 00:00:03+00:00 eve: lunch\\xff\n"));
    let decomposed = "\u{110c}\u{1165}\u{11b7}\u{1109}\u{1175}\u{11b7}";
    let lunch = "1970-01-01 00:00:01+00:00 민지 → 준호: 점심 먹자\n";
    assert_eq!(says(&home, &["search", decomposed], 0), lunch);
    assert_eq!(says(&home, &["search", "lunch", "--peer", "준호"], 0), whole);
    assert_eq!(says(&home, &["search", "lunch", "-n", "1"], 0).lines().count(), 1);
    assert_eq!(says(&home, &["search", "nothing"], 1), "rsachat: error: nothing found\n");
    let lines = says(&home, &["export", "--json"], 0);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    let of_gone = lines.iter().find(|line| line["from"] == "eve").unwrap();
    let gone = gone.to_string();
    let expected = serde_json::json!({
        "time": "1970-01-01T00:00:03.000Z", "direction": "received", "peer": gone, "fingerprint": gone,
        "from": "eve", "text": "lunch\\xff", "bytes": "bHVuY2j/",
    });
    assert_eq!(*of_gone, expected);
    let unknown = says(&home, &["export", "--peer", "carol"], 1);
    assert!(unknown.starts_with("rsachat: error: no peer is named carol"), "{unknown}");
}

#[test]
fn kept_messages_are_deleted_by_peer_and_by_age_and_only_when_asked_which() {
    let (home, gone) = home();
    let said = says(&home, &["delete"], 2);
    assert!(["--peer", "--older-than", "--all"].iter().all(|one| said.contains(one)), "{said}");
    assert_eq!(says(&home, &["delete", "--peer", "준호", "--older-than", "1"], 0), "deleted 2 messages\n");
    assert_eq!(says(&home, &["export"], 0).lines().count(), 2);
    assert_eq!(says(&home, &["delete", "--peer", &gone.to_string()], 0), "deleted 1 message\n");
    assert_eq!(says(&home, &["delete", "--all"], 0), "deleted 1 message\n");
    assert_eq!(says(&home, &["export"], 0), "");
}

#[test]
fn the_history_of_a_store_that_is_open_is_left_alone_and_a_home_without_one_has_none() {
    let (home, _) = home();
    let open = store(&home);
    let held = format!("another rsachat (process {}) has the messages of this home open", std::process::id());
    for args in [&["search", "x"][..], &["export"], &["delete", "--all"]] {
        assert!(says(&home, args, 3).contains(&held));
    }
    drop(open);
    let empty = Home::of("준호");
    assert_eq!(says(&empty, &["search", "x"], 1), "rsachat: error: nothing found\n");
    assert_eq!(says(&empty, &["export"], 0), "");
    assert_eq!(says(&empty, &["delete", "--all"], 0), "deleted 0 messages\n");
    assert!(!empty.file("store.redb").exists());
}

/// A prompt with these settings.
fn prompt(home: &Home, settings: &str, args: &[&str]) -> Process {
    let config = home.private("config.toml", settings);
    home.start(&[&["--config", config.to_str().unwrap()], args].concat())
}

const KEEP: &str = "history = \"keep\"\n";

#[test]
fn what_was_said_both_ways_is_found_after_a_kill_by_people_programs_and_commands() {
    let home = Home::of("민지");
    let (mut junho, at) = Process::listening("준호");
    let mut minji = prompt(&home, KEEP, &["--connect", &at]);
    junho.sees("민지 joined, new key");
    minji.types("점심 먹자");
    junho.sees("민지: 점심 먹자");
    junho.types(":to 민지");
    junho.types("Lunch at one");
    minji.sees("준호: Lunch at one");
    minji.signal(Signal::KILL);
    minji.ends();
    junho.sees("lost 민지");
    let mut minji = prompt(&home, KEEP, &["--json"]);
    minji.types(r#"{"id":1,"command":"search","arguments":["LUNCH"]}"#);
    minji.types(r#"{"id":2,"command":"last"}"#);
    minji.types(r#"{"id":3,"say":"later","to":"준호"}"#);
    minji.types(r#"{"id":4,"command":"search","arguments":["a"]}"#);
    minji.sees(r#""id":4"#);
    let output = minji.output();
    let past = |id: u64| {
        let mut events =
            output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let past = events.find(|event| event["id"] == id && event["event"] == "past").unwrap();
        let texts = past["messages"].as_array().unwrap().iter();
        texts.map(|one| format!("{}: {}", one["from"], one["text"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(past(1), ["준호: Lunch at one"]);
    assert_eq!(past(2), ["민지: 점심 먹자", "준호: Lunch at one"]);
    assert_eq!(past(4), ["준호: Lunch at one", "민지: later"]);
    let held = format!("(process {})", minji.id());
    assert!(says(&home, &["search", "lunch"], 3).contains(&held));
    minji.types(r#"{"command":"quit"}"#);
    minji.ends();
    let found = says(&home, &["search", "lunch"], 0);
    assert!(found.ends_with(" 준호: Lunch at one\n") && found.lines().count() == 1, "{found}");
    // Asked for at the end of the input, it is answered before the end.
    let mut minji = prompt(&home, KEEP, &[]);
    minji.types(":last 1");
    minji.closes_input();
    minji.ends();
    assert!(minji.output().contains("later"), "{}", minji.output());
}

#[test]
fn what_was_kept_is_found_by_a_session_that_keeps_nothing_until_it_is_deleted() {
    let home = Home::of("민지");
    let (junho, at) = Process::listening("준호");
    let mut minji = prompt(&home, "", &["--connect", &at]);
    junho.sees("민지 joined, new key");
    minji.types(":history keep");
    minji.types("점심 먹자");
    junho.sees("민지: 점심 먹자");
    minji.signal(Signal::KILL);
    minji.ends();
    let asks = |said: &str| {
        let mut minji = prompt(&home, "", &[]);
        for command in [":last", ":search 점심", ":status"] {
            minji.types(command);
        }
        minji.sees(said);
        minji.closes_input();
        minji.ends();
        minji.output().matches("점심 먹자").count()
    };
    assert_eq!(
        asks("messages are forgotten at the end of the session; those kept before are still found"),
        2
    );
    assert_eq!(says(&home, &["export"], 0).lines().count(), 1, "asking keeps nothing");
    says(&home, &["delete", "--all"], 0);
    assert_eq!(asks("messages are forgotten at the end of the session"), 0);
}

#[test]
fn what_send_and_ask_exchange_is_kept_with_an_owner_of_the_home_and_without_one() {
    let command = r#"case "$(cat)" in *"?") echo fine;; esac"#;
    let reply = ["recv", "--listen", "127.0.0.1:0", "--exec", command, "--reply", "--name", "준호"];
    let junho = Home::of("준호");
    junho.answer(&["peers", "add", "민지", &Home::of("민지").fingerprint()]);
    let answers = junho.run(&reply, Stdio::null());
    let at = answers.listens_at();
    let kept = |keep: &str, serves: bool| {
        let home = Home::of("민지");
        let config = home.private("config.toml", keep);
        let config = config.to_str().unwrap();
        let owner = serves.then(|| {
            let owner = home.run(&["--config", config, "serve", "--listen", "127.0.0.1:0"], Stdio::null());
            owner.listens_at();
            owner
        });
        // By the address on a connection of its own, by name through an owner.
        for args in [
            ["send", &at, "--accept-new", "-m", "one"],
            ["send", "준호", "--timeout", "9s", "-mtwo"],
            ["ask", &at, "--timeout", "9s", "-mthree?"],
            ["ask", "준호", "--timeout", "9s", "-mfour?"],
        ] {
            let mut process = home.run(&[&["--config", config], &args[..]].concat(), Stdio::null());
            assert_eq!(process.ends(), 0, "{args:?}: {}", process.complaints());
            assert!(!process.complaints().contains("history"), "{}", process.complaints());
        }
        if let Some(mut owner) = owner {
            owner.signal(Signal::TERM);
            owner.ends();
        }
        let rows = says(&home, &["export"], 0);
        let texts = rows.lines().map(|row| row.rsplit(' ').next().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    let all = ["one", "two", "three?", "fine", "four?", "fine"];
    for serves in [false, true] {
        assert_eq!(kept(KEEP, serves), all, "{serves}");
        assert_eq!(kept("", serves), [""; 0], "{serves}");
    }
}

#[test]
fn what_recv_acknowledges_is_kept_and_what_its_command_refuses_is_not() {
    let home = Home::of("민지");
    let config = home.private("config.toml", KEEP);
    let junho = Home::of("준호");
    home.answer(&["peers", "add", "준호", &junho.fingerprint()]);
    let args = ["--config", config.to_str().unwrap(), "recv", "--listen", "127.0.0.1:0"];
    let command = ["--exec", "read text; test \"$text\" != no"];
    for more in [&[][..], &command] {
        let mut recv = home.run(&[&args, more].concat(), Stdio::null());
        let at = recv.listens_at();
        for (text, code) in [("yes", 0), ("no", i32::from(!more.is_empty()))] {
            let mut send = junho.run(&["send", &at, "--accept-new", "-m", text], Stdio::null());
            assert_eq!(send.ends(), code, "{text}: {}", send.complaints());
        }
        // A caller that was never chosen.
        let stranger = Home::of("carol");
        let mut send = stranger.run(&["send", &at, "--accept-new", "-m", "who"], Stdio::null());
        assert_ne!(send.ends(), 0);
        recv.signal(Signal::TERM);
        recv.ends();
        assert!(!recv.complaints().contains("history"), "{}", recv.complaints());
    }
    let rows = says(&home, &["export"], 0);
    let texts: Vec<_> = rows.lines().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(texts, ["yes", "no", "yes"]);
}

#[test]
fn what_is_sent_again_is_in_the_history_once() {
    let home = Home::of("민지");
    let (mut first, at) = Process::listening("준호");
    let config = home.private("config.toml", KEEP);
    let args = ["--config", config.to_str().unwrap(), "send", &at, "--accept-new", "--retry", "9"];
    let mut send = home.run(&args, Stdio::piped());
    send.types("one");
    first.sees("one");
    first.signal(Signal::STOP);
    send.types("two");
    first.signal(Signal::KILL);
    first.ends();
    send.complains("cannot reach");
    let _second = Home::of("준호").start(&["--listen", &at]);
    send.types("three");
    assert_eq!(send.closes_input().ends(), 0, "{}", send.complaints());
    let rows = says(&home, &["export"], 0);
    let texts: Vec<_> = rows.lines().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn nothing_that_was_said_is_kept_unless_it_was_asked_for() {
    let home = Home::of("민지");
    let (junho, at) = Process::listening("준호");
    let mut minji = prompt(&home, "", &["--connect", &at]);
    junho.sees("민지 joined, new key");
    minji.types("secret");
    junho.sees("민지: secret");
    minji.types(":status");
    minji.sees("messages are forgotten at the end of the session");
    minji.types(":quit");
    minji.ends();
    assert_eq!(says(&home, &["export"], 0), "");
}

#[test]
fn what_is_older_than_the_settings_say_is_deleted_as_the_prompt_starts() {
    let (home, _) = home();
    let mut minji = prompt(&home, "history-days = 1\n", &[]);
    minji.types(":history keep");
    minji.sees("stay on disk, sealed, for a day");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    let left = says(&home, &["export"], 0);
    assert!(left.lines().count() == 1 && left.ends_with(" 준호: new\n"), "{left}");
}

#[test]
fn the_history_of_who_is_forgotten_stays_and_it_is_said_what_deletes_it() {
    let (home, gone) = home();
    let junho = Home::of("준호").fingerprint();
    let said = home.answer(&["peers", "forget", "준호"]);
    let at = home.path().display();
    assert!(said.contains(&format!("; rsachat --home {at} history delete --peer {junho}")), "{said}");
    home.answer(&["peers", "add", "준호", &junho]);
    let mut minji = prompt(&home, KEEP, &["--json"]);
    minji.types(r#"{"command":"forget","arguments":["준호"]}"#);
    minji.sees(&format!("stays, if it was kept; rsachat history delete --peer {junho} deletes it"));
    minji.sees("준호 is forgotten");
    minji.types(r#"{"command":"quit"}"#);
    assert_eq!(minji.ends(), 0);
    assert_eq!(says(&home, &["export"], 0).lines().count(), 5);
    assert_eq!(says(&home, &["delete", "--peer", &junho], 0), "deleted 3 messages\n");
    let left = says(&home, &["export", "--json"], 0);
    assert!(left.lines().count() == 1 && left.contains(&gone.to_string()), "{left}");
}

#[test]
fn a_message_of_a_clock_that_was_ahead_keeps_no_older_one() {
    let home = Home::of("민지");
    let junho = Home::of("준호").fingerprint();
    home.answer(&["peers", "add", "준호", &junho]);
    let ages =
        [-365, 20, 19, 10, 1].map(|days: i64| now().saturating_add_signed(-days * DAY_MS.cast_signed()));
    let said = |at: u64| entry(junho.parse().unwrap(), at, Direction::Received, "준호", b"said");
    store(&home).commit_with_history(&[], &ages.map(said)).unwrap();
    assert_eq!(says(&home, &["delete", "--older-than", "15"], 0), "deleted 2 messages\n");
    let mut minji = prompt(&home, "history-days = 2\n", &[]);
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    assert_eq!(says(&home, &["export"], 0).lines().count(), 2);
}

#[test]
fn what_was_taken_back_or_has_expired_is_marked_in_the_history_on_disk_and_in_that_of_the_session() {
    let home = Home::of("민지");
    home.answer(&["peers", "add", "준호", &Home::of("준호").fingerprint()]);
    let mut minji = prompt(&home, KEEP, &["--json"]);
    for text in ["one", "two", "three"] {
        minji.types(&format!(r#"{{"say":"{text}","to":"준호"}}"#));
    }
    minji.types(r#"{"say":"brief","to":"준호","expire":1}"#);
    minji.sees("it has expired");
    minji.types(r#"{"id":"drop","command":"outbox","arguments":["drop","준호","2"]}"#);
    minji.sees(r#""id":"drop","event":"reply","ok":true"#);
    for (id, command) in [("disk", "last"), ("session", "history"), ("after", "last")] {
        let arguments = if command == "history" { r#"["forget"]"# } else { "[]" };
        minji.types(&format!(r#"{{"id":"{id}","command":"{command}","arguments":{arguments}}}"#));
    }
    for id in ["disk", "after"] {
        let past = minji.sees(&format!(r#""id":"{id}","event":"past""#));
        assert!(past.contains("two (taken back)") && past.contains("brief (taken back)"), "{past}");
        assert_eq!(past.matches("(taken back)").count(), 2, "{past}");
    }
    minji.types(r#"{"command":"quit"}"#);
    minji.ends();
    home.answer(&["outbox", "drop", "준호", "3"]);
    let rows = says(&home, &["export"], 0);
    let texts: Vec<_> = rows.lines().map(|row| row.split_once(": ").unwrap().1).collect();
    assert_eq!(texts, ["one", "two (taken back)", "three (taken back)", "brief (taken back)"]);
    let json = says(&home, &["export", "--json"], 0);
    assert_eq!(json.matches(r#""direction":"sent""#).count(), 4, "{json}");
    assert_eq!(json.matches(r#""taken_back":true,"text":"#).count(), 3, "{json}");
}

#[test]
fn the_history_of_a_home_that_is_open_elsewhere_names_that_process_and_what_helps() {
    let home = Home::with_key("민지", "test-1.pem");
    let owner = home.run(&["serve", "--json", "--listen", "127.0.0.1:0"], Stdio::null());
    owner.listens_at();
    let named = format!("another rsachat (process {}) has the messages of this home open", owner.id());
    let end = format!(": kill {}", owner.id());
    for (args, helps) in [
        (&["search", "점심"][..], ":search finds the same at its prompt"),
        (&["export"], "end it first, since what it keeps stays"),
        (&["delete", "--all"], "end it first, since what it keeps stays"),
    ] {
        let mut run = home.run(&[&["history"], args].concat(), Stdio::null());
        run.ends_saying(3, &named);
        let said = run.complaints();
        assert!(said.contains(helps) && said.contains(&end), "{args:?}: {said}");
    }
}
