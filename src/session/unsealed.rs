//! Sessions that begin behind the handshake, and records of any content under their true keys: for
//! fuzz targets.

use super::keepalive::Keepalive;
use super::pipe::SendHalf;
use super::transport::Transport;
use super::types::{SessionConfig, Stage};
use super::{PeerStream, Session, State, WriteState};
use crate::crypto::{SealKey, Split};
use crate::limits::TAG_BYTES;
use crate::time::MonoMs;
use crate::wire::{Frames, LENGTH_BYTES};

impl Session {
    /// Both sides after message 4: the initiator's record 5 is on its way.
    pub(crate) fn behind_handshake(configs: [SessionConfig; 2]) -> [Self; 2] {
        let [split, other] = Split::pair();
        let [own, peer] = configs;
        let (initiator, record_5) = Transport::initiator(split, &own);
        let responder = Transport::responder(other, &peer, own.key);
        let session = |transport| Self {
            state: State::Transport(Box::new(transport)),
            frames: Frames::default(),
            outputs: std::collections::VecDeque::new(),
            stage: Stage::InitiatorJudges,
            handshake_deadline: MonoMs(10_000),
            keepalive: Keepalive::new(MonoMs(0)),
            write: WriteState::Drained,
            peer_stream: PeerStream::Open,
            ending: None,
        };
        let (mut initiator, responder) = (session(initiator), session(responder));
        initiator.outputs.extend(record_5);
        [initiator, responder]
    }

    /// A frame of this plaintext, in the order of what the session seals; none where it seals
    /// nothing.
    pub(crate) fn seal_any(&mut self, plaintext: &[u8]) -> Vec<u8> {
        match &mut self.state {
            State::Transport(transport) => sealed(transport.seal_key(), plaintext),
            State::Handshake(_) | State::Closed => Vec::new(),
        }
    }
}

impl SendHalf {
    /// A frame of this plaintext, in the order of what the half seals.
    pub(crate) fn seal_any(&mut self, plaintext: &[u8]) -> Vec<u8> {
        sealed(self.seal_key(), plaintext)
    }
}

fn sealed(key: &mut SealKey, plaintext: &[u8]) -> Vec<u8> {
    let Ok(length) = u16::try_from(plaintext.len() + TAG_BYTES) else { return Vec::new() };
    let length: [u8; LENGTH_BYTES] = length.to_be_bytes();
    let mut body = plaintext.to_vec();
    key.seal(&length, &mut body).map(|tag| [&length[..], &body, &tag].concat()).unwrap_or_default()
}
