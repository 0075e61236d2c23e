//! The handshake as a session sees it: who waits for what (`docs/PROTOCOL.md`, section 4). Both roles walk
//! the same stages in different order; every RSA operation leaves as a [`RsaJob`] and comes back.

use std::collections::VecDeque;

use super::transport::Transport;
use super::{CloseReason, Event, Output, Role, SessionConfig};
use crate::crypto::handshake::{initiator, responder};
use crate::crypto::{HandshakeError, JobResult, PublicKey, RsaJob, Seed, Split};
use crate::limits;
use crate::wire::{Frames, PREFACE_BYTES, Preface, PrefaceProgress, WireError, begin_frame, end_frame};

/// What comes of one step.
pub(super) enum Step {
    /// Nothing more until something comes in.
    Wait,
    /// A step was made; there may be another whole frame.
    Again,
    /// The handshake is done.
    Stand(Box<Transport>),
    /// The session is over.
    End(CloseReason),
}

pub(super) struct Handshake {
    own: SessionConfig,
    seed: Seed,
    stage: HandshakeState,
}

enum HandshakeState {
    // The preface has not come.
    Hearing(Option<initiator::AwaitsMessage2>),
    // A frame is due.
    Hello(initiator::AwaitsMessage2),
    Answer(initiator::AwaitsMessage4),
    Call,
    Proof(responder::AwaitsMessage3),
    // A job is under way, or the key is being judged.
    CheckingResponder(initiator::AwaitsEncapsulation),
    CheckingInitiator(responder::AwaitsEncapsulation),
    JudgingResponder(initiator::AwaitsEncapsulation, PublicKey),
    JudgingInitiator(responder::AwaitsEncapsulation, PublicKey),
    SealingToResponder(initiator::AwaitsEncapsulation),
    SealingToInitiator(responder::AwaitsEncapsulation),
    OpeningAnswer(initiator::AwaitsDecapsulation),
    OpeningProof(responder::AwaitsDecapsulation),
    Spent,
}

impl Handshake {
    pub(super) fn new(role: Role, own: SessionConfig, seed: Seed, outputs: &mut VecDeque<Output>) -> Self {
        let stage = match role {
            Role::Responder => HandshakeState::Hearing(None),
            Role::Initiator => {
                let (message, next) = initiator::write_message_1(&own.key, &seed.derive("handshake"));
                let mut bytes = Preface::new(own.purpose).to_bytes().to_vec();
                frame_into(&mut bytes, &message);
                outputs.push_back(Output::Transmit(bytes));
                HandshakeState::Hearing(Some(next))
            }
        };
        Self { own, seed, stage }
    }

    pub(super) fn wants_frame(&self) -> bool {
        matches!(
            self.stage,
            HandshakeState::Hearing(_)
                | HandshakeState::Hello(_)
                | HandshakeState::Answer(_)
                | HandshakeState::Call
                | HandshakeState::Proof(_)
        )
    }

    /// Whether the peer is known to speak our protocol.
    pub(super) fn has_preface(&self) -> bool {
        !matches!(self.stage, HandshakeState::Hearing(_))
    }

    pub(super) fn take(&mut self, frames: &mut Frames, outputs: &mut VecDeque<Output>) -> Step {
        if let HandshakeState::Hearing(_) = self.stage {
            return self.hear(frames, outputs);
        }
        match frames.take(limits::HANDSHAKE_MESSAGE_BYTES) {
            Ok(None) => Step::Wait,
            Ok(Some(frame)) if frame.body.is_empty() => Step::End(CloseReason::PeerAbort),
            Ok(Some(frame)) => {
                self.message(&frame.body, outputs).unwrap_or(Step::End(CloseReason::Handshake))
            }
            Err(error) => Step::End(CloseReason::Wire(error)),
        }
    }

    pub(super) fn handle_job(&mut self, result: JobResult, outputs: &mut VecDeque<Output>) -> Step {
        self.result(result, outputs).unwrap_or(Step::End(CloseReason::Handshake))
    }

    pub(super) fn accept_key(&mut self, outputs: &mut VecDeque<Output>) {
        let (stage, key) = match std::mem::replace(&mut self.stage, HandshakeState::Spent) {
            HandshakeState::JudgingResponder(next, key) => (HandshakeState::SealingToResponder(next), key),
            HandshakeState::JudgingInitiator(next, key) => (HandshakeState::SealingToInitiator(next), key),
            other => {
                self.stage = other;
                return;
            }
        };
        self.stage = stage;
        outputs.push_back(Output::Job(RsaJob::Encapsulate { key, coins: self.seed.derive("encapsulation") }));
    }

    fn hear(&mut self, frames: &mut Frames, outputs: &mut VecDeque<Output>) -> Step {
        let own = Preface::new(self.own.purpose);
        match own.greet(frames.buffered()) {
            Ok(PrefaceProgress::Incomplete) => Step::Wait,
            Ok(PrefaceProgress::Agreed) => {
                frames.skip(PREFACE_BYTES);
                self.stage = match std::mem::replace(&mut self.stage, HandshakeState::Spent) {
                    HandshakeState::Hearing(Some(next)) => HandshakeState::Hello(next),
                    _ => HandshakeState::Call,
                };
                Step::Again
            }
            Err(WireError::NotRsachat) => {
                let first = frames.buffered().iter().copied().take(PREFACE_BYTES).collect();
                Step::End(CloseReason::NotRsachat(first))
            }
            Err(error) => {
                // The initiator's preface is out already; the responder still answers with its own, so
                // that both sides can say in words what differs.
                if matches!(self.stage, HandshakeState::Hearing(None)) {
                    outputs.push_back(Output::Transmit(own.to_bytes().to_vec()));
                }
                Step::End(CloseReason::VersionMismatch(error))
            }
        }
    }

    fn message(&mut self, body: &[u8], outputs: &mut VecDeque<Output>) -> Result<Step, HandshakeError> {
        let (stage, job) = match std::mem::replace(&mut self.stage, HandshakeState::Spent) {
            HandshakeState::Call => {
                let seed = self.seed.derive("handshake");
                let (message, next) =
                    responder::read_message_1(&self.own.key, &seed, &self.prologue(), body)?;
                let mut bytes = Preface::new(self.own.purpose).to_bytes().to_vec();
                frame_into(&mut bytes, &message);
                outputs.push_back(Output::Transmit(bytes));
                self.stage = HandshakeState::Proof(next);
                return Ok(Step::Again);
            }
            HandshakeState::Hello(now) => {
                let (blob, next) = now.read_message_2(&self.prologue(), body)?;
                (HandshakeState::CheckingResponder(next), RsaJob::CheckKey { blob })
            }
            HandshakeState::Proof(now) => {
                let (ciphertext, next) = now.read_message_3(body)?;
                (HandshakeState::OpeningProof(next), RsaJob::Decapsulate { ciphertext })
            }
            HandshakeState::Answer(now) => {
                let (ciphertext, next) = now.read_message_4(body)?;
                (HandshakeState::OpeningAnswer(next), RsaJob::Decapsulate { ciphertext })
            }
            _ => return Err(HandshakeError),
        };
        self.stage = stage;
        outputs.push_back(Output::Job(job));
        Ok(Step::Wait)
    }

    fn result(&mut self, result: JobResult, outputs: &mut VecDeque<Output>) -> Result<Step, HandshakeError> {
        let stage = std::mem::replace(&mut self.stage, HandshakeState::Spent);
        match (stage, result) {
            (HandshakeState::CheckingResponder(next), JobResult::KeyChecked(Ok(key))) => {
                outputs.push_back(Output::Event(Event::PeerKey(key.clone())));
                self.stage = HandshakeState::JudgingResponder(next, key);
            }
            (HandshakeState::CheckingInitiator(next), JobResult::KeyChecked(Ok(key))) => {
                outputs.push_back(Output::Event(Event::PeerKey(key.clone())));
                self.stage = HandshakeState::JudgingInitiator(next, key);
            }
            (_, JobResult::KeyChecked(Err(error))) => return Ok(Step::End(CloseReason::Key(error))),
            (HandshakeState::OpeningProof(now), JobResult::Decapsulated(secret)) => {
                let (blob, next) = now.read_key(secret)?;
                self.stage = HandshakeState::CheckingInitiator(next);
                outputs.push_back(Output::Job(RsaJob::CheckKey { blob }));
            }
            (HandshakeState::SealingToResponder(now), JobResult::Encapsulated(sealed)) => {
                let (message, next) = now.write_message_3(sealed);
                outputs.push_back(Output::Transmit(framed(&message)));
                self.stage = HandshakeState::Answer(next);
            }
            (HandshakeState::SealingToInitiator(now), JobResult::Encapsulated(sealed)) => {
                let (message, split) = now.write_message_4(sealed);
                outputs.push_back(Output::Transmit(framed(&message)));
                return Ok(self.stand(Role::Responder, split, outputs));
            }
            (HandshakeState::OpeningAnswer(now), JobResult::Decapsulated(secret)) => {
                let split = now.finish(secret)?;
                return Ok(self.stand(Role::Initiator, split, outputs));
            }
            _ => return Err(HandshakeError),
        }
        Ok(Step::Again)
    }

    fn stand(&self, role: Role, split: Split, outputs: &mut VecDeque<Output>) -> Step {
        Step::Stand(Box::new(Transport::new(role, split, &self.own, outputs)))
    }

    /// Both prefaces, the initiator's first. They agreed, so they are the same.
    fn prologue(&self) -> Vec<u8> {
        Preface::new(self.own.purpose).to_bytes().repeat(2)
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame_into(&mut bytes, message);
    bytes
}

fn frame_into(out: &mut Vec<u8>, message: &[u8]) {
    let at = begin_frame(out);
    out.extend_from_slice(message);
    end_frame(out, at).expect("a handshake message is far shorter than a frame may be");
}
