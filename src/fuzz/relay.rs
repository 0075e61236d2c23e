//! Words of a relay: pieces mean what the whole means, and no more is kept than the bounds allow.

use super::Choices;
use crate::limits::{RELAY_LINE_BYTES, RELAY_MESSAGE_BYTES};
use crate::relay::{Ack, ClientOp, CodecError, Decoder, Headers, Message, ServerOp};

pub fn relay(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(3) {
        0 => ack(choices.rest()),
        1 => published(&mut choices),
        _ => said(&mut choices),
    }
}

/// Every operation that is complete, or the error; with the most bytes that waited.
fn taken(bytes: &[u8], step: usize) -> (Vec<ServerOp>, Option<CodecError>) {
    let (mut decoder, mut ops) = (Decoder::default(), Vec::new());
    for piece in bytes.chunks(step) {
        decoder.push(piece);
        loop {
            match decoder.take() {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.take(), Err(error));
                    return (ops, Some(error));
                }
            }
        }
        assert!(decoder.buffered().len() <= RELAY_LINE_BYTES.max(RELAY_MESSAGE_BYTES) + 2);
    }
    (ops, None)
}

fn said(choices: &mut Choices<'_>) {
    let step = choices.below(40) + 1;
    let bytes = choices.rest();
    assert_eq!(taken(bytes, step), taken(bytes, bytes.len().max(1)));
}

/// What is published is, with another first word, what a subscriber is sent.
fn published(choices: &mut Choices<'_>) {
    let values = ["", "a", "with blanks", "a:b", "\u{e9}"];
    let fields = (0..choices.below(3))
        .map(|at| (format!("Name-{at}"), values[choices.below(values.len())].to_owned()));
    let headers = Headers { fields: fields.collect(), ..Headers::default() };
    let reply = (choices.below(2) == 1).then_some("_INBOX_U.1");
    let payload = choices.rest();
    let mut bytes = Vec::new();
    let subject = "rc.in.a";
    ClientOp::Publish { subject, reply, headers: headers.clone(), payload }.write(&mut bytes);
    let (from, to) = if headers.fields.is_empty() { ("PUB", "MSG") } else { ("HPUB", "HMSG") };
    let rest = bytes.strip_prefix(format!("{from} {subject}").as_bytes()).unwrap();
    let sent = [format!("{to} {subject} 7").as_bytes(), rest].concat();
    let message = Message {
        subject: subject.to_owned(),
        sid: 7,
        reply: reply.map(str::to_owned),
        headers,
        payload: payload.to_vec(),
    };
    if payload.len() < RELAY_MESSAGE_BYTES - 100 {
        assert_eq!(taken(&sent, sent.len()), (vec![ServerOp::Message(message)], None));
    }
}

fn ack(payload: &[u8]) {
    // An answer that is one is JSON.
    if Ack::read(payload).is_some() {
        assert!(serde_json::from_slice::<serde_json::Value>(payload).is_ok());
    }
}
