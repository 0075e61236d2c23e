//! Preface: the sixteen bytes in clear with which each side begins (`docs/PROTOCOL.md`, section 2).
//! It tells two rsachats why they do not fit; anything else is refused at its first wrong byte.

use super::{Purpose, WireError};

/// Bytes of a preface.
pub const PREFACE_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"rsachat\n";
/// Protocol version.
pub const VERSION: u8 = 1;
/// Cipher suite.
pub const SUITE: u8 = 1;

/// One side's preface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preface {
    purpose: Purpose,
}

impl Preface {
    /// Preface of this version for a purpose.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose }
    }

    /// The sixteen bytes: magic (8), version, suite, purpose, five zero bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PREFACE_BYTES] {
        let purpose = match self.purpose {
            Purpose::Chat => 1,
            Purpose::Pipe => 2,
        };
        let mut bytes = [0; PREFACE_BYTES];
        let fields = MAGIC.into_iter().chain([VERSION, SUITE, purpose]);
        bytes.iter_mut().zip(fields).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// Compares what has arrived of the peer's preface, however little that is.
    ///
    /// # Errors
    /// [`WireError::NotRsachat`] as soon as one byte is not that of any rsachat;
    /// [`WireError::Version`] and [`WireError::Purpose`] once all sixteen have arrived.
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

/// How much of the peer's preface has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefaceProgress {
    /// Correct so far; more bytes are needed.
    Incomplete,
    /// All sixteen bytes, equal to ours.
    Agreed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_protocol_is_refused_at_its_first_wrong_byte() {
        let chat = Preface::new(Purpose::Chat);
        for bytes in [&b"G"[..], b"\x16\x03\x01", b"S", b"rsac\0", b"rsachat\r"] {
            assert_eq!(chat.greet(bytes), Err(WireError::NotRsachat), "{bytes:?}");
        }
        assert_eq!(chat.greet(b""), Ok(PrefaceProgress::Incomplete));
        assert_eq!(chat.greet(b"rsachat\n\x01"), Ok(PrefaceProgress::Incomplete));
    }

    #[test]
    fn a_mismatch_names_what_differs() {
        let chat = Preface::new(Purpose::Chat);
        let pipe = Preface::new(Purpose::Pipe);
        assert_eq!(chat.greet(&chat.to_bytes()), Ok(PrefaceProgress::Agreed));
        assert_eq!(chat.greet(&pipe.to_bytes()), Err(WireError::Purpose(Purpose::Pipe)));
        assert_eq!(pipe.greet(&chat.to_bytes()), Err(WireError::Purpose(Purpose::Chat)));
        let mut newer = chat.to_bytes();
        newer[8] = 2;
        assert_eq!(chat.greet(&newer), Err(WireError::Version { version: 2, suite: 1 }));
        for preface in [chat, pipe] {
            let mut reserved = preface.to_bytes();
            reserved[15] = 1;
            assert_eq!(preface.greet(&reserved), Err(WireError::NotRsachat));
        }
    }
}
