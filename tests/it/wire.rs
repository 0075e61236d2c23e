//! The native wire as foreign and older programs speak it, on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use rsachat::chat::command::Command;
use rsachat::chat::{
    AcceptPolicy, CallOptions, Chat, DialOutcome, Effect, Input, Notice, OwnKey, Protocol, Warning,
};
use rsachat::crypto::{RekeyingKey, Seed};
use rsachat::ids::ConnId;
use rsachat::limits;
use rsachat::peers::address::Family;
use rsachat::peers::book::Book;
use rsachat::peers::name::Name;
use rsachat::session::Event;
use rsachat::text::safe::SafeText;
use rsachat::time::{MonoMs, Now, UnixMs};
use rsachat::wire::{Lifetime, PREFACE_BYTES, Preface, Purpose, Record};

use crate::crypto::keys::identity;
use crate::support::caller::Caller;
use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process, all_of, call, socket};

/// Bytes with which a caller begins: its preface, and message 1 in its frame.
const FIRST_BYTES: usize = PREFACE_BYTES + 2 + 1_216;
const ALERT: [u8; 2] = [0, 0];
const BUSY: [u8; 3] = [0, 1, 1];

fn preface() -> Vec<u8> {
    Preface::new(Purpose::Chat).to_bytes().to_vec()
}

#[test]
fn a_caller_that_waits_for_the_preface_before_its_message_1_gets_in() {
    let (junho, at) = Process::listening("준호");
    let mut minji = Caller::new(&at, "test-1.pem", "민지", Lifetime::Lasting);
    let first = minji.sent();
    minji.write(&first[..PREFACE_BYTES]);
    assert!(minji.read(), "the preface comes by itself");
    minji.write(&first[PREFACE_BYTES..]);
    assert!(minji.until(|event| matches!(event, Event::Established { .. })).is_some());
    junho.sees("민지 joined");
}

#[test]
fn a_refused_message_1_gets_the_preface_and_then_the_alert() {
    let (_junho, at) = Process::listening("준호");
    let mut stranger = call(&at);
    stranger.write_all(&[&preface()[..], &[0, 3, 1, 2, 3]].concat()).unwrap();
    assert_eq!(all_of(stranger), [&preface()[..], &ALERT].concat());
}

/// A listener that takes the first bytes of one caller and gives this answer.
fn answers(answer: Vec<u8>) -> (String, JoinHandle<TcpListener>) {
    let (listener, at) = socket();
    (at, thread::spawn(move || answer_one(listener, &answer)))
}

fn answer_one(listener: TcpListener, answer: &[u8]) -> TcpListener {
    let (mut caller, _) = listener.accept().unwrap();
    caller.read_exact(&mut [0; FIRST_BYTES]).unwrap();
    caller.write_all(answer).unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    all_of(caller);
    listener
}

#[test]
fn an_alert_is_understood_also_from_a_listener_of_before_that_sends_no_preface() {
    for answer in [ALERT.to_vec(), [&preface()[..], &ALERT].concat()] {
        let (at, listener) = answers(answer);
        let args = ["send", &at, "--accept-new", "-m", "x"];
        let mut send = Home::of("민지").run(&args, Stdio::null());
        send.ends_saying(4, "refused the handshake: it may not know or accept your key");
        listener.join().unwrap();
    }
}

/// Is busy for one caller, and connects the next to `target`.
fn busy_at_first(target: String) -> String {
    let (listener, at) = socket();
    thread::spawn(move || {
        let listener = answer_one(listener, &[&preface()[..], &BUSY].concat());
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(target).unwrap();
        let (from, to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        thread::spawn(move || carry(from, to));
        carry(near, far);
    });
    at
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // Either side may be gone first.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_busy_listener_is_called_again_by_every_front_end_and_gets_what_waited() {
    let again = "is busy; calling again in ";
    let (junho, at) = Process::listening("준호");
    let through = busy_at_first(at);
    let mut send = Home::of("민지")
        .run(&["send", &through, "--name", "민지", "--accept-new", "-v", "-m", "드디어"], Stdio::null());
    let through = busy_at_first(junho.listens_at());
    let mut hana = Process::start("하나", &["--connect", &through]);
    hana.types("저도요");
    hana.sees(again);
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    send.complains(again);
    junho.sees("민지 (send): 드디어");
    junho.sees("하나: 저도요");
    hana.sees("준호 joined");
}

#[test]
fn a_listener_that_stays_busy_is_called_six_times_within_a_minute_and_then_given_up() {
    let public = identity("alice-2048").public().clone();
    let key = OwnKey { public, file: String::new() };
    let mut chat = Chat::new(Name::parse("민지").unwrap(), Some(key), Book::new(), 8);
    let mut now = Now { mono: MonoMs(0), unix: UnixMs(0) };
    let callee = "host:8000".parse().unwrap();
    let (family, pin, accept, protocol) = (Family::Any, None, AcceptPolicy::Anyone, Protocol::Native);
    let command = Command::Connect(CallOptions { callee, family, pin, accept, protocol });
    chat.handle(now, Input::Command(command));
    chat.handle(now, Input::Text("waits"));
    let (mut calls, mut outcome, mut returned) = (0, None, false);
    while outcome.is_none() {
        let mut dialled = None;
        while let Some(effect) = chat.poll_effect() {
            match effect {
                Effect::Connect { dial, .. } => dialled = Some(dial),
                Effect::DialFinished(finished) => outcome = Some(finished),
                Effect::Show(Notice::Warning(Warning::NotSent { rows, .. }), _) => {
                    returned |= rows == [SafeText::line("waits")];
                }
                _ => {}
            }
        }
        if let Some(dial) = dialled {
            calls += 1;
            let (conn, to) = (ConnId(calls), "127.0.0.1:8000".parse().unwrap());
            let seed = Seed::new([7; 32]);
            chat.handle(now, Input::Connected { dial, conn, to, seed });
            let answer = [&preface()[..], &BUSY].concat();
            chat.handle(now, Input::Bytes { conn, bytes: &answer });
        } else if outcome.is_none() {
            now.mono = chat.poll_timeout().expect("the next call is due");
            chat.handle(now, Input::Tick);
        }
    }
    assert_eq!((calls, outcome), (u64::from(limits::BUSY_CALLS), Some(DialOutcome::Lost)));
    assert!(returned, "what waited is given back");
    assert!((15_000..60_000).contains(&now.mono.0), "{:?}", now.mono);
}

/// "안녕하세요!" as a Korean Windows writes it, and as it is shown: two pairs are UTF-8 too.
const CP949: &[u8] = b"\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4!";
const SHOWN: &str = "\\xbeȳ\\xe7\\xc7ϼ\\xbc\\xbf\\xe4!";

#[test]
fn text_of_a_korean_windows_is_shown_escaped_and_named_once_for_each_peer() {
    let why = "the text of 민지 is not UTF-8 but CP949";
    for args in [&["--listen", "127.0.0.1:0"][..], &["--listen", "127.0.0.1:0", "--json"]] {
        let (junho, at) = Process::start("준호", args).and_where();
        for round in 1..=2 {
            let mut minji = HostilePeer::calls(&at, "test-1.pem", "민지", Purpose::Chat);
            for bytes in [CP949, b"caf\xe9", CP949] {
                let text = minji.sealed_text(bytes);
                minji.stream.write_all(&text).unwrap();
            }
            minji.says("끝");
            junho.sees_times("끝", round, PATIENCE);
        }
        let shown = junho.output().replace("\\\\", "\\");
        assert_eq!(shown.matches(SHOWN).count(), 4, "{shown}");
        assert_eq!(shown.matches("caf\\xe9").count(), 2, "{shown}");
        assert_eq!(shown.matches(why).count(), 1, "{shown}");
        assert!(!shown.contains('\u{fffd}'), "{shown}");
    }
}

#[test]
fn a_peer_of_before_is_talked_to_and_may_not_re_key() {
    let (mut junho, at) = Process::listening("준호");
    // Its Confirm has no option.
    let mut minji = HostilePeer::calls(&at, "test-1.pem", "민지", Purpose::Chat);
    minji.says("오래된 버전");
    junho.sees("민지: 오래된 버전");
    junho.types("안녕");
    let heard = std::iter::from_fn(|| Some(minji.receives()));
    assert!(
        heard.take(3).any(|record| matches!(record, Record::Text { text, .. } if text == "안녕".as_bytes()))
    );
    let (_, public) = RekeyingKey::generate(&Seed::new([5; 32]));
    minji.sends(&Record::Rekey(public));
    junho.sees("lost 민지: it broke the protocol");
}
