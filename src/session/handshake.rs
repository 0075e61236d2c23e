//! The handshake as a session sees it: who waits for what (`docs/PROTOCOL.md`, section 4). Both roles walk
//! the same stages in different order; every RSA operation leaves as a [`Job`] and comes back.

use std::collections::VecDeque;

use super::transport::Standing;
use super::{Ending, Event, Output, Own, Role};
use crate::crypto::handshake::{Failed, initiator, responder};
use crate::crypto::{Job, JobResult, PublicKey, Seed, Split};
use crate::limits;
use crate::wire::{Frames, Greeting, PREFACE_BYTES, Preface, WireFault, begin_frame, end_frame};

/// What comes of one step.
pub(super) enum Turn {
    /// Nothing more until something comes in.
    Wait,
    /// A step was made; there may be another whole frame.
    Again,
    /// The handshake is done.
    Stand(Box<Standing>),
    /// The session is over.
    End(Ending),
}

pub(super) struct Shake {
    own: Own,
    seed: Seed,
    stage: Stage,
}

enum Stage {
    // The preface has not come.
    Hearing(Option<initiator::AwaitsHello>),
    // A frame is due.
    Hello(initiator::AwaitsHello),
    Answer(initiator::AwaitsAnswer),
    Call,
    Proof(responder::AwaitsProof),
    // A job is under way, or the key is being judged.
    CheckingResponder(initiator::AwaitsSeal),
    CheckingInitiator(responder::AwaitsSeal),
    JudgingResponder(initiator::AwaitsSeal, PublicKey),
    JudgingInitiator(responder::AwaitsSeal, PublicKey),
    SealingToResponder(initiator::AwaitsSeal),
    SealingToInitiator(responder::AwaitsSeal),
    OpeningAnswer(initiator::AwaitsOpened),
    OpeningProof(responder::AwaitsOpened),
    Spent,
}

impl Shake {
    pub(super) fn new(role: Role, own: Own, seed: Seed, outputs: &mut VecDeque<Output>) -> Self {
        let stage = match role {
            Role::Responder => Stage::Hearing(None),
            Role::Initiator => {
                let (message, next) = initiator::start(&own.key, &seed.derive("handshake"));
                let mut bytes = Preface::new(own.purpose).to_bytes().to_vec();
                frame_into(&mut bytes, &message);
                outputs.push_back(Output::Transmit(bytes));
                Stage::Hearing(Some(next))
            }
        };
        Self { own, seed, stage }
    }

    pub(super) fn wants_frame(&self) -> bool {
        matches!(
            self.stage,
            Stage::Hearing(_) | Stage::Hello(_) | Stage::Answer(_) | Stage::Call | Stage::Proof(_)
        )
    }

    /// Whether the peer is known to speak our protocol.
    pub(super) fn greeted(&self) -> bool {
        !matches!(self.stage, Stage::Hearing(_))
    }

    pub(super) fn take(&mut self, frames: &mut Frames, outputs: &mut VecDeque<Output>) -> Turn {
        if let Stage::Hearing(_) = self.stage {
            return self.hear(frames, outputs);
        }
        match frames.take(limits::HANDSHAKE_MESSAGE_BYTES) {
            Ok(None) => Turn::Wait,
            Ok(Some(frame)) if frame.body.is_empty() => Turn::End(Ending::Alert),
            Ok(Some(frame)) => self.message(&frame.body, outputs).unwrap_or(Turn::End(Ending::Handshake)),
            Err(fault) => Turn::End(Ending::Wire(fault)),
        }
    }

    pub(super) fn done(&mut self, result: JobResult, outputs: &mut VecDeque<Output>) -> Turn {
        self.result(result, outputs).unwrap_or(Turn::End(Ending::Handshake))
    }

    pub(super) fn accept(&mut self, outputs: &mut VecDeque<Output>) {
        let (stage, key) = match std::mem::replace(&mut self.stage, Stage::Spent) {
            Stage::JudgingResponder(next, key) => (Stage::SealingToResponder(next), key),
            Stage::JudgingInitiator(next, key) => (Stage::SealingToInitiator(next), key),
            other => {
                self.stage = other;
                return;
            }
        };
        self.stage = stage;
        outputs.push_back(Output::Need(Job::Seal { key, coins: self.seed.derive("encapsulation") }));
    }

    fn hear(&mut self, frames: &mut Frames, outputs: &mut VecDeque<Output>) -> Turn {
        let own = Preface::new(self.own.purpose);
        match own.greet(frames.waiting()) {
            Ok(Greeting::Incomplete) => Turn::Wait,
            Ok(Greeting::Agreed) => {
                frames.skip(PREFACE_BYTES);
                self.stage = match std::mem::replace(&mut self.stage, Stage::Spent) {
                    Stage::Hearing(Some(next)) => Stage::Hello(next),
                    _ => Stage::Call,
                };
                Turn::Again
            }
            Err(WireFault::NotRsachat) => {
                let first = frames.waiting().iter().copied().take(PREFACE_BYTES).collect();
                Turn::End(Ending::Stranger(first))
            }
            Err(fault) => {
                // The initiator's preface is out already; the responder still answers with its own, so
                // that both sides can say in words what differs.
                if matches!(self.stage, Stage::Hearing(None)) {
                    outputs.push_back(Output::Transmit(own.to_bytes().to_vec()));
                }
                Turn::End(Ending::Mismatch(fault))
            }
        }
    }

    fn message(&mut self, body: &[u8], outputs: &mut VecDeque<Output>) -> Result<Turn, Failed> {
        let (stage, job) = match std::mem::replace(&mut self.stage, Stage::Spent) {
            Stage::Call => {
                let seed = self.seed.derive("handshake");
                let (message, next) = responder::start(&self.own.key, &seed, &self.prologue(), body)?;
                let mut bytes = Preface::new(self.own.purpose).to_bytes().to_vec();
                frame_into(&mut bytes, &message);
                outputs.push_back(Output::Transmit(bytes));
                self.stage = Stage::Proof(next);
                return Ok(Turn::Again);
            }
            Stage::Hello(now) => {
                let (blob, next) = now.hello(&self.prologue(), body)?;
                (Stage::CheckingResponder(next), Job::Check { blob })
            }
            Stage::Proof(now) => {
                let (ciphertext, next) = now.proof(body)?;
                (Stage::OpeningProof(next), Job::Open { ciphertext })
            }
            Stage::Answer(now) => {
                let (ciphertext, next) = now.answer(body)?;
                (Stage::OpeningAnswer(next), Job::Open { ciphertext })
            }
            _ => return Err(Failed),
        };
        self.stage = stage;
        outputs.push_back(Output::Need(job));
        Ok(Turn::Wait)
    }

    fn result(&mut self, result: JobResult, outputs: &mut VecDeque<Output>) -> Result<Turn, Failed> {
        let stage = std::mem::replace(&mut self.stage, Stage::Spent);
        match (stage, result) {
            (Stage::CheckingResponder(next), JobResult::Checked(Ok(key))) => {
                outputs.push_back(Output::Event(Event::Met(key.clone())));
                self.stage = Stage::JudgingResponder(next, key);
            }
            (Stage::CheckingInitiator(next), JobResult::Checked(Ok(key))) => {
                outputs.push_back(Output::Event(Event::Met(key.clone())));
                self.stage = Stage::JudgingInitiator(next, key);
            }
            (_, JobResult::Checked(Err(fault))) => return Ok(Turn::End(Ending::Key(fault))),
            (Stage::OpeningProof(now), JobResult::Opened(secret)) => {
                let (blob, next) = now.opened(secret)?;
                self.stage = Stage::CheckingInitiator(next);
                outputs.push_back(Output::Need(Job::Check { blob }));
            }
            (Stage::SealingToResponder(now), JobResult::Sealed(sealed)) => {
                let (message, next) = now.seal(sealed);
                outputs.push_back(Output::Transmit(framed(&message)));
                self.stage = Stage::Answer(next);
            }
            (Stage::SealingToInitiator(now), JobResult::Sealed(sealed)) => {
                let (message, split) = now.seal(sealed);
                outputs.push_back(Output::Transmit(framed(&message)));
                return Ok(self.stand(Role::Responder, split, outputs));
            }
            (Stage::OpeningAnswer(now), JobResult::Opened(secret)) => {
                let split = now.opened(secret)?;
                return Ok(self.stand(Role::Initiator, split, outputs));
            }
            _ => return Err(Failed),
        }
        Ok(Turn::Again)
    }

    fn stand(&self, role: Role, split: Split, outputs: &mut VecDeque<Output>) -> Turn {
        Turn::Stand(Box::new(Standing::new(role, split, &self.own, outputs)))
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
