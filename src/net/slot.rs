//! Slot of a connection in the reactor: its socket, its deadline and its source.

use std::net::IpAddr;
use std::time::Instant;

use super::dial::Dialer;
use super::link::Link;

pub(super) struct Slot {
    pub(super) state: SlotState,
    pub(super) deadline: Option<Instant>,
    /// Source of an accepted connection, until it has proved a key.
    pub(super) unauthenticated: Option<IpAddr>,
}

pub(super) enum SlotState {
    Dialling(Box<Dialer>),
    Open(Link),
}

impl Slot {
    /// An open connection that counts against no limit of callers.
    pub(super) fn open(link: Link) -> Self {
        Self { state: SlotState::Open(link), deadline: None, unauthenticated: None }
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        match &self.state {
            SlotState::Dialling(dialer) => dialer.early_bytes(),
            SlotState::Open(link) => link.unsent_bytes(),
        }
    }
}
