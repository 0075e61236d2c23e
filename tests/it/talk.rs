//! Conversations between two and three real prompts: texts, names, keys and commands.

use crate::support::{Home, Process, held_address};

#[test]
fn two_people_talk_both_ways_in_korean() {
    let (mut minji, mut junho, _) = Process::pair("민지", "준호");
    minji.types("안녕하세요, 준호 씨! 👋");
    let row = junho.sees("안녕하세요");
    assert!(row.ends_with(" 민지: 안녕하세요, 준호 씨! 👋"), "{row}");
    junho.types("반가워요. 한글도 잘 보이네요 😀");
    minji.sees(" 준호: 반가워요. 한글도 잘 보이네요 😀");
    assert_eq!(minji.closes_input().ends(), 0);
    junho.sees("* 민지 left");
    assert_eq!(junho.closes_input().ends(), 0);
}

#[test]
fn one_listener_talks_to_each_of_three_and_to_all() {
    let (mut minji, at) = Process::listening("민지");
    let others: Vec<_> = ["준호", "하나", "지수"]
        .into_iter()
        .map(|name| {
            let person = Process::start(name, &["--connect", &at]);
            minji.sees(&format!("{name} joined"));
            person.sees("민지 joined");
            person
        })
        .collect();
    minji.types(":to 하나");
    minji.sees("plain text now goes to 하나, unverified");
    minji.types("하나에게만");
    // Who only called is chosen by being written to, addressed or verified.
    minji.types("@준호 너에게만");
    minji.types(":verify 지수");
    minji.types(":trust 지수");
    minji.types(":all 모두에게");
    for person in &others {
        person.sees("민지: 모두에게");
    }
    others[1].sees("민지: 하나에게만");
    assert!(!others[0].has_seen("하나에게만") && !others[2].has_seen("하나에게만"));
    minji.types(":to 하냐");
    minji.sees("no peer is named 하냐 (did you mean 하나?)");
}

/// Minji, who knows Junho, and Junho, who listens at the same address again, but with another key.
/// His old fingerprint stands last.
fn changed_key() -> (Home, Process, String, String) {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (_held, at) = held_address();
    let mut listener = junho.start(&["--listen", &at]);
    listener.listens_at();
    let mut caller = minji.start(&["--connect", &at]);
    caller.sees("준호 joined, new key");
    caller.closes_input().ends();
    listener.closes_input().ends();
    let old = junho.fingerprint();
    junho.take_key("test-3.pem");
    let listener = junho.start(&["--listen", &at]);
    listener.listens_at();
    (minji, listener, at, old)
}

#[test]
fn a_changed_key_is_refused_before_any_text_and_taken_only_by_its_command() {
    let (minji, listener, at, old) = changed_key();
    let new = listener.home.fingerprint();
    let mut caller = minji.start(&[]);
    caller.types(&format!(":connect {at}"));
    caller.types("비밀");
    caller.sees(&format!("! the key at {at} has CHANGED; nothing was sent"));
    caller.sees(&format!("! known: {old} (준호)"));
    caller.sees(&format!("! now:   {new}"));
    let command = caller.sees("if you are sure that this is 준호: :trust");
    caller.sees("not sent: nobody is connected");
    assert!(!listener.has_seen("비밀") && !listener.has_seen("joined"));

    let (_, command) = command.split_once(": ").unwrap();
    assert_eq!(command, format!(":trust 준호 {new}"));
    caller.types(&format!(":trust 준호 {old}0"));
    caller.types(command);
    caller.sees(&format!("{new} is now the key of 준호, unverified; connect again"));
    caller.types(&format!(":connect {at}"));
    caller.sees("준호 joined, known key");
    caller.types("이제 됐어요");
    listener.sees("민지: 이제 됐어요");
}

#[test]
fn an_unattended_caller_ends_with_code_4_at_a_changed_key() {
    let (minji, listener, at, _) = changed_key();
    let mut caller = minji.start_having_typed(&["--connect", &at], "비밀");
    assert_eq!(caller.ends(), 4);
    assert!(caller.has_seen("has CHANGED"));
    assert!(!listener.has_seen("비밀"));
}

#[test]
fn a_pin_takes_its_key_and_no_other() {
    let (junho, at) = Process::listening("준호");
    let right = junho.home.fingerprint();
    let mut minji = Process::start("민지", &["--connect", &at, "--pin", &right]);
    minji.sees("준호 joined");
    minji.types("맞아요");
    junho.sees("민지: 맞아요");
    let wrong = minji.home.fingerprint();
    let mut hana = Home::of("하나").start_having_typed(&["--connect", &at, "--pin", &wrong], "비밀");
    assert_eq!(hana.ends(), 4);
    assert!(hana.has_seen("has a different key from the pinned one; nothing was sent"));
    assert!(hana.has_seen(&format!("! pinned: {wrong}")) && hana.has_seen(&format!("! now:    {right}")));
    assert!(!junho.has_seen("비밀") && !junho.has_seen("하나 joined"));
}

#[test]
fn a_blocked_peer_is_sent_away_and_stays_out_until_unblocked() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    junho.types(":block 민지");
    junho.sees("민지 is blocked; :unblock 민지 undoes that");
    minji.sees("준호 no longer accepts this key");
    assert_eq!(minji.ends(), 5, "the connection asked for ended while lines could still come");
    assert_eq!(minji.home.start_having_typed(&["--connect", &at], "비밀").ends(), 4);
    junho.sees("민지 is blocked and was refused");
    assert!(!junho.has_seen("비밀"));
    junho.types(":unblock 민지");
    junho.sees("민지 is no longer blocked, and is unverified");
    let mut third = minji.home.start(&["--connect", &at]);
    third.types("다시");
    junho.sees("민지: 다시");
}

#[test]
fn a_stranger_with_a_known_name_gets_a_suffix() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    junho.types(":verify 민지");
    junho.types(":trust 민지");
    junho.sees("민지 is marked verified");
    let mut stranger = Home::with_key("민지", "test-3.pem").start(&["--connect", &at]);
    stranger.types("나야, 민지");
    let row = junho.sees("나야, 민지");
    assert!(!row.contains(" 민지: "), "{row}");
    assert!(junho.has_seen("it is NOT the 민지 you verified"), "{}", junho.output());
    minji.types("진짜예요");
    junho.sees(" 민지: 진짜예요");
}

#[test]
fn both_sides_see_one_safety_number() {
    let (mut minji, mut junho, _) = Process::pair("민지", "준호");
    minji.types(":verify 준호");
    junho.types(":verify 민지");
    let number = |row: String| row.split_once(": ").unwrap().1.to_owned();
    let hers = number(minji.sees("safety number with 준호: "));
    let his = number(junho.sees("safety number with 민지: "));
    assert_eq!(hers, his);
    let groups: Vec<_> = hers.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|group| group.len() == 5 && group.bytes().all(|b| b.is_ascii_digit())));
}

#[test]
fn commands_and_texts_are_told_apart() {
    let (mut minji, junho, _) = Process::pair("민지", "준호");
    for line in [":conect x", " :quit", ": quit", ":zzzzzzzz"] {
        minji.types(line);
    }
    minji.sees("no such command :conect (did you mean :connect?)");
    minji.sees("no such command :zzzzzzzz");
    minji.types("::quit 라고 쓰면 끝나요");
    junho.sees("민지: :quit 라고 쓰면 끝나요");
    minji.types("exit");
    minji.sees("`exit` was sent as text; :quit leaves");
    junho.sees("민지: exit");
    assert_eq!(junho.said_by("민지").len(), 2, "{}", junho.output());
}

#[test]
fn a_message_of_16_kib_arrives_whole_and_a_longer_one_is_refused() {
    let (mut minji, junho, _) = Process::pair("민지", "준호");
    let whole = format!("{}끝", "가나다라마".repeat(1_092)) + "x";
    assert_eq!(whole.len(), 16_384);
    minji.types(&whole);
    let row = junho.sees("끝x");
    assert!(row.ends_with(&format!(" 민지: {whole}")));
    minji.types(&format!("{whole}y"));
    minji.sees("the text has 16385 bytes and was not sent; a message has at most 16384");
    minji.types("다음");
    junho.sees("민지: 다음");
    assert!(!junho.has_seen("끝xy"));
}

#[test]
fn a_listener_for_known_keys_turns_strangers_away() {
    let (host, guest) = (Home::of("민지"), Home::of("손님"));
    let (mut open, first) = host.start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut caller = guest.start(&["--connect", &first]);
    open.sees("손님 joined, new key");
    // An act of the person: who only called is no known peer.
    open.types(":to 손님");
    open.sees("* plain text now goes to 손님");
    caller.types(":quit");
    assert_eq!(caller.ends(), 0);

    open.types(":listen 127.0.0.1:0 --known");
    let known_only = open.listens_at_nth(2);
    let mut stranger = Process::start("준호", &["--connect", &known_only]);
    open.sees("! refused an unknown key from");
    assert_eq!(stranger.ends(), 4);
    let mut again = guest.start(&["--connect", &known_only]);
    open.sees("손님 joined, known key");
    again.types(":quit");
    assert_eq!(again.ends(), 0);
}
