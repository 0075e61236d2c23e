//! Parsers of both wires: what arrives in pieces is what arrives at once, and what is read is what
//! is written.

use super::Choices;
use crate::session::EXIT;
use crate::wire::data_frame::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES, data_range, write_around};
use crate::wire::{
    Frames, LENGTH_BYTES, OaepStream, PREFACE_BYTES, Padding, Preface, PrefaceProgress, Purpose, Record,
    StreamStart, WireError, split_text,
};

pub fn wire(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(4) {
        0 => frames(&mut choices),
        1 => record(choices.rest()),
        2 => preface(choices.rest()),
        _ => raw(&mut choices),
    }
}

/// Every frame that is complete, or the error.
fn taken(frames: &mut Frames, limit: usize) -> (Vec<Vec<u8>>, Option<WireError>) {
    let mut whole = Vec::new();
    loop {
        match frames.take(limit) {
            Ok(Some(frame)) => whole.push([&frame.length[..], &*frame.body].concat()),
            Ok(None) => return (whole, None),
            Err(error) => return (whole, Some(error)),
        }
    }
}

fn frames(choices: &mut Choices<'_>) {
    let (limit, step) = (usize::from(choices.byte()) * 16, choices.below(40) + 1);
    let bytes = choices.rest();
    let mut whole = Frames::default();
    whole.push(bytes);
    let (expected, error) = taken(&mut whole, limit);
    let (mut cut, mut found, mut ended) = (Frames::default(), Vec::new(), None);
    for piece in bytes.chunks(step) {
        cut.push(piece);
        let (more, error) = taken(&mut cut, limit);
        found.extend(more);
        if error.is_some() {
            ended = error;
            break;
        }
    }
    assert_eq!((&found, &ended), (&expected, &error));
    assert!(found.iter().all(|frame| frame.len() <= LENGTH_BYTES + limit));
    if error.is_none() {
        let used: usize = expected.iter().map(Vec::len).sum();
        assert_eq!(whole.buffered(), &bytes[used..]);
    }
}

fn record(plaintext: &[u8]) {
    let read = Record::read(plaintext);
    let range = data_range(plaintext);
    match (&read, &range) {
        (Ok(Record::Data(data)), Ok(Some(range))) => assert_eq!(data, &plaintext[range.clone()]),
        (_, range) => assert!(!matches!(range, Ok(Some(_))), "{read:?} {range:?}"),
    }
    let Ok(read) = read else { return };
    for padding in [Padding::Chat, Padding::Bulk] {
        let mut written = Vec::new();
        read.write(padding, &mut written).unwrap();
        if read != Record::Ignorable {
            assert_eq!(Record::read(&written).as_ref(), Ok(&read));
        }
    }
    if let Record::Data(data) = &read
        && data.len() <= DATA_BYTES
    {
        let mut frame = vec![0; DATA_FRAME_BYTES];
        frame[DATA_AT..DATA_AT + data.len()].copy_from_slice(data);
        let range = write_around(frame.first_chunk_mut().unwrap(), data.len()).unwrap();
        assert_eq!(Record::read(&frame[range]).as_ref(), Ok(&read));
    }
}

fn preface(bytes: &[u8]) {
    for purpose in [Purpose::Chat, Purpose::Pipe] {
        let own = Preface::new(purpose);
        let whole = own.greet(bytes);
        let agrees = bytes.starts_with(&own.to_bytes());
        assert_eq!(whole == Ok(PrefaceProgress::Agreed), agrees);
        // What is refused early is refused whole.
        for end in 0..bytes.len().min(PREFACE_BYTES) {
            let early = own.greet(&bytes[..end]);
            assert!(early == Ok(PrefaceProgress::Incomplete) || early.is_err() && whole.is_err(), "{end}");
        }
    }
}

fn raw(choices: &mut Choices<'_>) {
    // A block of the least key has far more room.
    let (limit, step, room) =
        (usize::from(choices.byte()) * 4, choices.below(40) + 1, choices.below(60) + 16);
    let bytes = choices.rest();
    let (mut whole, mut cut) = (OaepStream::default(), OaepStream::default());
    whole.push(bytes);
    let (mut pem, mut start) = (Ok(None), StreamStart::Undecided);
    for piece in bytes.chunks(step) {
        cut.push(piece);
        if start == StreamStart::Undecided {
            start = cut.start();
        }
        if pem == Ok(None) {
            pem = cut.take_pem(limit);
        }
    }
    assert_eq!(start, whole.start());
    let expected = whole.take_pem(limit);
    match (&expected, &pem) {
        (Ok(Some(_)), pem) => assert_eq!(pem, &expected),
        (Ok(None), pem) => assert_eq!(pem, &Ok(None)),
        (Err(_), pem) => assert!(pem.is_err(), "{pem:?}"),
    }
    assert!(whole.line_ends() <= whole.buffered().len());
    assert_eq!(whole.block_after(1, room), whole.buffered().get(1..=room));
    if let Ok(text) = str::from_utf8(bytes) {
        let parts = split_text(text, room, EXIT);
        assert_eq!(parts.concat(), text);
        assert!(parts.iter().all(|part| part.len() <= room));
        assert!(parts.len() == 1 || !parts.contains(&EXIT), "{parts:?}");
    }
}
