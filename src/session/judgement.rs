//! Judgement of the peer's key by the owner of a session, and the lobby of callers that are not
//! known (`docs/PROTOCOL.md`, 4.6 and 5.9).

use super::handshake::HandshakeInput;
use super::types::CloseReason;
use super::{Session, State};
use crate::time::MonoMs;

impl Session {
    /// Accepts the peer's key: the handshake goes on.
    pub fn accept_key(&mut self, now: MonoMs) {
        match &mut self.state {
            State::Handshake(handshake) if handshake.awaits_judgement() => {
                self.step(HandshakeInput::KeyAccepted);
            }
            State::Transport(transport) => self.outputs.extend(transport.accept_key(now)),
            State::Handshake(_) | State::Closed => {}
        }
        self.advance(now);
    }

    /// Whether a caller whose key is to be judged has something to present in a lobby.
    #[must_use]
    pub fn asks_for_lobby(&self) -> bool {
        matches!(&self.state, State::Transport(transport) if transport.asks_for_lobby())
    }

    /// Accepts the key of such a caller as far as the lobby: [`Event::Introduced`] follows.
    pub fn accept_into_lobby(&mut self, now: MonoMs) {
        if let State::Transport(transport) = &mut self.state {
            self.outputs.extend(transport.accept_into_lobby(now));
        }
        self.enter_stage(now);
        self.advance(now);
    }

    /// Admits a caller from the lobby: the session is established.
    pub fn admit(&mut self, now: MonoMs) {
        if let State::Transport(transport) = &mut self.state {
            self.outputs.extend(transport.admit(now));
        }
        self.enter_stage(now);
        self.advance(now);
    }

    /// Rejects the peer's key: sends the handshake's only alert and ends the session.
    pub fn reject_key(&mut self) {
        self.end(CloseReason::LocalReject);
    }
}
