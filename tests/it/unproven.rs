//! Callers that have not proved a key: whoever has copied somebody's public key learns nothing of
//! the listener's book.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use rsachat::crypto::handshake::initiator;
use rsachat::crypto::{Identity, PublicKey, Seed, encapsulate};
use rsachat::wire::{Frames, PREFACE_BYTES, Preface, Purpose};

use crate::support::hostile_peer::{HostilePeer, framed, try_next_frame};
use crate::support::wire::call_from;
use crate::support::{Home, PATIENCE, Process, all_of, read};

fn key(file: &str) -> Identity {
    Identity::from_pem(&read(&format!("tests/keys/{file}")), None).unwrap()
}

/// Calls with a public key alone, as far as that goes, and then with a record that does not open.
/// Returns the length of each frame that comes back, up to the end of the stream.
fn frames_for(at: &str, stolen: &PublicKey, purpose: Purpose, source: usize) -> Vec<usize> {
    let mut stream = call_from(source, at.parse::<SocketAddr>().unwrap());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let preface = Preface::new(purpose).to_bytes();
    let (message, state) = initiator::write_message_1(stolen, &Seed::new([7; 32]));
    stream.write_all(&[&preface[..], &framed(&message)].concat()).unwrap();
    let mut got = [0; PREFACE_BYTES];
    std::io::Read::read_exact(&mut stream, &mut got).unwrap();
    let mut frames = Frames::default();
    let mut lengths = Vec::new();
    let message = try_next_frame(&mut stream, &mut frames).expect("message 2").1;
    lengths.push(message.len());
    let (blob, state) = state.read_message_2(&preface.repeat(2), &message).unwrap();
    let theirs = PublicKey::from_blob(&blob).unwrap();
    let (message, _) = state.write_message_3(encapsulate(&theirs, &Seed::new([8; 32])));
    stream.write_all(&framed(&message)).unwrap();
    if let Some((_, message)) = try_next_frame(&mut stream, &mut frames) {
        lengths.push(message.len());
        // The listener may have closed already.
        let _ = stream.write_all(&framed(&[9; 272]));
        while let Some((_, body)) = try_next_frame(&mut stream, &mut frames) {
            lengths.push(body.len());
        }
    }
    assert_eq!(frames.buffered(), b"");
    lengths
}

#[test]
fn a_stolen_public_key_gets_the_same_answers_whether_it_is_known_blocked_or_strange() {
    let home = || {
        let home = Home::of("민지");
        let row = |name: &str, file: &str, trust: &str| {
            format!("{name} {} {trust}\n", key(file).public().fingerprint())
        };
        home.private("peers", row("하나", "test-3.pem", "verified") + &row("eve", "test-4.pem", "blocked"));
        home
    };
    let pin = key("test-3.pem").public().fingerprint().to_string();
    let listen = ["--listen", "127.0.0.1:0"];
    let chat = Purpose::Chat;
    let listeners: [(Process, Purpose); 6] = [
        (home().start(&listen), chat),
        (home().start(&["--listen", "127.0.0.1:0", "--known-only"]), chat),
        (home().run(&[&["recv"], &listen[..]].concat(), Stdio::null()), chat),
        (home().run(&[&["recv", "--from", "하나"], &listen[..]].concat(), Stdio::null()), chat),
        (home().run(&[&["recv", "--pin", &pin], &listen[..]].concat(), Stdio::null()), chat),
        (home().run(&[&["pipe", "--to", "하나"], &listen[..]].concat(), Stdio::piped()), Purpose::Pipe),
    ];
    for (number, (listener, purpose)) in listeners.iter().enumerate() {
        let at = listener.listens_at();
        // Known, blocked, strange, and the listener's own.
        for (source, file) in ["test-3.pem", "test-4.pem", "test-2.pem", "test-1.pem"].iter().enumerate() {
            let lengths = frames_for(&at, key(file).public(), *purpose, 1 + source);
            // Message 2 and message 4 of keys of 2,048 bits, and then the end without a word.
            assert_eq!(lengths, [1_431, 288], "{file} at listener {number}");
        }
    }
}

#[test]
fn who_has_proved_a_key_that_is_refused_gets_the_alert_in_the_place_of_record_6() {
    for (trust, args) in [("blocked", &[][..]), ("unverified", &["--pin", "SELF"])] {
        let home = Home::of("민지");
        home.private("peers", format!("하나 {} {trust}\n", key("test-3.pem").public().fingerprint()));
        let own = home.fingerprint();
        let args: Vec<_> = args.iter().map(|arg| if *arg == "SELF" { own.as_str() } else { arg }).collect();
        let args = [&["recv", "--listen", "127.0.0.1:0"], &args[..]].concat();
        let (recv, at) = home.run(&args, Stdio::null()).and_where();
        let (mut hana, confirm) =
            HostilePeer::calls_unconfirmed(&at, &key("test-3.pem"), "하나", Purpose::Chat, 1);
        hana.stream.write_all(&confirm).unwrap();
        assert_eq!(all_of(hana.stream), [0, 0]);
        recv.complains(if trust == "blocked" { "하나 is blocked" } else { "not the pinned" });
    }
}
