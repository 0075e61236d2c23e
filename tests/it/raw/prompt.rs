//! Prompts on the raw wire, and everything that calls there and should not.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsachat::crypto::PublicKey;
use rsachat::limits::{OAEP_SILENT_CALLERS, SHUTDOWN_GRACE_MS, UNAUTHENTICATED_CONNECTIONS};

use super::{alice, block, home, listening};
use crate::crypto::raw::{BITS_512, EC, as_pem};
use crate::support::wire::{Fault, FaultyWire, call_from};
use crate::support::{Home, PATIENCE, Process, all_of, call, eventually, mode, socket};

/// What a handshake that nobody begins, or a new key, may take, and what a busy machine takes
/// besides.
const HANDSHAKE_PATIENCE: Duration = Duration::from_mins(3);

#[test]
fn two_people_talk_on_the_raw_wire_and_exit_ends_it() {
    let (mut minji, at) = listening(&[]);
    let mut junho = home("준호").start(&[]);
    junho.types(&format!(":connect {at} --wire oaep"));
    junho.sees("* raw wire: no authentication, no forward secrecy, no integrity of order or count");
    let joined = junho.sees("* raw~1 is at ");
    for part in ["raw, 2048-bit key SHA256:", "nothing is signed"] {
        assert!(joined.contains(part), "{joined}");
    }
    assert!(minji.sees("* raw~1 is at ").contains("3072-bit key"));
    junho.types("안녕하세요, 민지 씨!");
    assert!(minji.sees(" raw~1: ").ends_with(" raw~1: 안녕하세요, 민지 씨!"));
    minji.types("반가워요 👋");
    junho.sees(" raw~1: 반가워요 👋");
    junho.types(&"긴 글 ".repeat(100));
    junho.sees("* sent as 4 parts");
    minji.sees_times(" raw~1: ", 5, PATIENCE);
    let keyless = "! raw~1 is on the raw wire, which proves no keys";
    for (command, answer) in [
        (":verify raw~1", keyless),
        (":trust raw~1", keyless),
        (":block raw~1", keyless),
        (":to raw~1", "* plain text now goes to raw~1, raw"),
        (":status", "connected to raw~1, raw, 127.0.0.1:"),
        (":peers", "raw~1  connected "),
    ] {
        minji.types(command);
        minji.sees(answer);
    }
    assert_eq!(junho.output().matches("the raw wire acknowledges nothing").count(), 1);
    let book = std::fs::read_to_string(minji.home.file("peers")).unwrap_or_default();
    assert_eq!(book, "", "nobody is remembered");
    junho.types("exit");
    junho.sees("* conversation with raw~1 closed");
    minji.sees("* raw~1 left");
    minji.types("아직?");
    minji.sees("! raw~1 is not connected; nothing was sent");
    assert!(!junho.has_seen("was sent as text"));
}

#[test]
fn an_exit_is_sent_however_long_nothing_was_said_before() {
    let (minji, at) = listening(&[]);
    let leaves = ["exit", ":close", ":quit"].map(|leave| {
        let mut junho = home("준호").start(&[]);
        junho.types(&format!(":connect {at} --wire oaep"));
        junho.sees(" is at ");
        (junho, leave)
    });
    minji.sees_times(" is at ", leaves.len(), PATIENCE);
    // Longer than an exit may take.
    std::thread::sleep(Duration::from_millis(SHUTDOWN_GRACE_MS + 300));
    for (at, (mut junho, leave)) in (1..).zip(leaves) {
        junho.types(leave);
        minji.sees_times(" left", at, PATIENCE);
        assert!(!junho.has_seen("not sent"), "{leave}: {}", junho.output());
    }
    assert!(!minji.has_seen("lost"), "{}", minji.output());
}

#[test]
fn the_key_of_the_raw_wire_is_made_kept_and_is_not_the_identity() {
    let home = Home::of("민지");
    let mut minji = home.start(&[]);
    minji.types(":keygen --raw");
    minji.sees("* generating a 2048-bit key for the raw wire");
    let made = minji.sees_within("* new 2048-bit key for the raw wire, SHA256:", HANDSHAKE_PATIENCE);
    assert!(made.ends_with("raw.pem") && !made.contains(&home.fingerprint()), "{made}");
    assert_eq!(mode(home.file("raw.pem")), 0o600);
    minji.types(":keygen --raw");
    minji.sees("raw.pem; `:keygen --raw --replace` generates a new one and keeps the old file");
    assert_eq!(minji.closes_input().ends(), 1);
    // The next time it is there, and the passphrase of the home is its own as well.
    std::fs::write(home.file("word"), "비밀\n").unwrap();
    let word = home.file("word").display().to_string();
    home.answer(&["key", "passphrase", "--new-passphrase-file", &word]);
    for file in ["raw.pem", "identity.pem"] {
        let text = std::fs::read_to_string(home.file(file)).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{file}");
    }
    let again = home.start(&["--passphrase-file", &word, "--listen", "127.0.0.1:0", "--wire", "oaep"]);
    let mut caller = call(&again.listens_at());
    let mut pem = vec![0; 450];
    caller.read_exact(&mut pem).unwrap();
    let fingerprint = PublicKey::from_spki_pem(&pem).unwrap().fingerprint().to_string();
    assert!(made.contains(&fingerprint), "{made}");
    assert!(!again.has_seen("generating a key"));
}

#[test]
fn the_listener_sends_its_pem_without_a_newline_and_nothing_after_blocks_that_do_not_open() {
    let (minji, at) = listening(&[]);
    let mut stranger = call(&at);
    stranger.write_all(&[0x42; 256]).unwrap();
    minji.sees("! a message from 127.0.0.1:");
    stranger.write_all(&block("첫 마디", 1)).unwrap();
    minji.sees(" raw~1: 첫 마디");
    stranger.write_all(&[0x17; 256 * 3]).unwrap();
    minji.sees("! the stream from raw~1 is out of sync; closed");
    let sent = all_of(stranger);
    assert!(sent.starts_with(b"-----BEGIN PUBLIC KEY-----\n"));
    assert!(sent.ends_with(b"\n-----END PUBLIC KEY-----"));
    assert_eq!(PublicKey::from_spki_pem(&sent).as_ref(), Ok(alice().public()));
    assert_eq!(sent.len(), 450);
}

#[test]
fn what_came_before_the_end_of_the_stream_is_shown_and_hostile_text_is_made_safe() {
    let (minji, at) = listening(&[]);
    let mut caller = call(&at);
    let blocks: Vec<_> =
        (1..=40).map(|number| block(&format!("줄 {number}\u{1b}[2J\u{202e}"), number)).collect();
    caller.write_all(&blocks.concat()).unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    minji.sees(" raw~1: 줄 40\\u{1b}[2J\\u{202e}");
    minji.sees("! lost raw~1: connection cut");
    let order: Vec<_> = (1..=40).map(|number| format!("줄 {number}\\")).collect();
    let output = minji.output();
    let shown: Vec<_> = output.lines().filter(|row| row.contains(" raw~1: 줄 ")).collect();
    assert!(shown.len() == 40 && shown.iter().zip(&order).all(|(row, text)| row.contains(text)), "{shown:?}");
    assert!(!minji.raw_output().contains(&0x1b));
}

/// A good key with one bit of its DER, counted from the end, turned.
fn turned(byte_from_end: usize, bit: u8) -> String {
    let pem = alice().public().to_spki_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(base64).unwrap();
    let at = der.len() - byte_from_end;
    der[at] ^= bit;
    as_pem("PUBLIC KEY", &der)
}

#[test]
fn hostile_keys_are_refused_in_words_without_a_trace_and_without_much_work() {
    let endless = format!("-----BEGIN PUBLIC KEY-----\n{}", "QUJD".repeat(4_000_000));
    let private = include_str!("../../keys/bob-2048.pem").to_owned();
    let cases = [
        (private.clone(), "is refused, and not kept: it is a PRIVATE key"),
        (as_pem("CERTIFICATE", b"ABC"), "not kept: it is a certificate"),
        (as_pem("PUBLIC KEY", b"ABC"), "not a single public key in PEM form"),
        (BITS_512.to_owned(), "not kept: 512 bits, at least 2048 needed"),
        (EC.to_owned(), "not kept: it is not an RSA key"),
        // The last byte of the modulus stands before `02 03 01 00 01`, the exponent.
        (turned(6, 1), "not kept: its modulus has a small factor"),
        (turned(1, 2), "not kept: its public exponent is not 65537"),
        (endless, "sent an unterminated public key; closed"),
    ];
    for (pem, reason) in cases {
        // As a caller's key.
        let (minji, at) = listening(&[]);
        let (cpu, memory) = (cpu_ms(&minji), minji.memory_kib("VmHWM:"));
        let mut caller = call(&at);
        // It is closed before all of an endless one is out.
        let _ = caller.write_all(pem.as_bytes());
        minji.sees(reason);
        let sent = all_of(caller);
        assert!(sent.is_empty() || sent.len() == 450, "nothing but our key goes out");
        let (cpu, memory) = (cpu_ms(&minji) - cpu, minji.memory_kib("VmHWM:") - memory);
        assert!(cpu < 200 && memory < 8_192, "{reason}: {cpu} ms of processor time, {memory} KiB");
        no_trace(&minji);
        assert_eq!(minji.rows_after("! ").len(), 1, "{}", minji.output());

        // As the key of somebody who was called.
        let (listener, at) = socket();
        let mut junho = home("준호").start(&["--connect", &at, "--wire", "oaep"]);
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = peer.write_all(pem.as_bytes());
        junho.sees(reason);
        assert!(all_of(peer).is_empty(), "no key of ours goes to it");
        assert_eq!(junho.ends(), 4);
        no_trace(&junho);
    }
}

/// Nothing of a key that a peer sent stands on the screen or in the home.
fn no_trace(process: &Process) {
    let secret = include_str!("../../keys/bob-2048.pem").lines().nth(5).unwrap();
    assert!(!process.has_seen(secret));
    for file in std::fs::read_dir(process.home.path()).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("socket") {
            continue;
        }
        let text = std::fs::read(path).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(secret));
    }
}

/// Processor time of all threads of a process, in milliseconds.
fn cpu_ms(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // utime and stime, in ticks of a hundredth of a second.
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap() * 10).sum()
}

#[test]
fn a_native_handshake_replayed_at_the_raw_listener_shows_nothing() {
    let (junho, at) = Process::listening("준호");
    let wire = FaultyWire::to(&at, 1, Fault::None);
    let mut hana = Process::start("하나", &["--connect", &wire.at]);
    hana.sees("준호 joined");
    hana.types("비밀 이야기");
    junho.sees("하나: 비밀 이야기");
    assert_eq!(hana.closes_input().ends(), 0);
    let (recorded, _) = wire.passed();

    // What strangers cause is told once a second, so each case has a listener of its own.
    let (minji, at) = listening(&[]);
    let mut replay = call(&at);
    // It may be closed before all of it is out.
    let _ = replay.write_all(&recorded);
    minji.sees("speaks rsachat's own wire, this is the raw one; leave out --wire oaep");
    assert_eq!(all_of(replay).len(), 450, "our key and nothing else");
    assert!(!minji.has_seen("raw~1") && !minji.has_seen("joined"), "{}", minji.output());
    // Without its preface it is a stream of blocks that do not open.
    let (minji, at) = listening(&[]);
    let mut replay = call(&at);
    let _ = replay.write_all(&recorded[16..]);
    minji.sees("! a message from 127.0.0.1:");
    assert_eq!(all_of(replay).len(), 450, "closed after the third");
    let told = "three blocks and the end are told or counted";
    eventually(told, PATIENCE, || minji.troubles_like("127.0.0.1:") == 4);
    assert!(!minji.has_seen("raw~1") && !minji.has_seen("joined"), "{}", minji.output());
}

#[test]
fn a_native_caller_and_a_raw_listener_tell_each_other_apart_at_once() {
    let (minji, at) = listening(&[]);
    let mut junho = home("준호").start(&["--connect", &at]);
    junho.sees(&format!("! {at} speaks the raw wire; for that, add --wire oaep"));
    minji.sees("speaks rsachat's own wire, this is the raw one");
    assert_eq!(junho.ends(), 4);
    assert_eq!((minji.rows_after("! ").len(), junho.rows_after("! ").len()), (1, 1));
}

#[test]
fn a_raw_caller_and_a_native_listener_tell_each_other_apart_in_ten_seconds() {
    let (minji, at) = Process::listening("민지");
    let mut junho = home("준호").start(&["--connect", &at, "--wire", "oaep"]);
    minji.sees_within("did not finish the handshake in 10 s; if it speaks the raw wire", HANDSHAKE_PATIENCE);
    junho.sees("sent no public key; if it is rsachat on its own wire, leave out --wire oaep");
    assert_eq!(junho.ends(), 5);
    assert_eq!((minji.rows_after("! ").len(), junho.rows_after("! ").len()), (0, 1));
    // One that gives its key at once, as nobody should, is known by it.
    let (minji, at) = Process::listening("민지");
    let mut eager = call(&at);
    eager.write_all(alice().public().to_spki_pem().as_bytes()).unwrap();
    minji.sees("speaks the raw wire; for that, add --wire oaep to :connect or :listen");
    assert!(all_of(eager).is_empty());
}

#[test]
fn nothing_falls_back_to_the_raw_wire_and_its_options_stay_its_own() {
    let mut minji = home("민지").start(&[]);
    for (line, answer) in [
        (":connect localhost --one-way", "--one-way is for the raw wire; add --wire oaep"),
        (
            ":listen 0 --wire oaep --known",
            "the raw wire proves no keys; --known and --ask cannot be used with it",
        ),
        (":listen 0 --wire rot13", "no such wire rot13; --wire oaep is the raw wire of the tutorial"),
        (":listen 0 --one-way", "write :listen [ADDR]"),
    ] {
        minji.types(line);
        minji.sees(&format!("! {answer}"));
    }
    for args in ["--listen 0 --wire rot13", "--connect localhost --one-way", "--wire oaep"] {
        let output = minji.home.command(&args.split(' ').collect::<Vec<_>>()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
    // A native caller of a port where nobody speaks its wire ends; it does not try the other one.
    let (raw, at) = listening(&[]);
    minji.types(&format!(":connect {at}"));
    minji.sees("speaks the raw wire");
    raw.sees("speaks rsachat's own wire");
    eventually("one call and no more", PATIENCE, || raw.output().lines().count() == 3);
}

#[test]
fn a_listener_that_is_left_alone_can_be_closed_and_a_long_line_is_refused_whole() {
    let (mut minji, at) = listening(&[]);
    let mut junho = home("준호").start(&["--connect", &at, "--wire", "oaep"]);
    junho.sees("* raw~1 is at ");
    junho.types(&"x".repeat(16_385));
    junho.sees("! the text has 16385 bytes and was not sent; a message has at most 16384");
    junho.types(&format!("{}끝", "y".repeat(10_000 - 3)));
    minji.sees("끝");
    assert_eq!(minji.said_by("raw~1").concat(), format!("{}끝", "y".repeat(9_997)));
    minji.types(":close");
    minji.sees("* conversation with raw~1 closed");
    junho.sees("* raw~1 left");
    assert_eq!(junho.ends(), 1, "the peer left in order, and one line was refused");
}

#[test]
fn silent_callers_make_room_for_the_next_and_keep_nobody_off_the_native_wire() {
    let mut minji = home("민지").start(&[]);
    minji.types(":listen 127.0.0.1:0");
    let native = minji.listens_at();
    minji.types(":listen 127.0.0.1:0 --wire oaep");
    let raw = minji.listens_at_nth(2).parse().unwrap();
    // More than may be unproven on both wires together; each waits until the listener has spoken.
    let mut silent = std::collections::VecDeque::new();
    for caller in 0..UNAUTHENTICATED_CONNECTIONS + OAEP_SILENT_CALLERS {
        let mut stream = call_from(caller / 4, raw);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut [0; 450]).unwrap();
        silent.push_back(stream);
        if silent.len() > OAEP_SILENT_CALLERS {
            assert!(all_of(silent.pop_front().unwrap()).is_empty());
        }
    }
    let mut junho = Process::start("준호", &["--connect", &native]);
    junho.sees("민지 joined");
    junho.types("아직 들리나요?");
    minji.sees("준호: 아직 들리나요?");
    // The longest silent of those that are left begins to talk after all.
    silent[0].write_all(&block("오래 생각했어요", 1)).unwrap();
    minji.sees("raw~1: 오래 생각했어요");
    minji.sees("too many callers at once; 127.0.1.0:");
}

#[test]
fn one_that_joined_and_says_nothing_makes_room_for_a_caller_from_elsewhere() {
    let (minji, at) = listening(&["--peers", "4"]);
    let at = at.parse().unwrap();
    // Addresses of one network: half of the seats are for strangers.
    let joins = |number: usize, seats: usize| {
        let mut caller = call_from(number, at);
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        caller.write_all(&block("안녕", u8::try_from(seats).unwrap())).unwrap();
        minji.sees_times(": 안녕", seats, PATIENCE);
        caller
    };
    let mut first = joins(1, 1);
    let second = joins(2, 2);
    let _third = joins(600, 3);
    assert_eq!(all_of(second).len(), 450, "the newest of that network goes");
    first.write_all(&block("아직 있어요", 4)).unwrap();
    minji.sees("raw~1: 아직 있어요");
}
