//! `rsachat send` and `rsachat recv` on the raw wire, which has no receipts: what their exit codes
//! say there is that everything was written, and that the end was in order.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use rsachat::crypto::PublicKey;

use super::{alice, block, home, listening};
use crate::support::{PATIENCE, Process, all_of, file_with, socket};

fn send(at: &str, args: &[&str]) -> Process {
    home("준호").run(&[&["send", at, "--wire", "oaep"], args].concat(), Stdio::piped())
}

fn receiving(args: &[&str]) -> (Process, String) {
    let all = [&["recv", "--listen", "127.0.0.1:0", "--wire", "oaep"], args].concat();
    home("민지").run(&all, Stdio::null()).and_where()
}

/// A listener on the raw wire that the test plays by hand.
struct RawListener {
    socket: TcpStream,
    waiting: Vec<u8>,
}

impl RawListener {
    /// Takes a call, gives Minji's key and waits for the caller's.
    fn takes_a_call(listener: &TcpListener) -> Self {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(alice().public().to_spki_pem().trim_ascii_end().as_bytes()).unwrap();
        let mut listener = Self { socket, waiting: Vec::new() };
        let end = b"-----END PUBLIC KEY-----";
        let pem = listener.takes(|waiting| {
            waiting.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
        });
        PublicKey::from_spki_pem(&pem).unwrap();
        listener
    }

    fn hears(&mut self) -> String {
        let size = alice().public().block_bytes();
        let block = self.takes(|waiting| (waiting.len() >= size).then_some(size));
        String::from_utf8(alice().open(&block).unwrap().to_vec()).unwrap()
    }

    fn takes(&mut self, whole: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(size) = whole(&self.waiting) {
                return self.waiting.drain(..size).collect();
            }
            let mut room = [0; 4096];
            let read = self.socket.read(&mut room).unwrap();
            assert!(read > 0, "it hung up");
            self.waiting.extend_from_slice(&room[..read]);
        }
    }
}

#[test]
fn lines_go_into_a_raw_prompt_and_nobody_says_that_they_arrived() {
    let (minji, at) = listening(&[]);
    let mut sends = send(&at, &["-v"]);
    sends.types(":quit");
    sends.types("안녕하세요");
    sends.types(&format!("{}끝", "가나다".repeat(1_111)));
    assert_eq!(sends.closes_input().ends(), 0, "{}", sends.complaints());
    minji.sees("* raw~1 left");
    let heard = minji.said_by("raw~1");
    assert_eq!(heard[..2], [":quit", "안녕하세요"]);
    assert_eq!(heard[2..].concat(), format!("{}끝", "가나다".repeat(1_111)));
    assert!(sends.complaints().contains("sent as 47 parts"), "{}", sends.complaints());
    assert_eq!(sends.complaints().matches("nothing is acknowledged").count(), 1, "{}", sends.complaints());
    assert_eq!(sends.output(), "", "nothing on standard output");
}

#[test]
fn a_question_to_a_raw_prompt_is_answered_by_whoever_is_there() {
    let (mut minji, at) = listening(&[]);
    let ask = |args: &[&str]| {
        let all = [&["ask", &at, "--wire", "oaep"], args].concat();
        home("준호").run(&all, Stdio::null())
    };
    let mut asks = ask(&["-m", "몇 시예요?"]);
    minji.sees("몇 시예요?");
    minji.types("아홉 시");
    assert_eq!((asks.ends(), asks.output().as_str()), (0, "아홉 시\n"), "{}", asks.complaints());
    asks.complains("nothing is acknowledged, and anybody may have written the answer");
    minji.sees("* raw~1 left");
    let mut asks = ask(&["-m", "누구 없어요?", "--timeout", "500ms"]);
    asks.ends_saying(5, "the question was written, but no answer came");
    minji.sees("누구 없어요?");
    ask(&["--one-way", "-m", "x"]).ends_saying(2, "no answer that it seals could be read here");
    ask(&["-m", "exit"]).ends_saying(2, "cannot be a question there");
}

#[test]
fn a_command_answers_whoever_asks_on_the_raw_wire() {
    let (_recv, at) = receiving(&["--exec", "tr a-z A-Z", "--reply"]);
    let mut asks = home("준호").run(&["ask", &at, "--wire", "oaep", "-m", "loud"], Stdio::null());
    assert_eq!((asks.ends(), asks.output().as_str()), (0, "LOUD\n"), "{}", asks.complaints());
}

#[test]
fn what_a_raw_prompt_says_is_written_to_the_last_line_before_recv_ends() {
    let (mut minji, at) = listening(&[]);
    let mut recv = home("준호").run(&["recv", "--connect", &at, "--wire", "oaep"], Stdio::null());
    minji.sees("* raw~1 is at ");
    let lines: String = (1..=200).flat_map(|number| [number.to_string(), "번째 줄\n".to_owned()]).collect();
    minji.types_bytes(format!("{lines}위험 \u{1b}[2J\nexit\n").as_bytes());
    assert_eq!(recv.ends(), 0, "{}", recv.complaints());
    assert_eq!(recv.output(), format!("{lines}위험 \\u{{1b}}[2J\n"));
    assert_eq!(recv.complaints().matches("raw wire: no authentication").count(), 1, "{}", recv.complaints());
}

#[test]
fn a_slow_command_still_gets_every_message_of_a_caller_who_has_left() {
    let (mut minji, at) = listening(&[]);
    let junho = home("준호");
    let kept = junho.file("kept");
    let command = format!(
        "read -r text; echo \"$RSACHAT_FROM${{RSACHAT_FINGERPRINT}} $RSACHAT_VERIFIED $text\" >> {}; \
         until test -e {}; do sleep 0.05; done",
        kept.display(),
        junho.file("go").display()
    );
    let args = ["recv", "--connect", &at, "--wire", "oaep", "--exec", &command];
    let mut recv = junho.run(&args, Stdio::null());
    minji.sees("* raw~1 is at ");
    minji.types("하나\n둘\n셋\nexit");
    minji.sees("* conversation with raw~1 closed");
    std::fs::write(junho.file("go"), "").unwrap();
    assert_eq!(recv.ends(), 0, "{}", recv.complaints());
    let expected = "raw~1 no 하나\nraw~1 no 둘\nraw~1 no 셋\n";
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), expected);
}

#[test]
fn unknown_callers_are_heard_and_a_block_that_does_not_open_is_told_once_and_ends_nothing() {
    let (mut recv, at) = receiving(&["--count", "2"]);
    let mut caller = TcpStream::connect(&at).unwrap();
    caller.write_all(&[block("하나", 7), vec![0x42; 256], block("둘", 7)].concat()).unwrap();
    assert_eq!(recv.ends(), 0);
    assert_eq!(recv.output(), "하나\n둘\n");
    assert_eq!(recv.complaints().matches("could not be read").count(), 1, "{}", recv.complaints());
    recv.complains("rsachat: warning: a message from raw~1 could not be read (1 of 3)");
    assert!(!recv.complaints().contains("error"), "{}", recv.complaints());
}

#[test]
fn send_and_recv_meet_on_the_raw_wire_also_with_four_hundred_messages() {
    let (mut recv, at) = receiving(&["--count", "400"]);
    let lines: Vec<_> = (1..=400).map(|number| format!("{number} 안녕")).collect();
    let mut sends = send(&at, &[]);
    sends.types(&lines.join("\n"));
    assert_eq!(sends.closes_input().ends(), 0, "{}", sends.complaints());
    assert_eq!(recv.ends(), 0);
    assert_eq!(recv.output().lines().collect::<Vec<_>>(), lines);
}

#[test]
fn exit_ends_the_input_and_what_follows_is_refused() {
    for (input, code) in [(&b"a\nexit\n"[..], 0), (b"a\nexit\nb\nc\n", 1)] {
        let (minji, at) = listening(&[]);
        let mut sends = send(&at, &[]);
        sends.types_bytes(input);
        assert_eq!(sends.closes_input().ends(), code, "{}", sends.complaints());
        minji.sees("* raw~1 left");
        assert!(minji.has_seen(" raw~1: a") && !minji.has_seen(" raw~1: b"));
        let refused = "message 2 and what follows were not sent: `exit` before it";
        assert_eq!(sends.complaints().contains(refused), code == 1, "{}", sends.complaints());
    }
    // Also where the input stays open.
    let (minji, at) = listening(&[]);
    let mut sends = send(&at, &[]);
    sends.types("exit");
    assert_eq!(sends.ends(), 0);
    minji.sees("* raw~1 left");
}

#[test]
fn a_peer_that_leaves_too_early_is_a_loss_and_one_without_a_key_is_refused() {
    let (played, at) = socket();
    let mut sends = send(&at, &[]);
    let mut peer = RawListener::takes_a_call(&played);
    sends.types("하나");
    assert_eq!(peer.hears(), "하나");
    drop(peer);
    sends.ends_saying(5, "hung up before saying anything");
    sends.complains("1 message was written, 0 were not; the rest of the input was not read");

    let mut sends = send(&at, &["-m", "x"]);
    let (mut socket, _) = played.accept().unwrap();
    socket.write_all(b"SSH-2.0-OpenSSH_9.6 hello there\r\n").unwrap();
    sends.ends_saying(4, "sent no public key in PEM form");
    sends.complains("nothing was sent; 1 message was dropped");

    let mut sends = send(&at, &["-m", "x"]);
    drop(played.accept().unwrap());
    // As at the prompt: a peer that went away is a loss, not a refusal.
    sends.ends_saying(5, "sent no public key");
}

#[test]
fn a_native_listener_is_not_sent_to_and_patience_has_an_end() {
    let (_junho, at) = Process::listening("준호");
    let mut sends = send(&at, &["-m", "x", "--timeout", "500ms"]);
    sends.ends_saying(5, "nothing was connected or written in time");
    sends.complains("nothing was sent; 1 message was dropped");
}

#[test]
fn a_retry_goes_on_behind_what_was_written_and_sends_nothing_twice() {
    let (played, at) = socket();
    let mut sends = send(&at, &["--retry", "3", "-v"]);
    let mut peer = RawListener::takes_a_call(&played);
    sends.types("하나\n둘");
    assert_eq!([peer.hears(), peer.hears()], ["하나", "둘"]);
    drop(peer);
    sends.complains("trying again in ");
    sends.types("셋");
    sends.closes_input();
    let mut peer = RawListener::takes_a_call(&played);
    assert_eq!([peer.hears(), peer.hears()], ["셋", "exit"]);
    drop(peer);
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());
    assert_eq!(sends.complaints().matches("nothing is acknowledged").count(), 1, "{}", sends.complaints());
}

#[test]
fn what_a_peer_that_never_reads_leaves_in_our_queue_is_not_written() {
    let (played, at) = socket();
    socket2::SockRef::from(&played).set_recv_buffer_size(4_096).unwrap();
    let junho = home("준호");
    // Three times what the kernel holds. To seal more only takes time, and after 30 s of no
    // acknowledgement it is the kernel that gives up.
    let input = file_with("x\n".repeat(12_000).as_bytes());
    let args = ["send", &at, "--wire", "oaep", "--timeout", "5s", "--json"];
    let mut sends = junho.run(&args, input);
    let peer = RawListener::takes_a_call(&played);
    assert_eq!(sends.ends_within(6 * PATIENCE), 5, "{}", sends.complaints());
    sends.complains("nothing was connected or written in time");
    let done = sends.complains("\"event\":\"done\"");
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    let written = done["written"].as_u64().unwrap();
    assert!(written > 0 && written < done["messages"].as_u64().unwrap(), "{done}");
    // What it says is true: so many whole blocks can be read.
    let RawListener { socket, waiting } = peer;
    let rest = all_of(socket);
    let whole = (waiting.len() + rest.len()) / alice().public().block_bytes();
    assert!(whole as u64 >= written, "{whole} blocks came, {written} were said to be written");
}

#[test]
fn options_that_the_raw_wire_cannot_keep_are_bad_usage_in_words() {
    let junho = home("준호");
    let pin = format!("SHA256:{}", "A".repeat(43));
    let keyless = "the raw wire proves no keys;";
    for (args, words) in [
        (&["send", "localhost", "--wire", "oaep", "--pin", &pin][..], keyless),
        (&["send", "localhost", "--wire", "oaep", "--to", "minji"], keyless),
        (&["send", "localhost", "--wire", "oaep", "--accept-new"], keyless),
        (&["recv", "--listen", "0", "--wire", "oaep", "--pin", &pin], keyless),
        (&["recv", "--listen", "0", "--wire", "oaep", "--from", "minji"], keyless),
        (&["recv", "--connect", "localhost", "--wire", "oaep", "--accept-new"], keyless),
        (&["send", "localhost", "--wire", "morse"], "--wire WIRE cannot be morse"),
        (&["recv", "--listen", "0", "--wire", "morse"], "--wire WIRE cannot be morse"),
        (&["send", "localhost", "--one-way"], "--one-way is for the raw wire; add --wire oaep"),
        (&["recv", "--connect", "localhost", "--one-way"], "--one-way is for the raw wire; add --wire oaep"),
        (&["recv", "--connect", "localhost", "--wire", "oaep", "--one-way"], "could be read here"),
    ] {
        let mut run = junho.run(args, Stdio::null());
        assert_eq!(run.ends(), 2, "{args:?}");
        assert!(run.complaints().contains(words), "{args:?}: {}", run.complaints());
    }
}
