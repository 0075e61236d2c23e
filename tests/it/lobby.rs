//! Strangers who knock at a real process: admitted, refused, too many, with signs that a terminal
//! obeys.

use rsachat::crypto::{Identity, Seed};
use rsachat::session::{CloseReason, Event};
use rsachat::wire::Introduction;

use crate::support::caller::Caller;
use crate::support::{Home, Process, read};

fn asking(name: &str) -> (Process, String) {
    Process::start(name, &["--listen", "127.0.0.1:0", "--ask"]).and_where()
}

fn knocking(at: &str, identity: Identity, text: &str) -> Caller {
    let mut caller = Caller::introduced(at, identity, "낯선이", Introduction::Knock(text.to_owned()));
    caller.until(|event| matches!(event, Event::Presented | Event::Closed(_)));
    caller
}

fn identity(key: &str) -> Identity {
    Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap()
}

#[test]
fn who_is_admitted_talks_and_who_is_refused_ends_with_4() {
    let (mut minji, at) = asking("민지");
    let mut junho = Home::of("준호").start(&["--connect", &at, "--knock", "나야, 준호"]);
    junho.sees("knocked at");
    let row = minji.sees("a stranger knocks: SHA256:");
    assert!(row.ends_with("\"나야, 준호\" (:admit 1, :refuse 1)"), "{row}");
    assert!(!minji.has_seen("joined"), "{}", minji.output());
    minji.types(":admit 1");
    junho.sees("민지 joined, new key");
    minji.sees("준호 joined, new key");
    junho.types("고마워");
    minji.hears("준호", 1);
    let mut hana = Home::of("하나").start(&["--connect", &at, "--knock", "누구게"]);
    minji.sees("(:admit 2, :refuse 2)");
    minji.types(":refuse 2");
    hana.sees("does not admit you");
    assert_eq!(hana.ends(), 4);
    // Who is admitted is known from then on.
    junho.types(":quit");
    junho.ends();
    let again = junho.home.start(&["--connect", &at]);
    again.sees("민지 joined, known key");
}

#[test]
fn whoever_waits_at_a_listener_that_leaves_is_told_so_and_ends_with_5() {
    let (mut minji, at) = asking("민지");
    let mut junho = Home::of("준호").start(&["--connect", &at, "--knock", "나야"]);
    minji.sees("a stranger knocks");
    minji.types(":quit");
    assert_eq!(minji.ends(), 0);
    junho.sees(&format!("{at} left before it let you in; try again later"));
    assert_eq!(junho.ends(), 5);
}

#[test]
fn a_program_is_told_who_knocks_and_admits_by_its_number() {
    let listening = ["--listen", "127.0.0.1:0", "--ask", "--json"];
    let (mut minji, at) = Process::start("민지", &listening).and_where();
    let mut junho = knocking(&at, identity("test-2.pem"), "\u{1b}[2J\u{202e}hi");
    let event = minji.sees("\"event\":\"knock\"");
    assert!(event.contains("\"number\":1"), "{event}");
    assert!(!event.contains('\u{1b}') && !event.contains('\u{202e}'), "{event}");
    minji.types("{\"command\":\"admit\",\"arguments\":[\"1\"]}");
    let established = junho.until(|event| matches!(event, Event::Established { .. }));
    assert!(established.is_some(), "{:?}", junho.events);
    minji.sees("\"state\":\"admitted\"");
}

#[test]
fn the_ninth_stranger_is_turned_away_and_one_key_has_one_seat() {
    let (mut minji, at) = asking("민지");
    let mut seed = Seed::new([5; 32]).rng("keys");
    let mut waiting = Vec::new();
    let new_key = |seed: &mut rand::rngs::ChaCha20Rng| Identity::generate(2048, seed).unwrap();
    let first = || new_key(&mut Seed::new([6; 32]).rng("first"));
    waiting.push(knocking(&at, first(), "1"));
    for number in 2..=8 {
        waiting.push(knocking(&at, new_key(&mut seed), &number.to_string()));
        minji.sees(&format!("(:admit {number}, "));
    }
    let mut ninth = knocking(&at, new_key(&mut seed), "9");
    let end = ninth.until(|event| matches!(event, Event::Closed(_)));
    assert_eq!(end, Some(Event::Closed(CloseReason::PeerAbort)));
    minji.sees("was turned away: 8 strangers wait already");
    // The first calls again: its earlier call makes room.
    let again = knocking(&at, first(), "again");
    minji.sees("stranger 1 has left without waiting");
    minji.sees("(:admit 9, ");
    assert!(!matches!(again.events.last(), Some(Event::Closed(_))), "{:?}", again.events);
    minji.types(":admit 8");
    let eighth = waiting.last_mut().unwrap();
    assert!(eighth.until(|event| matches!(event, Event::Established { .. })).is_some());
}
