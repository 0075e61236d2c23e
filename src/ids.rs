//! Identifiers of connections, dials and listeners, one namespace for the whole program.

use serde::{Deserialize, Serialize};

/// One connection, numbered by the reactor. Never used twice in a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// One attempt to connect, numbered by the conversation core that asked for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialId(pub u64);

/// One listening address, numbered by the conversation core that asked for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u64);

/// One front end of a conversation core, with an addressee of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FaceId(pub u64);

impl FaceId {
    /// The front end of the process that holds the core.
    pub const OWN: Self = Self(0);
}

/// Queue that a job of a connection waits in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum JobQueue {
    /// Goes first.
    Authenticated,
    /// For a peer that has not proved its key: bounded, so a job may be refused.
    Unauthenticated,
}
