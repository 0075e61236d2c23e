//! Keys for letters (`docs/PROTOCOL.md`, 5.3 and 12.2): each side gives one, once both have said
//! what they have of each other.

use super::Transport;
use crate::crypto::{LetterPair, LetterPublicKey, OfferedKey};
use crate::session::letters::{LetterExchange, Passage};
use crate::session::types::{CloseReason, Event, Output, SendError};
use crate::session::{Session, State};
use crate::wire::Record;

impl Session {
    /// The secret for letters that both sides share, once keys for them can be exchanged: both
    /// sides can, and both have said what they have of each other.
    pub fn letter_pair(&mut self) -> Option<LetterPair> {
        match &mut self.state {
            State::Transport(transport) => transport.letter_pair(),
            State::Handshake(_) | State::Closed => None,
        }
    }

    /// Gives the peer our key for letters, once, when its private half is on disk.
    ///
    /// # Errors
    /// [`SendError::NoLetters`] while there is no [`Session::letter_pair`], and the second time.
    pub fn send_letter_key(&mut self, offered: &OfferedKey) -> Result<(), SendError> {
        let record = self.sender()?.send_letter_key(offered)?;
        self.outputs.extend(record);
        Ok(())
    }
}

impl Transport {
    /// The exchange, once both sides have said what they have of each other.
    fn letters(&mut self) -> Option<&mut LetterExchange> {
        let is_resumed = self.is_established() && self.outbound.is_resumed() && self.inbound.is_resumed();
        self.letters.as_mut().filter(|_| is_resumed)
    }

    /// The secret of the pair, once keys can be exchanged.
    fn letter_pair(&mut self) -> Option<LetterPair> {
        self.letters().map(|letters| letters.pair.clone())
    }

    /// Seals our key, once.
    fn send_letter_key(&mut self, offered: &OfferedKey) -> Result<Option<Output>, SendError> {
        let letters = self.letters().filter(|letters| letters.own_key == Passage::Due);
        letters.ok_or(SendError::NoLetters)?.own_key = Passage::Done;
        let key = offered.key.as_bytes().try_into().map_err(|_| SendError::NoLetters)?;
        Ok(self.seal(&Record::LetterKey { key: Box::new(key), expires_ms: offered.expires_ms }))
    }

    /// Takes the peer's key, which comes once.
    pub(super) fn handle_letter_key(&mut self, key: &[u8], expires_ms: u64) -> Result<Event, CloseReason> {
        let letters = self.letters().filter(|letters| letters.peer_key == Passage::Due);
        letters.ok_or(CloseReason::ProtocolViolation)?.peer_key = Passage::Done;
        self.idle.reset();
        let key = LetterPublicKey::read(key).map_err(|_| CloseReason::ProtocolViolation)?;
        Ok(Event::LetterKey(OfferedKey { key, expires_ms }))
    }
}
