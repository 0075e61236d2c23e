//! Calls and listeners that were asked for.

use std::net::SocketAddr;

use super::addressee::WaitingTexts;
use super::redial::Redial;
use super::types::{DialOptions, ListenOptions};
use crate::ids::{DialId, FaceId};
use crate::peers::address::BoundAddresses;
use crate::time::MonoMs;

/// Listener that was asked for, and its address once it is bound.
pub(crate) struct Listener {
    pub(crate) options: ListenOptions,
    /// Front end that asked for it.
    pub(crate) face: FaceId,
    pub(crate) bound: Option<BoundAddresses>,
    /// Addresses at which others can call it, where that is not the same.
    pub(crate) dial: Vec<SocketAddr>,
}

impl Listener {
    /// Its address as it is shown.
    pub(crate) fn address(&self) -> String {
        self.bound.as_ref().map_or_else(|| self.options.at.to_string(), ToString::to_string)
    }
}

/// Attempt to connect, and the texts that wait for whoever answers.
pub(crate) struct Dial {
    pub(crate) options: DialOptions,
    pub(crate) waiting: WaitingTexts,
    /// Calls that the listener has answered with being busy.
    pub(crate) busy_calls: u32,
    /// Moment at which it begins, unless it has.
    pub(crate) begins_at: Option<MonoMs>,
    /// The series that it belongs to, if a lost peer is called again: nobody asked for it, so that
    /// it is not shown and nothing waits for it.
    pub(crate) redial: Option<Redial>,
}

impl Dial {
    /// One that begins at once.
    pub(crate) fn new(options: DialOptions, waiting: WaitingTexts) -> Self {
        Self { options, waiting, busy_calls: 0, begins_at: None, redial: None }
    }
}

/// Command that waits for the first key.
pub(crate) enum WaitingCommand {
    Listen(ListenOptions),
    Connect(DialId),
}
