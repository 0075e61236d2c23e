//! Handshake of a session (`docs/PROTOCOL.md`, section 4): prefaces, four messages, and the
//! judgement of the peer's key. Every RSA operation leaves as a job and comes back as its result.

use super::transport::Transport;
use super::types::{CloseReason, Event, Output, Role, SessionConfig, Stage};
use crate::crypto::handshake::{initiator, responder};
use crate::crypto::{JobResult, PublicKey, RsaJob, Seed};
use crate::wire::{Preface, begin_frame, end_frame};

/// A handshake under way.
pub(super) struct Handshake {
    config: SessionConfig,
    seed: Seed,
    pub(super) state: HandshakeState,
}

/// State by role. A step consumes it and gives the next.
pub(super) enum HandshakeState {
    Initiator(InitiatorState),
    Responder(ResponderState),
    /// A step has failed. The session ends with it.
    Failed,
}

/// Initiator's state, named by what it waits for.
pub(super) enum InitiatorState {
    /// The responder's preface.
    Preface(Box<initiator::AwaitsMessage2>),
    /// Message 2: X-Wing ciphertext, and the responder's key.
    Message2(Box<initiator::AwaitsMessage2>),
    /// The result of [`RsaJob::CheckKey`] for the responder's key.
    KeyCheck(initiator::BeforeMessage3),
    /// The owner's judgement of the responder's key. Nothing is encapsulated to it before.
    Judgement(initiator::BeforeMessage3, PublicKey),
    /// The result of [`RsaJob::Encapsulate`] to the responder's key, for message 3.
    Encapsulation(initiator::BeforeMessage3),
    /// Message 4: OAEP ciphertext to our key.
    Message4(initiator::AwaitsMessage4),
    /// The result of [`RsaJob::Decapsulate`] of message 4.
    Decapsulation(initiator::AfterMessage4),
}

/// Responder's state, named by what it waits for.
pub(super) enum ResponderState {
    /// The initiator's preface.
    Preface,
    /// Message 1: X-Wing public key.
    Message1,
    /// Message 3: OAEP ciphertext to our key, and the initiator's key.
    Message3(responder::AwaitsMessage3),
    /// The result of [`RsaJob::Decapsulate`] of message 3.
    Decapsulation(responder::AfterMessage3),
    /// The result of [`RsaJob::CheckKey`] for the initiator's key.
    KeyCheck(responder::BeforeMessage4),
    /// The result of [`RsaJob::Encapsulate`] to the initiator's key, for message 4. Every key that
    /// passes the checks gets it: who is in our book shows only to who has proved a key.
    Encapsulation(responder::BeforeMessage4, PublicKey),
}

/// What a state can wait for.
pub(super) enum HandshakeInput<'a> {
    /// The peer's preface, which agrees with ours.
    Preface,
    /// The body of a frame.
    Message(&'a [u8]),
    /// The result of the job that was asked for.
    Job(JobResult),
    /// The owner has accepted the peer's key.
    KeyAccepted,
}

/// Result of a step, and the one output that it gives.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
pub(super) enum Step {
    /// The handshake waits for its next input in this state.
    Wait(HandshakeState, Option<Output>),
    /// The handshake is finished.
    Finish(Box<Transport>, Option<Output>),
}

impl Handshake {
    /// A new handshake, and the first bytes of an initiator.
    pub(super) fn new(role: Role, config: SessionConfig, seed: Seed) -> (Self, Option<Output>) {
        let (state, output) = match role {
            Role::Responder => (HandshakeState::Responder(ResponderState::Preface), None),
            Role::Initiator => {
                let (message, next) = initiator::write_message_1(&config.key, &seed.derive("handshake"));
                let first = framed(Preface::new(config.purpose).to_bytes().to_vec(), &message);
                (HandshakeState::Initiator(InitiatorState::Preface(Box::new(next))), Some(first))
            }
        };
        (Self { config, seed, state }, output)
    }

    pub(super) fn preface(&self) -> Preface {
        Preface::new(self.config.purpose)
    }

    /// What the peer gets when the prefaces differ. The initiator's preface is out already; the
    /// responder still answers with its own, so that both sides can tell their users what differs.
    pub(super) fn answer_to_mismatch(&self) -> Option<Output> {
        self.is_responder().then(|| Output::Transmit(self.preface().to_bytes().to_vec()))
    }

    pub(super) fn is_responder(&self) -> bool {
        matches!(self.state, HandshakeState::Responder(_))
    }

    pub(super) fn awaits_preface(&self) -> bool {
        matches!(
            self.state,
            HandshakeState::Initiator(InitiatorState::Preface(_))
                | HandshakeState::Responder(ResponderState::Preface)
        )
    }

    /// Whether bytes of the peer are due, rather than the result of a job or a judgement.
    pub(super) fn awaits_bytes(&self) -> bool {
        self.awaits_preface()
            || matches!(
                self.state,
                HandshakeState::Initiator(InitiatorState::Message2(_) | InitiatorState::Message4(_))
                    | HandshakeState::Responder(ResponderState::Message1 | ResponderState::Message3(_))
            )
    }

    pub(super) fn awaits_judgement(&self) -> bool {
        matches!(self.state, HandshakeState::Initiator(InitiatorState::Judgement(..)))
    }

    /// How far it is, for the time that it may take.
    pub(super) fn stage(&self) -> Stage {
        match self.state {
            HandshakeState::Initiator(
                InitiatorState::Preface(_) | InitiatorState::Message2(_) | InitiatorState::KeyCheck(_),
            )
            | HandshakeState::Responder(ResponderState::Preface | ResponderState::Message1) => Stage::Opening,
            _ => Stage::InitiatorJudges,
        }
    }

    /// Makes one step. An input that the state does not wait for fails the handshake.
    pub(super) fn handle(&mut self, input: HandshakeInput<'_>) -> Result<Step, CloseReason> {
        match std::mem::replace(&mut self.state, HandshakeState::Failed) {
            HandshakeState::Initiator(state) => state.handle(input, &self.config, &self.seed),
            HandshakeState::Responder(state) => state.handle(input, &self.config, &self.seed),
            HandshakeState::Failed => Err(CloseReason::Handshake),
        }
    }
}

impl InitiatorState {
    fn handle(
        self,
        input: HandshakeInput<'_>,
        config: &SessionConfig,
        seed: &Seed,
    ) -> Result<Step, CloseReason> {
        Ok(match (self, input) {
            (Self::Preface(next), HandshakeInput::Preface) => Self::Message2(next).after(None),
            (Self::Message2(state), HandshakeInput::Message(message)) => {
                let (blob, next) = state.read_message_2(&prologue(config), message)?;
                Self::KeyCheck(next).after(Output::Job(RsaJob::CheckKey { blob }))
            }
            (Self::KeyCheck(next), HandshakeInput::Job(JobResult::KeyChecked(key))) => {
                let key = key.map_err(CloseReason::Key)?;
                Self::Judgement(next, key.clone()).after(Output::Event(Event::PeerKey(key)))
            }
            (Self::Judgement(next, key), HandshakeInput::KeyAccepted) => {
                Self::Encapsulation(next).after(encapsulate(key, seed))
            }
            (Self::Encapsulation(state), HandshakeInput::Job(JobResult::Encapsulated(encapsulated))) => {
                let (message, next) = state.write_message_3(encapsulated);
                Self::Message4(next).after(framed(Vec::new(), &message))
            }
            (Self::Message4(state), HandshakeInput::Message(message)) => {
                let (ciphertext, next) = state.read_message_4(message)?;
                Self::Decapsulation(next).after(Output::Job(RsaJob::Decapsulate { ciphertext }))
            }
            (Self::Decapsulation(state), HandshakeInput::Job(JobResult::Decapsulated(secret))) => {
                let (transport, confirm) = Transport::initiator(state.finish(secret)?, config);
                Step::Finish(Box::new(transport), confirm)
            }
            _ => return Err(CloseReason::Handshake),
        })
    }

    fn after(self, output: impl Into<Option<Output>>) -> Step {
        Step::Wait(HandshakeState::Initiator(self), output.into())
    }
}

impl ResponderState {
    fn handle(
        self,
        input: HandshakeInput<'_>,
        config: &SessionConfig,
        seed: &Seed,
    ) -> Result<Step, CloseReason> {
        Ok(match (self, input) {
            // At once: a caller may wait for it before it sends message 1.
            (Self::Preface, HandshakeInput::Preface) => {
                let preface = Preface::new(config.purpose).to_bytes().to_vec();
                Self::Message1.after(Output::Transmit(preface))
            }
            (Self::Message1, HandshakeInput::Message(message)) => {
                let seed = seed.derive("handshake");
                let (message, next) =
                    responder::read_message_1(&config.key, &seed, &prologue(config), message)?;
                Self::Message3(next).after(framed(Vec::new(), &message))
            }
            (Self::Message3(state), HandshakeInput::Message(message)) => {
                let (ciphertext, next) = state.read_message_3(message)?;
                Self::Decapsulation(next).after(Output::Job(RsaJob::Decapsulate { ciphertext }))
            }
            (Self::Decapsulation(state), HandshakeInput::Job(JobResult::Decapsulated(secret))) => {
                let (blob, next) = state.read_key(secret)?;
                Self::KeyCheck(next).after(Output::Job(RsaJob::CheckKey { blob }))
            }
            (Self::KeyCheck(next), HandshakeInput::Job(JobResult::KeyChecked(key))) => {
                let key = key.map_err(CloseReason::Key)?;
                Self::Encapsulation(next, key.clone()).after(encapsulate(key, seed))
            }
            (Self::Encapsulation(state, key), HandshakeInput::Job(JobResult::Encapsulated(encapsulated))) => {
                let (message, split) = state.write_message_4(encapsulated);
                let transport = Box::new(Transport::responder(split, config, key));
                Step::Finish(transport, Some(framed(Vec::new(), &message)))
            }
            _ => return Err(CloseReason::Handshake),
        })
    }

    fn after(self, output: impl Into<Option<Output>>) -> Step {
        Step::Wait(HandshakeState::Responder(self), output.into())
    }
}

/// Both prefaces, the initiator's first. They agree, so they are the same.
fn prologue(config: &SessionConfig) -> Vec<u8> {
    Preface::new(config.purpose).to_bytes().repeat(2)
}

fn encapsulate(key: PublicKey, seed: &Seed) -> Output {
    Output::Job(RsaJob::Encapsulate { key, coins: seed.derive("encapsulation") })
}

/// A message as a frame after these bytes.
fn framed(mut bytes: Vec<u8>, message: &[u8]) -> Output {
    let at = begin_frame(&mut bytes);
    bytes.extend_from_slice(message);
    end_frame(&mut bytes, at).expect("a handshake message is far shorter than a frame may be");
    Output::Transmit(bytes)
}
