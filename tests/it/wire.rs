//! The native wire as foreign and older programs speak it, on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
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
use rsachat::session::{CloseReason, Event};
use rsachat::text::safe::SafeText;
use rsachat::time::{MonoMs, Now, UnixMs};
use rsachat::wire::{Chain, Epoch, Lifetime, PREFACE_BYTES, Preface, Purpose, Record, Resume};

use crate::crypto::keys::identity;
use crate::support::caller::Caller;
use crate::support::hostile_peer::HostilePeer;
use crate::support::wire::call_from;
use crate::support::{Home, PATIENCE, Process, all_of, call, file_with, socket};

/// Bytes with which a caller begins: its preface, and message 1 in its frame.
const FIRST_BYTES: usize = PREFACE_BYTES + 2 + 1_216;
const ALERT: [u8; 2] = [0, 0];
const BUSY: [u8; 3] = [0, 1, 1];
/// Callers that may be in their handshake and are not called from where a chosen peer was.
const UNPROVEN: usize = limits::UNAUTHENTICATED_CONNECTIONS - limits::RESERVED_CONNECTIONS;

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

/// The preface of a listener for this purpose, which is busy.
fn busy(purpose: Purpose) -> Vec<u8> {
    [&Preface::new(purpose).to_bytes()[..], &BUSY].concat()
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
fn busy_at_first(target: String, purpose: Purpose) -> String {
    let (listener, at) = socket();
    thread::spawn(move || {
        let listener = answer_one(listener, &busy(purpose));
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
    let (mut junho, at) = Process::listening("준호");
    let through = busy_at_first(at, Purpose::Chat);
    let mut send = Home::of("민지")
        .run(&["send", &through, "--name", "민지", "--accept-new", "-v", "-m", "드디어"], Stdio::null());
    let through = busy_at_first(junho.listens_at(), Purpose::Chat);
    let mut hana = Process::start("하나", &["--connect", &through]);
    hana.types("저도요");
    hana.sees(again);
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    send.complains(again);
    junho.sees("민지 (send): 드디어");
    junho.sees("하나: 저도요");
    hana.sees("준호 joined");

    let through = busy_at_first(junho.listens_at(), Purpose::Chat);
    let args = ["recv", "--connect", &through, "--name", "민지", "--accept-new", "--count", "1", "-v"];
    let mut recv = Home::of("민지").run(&args, Stdio::null());
    recv.complains(again);
    junho.sees("민지 joined");
    junho.types("@민지 반가워");
    assert_eq!(recv.ends(), 0, "{}", recv.complaints());
    recv.sees("반가워");

    let args = ["pipe", "--listen", "127.0.0.1:0", "--accept-new"];
    let (mut takes, at) = Home::of("준호").run(&args, Stdio::null()).and_where();
    let through = busy_at_first(at, Purpose::Pipe);
    let args = ["pipe", "--connect", &through, "--accept-new", "-v"];
    let mut pipe = Home::of("민지").run(&args, file_with(b"through"));
    assert_eq!([pipe.ends(), takes.ends()], [0, 0], "{}", pipe.complaints());
    pipe.complains(again);
    assert_eq!(takes.raw_output(), b"through");
}

#[test]
fn a_listener_whose_seats_are_all_taken_says_that_it_is_busy_whoever_calls() {
    let home = Home::of("준호");
    home.private("peers", format!("민지 {} verified\n", Home::of("민지").fingerprint()));
    let (mut junho, at) = home.start(&["--listen", "127.0.0.1:0", "--anybody", "--peers", "1"]).and_where();
    let mut hana = Process::start("하나", &["--connect", &at]);
    junho.sees("하나 joined");
    let mut busy = Caller::new(&at, "test-1.pem", "민지", Lifetime::Lasting);
    assert_eq!(busy.until(|event| matches!(event, Event::Established { .. })), None);
    assert_eq!(busy.events.last(), Some(&Event::Closed(CloseReason::PeerBusy)));
    junho.sees("a caller was refused: 1 connections are open");
    // Who is told calls again, and gets in once there is a seat.
    let args = ["send", &at, "--name", "민지", "--accept-new", "-v", "-m", "드디어"];
    let mut send = Home::of("민지").run(&args, Stdio::null());
    send.complains("is busy; calling again in ");
    hana.types(":quit");
    assert_eq!(hana.ends(), 0);
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    junho.sees("민지 (send): 드디어");
    assert_eq!(junho.closes_input().ends(), 0);
}

#[test]
fn a_caller_that_makes_room_for_another_is_told_that_the_listener_is_busy() {
    let (_junho, at) = Process::listening("준호");
    let at: SocketAddr = at.parse().unwrap();
    let first = Caller::new(&at.to_string(), "test-1.pem", "민지", Lifetime::Lasting).sent();
    let begins = |source| {
        let mut stream = call_from(source, at);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&first).unwrap();
        let mut answer = [0; PREFACE_BYTES + 2];
        stream.read_exact(&mut answer).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes([answer[16], answer[17]]))];
        stream.read_exact(&mut message).unwrap();
        stream
    };
    // As many as have room, two of one source: that one has most.
    let oldest = begins(1);
    let mut others: Vec<_> = (1..UNPROVEN).map(begins).collect();
    others.push(begins(UNPROVEN));
    assert_eq!(all_of(oldest), BUSY);
}

#[test]
fn a_listener_that_stays_busy_is_called_six_times_within_a_minute_and_then_given_up() {
    let public = identity("alice-2048").public().clone();
    let key = OwnKey { public, file: String::new() };
    let mut chat = Chat::new(Name::parse("민지").unwrap(), Some(key), Book::new(), 8);
    let mut now = Now { mono: MonoMs(0), unix: UnixMs(0) };
    let callee = "host:8000".parse().unwrap();
    let (family, pin, accept, protocol) = (Family::Any, None, AcceptPolicy::Anyone, Protocol::Native);
    let command =
        Command::Connect(CallOptions { callee, via: None, family, pin, accept, protocol, knock: None });
    chat.handle(now, Input::Command(command));
    chat.handle(now, Input::Text("waits"));
    let (mut calls, mut outcome, mut returned) = (0, None, false);
    while outcome.is_none() {
        let mut dialled = None;
        while let Some(effect) = chat.poll_effect() {
            match effect {
                Effect::Connect { dial, .. } => dialled = Some(dial),
                Effect::DialFinished(finished) => outcome = Some(finished),
                Effect::Show(Notice::Warning(Warning::NotSent { rows, .. }), _)
                | Effect::ShowTo(_, Notice::Warning(Warning::NotSent { rows, .. })) => {
                    returned |= rows == [SafeText::line("waits")];
                }
                _ => {}
            }
        }
        if let Some(dial) = dialled {
            calls += 1;
            let (conn, to) = (ConnId(calls), "127.0.0.1:8000".parse().ok());
            let seed = Seed::new([7; 32]);
            chat.handle(now, Input::Connected { dial, conn, to, seed });
            let answer = busy(Purpose::Chat);
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
    junho.sees("lost 민지: it violated the protocol");
}

#[test]
fn a_peer_of_before_is_talked_to_and_may_not_resume() {
    let (epoch, your_epoch, chain) = (Epoch([7; 16]), Epoch::NONE, Chain::START);
    let resume = Resume { epoch, oldest: 1, next: 1, your_epoch, last: 0, chain };
    for record in [Record::Resume(resume), Record::Kept { upto: 0 }, Record::Skip { seq: 1 }] {
        // In a conversation, called and calling, and in a pipe.
        let (mut junho, at) = Process::listening("준호");
        let mut minji = HostilePeer::calls(&at, "test-1.pem", "민지", Purpose::Chat);
        minji.says("오래된 버전");
        junho.sees("민지: 오래된 버전");
        minji.sends(&record);
        junho.sees("lost 민지: it violated the protocol");
        junho.is_done_typing();

        let (listener, at) = socket();
        let junho = Home::of("준호").start(&["--connect", &at]);
        let (mut minji, confirm) = HostilePeer::answers(&listener, "test-1.pem", "민지", Purpose::Chat);
        minji.stream.write_all(&confirm).unwrap();
        minji.sends(&record);
        junho.sees("lost 민지: it violated the protocol");

        let listens = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "-v"];
        let mut pipe = Home::of("준호").run(&listens, Stdio::piped());
        let mut minji = HostilePeer::calls(&pipe.listens_at(), "test-1.pem", "민지", Purpose::Pipe);
        minji.sends(&record);
        assert_eq!(pipe.ends(), 5, "{record:?}");
    }
}
