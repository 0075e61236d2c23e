//! Short-lived connections, as `send` makes them: they stand beside others of the same key, and
//! nobody is there.

use std::process::Stdio;

use rsachat::session::{CloseReason, Event};
use rsachat::wire::{ByeReason, Lifetime};

use crate::support::caller::Caller;
use crate::support::{Home, Process};

fn is_acked(event: &Event) -> bool {
    matches!(event, Event::Acked { .. })
}

/// Sends one message from a home.
fn send(home: &Home, at: &str, text: &str) {
    let mut send = home.run(&["send", at, "--name", "민지", "--accept-new", "-m", text], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
}

#[test]
fn send_with_the_key_of_an_open_prompt_leaves_its_conversation_as_it_is() {
    let (mut minji, mut junho, at) = Process::pair("민지", "준호");
    // By the connection that stands.
    send(&minji.home, &at, "from a cron job");
    junho.sees("민지: from a cron job");
    // From another folder with the same key.
    send(&Home::of("민지"), &at, "from elsewhere");
    junho.sees("민지 (send): from elsewhere");
    minji.types("아직 있어요");
    junho.sees("민지: 아직 있어요");
    junho.types("나도");
    minji.sees("준호: 나도");
    for (prompt, peer) in [(&mut junho, "민지"), (&mut minji, "준호")] {
        prompt.is_done_typing();
        let shown = prompt.output();
        assert_eq!(shown.matches(&format!("{peer} joined")).count(), 1, "{shown}");
        for wrong in ["left", "anew", "(send): 아직"] {
            assert!(!shown.contains(wrong), "{wrong}: {shown}");
        }
    }
}

#[test]
fn who_only_sends_is_nobody_to_talk_to() {
    let (mut junho, at) = Process::listening("준호");
    let mut minji = Caller::established(&at, "test-1.pem", "민지", Lifetime::Short);
    minji.says("첫 소식");
    junho.sees("* 민지 (send) has a new key, not verified, SHA256:");
    junho.sees("민지 (send): 첫 소식");
    junho.types("@민지 거기 있어요?");
    junho.sees("! 민지 is not connected; nothing was sent");
    junho.types(":all 누구 있어요?");
    junho.sees("! not sent: nobody is connected");
    junho.types(":status");
    junho.sees("connected to 민지 (send), unverified, 127.0.0.1:");
    // Whoever addresses nobody has sent nothing.
    assert!(minji.until(is_acked).is_some());
    assert!(!minji.events.iter().any(|event| matches!(event, Event::Message { .. })));
    junho.types(":close 민지");
    let is_closed = |event: &Event| matches!(event, Event::Closed(CloseReason::Bye(ByeReason::Leaving)));
    assert!(minji.until(is_closed).is_some());
    junho.is_done_typing();
    let shown = junho.output();
    assert!(!shown.contains("joined") && !shown.contains("left"), "{shown}");
}

#[test]
fn a_block_ends_a_short_connection_too() {
    let (mut junho, at) = Process::listening("준호");
    let mut minji = Caller::established(&at, "test-1.pem", "민지", Lifetime::Short);
    minji.says("하나");
    junho.sees("민지 (send): 하나");
    junho.types(":block 민지");
    junho.sees("* 민지 is blocked");
    let refused = Event::Closed(CloseReason::Bye(ByeReason::Refused));
    assert!(minji.until(|event| *event == refused).is_some(), "{:?}", minji.events);
}

#[test]
fn short_connections_of_one_key_stand_side_by_side_up_to_four() {
    let recv = Home::of("준호").run(&["recv", "--listen", "127.0.0.1:0", "--accept-new"], Stdio::null());
    let at = recv.listens_at();
    let call = || Caller::established(&at, "test-1.pem", "민지", Lifetime::Short);
    let mut four: Vec<_> = (0..4).map(|_| call()).collect();
    for (number, one) in four.iter_mut().enumerate() {
        one.says(&format!("number {number}"));
        assert!(one.until(is_acked).is_some(), "{:?}", one.events);
    }
    let mut fifth = call();
    let closed = fifth.until(|event| matches!(event, Event::Closed(_)));
    assert_eq!(closed, Some(Event::Closed(CloseReason::Bye(ByeReason::Leaving))));
    recv.complains("a connection from 민지 (send) was refused: 4 are open");
    // Another key has its own four, and the four stand.
    let mut other = Caller::established(&at, "test-3.pem", "하나", Lifetime::Short);
    for one in four.iter_mut().chain([&mut other]) {
        one.says("still here");
    }
    recv.sees_times("still here", 5, crate::support::PATIENCE);
}

#[test]
fn a_caller_says_how_long_it_stays_and_who_was_called_does_not() {
    let (junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    // To itself the connection of `send` is the only one.
    let mut send =
        minji.run(&["send", &at, "--name", "민지", "--accept-new", "--json", "-m", "x"], Stdio::null());
    assert_eq!(send.ends(), 0);
    send.complains(r#""event":"connected""#);
    junho.sees("민지 (send): x");
}

#[test]
fn json_says_that_the_sender_of_a_message_is_not_there() {
    let bot = Home::of("준호").start(&["--json", "--listen", "127.0.0.1:0"]);
    let at = bot.listens_at();
    send(&Home::of("민지"), &at, "by send");
    let message = bot.sees(r#""text":"by send""#);
    assert!(message.contains(r#""short":true"#), "{message}");
    let mut minji = Process::start("하나", &["--connect", &at]);
    minji.sees("준호 joined");
    minji.types("by a prompt");
    let message = bot.sees(r#""text":"by a prompt""#);
    assert!(!message.contains("short"), "{message}");
    assert_eq!(bot.output().matches(r#""event":"connected""#).count(), 1, "{}", bot.output());
}
