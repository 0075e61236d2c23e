//! Calls by the name of a peer: only its key is accepted, at each of its addresses.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Home, PATIENCE, Process};

/// A home whose book has 준호 at these addresses.
fn knowing_junho(trust: &str, addresses: &[&str]) -> Home {
    let home = Home::of("민지");
    let key = Home::of("준호").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\n준호 {key} {trust} {}\n", addresses.join(",")));
    home
}

/// An address where nobody listens: no other test uses that host.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.83.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn whoever_is_called_by_name_is_reached_at_any_of_its_addresses_from_every_command() {
    let (junho, at) = Process::listening("준호");
    let nobody = nowhere();
    let home = knowing_junho("unverified", &[&at, &nobody]);
    let mut send = home.run(&["send", "준호", "-m", "이름으로"], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    let said = send.complaints();
    assert!(said.contains(&format!("warning: cannot reach {nobody}")) && !said.contains("error:"), "{said}");
    junho.sees("이름으로");
    // The last good one is the first by now.
    let mut again = home.run(&["send", "준호", "-m", "다시"], Stdio::null());
    assert_eq!((again.ends(), again.complaints().as_str()), (0, ""));
    for args in [&["준호"][..], &["--connect", "준호"], &[at.as_str()]] {
        let mut minji = home.start(args);
        minji.types("프롬프트에서");
        minji.sees("준호 joined");
        assert_eq!(minji.closes_input().ends(), 0, "{args:?}");
    }
    junho.sees_times("프롬프트에서", 3, PATIENCE);
    let (listens, at) =
        Home::of("준호").run(&["recv", "--listen", "127.0.0.1:0", "--accept-new"], Stdio::null()).and_where();
    let home = knowing_junho("verified", &[&at]);
    let recv = home.run(&["recv", "--connect", "준호", "-v"], Stdio::null());
    recv.complains("connected to 준호");
    drop(listens);
    let args = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (mut there, at) = Home::of("준호").run(&args, Stdio::null()).and_where();
    let home = knowing_junho("verified", &[&at]);
    let mut pipe = home.run(&["pipe", "--connect", "준호"], Stdio::null());
    assert_eq!((pipe.ends(), there.ends()), (0, 0), "{}", pipe.complaints());
}

#[test]
fn another_key_where_a_peer_is_called_by_name_gets_nothing_and_both_fingerprints_are_told() {
    let (hana, at) = Process::listening("하나");
    let pipes = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (_piped, pipe) = Home::of("하나").run(&pipes, Stdio::null()).and_where();
    let (known, now) = (Home::of("준호").fingerprint(), Home::of("하나").fingerprint());
    for command in [
        &["send", "준호", "-m", "비밀"][..],
        &["send", "준호", "--accept-new", "-m", "비밀"],
        &["recv", "--connect", "준호"],
        &["pipe", "--connect", "준호", "--recv-only"],
        &["준호"],
    ] {
        let at = if command[0] == "pipe" { &pipe } else { &at };
        let home = knowing_junho("unverified", &[at]);
        let mut calls = home.run(command, Stdio::null());
        assert_eq!(calls.ends(), 4, "{command:?}: {}", calls.complaints());
        let said = format!("{}{}", calls.output(), calls.complaints());
        assert!(said.contains("has CHANGED") && said.contains(&known) && said.contains(&now), "{said}");
    }
    assert!(!hana.has_seen("비밀") && !hana.has_seen("joined"));
}

#[test]
fn a_word_that_is_neither_a_peer_nor_a_host_is_a_mistake_before_anything_is_begun() {
    let home = knowing_junho("unverified", &["127.0.0.1:9"]);
    for word in ["bbo", "준희"] {
        for command in [
            &["send", word, "-m", "x"][..],
            &["recv", "--connect", word],
            &["pipe", "--connect", word],
            &[word],
            &["--connect", word],
        ] {
            let mut calls = home.run(command, Stdio::null());
            calls.ends_saying(1, &format!("no peer with an address is named {word}"));
        }
    }
    home.run(&["bbo"], Stdio::null()).ends_saying(1, "write bbo:8000 for a host");
    home.run(&["준희"], Stdio::null()).ends_saying(1, "(did you mean 준호?)");
    home.run(&["준호", "recv", "--listen", "0"], Stdio::null()).ends_saying(2, "a subcommand follows 준호");
    let blocked = knowing_junho("blocked", &["127.0.0.1:9"]);
    for command in [&["send", "준호", "-m", "x"][..], &["준호"], &["recv", "--connect", "준호"]] {
        let mut calls = blocked.run(command, Stdio::null());
        calls.ends_saying(4, "준호 is blocked");
        calls.complains(" peers unblock 준호");
    }
}

#[test]
fn a_listener_is_closed_and_who_is_connected_stays() {
    // No other test can take the port of that host meanwhile.
    let (mut minji, at) = Home::of("민지").start(&["--listen", "127.83.0.2:0"]).and_where();
    let mut junho = Home::of("준호").start(&["--connect", &at]);
    junho.sees("민지 joined");
    minji.types(&format!(":unlisten {at}"));
    minji.sees(&format!("* no longer listening on {at}; connected peers stay connected"));
    let mut hana = Home::of("하나").start(&["--connect", &at]);
    assert_eq!(hana.ends(), 3, "{}", hana.output());
    junho.types("나는 아직 있다");
    minji.sees("나는 아직 있다");
    minji.types(":unlisten");
    minji.sees("! you are not listening; ");
}

#[test]
fn the_next_key_is_told_to_a_verified_peer_under_the_key_that_it_knows() {
    let (mut minji, at) = Process::listening("민지");
    let known = minji.home.fingerprint();
    let junho = Home::of("준호").start(&["--json", "--connect", &at]);
    let hana = Home::of("하나").start(&["--connect", &at]);
    minji.sees("준호 joined");
    hana.sees("민지 joined");
    minji.types(":verify 준호");
    minji.types(":trust 준호");
    minji.types(":keygen 2048 --replace");
    minji.sees("* announced the next key to 준호");
    let next = minji.home.fingerprint();
    junho.sees(&format!(r#""event":"rollover","name":"민지","fingerprint":"{known}","next":"{next}""#));
    minji.types(":all 그대로");
    junho.sees("그대로");
    assert!(!hana.output().contains("next key"));
}

#[test]
fn a_listener_at_every_address_says_where_others_call_in_words_and_to_programs() {
    let home = Home::of("민지");
    let row_of = |args: &[&str]| {
        let mut listening = home.start(&[args, &["--listen", "0"]].concat());
        let port = listening.listens_at().parse::<SocketAddr>().unwrap().port().to_string();
        let row = listening.sees("listening");
        assert_eq!(listening.closes_input().ends(), 0);
        row.replace(&port, "PORT")
    };
    let (words, event) = (row_of(&["--plain"]), row_of(&["--json"]));
    let event: Value = serde_json::from_str(&event).unwrap();
    let dial: Vec<_> = event["dial"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let others = format!(" (others call {})", dial.join(" or "));
    // A machine may have no network.
    let others = if dial.is_empty() { "" } else { &others };
    assert!(
        words.ends_with(&format!("listening on {}{others}", event["address"].as_str().unwrap())),
        "{words}"
    );
    assert!(!words.contains("127.0.0.1") && !words.contains("::1]"), "{words}");
    let mut asked = home.start(&["--plain", "--listen", "0"]);
    let port = asked.listens_at().parse::<SocketAddr>().unwrap().port().to_string();
    asked.types(":status");
    let row = words.split_once("listening on").unwrap().1.replace("PORT", &port);
    asked.sees_times(&format!("listening on{row}"), 2, PATIENCE);
    let (alone, _) = home.start(&["--listen", "127.0.0.1:0"]).and_where();
    assert!(!alone.sees("listening on").contains("others"), "{}", alone.output());
}
