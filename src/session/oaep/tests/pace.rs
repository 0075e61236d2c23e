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
    let waits = client.events.iter().filter(|event| **event == OaepEvent::Delayed).count();
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
    let answered = client.events.iter().filter(|event| **event == OaepEvent::Answered).count();
    assert_eq!(answered, 1);
    // `exit` needs no answer before it, but must not arrive together with the block before it.
    client.send("exit").unwrap();
    assert!(client.sent.is_empty());
    client.after(limits::OAEP_EXIT_GAP_MS);
    assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"exit");
    assert_eq!(client.closed, Some(CloseReason::LocalClose));
}

#[test]
fn exit_waits_behind_what_was_sent_before_it_unless_the_owner_closes() {
    for leaves in [false, true] {
        let mut client = Side::one_way();
        client.handle_bytes(&pem_of(ALICE.public()));
        for text in ["one", "two", "exit"] {
            client.send(text).unwrap();
        }
        client.takes_sent();
        client.after(5_000);
        assert_eq!((client.sent.len(), &client.closed), (0, &None));
        if leaves {
            client.session.close();
            client.drain();
        } else {
            client.handle_bytes(&block(&ALICE, b"", 1));
            assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"two");
            client.after(limits::OAEP_EXIT_GAP_MS);
        }
        assert_eq!(ALICE.open(&client.takes_sent()).unwrap().as_slice(), b"exit");
        assert_eq!(client.closed, Some(CloseReason::LocalClose));
    }
}

#[test]
fn a_peer_that_does_not_read_is_sent_no_more_and_not_waited_for_at_the_end() {
    let (_, mut dialler) = established();
    dialler.session.write_blocked();
    dialler.send("waits").unwrap();
    assert!(dialler.sent.is_empty());
    dialler.session.write_drained();
    dialler.drain();
    assert_eq!(dialler.takes_sent().len(), 256);
    dialler.session.write_blocked();
    dialler.send("never sent").unwrap();
    for _ in 0..3 {
        dialler.session.close();
        dialler.drain();
        dialler.after(400);
    }
    assert_eq!((dialler.sent.len(), dialler.closed), (0, Some(CloseReason::LocalClose)));
    assert!(!dialler.events.contains(&OaepEvent::Sent { upto: 2 }));
}
