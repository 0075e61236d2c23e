//! Peers that read slowly, one at a time, or not at all.

use super::*;

#[test]
fn a_server_that_answers_to_itself_gets_one_block_at_a_time() {
    let mut client = Side::one_way();
    client.handle_bytes(&pem_of(ALICE.public()));
    assert!(client.sent.is_empty(), "no PEM of ours");
    for text in ["one", "two", "three"] {
        client.send(text).unwrap();
    }
    let waits = client.told.iter().filter(|event| **event == OaepEvent::Waits).count();
    assert_eq!((client.sent.len(), waits), (256, 1));
    for count in 1..=2_u8 {
        assert_eq!(
            ALICE.open(&client.takes_sent()).unwrap().as_slice(),
            ["one", "two"][usize::from(count) - 1].as_bytes()
        );
        let answer = block(&ALICE, b"to myself", count);
        client.handle_bytes(&answer[..255]);
        assert!(client.sent.is_empty());
        client.handle_bytes(&answer[255..]);
    }
    assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"three");
    let told = client.told.iter().filter(|event| **event == OaepEvent::Answered).count();
    assert_eq!(told, 1);
    // `exit` needs no answer before it, but must not arrive together with the block before it.
    client.send("exit").unwrap();
    assert!(client.sent.is_empty());
    client.after(limits::RAW_APART_MS);
    assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"exit");
    assert_eq!(client.ending, Some(CloseReason::LocalClose));
}

#[test]
fn exit_waits_behind_what_was_said_before_it_unless_somebody_leaves() {
    for leaves in [false, true] {
        let mut client = Side::one_way();
        client.handle_bytes(&pem_of(ALICE.public()));
        for text in ["one", "two", "exit"] {
            client.send(text).unwrap();
        }
        client.takes_sent();
        client.after(5_000);
        assert_eq!((client.sent.len(), &client.ending), (0, &None));
        if leaves {
            client.session.close();
            client.drain();
        } else {
            client.handle_bytes(&block(&ALICE, b"", 1));
            assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"two");
            client.after(limits::RAW_APART_MS);
        }
        assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"exit");
        assert_eq!(client.ending, Some(CloseReason::LocalClose));
    }
}

#[test]
fn a_peer_that_does_not_read_is_sent_no_more_and_not_waited_for_at_the_end() {
    let (_, mut dialler) = standing();
    dialler.session.clogged();
    dialler.send("waits").unwrap();
    assert!(dialler.sent.is_empty());
    dialler.session.drained();
    dialler.drain();
    assert_eq!(dialler.takes_sent().len(), 256);
    dialler.session.clogged();
    dialler.send("never sent").unwrap();
    for _ in 0..3 {
        dialler.session.close();
        dialler.drain();
        dialler.after(400);
    }
    assert_eq!((dialler.sent.len(), dialler.ending), (0, Some(CloseReason::LocalClose)));
    assert!(!dialler.told.contains(&OaepEvent::Sent { upto: 2 }));
}
