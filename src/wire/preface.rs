//! The sixteen bytes in clear with which each side begins (`docs/PROTOCOL.md`, section 2). They tell two
//! rsachats in words why they do not fit, and turn everything else away at its first wrong byte.

use super::WireError;

/// Bytes of a preface.
pub const PREFACE_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"rsachat\n";
/// Protocol version.
pub const VERSION: u8 = 1;
/// Cipher suite.
pub const SUITE: u8 = 1;

/// What a connection is for. Both sides must want the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Messages between people.
    Chat,
    /// A stream of bytes.
    Pipe,
}

impl Purpose {
    fn number(self) -> u8 {
        match self {
            Self::Chat => 1,
            Self::Pipe => 2,
        }
    }
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Chat => "conversation",
            Self::Pipe => "pipe",
        })
    }
}

/// One side's preface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preface {
    purpose: Purpose,
}

impl Preface {
    /// The preface of this version for the given purpose.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose }
    }

    /// The sixteen bytes: magic (8), version, suite, purpose, five zero bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PREFACE_BYTES] {
        let mut bytes = [0; PREFACE_BYTES];
        let said = MAGIC.into_iter().chain([VERSION, SUITE, self.purpose.number()]);
        bytes.iter_mut().zip(said).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// Looks at what has arrived of the other side's preface, however little that is.
    ///
    /// # Errors
    /// [`WireError::NotRsachat`] as soon as one byte differs from every rsachat there can be;
    /// [`WireError::Version`] and [`WireError::Purpose`] once all sixteen are there.
    pub fn greet(self, arrived: &[u8]) -> Result<PrefaceProgress, WireError> {
        if arrived.iter().zip(MAGIC).any(|(got, wanted)| *got != wanted) {
            return Err(WireError::NotRsachat);
        }
        let Some(whole) = arrived.first_chunk::<PREFACE_BYTES>() else {
            return Ok(PrefaceProgress::Incomplete);
        };
        let [.., version, suite, purpose, _, _, _, _, _] = *whole;
        if (version, suite) != (VERSION, SUITE) {
            return Err(WireError::Version { version, suite });
        }
        if *whole == self.to_bytes() {
            return Ok(PrefaceProgress::Agreed);
        }
        match purpose {
            1 if self.purpose != Purpose::Chat => Err(WireError::Purpose(Purpose::Chat)),
            2 if self.purpose != Purpose::Pipe => Err(WireError::Purpose(Purpose::Pipe)),
            _ => Err(WireError::NotRsachat),
        }
    }
}

/// How far the other side's preface has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefaceProgress {
    /// Right so far, more bytes are needed.
    Incomplete,
    /// Sixteen bytes, and both sides mean the same.
    Agreed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_known_by_its_first_wrong_byte() {
        let chat = Preface::new(Purpose::Chat);
        for hello in [&b"G"[..], b"\x16\x03\x01", b"S", b"rsac\0", b"rsachat\r"] {
            assert_eq!(chat.greet(hello), Err(WireError::NotRsachat), "{hello:?}");
        }
        assert_eq!(chat.greet(b""), Ok(PrefaceProgress::Incomplete));
        assert_eq!(chat.greet(b"rsachat\n\x01"), Ok(PrefaceProgress::Incomplete));
    }

    #[test]
    fn a_mismatch_is_said_in_words() {
        let chat = Preface::new(Purpose::Chat);
        let pipe = Preface::new(Purpose::Pipe);
        assert_eq!(chat.greet(&chat.to_bytes()), Ok(PrefaceProgress::Agreed));
        assert_eq!(chat.greet(&pipe.to_bytes()), Err(WireError::Purpose(Purpose::Pipe)));
        let mut newer = chat.to_bytes();
        newer[8] = 2;
        assert_eq!(chat.greet(&newer), Err(WireError::Version { version: 2, suite: 1 }));
        let mut reserved = chat.to_bytes();
        reserved[15] = 1;
        assert_eq!(chat.greet(&reserved), Err(WireError::NotRsachat));
    }
}
