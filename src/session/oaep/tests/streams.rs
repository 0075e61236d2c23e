//! Streams of callers and servers on the raw wire, in every form and cut anywhere.

use super::*;

/// A block that begins with a certain byte.
fn block_with(to: &OaepKeyPair, text: &[u8], first: u8) -> Vec<u8> {
    let coins = |n: u32| Seed::new([9; 32]).derive(&n.to_string());
    (0..20_000)
        .map(|n| seal_oaep(to.public(), text, &coins(n)))
        .find(|block| block[0] == first)
        .expect("one block in 256 begins so")
}

/// Every form in which a PEM may come.
fn pem_forms(of: &OaepKeyPair) -> [Vec<u8>; 6] {
    let lines = of.public().to_spki_pem();
    let bare = lines.trim_end();
    let crlf = bare.replace('\n', "\r\n");
    let (one, two, three) = (crlf.clone(), format!("{crlf}\r\n"), format!("{crlf}\n\n"));
    [bare.to_owned(), format!("{bare}\n"), format!("\n\n{bare}"), one, two, three].map(String::into_bytes)
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_to_a_listener_and_a_dialler() {
    let listener = (&*BOB, &*ALICE, Side::listener as fn(&'static OaepKeyPair) -> Side);
    for (peer, own, side) in [listener, (&*ALICE, &*BOB, Side::dialler)] {
        for pem in pem_forms(peer) {
            let blocks = [block(own, "하나".as_bytes(), 1), block(own, b"two", 2), block(own, b"", 3)];
            let stream = [pem.as_slice(), &blocks.concat()].concat();
            for cut in 0..=stream.len() {
                let mut side = side(own);
                side.handle_bytes(&stream[..cut]);
                side.handle_bytes(&stream[cut..]);
                assert_eq!(side.messages(), ["하나", "two", ""], "cut at {cut} of {}", pem.escape_ascii());
            }
            let mut side = side(own);
            for byte in &stream {
                side.handle_bytes(&[*byte]);
            }
            assert_eq!(side.messages(), ["하나", "two", ""]);
        }
    }
}

#[test]
fn a_first_block_that_begins_like_a_line_end_is_found_after_every_form_of_pem() {
    for first in [b'\n', b'\r', b' ', b'-', b'r'] {
        let block = block_with(&ALICE, "첫 줄".as_bytes(), first);
        for pem in pem_forms(&BOB) {
            for piece in [1, 7, usize::MAX] {
                let (mut listener, stream) = (Side::listener(&ALICE), [pem.as_slice(), &block].concat());
                stream.chunks(piece).for_each(|bytes| listener.handle_bytes(bytes));
                assert_eq!(listener.messages(), ["첫 줄"], "{first}");
                assert!(listener.session.stream.buffered().is_empty());
            }
        }
        // A caller that gives no key may begin so as well.
        let mut listener = Side::listener(&ALICE);
        listener.handle_bytes(&block);
        assert_eq!(listener.events, [OaepEvent::Joined(None), OaepEvent::Message("첫 줄".into())]);
    }
}

/// One piece of a stream that a caller may send.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Text(u8),
    Garbage(u8),
    Byte(u8),
}

fn pieces() -> impl proptest::strategy::Strategy<Value = Vec<Piece>> {
    use proptest::prelude::*;
    let piece = prop_oneof![
        4 => (0..6_u8).prop_map(Piece::Text),
        1 => any::<u8>().prop_map(Piece::Garbage),
        1 => any::<u8>().prop_map(Piece::Byte),
    ];
    proptest::collection::vec(piece, 0..8)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    /// However a stream is made and cut: the events are those of the whole, and nothing is sent
    /// back.
    #[test]
    fn any_stream_in_any_pieces_gives_the_same_events_and_no_answer(
        form in 0..7_usize,
        pieces in pieces(),
        cuts in proptest::collection::vec(1..300_usize, 1..40),
    ) {
        let mut stream = pem_forms(&BOB).get(form).cloned().unwrap_or_default();
        for piece in pieces {
            match piece {
                Piece::Text(number) => stream.extend(block(&ALICE, format!("글 {number}").as_bytes(), number)),
                Piece::Garbage(byte) => stream.extend([byte; 256]),
                Piece::Byte(byte) => stream.push(byte),
            }
        }
        let mut whole = Side::listener(&ALICE);
        whole.takes_sent();
        whole.handle_bytes(&stream);
        whole.ends();
        let mut cut = Side::listener(&ALICE);
        cut.takes_sent();
        let (mut rest, mut cuts) = (stream.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            cut.handle_bytes(piece);
            rest = after;
        }
        cut.ends();
        proptest::prop_assert_eq!((&whole.events, &whole.closed), (&cut.events, &cut.closed));
        proptest::prop_assert!(whole.closed.is_some() && whole.sent.is_empty() && cut.sent.is_empty());
    }
}
