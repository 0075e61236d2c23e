//! Standings of a key: who only called is met, and becomes known by an act of the user.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Home, Process};

/// The rows of a file of the home; none if it is not there.
fn rows(home: &Home, file: &str) -> Vec<String> {
    let text = fs::read_to_string(home.file(file)).unwrap_or_default();
    text.lines().filter(|row| !row.starts_with('#')).map(str::to_owned).collect()
}

/// Ends in order.
fn leaves(mut process: Process) -> Home {
    assert_eq!(process.closes_input().ends(), 0);
    process.home.clone()
}

#[test]
fn who_only_called_stands_in_no_book_and_passes_no_listener_for_known_peers() {
    let (junho, mut minji, _) = Process::pair("준호", "민지");
    let junho = leaves(junho);
    minji.sees("* 준호 left");
    minji.home.has_met("준호");
    assert_eq!(rows(&minji.home, "peers"), [""; 0]);
    let [met] = rows(&minji.home, "peers.met").try_into().unwrap();
    assert!(met.starts_with(&junho.fingerprint()) && met.ends_with(" 127.0.0.1 준호"), "{met}");
    minji.types(":listen 127.0.0.1:0 --known");
    let known = minji.listens_at_nth(2);
    let mut again = junho.start(&["--connect", &known]);
    minji.sees("! refused an unknown key from 127.0.0.1:");
    assert_eq!(again.ends(), 4);
    // The other listener takes anybody, and to speak to somebody there is an act.
    let open = minji.listens_at();
    let again = junho.start(&["--connect", &open]);
    minji.sees("* 준호 joined, met before, unverified");
    minji.types(":to 준호");
    minji.sees("* plain text now goes to 준호, unverified");
    minji.is_done_typing();
    let [row] = rows(&minji.home, "peers").try_into().unwrap();
    assert_eq!(row, format!("준호 {} unverified", junho.fingerprint()));
    assert_eq!(rows(&minji.home, "peers.met"), [""; 0]);
    leaves(again);
    let _again = junho.start(&["--connect", &known]);
    minji.sees("* 준호 joined, known key");
}

#[test]
fn a_missed_caller_is_listed_and_chosen_later_by_a_name() {
    let (junho, minji, _) = Process::pair("준호", "민지");
    let junho = leaves(junho);
    minji.sees("* 준호 left");
    let mut minji = leaves(minji).start(&[]);
    minji.types(":peers met");
    let row = minji.sees("127.0.0.1");
    assert!(row.starts_with(&format!("준호    {}", junho.fingerprint())), "{row}");
    minji.types(":name 준호 jun");
    minji.sees("* 준호 is now called jun");
    assert_eq!(rows(&minji.home, "peers"), [format!("jun {} unverified # claims 준호", junho.fingerprint())]);
    minji.types(":peers met");
    minji.sees("no callers that you have not chosen");
}

#[test]
fn in_a_book_from_before_who_has_no_address_counts_as_met_until_chosen() {
    let home = Home::of("민지");
    let [junho, hana] = ["준호", "하나"].map(|name| Home::of(name).fingerprint());
    let before = format!("# friends\n준호 {junho} unverified\n하나 {hana} unverified # from work\n");
    home.private("peers", &before);
    let mut minji = home.start(&["--listen", "127.0.0.1:0", "--known-only"]);
    minji.sees("* peers in your book that have only called: 2; ");
    let mut calls = Home::of("하나").start(&["--connect", &minji.listens_at()]);
    minji.sees("! refused an unknown key from 127.0.0.1:");
    assert_eq!(calls.ends(), 4);
    assert_eq!(fs::read_to_string(home.file("peers")).unwrap(), before);
    minji.types(":name 준호 jun");
    minji.sees("* 준호 is now called jun");
    let after =
        format!("# rsachat peer book 2\n# friends\njun {junho} unverified\n하나 {hana} met # from work\n");
    assert_eq!(fs::read_to_string(home.file("peers")).unwrap(), after);
    let mut again = leaves(minji).start(&[]);
    again.is_done_typing();
    assert!(!again.has_seen("only called"), "{}", again.output());
}

#[test]
fn programs_are_told_the_standing_and_the_key_and_choose_nobody_by_writing() {
    let mut bot = Home::of("민지").start(&["--json", "--listen", "127.0.0.1:0"]);
    let at = bot.listens_at();
    let mut junho = Process::start("준호", &["--connect", &at]);
    let key = junho.home.fingerprint();
    let object = |row: &str| serde_json::from_str::<Value>(row).unwrap();
    let connected = object(&bot.sees(r#""event":"connected""#));
    assert_eq!((&connected["standing"], &connected["new"]), (&json!("met"), &json!(true)));
    junho.sees("민지 joined");
    junho.types("안녕");
    let message = object(&bot.sees(r#""event":"message""#));
    assert_eq!((&message["standing"], &message["fingerprint"]), (&json!("met"), &json!(key)));
    bot.types(&json!({ "say": "그래", "to": key }).to_string());
    junho.sees("민지: 그래");
    for event in ["sent", "received"] {
        let told = object(&bot.sees(&format!(r#""event":"{event}""#)));
        assert_eq!((&told["to"], &told["fingerprint"]), (&json!("준호"), &json!(key)), "{event}");
    }
    let junho = leaves(junho);
    assert_eq!(object(&bot.sees(r#""event":"left""#))["fingerprint"], json!(key));
    let _again = junho.start(&["--connect", &at]);
    bot.sees(r#""standing":"met","new":true,"first":true"#);
    bot.sees(r#""standing":"met","new":true,"first":false"#);
    assert_eq!(rows(&bot.home, "peers"), [""; 0]);
}

#[test]
fn a_caller_that_is_given_a_name_is_chosen_for_all() {
    let (junho, mut minji, _) = Process::pair("준호", "민지");
    for line in [":all 아직 아니", ":name 준호 jun", ":all 모두에게"] {
        minji.types(line);
    }
    junho.sees("민지: 모두에게");
    assert!(!junho.has_seen("아직 아니"), "{}", junho.output());
}
