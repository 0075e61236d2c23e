//! Introduction of a caller in the lobby of a listener (`docs/PROTOCOL.md`, 5.9): the token of an
//! invitation, or a line for its person.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Option bit of [`super::Confirm`]: of the initiator, that it has something to present in a lobby;
/// of the responder, that the connection begins there.
pub const LOBBY: u32 = 1 << 5;

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 16;

/// Secret of an invitation. It is wiped when it is dropped, and compared in a time that says
/// nothing about it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A token of these bytes, which are random.
    #[must_use]
    pub fn new(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// What a caller presents to be admitted by a listener that does not know its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Introduction {
    /// The token of an invitation.
    Invitation(Token),
    /// A line for the person at the listener: at most
    /// [`KNOCK_CHARACTERS`](crate::limits::KNOCK_CHARACTERS).
    Knock(String),
}
