//! Session on the raw wire: whatever a stream holds, it gives the same in every segmentation, and
//! costs no more jobs than it has bytes for.

use std::sync::LazyLock;

use super::Choices;
use super::side::seed;
use crate::crypto::{OaepKeyPair, PrivateKeys, RsaJob, seal_oaep, test_keys};
use crate::session::{CloseReason, Event, OaepCloseReason, OaepEvent, OaepRole, OaepSession, Output};
use crate::time::MonoMs;

/// Most pieces of a stream.
const PIECES: usize = 24;
/// Bytes of a block of the least key.
const BLOCK_BYTES: usize = 256;

static KEYS: LazyLock<[OaepKeyPair; 2]> = LazyLock::new(|| {
    let pool = test_keys(2_048);
    [0, 1].map(|at| OaepKeyPair::from_pem(pool[at], None).unwrap())
});
/// Blocks that open, and PEM texts of keys: to seal one anew in each run would take longer than all
/// the rest.
static PARTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let [own, peer] = &*KEYS;
    let pem = peer.public().to_spki_pem();
    let texts = ["hello", "안녕", "", "exit"];
    let blocks = texts.map(|text| seal_oaep(own.public(), text.as_bytes(), &seed(7)));
    let pems = [pem.replace('\n', "\r\n"), format!("\n{pem}\n\n"), pem.trim_end().to_owned(), pem];
    blocks.into_iter().chain(pems.map(String::into_bytes)).collect()
});

struct Side {
    session: OaepSession,
    events: Vec<OaepEvent>,
    closed: Option<CloseReason>,
    jobs: usize,
}

pub fn raw(data: &[u8]) {
    let mut choices = Choices::new(data);
    let role = choices.below(3);
    let step = 1 + choices.below(256);
    let mut stream = Vec::new();
    for _ in 0..PIECES {
        if choices.is_empty() {
            break;
        }
        match choices.below(10) {
            at @ 0..=7 => stream.extend_from_slice(&PARTS[at]),
            8 => stream.extend_from_slice(&[choices.byte(); BLOCK_BYTES]),
            _ => stream.extend_from_slice(choices.piece()),
        }
    }
    let (mut whole, mut cut) = (Side::new(role), Side::new(role));
    whole.handle_bytes(&stream);
    stream.chunks(step).for_each(|piece| cut.handle_bytes(piece));
    for side in [&mut whole, &mut cut] {
        side.session.handle_eof(MonoMs(0));
        side.drain();
        // The first block is tried behind each of the line ends that may belong to the PEM.
        assert!(side.jobs <= stream.len() / BLOCK_BYTES + 8, "{} jobs for {} bytes", side.jobs, stream.len());
    }
    assert_eq!((&whole.events, &whole.closed), (&cut.events, &cut.closed));
    assert!(whole.closed.is_some());
}

impl Side {
    fn new(role: usize) -> Self {
        let own = KEYS[0].public().clone();
        let role = match role {
            0 => OaepRole::Listener(own),
            1 => OaepRole::Dialer(own),
            _ => OaepRole::OneWay,
        };
        let session = OaepSession::new(role, seed(9), MonoMs(0));
        let mut side = Self { session, events: Vec::new(), closed: None, jobs: 0 };
        side.drain();
        side
    }

    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(MonoMs(0), bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(_) => assert_eq!(self.closed, None, "nothing is sent behind the end"),
                Output::Job(job) => {
                    self.jobs += usize::from(!matches!(job, RsaJob::SealBlock { .. }));
                    let keys = PrivateKeys { identity: None, oaep: Some(&KEYS[0]) };
                    self.session.handle_job(MonoMs(0), job.run(keys));
                }
                Output::Event(Event::Oaep(event)) => {
                    assert_eq!(self.closed, None, "{event:?} behind the end");
                    self.events.push(event);
                }
                Output::Event(Event::Closed(reason)) => {
                    // The first bytes, as far as they had come.
                    let reason = match reason {
                        CloseReason::Oaep(OaepCloseReason::NoPem(_)) => {
                            OaepCloseReason::NoPem(Vec::new()).into()
                        }
                        reason => reason,
                    };
                    assert_eq!(self.closed.replace(reason), None);
                }
                Output::WantSeed | Output::Event(_) => panic!("of another wire"),
            }
        }
    }
}
