//! Peer that is honest in its handshake, and afterwards seals whatever records a test wants.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rsachat::crypto::handshake::{Split, initiator, responder};
use rsachat::crypto::{Identity, PublicKey, Seed, encapsulate};
use rsachat::limits::TAG_BYTES;
use rsachat::wire::{
    Confirm, Frames, LENGTH_BYTES, PREFACE_BYTES, Padding, Preface, Purpose, Record, begin_frame, end_frame,
};

use super::wire::call_from;
use super::{PATIENCE, read};

/// Option of `Confirm`: files can be sent.
const TAKES_FILES: u32 = 1 << 1;

pub struct HostilePeer {
    pub stream: TcpStream,
    split: Split,
    frames: Frames,
    padding: Padding,
    texts: u64,
}

impl HostilePeer {
    /// Calls a listener with a test key, from a source address of its own.
    pub fn calls(at: &str, key: &str, name: &str, purpose: Purpose) -> Self {
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        Self::calls_with(at, &identity, name, purpose, 77)
    }

    /// Calls a listener with any key, from the source address of this number.
    pub fn calls_with(at: &str, identity: &Identity, name: &str, purpose: Purpose, source: usize) -> Self {
        let (mut peer, confirm) = Self::calls_unconfirmed(at, identity, name, purpose, source);
        peer.stream.write_all(&confirm).unwrap();
        assert!(matches!(peer.receives(), Record::Confirm(_)));
        peer
    }

    /// Calls a listener and says that it takes files.
    pub fn calls_taking_files(at: &str, key: &str, name: &str) -> Self {
        Self::calls_taking_files_from(77, at, key, name)
    }

    /// The same from the source address of this number.
    pub fn calls_taking_files_from(source: usize, at: &str, key: &str, name: &str) -> Self {
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        let call = Self::tries_to_call(at, &identity, name, (Purpose::Chat, TAKES_FILES), source);
        let (mut peer, confirm) = call.expect("the listener answers");
        peer.stream.write_all(&confirm).unwrap();
        assert!(matches!(peer.receives(), Record::Confirm(_)));
        peer
    }

    /// The same, but its `Confirm` record is kept back: its key is not proved, nor judged.
    pub fn calls_unconfirmed(
        at: &str,
        identity: &Identity,
        name: &str,
        purpose: Purpose,
        source: usize,
    ) -> (Self, Vec<u8>) {
        Self::tries_to_call(at, identity, name, (purpose, 0), source).expect("the listener answers")
    }

    /// The same with `Confirm`, unless the listener hangs up before it has sent its own.
    pub fn joins(at: &str, identity: &Identity, name: &str, purpose: Purpose, source: usize) -> Option<Self> {
        let (mut peer, confirm) = Self::tries_to_call(at, identity, name, (purpose, 0), source)?;
        peer.stream.write_all(&confirm).ok()?;
        matches!(peer.receives_in_time(), Some(Record::Confirm(_))).then_some(peer)
    }

    fn tries_to_call(
        at: &str,
        identity: &Identity,
        name: &str,
        (purpose, options): (Purpose, u32),
        source: usize,
    ) -> Option<(Self, Vec<u8>)> {
        let mut stream = call_from(source, at.parse::<SocketAddr>().unwrap());
        // A reset would drop what the kernel holds back for a larger segment.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let preface = Preface::new(purpose).to_bytes();
        let seed = |label| Seed::new([7; 32]).derive(label);
        let (message, state) = initiator::write_message_1(identity.public(), &seed("message 1"));
        stream.write_all(&preface).ok()?;
        stream.write_all(&framed(&message)).ok()?;
        stream.read_exact(&mut [0; PREFACE_BYTES]).ok()?;
        let mut frames = Frames::default();
        let message = try_next_frame(&mut stream, &mut frames)?.1;
        let (blob, state) = state.read_message_2(&preface.repeat(2), &message).ok()?;
        let key = PublicKey::from_blob(&blob).unwrap();
        let (message, state) = state.write_message_3(encapsulate(&key, &seed("message 3")));
        stream.write_all(&framed(&message)).ok()?;
        let message = try_next_frame(&mut stream, &mut frames)?.1;
        let (ciphertext, state) = state.read_message_4(&message).ok()?;
        let split = state.finish(identity.decapsulate(&ciphertext)).unwrap();
        Some(Self::with_confirm(stream, split, frames, name, (purpose, options)))
    }

    /// Answers the next caller with a test key. Its `Confirm` record, the last of the handshake, is
    /// kept back.
    pub fn answers(listener: &TcpListener, key: &str, name: &str, purpose: Purpose) -> (Self, Vec<u8>) {
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        Self::answers_with(listener, &identity, name, purpose).expect("the caller goes on")
    }

    /// The same with any key, unless the caller hangs up on it.
    pub fn answers_with(
        listener: &TcpListener,
        identity: &Identity,
        name: &str,
        purpose: Purpose,
    ) -> Option<(Self, Vec<u8>)> {
        let (mut stream, _) = listener.accept().unwrap();
        // A reset would drop what the kernel holds back for a larger segment.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let preface = Preface::new(purpose).to_bytes();
        let seed = |label| Seed::new([8; 32]).derive(label);
        stream.read_exact(&mut [0; PREFACE_BYTES]).unwrap();
        let mut frames = Frames::default();
        let mut next = |stream: &mut TcpStream| Some(try_next_frame(stream, &mut frames)?.1);
        let message = next(&mut stream)?;
        let prologue = preface.repeat(2);
        let (message, state) =
            responder::read_message_1(identity.public(), &seed("message 2"), &prologue, &message).unwrap();
        stream.write_all(&[&preface[..], &framed(&message)].concat()).unwrap();
        let (ciphertext, state) = state.read_message_3(&next(&mut stream)?).ok()?;
        let (blob, state) = state.read_key(identity.decapsulate(&ciphertext)).unwrap();
        let key = PublicKey::from_blob(&blob).unwrap();
        let (message, split) = state.write_message_4(encapsulate(&key, &seed("message 4")));
        stream.write_all(&framed(&message)).unwrap();
        let (mut peer, confirm) = Self::with_confirm(stream, split, frames, name, (purpose, 0));
        assert!(matches!(peer.receives(), Record::Confirm(_)));
        Some((peer, confirm))
    }

    /// The peer with the keys of a handshake, and its `Confirm` record as a frame.
    fn with_confirm(
        stream: TcpStream,
        split: Split,
        frames: Frames,
        name: &str,
        (purpose, options): (Purpose, u32),
    ) -> (Self, Vec<u8>) {
        let padding = match purpose {
            Purpose::Chat => Padding::Chat,
            Purpose::Pipe => Padding::Bulk,
        };
        let transcript = *split.transcript.as_bytes();
        let mut peer = Self { stream, split, frames, padding, texts: 0 };
        let confirm = peer.sealed(&Record::Confirm(Confirm { transcript, options, name: name.into() }));
        (peer, confirm)
    }

    /// A record as a frame. What is sealed has to be sent in the same order.
    pub fn sealed(&mut self, record: &Record) -> Vec<u8> {
        let mut frame = Vec::new();
        let at = begin_frame(&mut frame);
        record.write(self.padding, &mut frame).unwrap();
        let end = frame.len();
        frame.resize(end + TAG_BYTES, 0);
        end_frame(&mut frame, at).unwrap();
        frame.truncate(end);
        let (length, plaintext) = frame.split_first_chunk_mut::<LENGTH_BYTES>().unwrap();
        let tag = self.split.seal.seal(length, plaintext).unwrap();
        frame.extend_from_slice(&tag);
        frame
    }

    /// The next Text as a frame.
    pub fn sealed_text(&mut self, text: &[u8]) -> Vec<u8> {
        self.texts += 1;
        let seq = self.texts;
        self.sealed(&Record::Text { seq, time_ms: 0, text: text.to_vec() })
    }

    pub fn sends(&mut self, record: &Record) {
        let frame = self.sealed(record);
        self.stream.write_all(&frame).unwrap();
    }

    pub fn says(&mut self, text: &str) {
        let frame = self.sealed_text(text.as_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    /// The next record of the other side, unless none comes within the time that the stream waits.
    pub fn receives_in_time(&mut self) -> Option<Record> {
        // A frame of no bytes is the handshake's alert.
        let (length, mut body) =
            try_next_frame(&mut self.stream, &mut self.frames).filter(|(_, body)| !body.is_empty())?;
        Some(Record::read(self.split.open.open(&length, &mut body).unwrap()).unwrap())
    }

    /// The next record of the other side.
    pub fn receives(&mut self) -> Record {
        self.receives_in_time().expect("a record comes")
    }
}

/// A message as a frame.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let at = begin_frame(&mut frame);
    frame.extend_from_slice(message);
    end_frame(&mut frame, at).unwrap();
    frame
}

/// The next frame; `None` when nothing comes any more.
pub fn try_next_frame(stream: &mut TcpStream, frames: &mut Frames) -> Option<([u8; LENGTH_BYTES], Vec<u8>)> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = frames.take(usize::from(u16::MAX)).unwrap() {
            return Some((frame.length, frame.body.to_vec()));
        }
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => frames.push(&buffer[..count]),
            _ => return None,
        }
    }
}
