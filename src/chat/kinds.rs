//! Two choices of a person that reach down to the machine: which wire is spoken, and which key is meant.

use crate::limits;

/// Which wire a connection speaks. The person names it; it is never negotiated, and nothing falls back to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// Our own.
    #[default]
    Native,
    /// The raw OAEP blocks of the Python tutorial.
    Oaep(Direction),
}

/// Whether the caller on the raw wire gives its key as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both sides have the other's key.
    Both,
    /// Only the listener's key is known.
    OneWay,
}

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFor {
    /// Who we are.
    Identity,
    /// The raw wire, and nothing else.
    RawWire,
}

impl KeyFor {
    /// Bits of such a key when nothing is said.
    #[must_use]
    pub fn default_bits(self) -> u32 {
        match self {
            Self::Identity => limits::KEY_BITS_DEFAULT,
            Self::RawWire => limits::RAW_KEY_BITS_DEFAULT,
        }
    }
}
